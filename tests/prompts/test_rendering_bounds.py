import json
import time
from contextlib import suppress
from typing import Any

import pytest

from prompts.errors import TemplateFailed, TemplateInvalid, TemplateTooLarge
from prompts.rendering import compile_template, limits

BIG = "a" * 200_000
DATA: dict[str, Any] = {
    "big": BIG,
    "wide": "ñ b" * 60_000,
    "long": [str(number) for number in range(1_000)],
    "rows": [{"key": "x" * 200, "value": number} for number in range(1_000)],
    "grid": [[number] * 18 for number in range(500)],
    "mirror": [{"key": "x" * 200, "value": number} for number in range(1_000)],
    "small": "x",
    "seven": 7,
}

# Each uses as much of its budget as it can before the render ends or is stopped.
BODIES = [
    "",
    "{{ small }}",
    "{{ loop.index }}",
    "{{ '' }}" * 40,
    "{% set q = small ~ seven ~ small %}",
    "{% set q = seven + seven * seven - 2 %}",
    "{% set q = small|title|lower|upper|trim %}",
    "{% set q = small|replace('x', 'y')|int(1) %}",
    "{% set q = []|sort|tojson %}",
    "{% set q = {'a': 1}|dictsort %}",
    "{% set q = missing|default(1) is defined %}",
    "{% set q = range(1)|map('round')|sum %}",
    "{% set q = 'word' in long %}",
    "{% set q = long == long|list %}",
    "{% set q = rows == mirror %}",
    "{% set q = rows|sort(attribute='key') %}",
    "{% set q = rows|map(attribute='key')|unique %}",
    "{% set q = grid|tojson %}",
    "{% set q = big|upper %}",
    "{% set q = wide|title %}",
    "{% set q = wide|lower %}",
    "{% set q = wide|wordcount %}",
    "{% set q = big|trim('0123456789bcdefghijklmnopqrstuva') %}",
    "{% set q = big|replace('a', 'b') %}",
    "{% set q = ('" + "a" * 98 + "b') in big[:29999] %}",
    "{% set q = 'aaaab' in big %}",
    "{% set q = big == big[:199999] ~ 'a' %}",
    "{% set q = big[1:] %}",
    "{% set q = big|escape %}",
    "{{ big }}",
]
# The promise is 1 s, and isolation keeps it by the clock; the worst takes 0.15 s on a quiet
# machine. A busy one that shares its cores was seen to take six times as long.
SECONDS = 1.5


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("rounds", [1_000, 10])
def test_the_most_wasteful_loops_end_well_within_a_second(body: str, rounds: int) -> None:
    outer = "{% for outer in long %}{% for inner in range(" + str(rounds) + ") %}"
    template = compile_template(outer + body + "{% endfor %}{% endfor %}")
    started = time.thread_time()
    # With few rounds and a cheap body the template ends by itself, which is as good.
    with suppress(TemplateTooLarge):
        template.render(DATA)
    assert time.thread_time() - started < SECONDS


def test_an_honest_loop_over_a_thousand_rows_is_no_problem() -> None:
    body = "{{ loop.index }}. {{ row.key|upper }}: {{ row.value * 2 }}\n"
    source = "{% for row in rows if row.value is even %}" + body + "{% endfor %}"
    assert compile_template(source).render(DATA).count("\n") == 500


def test_output_is_cut_at_its_bound_in_bytes() -> None:
    template = compile_template("{% for i in range(n) %}{{ piece }}{% endfor %}")
    assert len(template.render({"piece": "x" * 1024, "n": 256})) == limits.OUTPUT_BYTES
    for piece, rounds in (("x" * 1024, 257), ("ñ" * 1024, 129), ("😀" * 1024, 65)):
        with pytest.raises(TemplateTooLarge):
            template.render({"piece": piece, "n": rounds})


def test_source_is_bounded_in_bytes() -> None:
    assert compile_template("x" * limits.SOURCE_BYTES).render({}) == "x" * limits.SOURCE_BYTES
    for source in ("x" * (limits.SOURCE_BYTES + 1), "ñ" * (limits.SOURCE_BYTES // 2 + 1)):
        with pytest.raises(TemplateInvalid):
            compile_template(source)


def test_loops_nest_twice_but_not_thrice() -> None:
    for depth, is_fine in ((2, True), (3, False)):
        source = "{% for a in [1] %}" * depth + "x" + "{% endfor %}" * depth
        if is_fine:
            assert compile_template(source).render({}) == "x"
        else:
            with pytest.raises(TemplateInvalid, match="nested 2 deep"):
                compile_template(source)


def test_range_gives_a_thousand_numbers_and_not_one_more() -> None:
    assert compile_template("{{ range(1000)|length }}").render({}) == "1000"
    with pytest.raises(TemplateFailed, match="at most 1000"):
        compile_template("{{ range(1001)|length }}").render({})


def test_numbers_stay_within_their_bound() -> None:
    product = compile_template("{{ n * n }}")
    assert product.render({"n": 10**15}) == str(10**30)
    for number in (10**15 + 1, 1e200):
        with pytest.raises(TemplateFailed):
            product.render({"n": number})


def test_a_failed_render_leaves_nothing_behind_for_the_next() -> None:
    template = compile_template("{% for i in range(n) %}{% set q = big|upper %}{% endfor %}ok")
    for _ in range(3):
        with pytest.raises(TemplateTooLarge):
            template.render({"n": 1000, "big": BIG})
        assert template.render({"n": 1, "big": BIG}) == "ok"


def test_a_compiled_template_is_not_fooled_by_text_that_looks_like_its_marks() -> None:
    given = json.dumps({"!each": "{% endfor %}", "_budget": 0})
    assert compile_template("{{ a }}").render({"a": given, "_budget": 10**9}) == given
