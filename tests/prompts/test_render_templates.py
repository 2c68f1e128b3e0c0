from typing import Any

import pytest

from prompts.errors import TemplateFailed
from prompts.rendering import compile_template

PROMPT = """You are {{ bot }}, the assistant of {{ business.name|upper }}.
{% if customer %}
The customer is {{ customer.name|title }} ({{ customer.tier|default('no') }} tier).
{% else %}
Ask for the customer's name.
{% endif %}
{% for order in orders if order.open %}
{{ loop.index }}. {{ order.sku }}: {{ order.price * order.amount }} EUR{{ ',' if not loop.last }}
{% else %}
There are no orders.
{% endfor %}
Tools: {{ tools|map(attribute='name')|join(', ') }}.
"""

EXPRESSIONS: dict[str, tuple[str, str]] = {
    "upper": ("'ñandú'|upper", "ÑANDÚ"),
    "lower": ("'ÑANDÚ'|lower", "ñandú"),
    "title": ("'maría de la o (hija)'|title", "María De La O (Hija)"),
    "capitalize": ("'HOLA ana'|capitalize", "Hola ana"),
    "trim": ("'  a b '|trim", "a b"),
    "trim characters": ("'--a--'|trim('-')", "a"),
    "default": ("missing|default('none given')", "none given"),
    "default of an empty text": ("''|d('empty', true)", "empty"),
    "join": ("['a', 'b']|join('-')", "a-b"),
    "join numbers": ("[1, 2.5, none]|join(' ')", "1 2.5 "),
    "length": ("'abc'|length ~ [1]|count ~ {'a': 1}|length", "311"),
    "replace": ("'aaa'|replace('a', 'b', 2)", "bba"),
    "round": ("3.14159|round(2)", "3.14"),
    "round up": ("3.1|round(0, 'ceil')", "4.0"),
    "int": ("'42'|int + '4.9'|int + 'x'|int(1)", "47"),
    "a long whole number": ("'12345678901234567890'|int", "12345678901234567890"),
    "float": ("'1.5'|float + 'x'|float", "1.5"),
    "abs": ("-3|abs", "3"),
    "first and last": ("[1, 2, 3]|first ~ 'abc'|last", "1c"),
    "sort": ("['b', 'A', 'c']|sort|join", "Abc"),
    "sort by attribute": ("people|sort(attribute='age')|map(attribute='name')|join", "LuzAna"),
    "sort backwards": ("[1, 3, 2]|sort(reverse=true)|join", "321"),
    "unique": ("['a', 'A', 'b']|unique|join", "ab"),
    "reverse": ("'abc'|reverse ~ [1, 2]|reverse|join", "cba21"),
    "sum": ("people|sum(attribute='age')", "70"),
    "min and max": ("[3, 1, 2]|min ~ [3, 1, 2]|max", "13"),
    "map": ("['a', 'b']|map('upper')|join", "AB"),
    "map with default": ("people|map(attribute='x.y', default='?')|join", "??"),
    "selectattr": ("people|selectattr('age', '>', 30)|map(attribute='name')|join", "Ana"),
    "rejectattr": ("people|rejectattr('vip')|map(attribute='name')|join", "Luz"),
    "tojson": ("{'a': [1, 'ñ', none, true]}|tojson", '{"a": [1, "ñ", null, true]}'),
    "tojson indented": ("[1]|tojson(indent=2)", "[\n  1\n]"),
    "items": ("{'a': 1, 'b': 2}|items|map('join')|join if false else 'x'", "x"),
    "dictsort": ("{'b': 1, 'a': 2}|dictsort|map('first')|join", "ab"),
    "truncate": ("'one two three'|truncate(9)", "one..."),
    "truncate inside a word": ("'one two three'|truncate(9, true, '…')", "one two …"),
    "wordcount": ("'one two  three'|wordcount", "3"),
    "escape": ("'<b>&\"'|e", "&lt;b&gt;&amp;&quot;"),
    "string": ("7|string + '!'", "7!"),
    "range": ("range(2, 9, 3)|join(',')", "2,5,8"),
    "arithmetic": ("(1 + 2) * 3 - 4 / 2 + 7 // 2 + 7 % 4 - -1", "14.0"),
    "comparison": ("1 < 2 and 2 >= 2 and 'a' != 'b' and not 1 == 2", "True"),
    "membership": ("'ana' in text and 'x' not in ['y'] and 'name' in people[0]", "True"),
    "slice": ("text[:3] ~ [1, 2, 3][-2:]|join ~ text[::-1][0]", "ana23z"),
    "condition": ("'old' if people[0].age > 39 else 'young'", "old"),
    "tests": ("3 is odd and 4 is even and 9 is divisibleby 3 and none is none", "True"),
    "defined": ("missing is undefined and text is defined and text is string", "True"),
    "types": ("1 is number and [] is sequence and {} is mapping and true is boolean", "True"),
    "lookup in a literal": ("{'es': 'Hola', 'en': 'Hello'}[language]", "Hola"),
    "item by number": ("people[-1]['name'] ~ text.0", "Luza"),
    "nothing for none": ("none ~ ''", ""),
    "nothing without else": ("'x' if false", ""),
    "a key named like a method": ("menu.items|join", "soupfish"),
}


def render(source: str, **variables: Any) -> str:
    return compile_template(source).render(variables)


def test_a_usual_prompt_reads_as_written() -> None:
    text = render(
        PROMPT,
        bot="Luz",
        business={"name": "Flores Ana"},
        customer={"name": "maría lópez"},
        orders=[
            {"sku": "rose", "price": 2.5, "amount": 4, "open": True},
            {"sku": "lily", "price": 1, "amount": 1, "open": False},
            {"sku": "fern", "price": 3, "amount": 2, "open": True},
        ],
        tools=[{"name": "order_status"}, {"name": "refund"}],
    )
    assert text == (
        "You are Luz, the assistant of FLORES ANA.\n"
        "The customer is María López (no tier).\n"
        "1. rose: 10.0 EUR,\n"
        "2. fern: 6 EUR\n"
        "Tools: order_status, refund."
    )


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_what_an_author_needs_works(name: str) -> None:
    expression, expected = EXPRESSIONS[name]
    people = [{"name": "Ana", "age": 40, "vip": True}, {"name": "Luz", "age": 30}]
    menu = {"items": ["soup", "fish"]}
    variables = {"people": people, "menu": menu, "text": "ana luz", "language": "es"}
    assert compile_template("{{ " + expression + " }}").render(variables) == expected


def test_pairs_of_an_object_can_be_walked_in_three_ways() -> None:
    body = "{{ key }}={{ value }};{% endfor %}"
    prices = {"tea": 2, "milk": 1}
    assert render("{% for key, value in prices.items() %}" + body, prices=prices) == "tea=2;milk=1;"
    assert render("{% for key, value in prices|items %}" + body, prices=prices) == "tea=2;milk=1;"
    assert render("{% for k in prices %}{{ k }}{% endfor %}", prices=prices) == "teamilk"
    assert render("{{ prices.keys()|join }}{{ prices.values()|sum }}", prices=prices) == "teamilk3"


def test_a_loop_knows_where_it_is() -> None:
    source = (
        "{% for x in [5, 6, 7] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}"
        "{{ loop.length }}{{ loop.first }}{{ loop.last }}{{ loop.previtem|d('-') }}"
        "{{ loop.nextitem|d('-') }};{% endfor %}"
    )
    assert render(source) == "1033TrueFalse-6;2123FalseFalse57;3213FalseTrue6-;"


def test_an_inner_loop_may_ask_the_outer_one() -> None:
    source = "{% for a in [1, 2] %}{% for b in range(loop.index) %}{{ b }}{% endfor %};{% endfor %}"
    assert render(source) == "0;01;"


def test_what_is_set_in_a_loop_ends_with_it() -> None:
    source = "{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{% endfor %}{{ x }}"
    assert render(source) == "1"


def test_a_missing_variable_is_an_error_with_its_line() -> None:
    with pytest.raises(TemplateFailed) as caught:
        render("first\nsecond {{ customer.name }}", customer={})
    assert caught.value.line == 2
    assert "'name'" in caught.value.message


def test_given_values_are_never_templates() -> None:
    hostile = "{{ 7 * 7 }}{% for i in range(9) %}{{ i }}{% endfor %}{# gone? #}"
    assert render("{{ a }}|{{ a ~ a }}|{{ [1]|join(a) }}", a=hostile).startswith(hostile + "|")
    assert render("{{ a.b|upper|lower }}", a={"b": hostile}) == hostile


def test_equal_sources_are_compiled_once() -> None:
    assert compile_template("Hello {{ name }}") is compile_template("Hello {{ name }}")
    assert compile_template("Hello {{ name }}").variables == {"name"}


def test_lines_end_as_the_author_sees_them() -> None:
    assert render("a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc") == "a\nb\nc"
