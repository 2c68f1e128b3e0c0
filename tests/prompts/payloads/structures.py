"""Hostile statements, loops and growth; and sources that are hostile by their size or letters.

The generators say beside each source whether it must be refused.
"""

from collections.abc import Iterator

TAGS = [
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(a=9**9**9) %}{% endmacro %}",
    "{% call x() %}{% endcall %}",
    "{% block a %}{{ self.a() }}{% endblock %}",
    "{% block a scoped %}{% endblock %}",
    "{% extends 'a' %}",
    "{% extends x %}",
    "{% include '/etc/passwd' %}",
    "{% include x ignore missing %}",
    "{% include items %}",
    "{% import 'os' as os %}",
    "{% from 'os' import system %}",
    "{% with a = 9**9**9 %}{% endwith %}",
    "{% with %}{% endwith %}",
    "{% filter upper %}x{% endfilter %}",
    "{% set a %}x{% endset %}",
    "{% set a | upper %}x{% endset %}",
    "{% set a, b = items %}",
    "{% set (a, b) = items %}",
    "{% set a.b = 1 %}",
    "{% set a['b'] = 1 %}",
    "{% set self = 1 %}",
    "{% set loop = 1 %}",
    "{% set _a = 1 %}",
    "{% set 1 = 1 %}",
    "{% autoescape true %}x{% endautoescape %}",
    "{% do items.append(1) %}",
    "{% trans %}x{% endtrans %}",
    "{% break %}",
    "{% continue %}",
    "{% debug %}",
    "{% while true %}{% endwhile %}",
    "{% exec x %}",
    "{% python 1 %}",
    "{% for a in b recursive %}{{ loop(a) }}{% endfor %}",
    "{% for i in items recursive %}x{% endfor %}",
    "{% for loop in items %}x{% endfor %}",
    "{% for self in items %}x{% endfor %}",
    "{% for a, b, c, d, e in items %}x{% endfor %}",
    "{% for a, (b, c) in items %}x{% endfor %}",
    "{% for x.a in items %}x{% endfor %}",
    "{% for a in 'text' %}x{% endfor %}",
    "{% for a in 5 %}x{% endfor %}",
    "{% for a in none %}x{% endfor %}",
    "{% for a, b in items %}x{% endfor %}",
    "{% for a in (1, 2) %}x{% endfor %}",
    "{% for a in x %}x{% endfor %}",
    "{{ x, n }}",
    "{{ () }}",
    "{{ (x,) }}",
    "{% if %}{% endif %}",
    "{% if x %}",
    "{% endif %}",
    "{% else %}",
    "{% for %}{% endfor %}",
    "{% for a in items %}",
    "{% endfor %}",
    "{{ }}",
    "{% %}",
    "{{ x",
    "{{ x }",
    "{% if x",
    "{# never closed",
    "{% raw %}never closed",
]

LOOPS = [
    "{{ loop }}",
    "{{ loop.index }}",
    "{% for i in items %}{{ loop }}{% endfor %}",
    "{% for i in items %}{{ loop(items) }}{% endfor %}",
    "{% for i in items %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for i in items %}{{ loop.changed(i) }}{% endfor %}",
    "{% for i in items %}{{ loop.depth }}{% endfor %}",
    "{% for i in items %}{{ loop.__class__ }}{% endfor %}",
    "{% for i in items %}{{ loop['index'] }}{% endfor %}",
    "{% for i in items %}{{ loop|string }}{% endfor %}",
    "{% for i in items %}{{ loop._iterable }}{% endfor %}",
    "{% for i in items %}{{ loop._undefined }}{% endfor %}",
    "{% for i in items %}{% set q = loop %}{{ q._iterator }}{% endfor %}",
    "{% for i in items %}{% endfor %}{{ loop.index }}",
    "{% for i in items if loop.first %}{% endfor %}",
    "{% for i in range(1000) %}{% for j in range(1000) %}x{% endfor %}{% endfor %}",
    "{% for i in long %}{% for j in long %}{{ j }}{% endfor %}{% endfor %}",
    "{% for i in long %}{% for j in long %}{% endfor %}{% endfor %}",
    "{% for i in long %}{% for j in long if j == 'no' %}{% endfor %}{% endfor %}",
    "{% for i in range(1000) %}{{ big }}{% endfor %}",
    "{% for i in range(1000) %}{% set q = big|upper %}{% endfor %}",
    "{% for i in range(1000) %}{% set q = big|title %}{% endfor %}",
    "{% for i in range(1000) %}{% set q = big ~ i %}{% endfor %}",
    "{% for i in range(1000) %}{% set q = big[1:] == big %}{% endfor %}",
    "{% for i in range(1000) %}{% set q = 'aaaaab' in big %}{% endfor %}",
    "{% for i in range(1000) %}{% set q = long|sort %}{% endfor %}",
    "{% for i in range(1000) %}{% set q = long|unique %}{% endfor %}",
    "{% for i in range(1000) %}{% set q = long|tojson %}{% endfor %}",
    "{% for i in range(1000) %}{% set q = long|map('title')|join %}{% endfor %}",
    "{% for i in range(1000) %}{% set q = 'word' in long %}{% endfor %}",
    "{% for i in range(1000) %}{% set q = long == long|list %}{% endfor %}",
    "{% for i in long|map('replace', 'w', big) %}{% endfor %}",
]

GROWTH = [
    "{% set q = x %}" + "{% set q = q ~ q %}" * 40 + "{{ q }}",
    "{% set q = x %}" + "{% set q = q + q %}" * 40 + "{{ q }}",
    "{% set q = 'a' %}" + "{% set q = q|replace('a', 'aaaaaaaaaa') %}" * 30,
    "{% set q = 'a' %}" + "{% set q = q|replace('', 'aa') %}" * 40,
    "{% set q = 9 %}" + "{% set q = q * q %}" * 40 + "{{ q }}",
    "{% set q = 9 %}" + "{% set q = q + q %}" * 200 + "{{ q }}",
    "{% set q = '<' * 9 %}",
    "{% set q = big|escape ~ big|escape ~ big|escape %}",
    "{{ long|join(big) }}",
    "{{ big|replace('a', big) }}",
    "{{ big|replace('', big) }}",
    "{{ big ~ big ~ big }}",
    "{{ big }}{{ big }}{{ big }}",
    "{{ big + big + big }}",
    "{{ items|join(big ~ big) }}",
    "{{ long|map('default', big)|join }}",
    "{{ people|map(attribute='none', default=big)|map('upper')|join(big) }}",
]


def unicode() -> Iterator[tuple[str, bool]]:
    yield "{{ ｓｅｌｆ }}", True
    yield "{{ x．__class__ }}", True
    yield "{{ x.＿＿class＿＿ }}", True
    yield "{{ ﬁ }}", True
    yield "{{ ünïcode }}", True
    yield "{{ x\u200b }}", True
    yield "{{ x\u202e }}", True
    yield "{{ '\ud800' }}", True
    yield "\ud800", True
    yield "{{ '\\ud800' }}", True
    yield "{{ '\\x00' }}", True
    yield "\0", True
    yield "{{ '\\N{EVIL}' }}", True
    yield "{{ '\\U99999999' }}", True
    yield "\u2028{{ x }}\u2029", False
    yield "\ufeff{{ x }}", False
    yield "\x0b\x0c\x1c{{ x }}", False
    yield "{{ x }}\r{{ n }}\r\n", False
    yield "‮{{ x }}", False
    yield "{‌{ x }}", False
    yield "👩‍👩‍👧‍👦" * 1_000, False


def huge() -> Iterator[tuple[str, bool]]:
    size = 32 * 1024
    for opened in ("(", "[", "{", "not ", "-", "- ", "+", "x[", "x(", "[1,", "{'a':", "1 if "):
        yield "{{ " + (opened * size)[: size - 10], True
    for chained in (".a", "|upper", "()", "[0]", "|a", " ~ x", " + x", " and x", " < x", ", x"):
        count = (size - 10) // len(chained)
        yield "{{ x" + chained * count + " }}", True
        yield "{{ x" + chained * 60 + " }}", chained != " ~ x"
    for repeated in ("{", "{{", "{%", "{#", "{{'", "{% if ", "{%raw%}", "{%-", "{{x}}", "{%if x%}"):
        yield (repeated * size)[:size], True
    for text in ("}", "%}", "\n", " ", " \n", "x", "#", "$", "\\", "'"):
        yield (text * size)[:size], False
    for inside in ("1", "1_", "1.", "1e", "a", "'", "\\", "'\\'", ".", ":", "~", "0x", "é"):
        yield "{{ " + (inside * size)[: size - 6] + " }}", True
    yield "x" * (size + 1), True
    yield "ñ" * (size // 2 + 1), True
    yield "{% if x %}" + "{% elif n %}" * 31 + "{% endif %}", True


def nested() -> Iterator[tuple[str, bool]]:
    for depth in (3, 5, 10, 25, 100, 900):
        yield "{% for a in items %}" * depth + "{% endfor %}" * depth, True
    for depth in (13, 25, 101, 900):
        yield "{% if x %}" * depth + "{% endif %}" * depth, True
        yield "{% if x %}{% else %}" * depth + "{% endif %}" * depth, True
    for depth in (41, 100, 400, 3_000):
        yield "{{ " + "(" * depth + "x" + ")" * depth + " }}", True
        yield "{{ " + "[" * depth + "1" + "]" * depth + " }}", True
        yield "{{ " + "{'a': " * depth + "1" + "}" * depth + " }}", True
        yield "{{ " + "x[" * depth + "0" + "]" * depth + " }}", True
        yield "{{ " + "not " * depth + "x }}", True


def classics() -> Iterator[tuple[str, bool]]:
    for source in (
        "{{ ''.__class__.__mro__[1].__subclasses__()[40]('/etc/passwd').read() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ self._TemplateReference__context.cycler.__init__.__globals__ }}",
        "{{ request['application']['__globals__']['__builtins__'] }}",
        "{{ request|attr('application')|attr('\\x5f\\x5fglobals\\x5f\\x5f') }}",
        "{% set a = ''.__class__ %}{{ a }}",
        "{% for c in [].__class__.__base__.__subclasses__() %}{{ c }}{% endfor %}",
        "{{ get_flashed_messages.__globals__.current_app.config }}",
        "{{ (x|attr)('__class__') }}",
        "{{ [x]|map('attr', '__class__')|list }}",
        "{{ x|attr(['_'*2, 'class', '_'*2]|join) }}",
        "{{ dict(__class__=x)|list|first }}",
        "{{ x.__class__.__name__ }}",
        "{{ lipsum|string|list }}",
        "{% if ''.__class__ %}x{% endif %}",
        "{{ '' if x.__class__ else '' }}",
    ):
        yield source, True
    for source in (
        "{{ stored }}",
        "{{ 7 * 7 }}",
        "${7*7}",
        "#{7*7}",
        "<%= 7*7 %>",
        "# for i in items",
        "## comment",
        "% for i in items:",
        "{$ x $}",
        "{{ '{{ x }}' }}",
        "{{ stored ~ stored }}",
        "{{ ['__class__', '__globals__'] }}",
        "{{ {'__class__': 1} }}",
        "{{ '__class__' in x }}",
        "{{ d['__class__'] is defined }}",
        "{{ people|selectattr('__class__')|list }}",
        "{{ none }}",
        "{% raw %}{{ 9**9**9 }}{% endraw %}",
        "{# {{ 9**9**9 }} #}",
    ):
        yield source, False
