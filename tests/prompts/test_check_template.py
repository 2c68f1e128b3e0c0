import pytest

from prompts.errors import TemplateInvalid, UnknownVariable
from prompts.rendering import (
    TemplateReport,
    VariableSpec,
    check_isolated,
    check_template,
    compile_template,
)

PLACES = [
    ("Hi {{ name.__class__ }}", 1, 11, "begin with _"),
    ("a\nb\n  {% macro m() %}{% endmacro %}", 3, 6, "{% macro %}"),
    ("a\r\nb\r\n{{ 2 ** 3 }}", 3, 4, "**"),
    ("{%- if x -%}\n\n  {{- x|format -}}\n{%- endif %}", 3, 9, "'format'"),
    ("ñandú {{ x is weird }}", 1, 12, "'weird'"),
    ("one\n{{ x|replace('a') }}", 2, 6, "missing a required argument"),
    ("one\n{{ x|upper(1) }}", 2, 6, "too many positional arguments"),
    ("{{ x }}{{ $ }}", 1, 11, "unexpected char"),
    ("{{ a b }}", 1, 6, "expected token"),
    ("text\n{% if a %}\nmore", 3, 1, "Unexpected end of template"),
    ("{% frobnicate %}", 1, 4, "unknown tag"),
    ("text\n\n   {%- frobnicate %}", 3, 8, "unknown tag"),
    ("{{ [a] }}", 1, 5, "only constants"),
    ("{{ loop.index }}", 1, 4, "'loop'"),
    ("{{ self }}", 1, 4, "'self'"),
    ("x\n{{ 'a' * 3 }}", 2, 4, "numbers only"),
    ("{{ 1 < 2 < 3 }}", 1, 4, "Compare two values"),
    ("{{ open('x') }}", 1, 8, "Nothing can be called"),
]


def specs(*names: str) -> dict[str, VariableSpec]:
    return {name: VariableSpec(name) for name in names}


@pytest.mark.parametrize(("source", "line", "column", "words"), PLACES)
def test_a_refusal_says_what_and_where(source: str, line: int, column: int, words: str) -> None:
    with pytest.raises(TemplateInvalid) as caught:
        compile_template(source)
    error = caught.value
    assert words in error.message
    assert (error.line, error.column) == (line, column)
    assert error.details["errors"][0] == {
        "pointer": "",
        "code": "template_invalid",
        "detail": error.message,
        "line": line,
        "column": column,
    }


def test_all_that_is_wrong_is_told_at_once_in_reading_order() -> None:
    report = check_template("{{ a|nope }}\n{{ b|nada }} {{ c.__x__ }}\n{{ d ** 2 }}")
    assert [(found.line, found.column) for found in report.errors] == [
        (1, 6),
        (2, 6),
        (2, 18),
        (3, 4),
    ]
    assert report.variables == ("a", "b", "c", "d")


def test_a_report_names_used_undeclared_and_unused_variables() -> None:
    source = "{{ bot }}\n{% for order in orders %}{{ order.sku }}{{ tone }}{% endfor %}\n{{ tone }}"
    report = check_template(source, specs("bot", "orders", "language"))
    assert report.variables == ("bot", "orders", "tone")
    assert [(use.name, use.line, use.column) for use in report.undeclared] == [
        ("tone", 2, 44),
        ("tone", 3, 4),
    ]
    assert report.unused == ("language",)
    assert report.errors == ()
    assert not report.is_valid


def test_without_declarations_any_variable_is_welcome() -> None:
    report = check_template("{{ anything }}")
    assert report.is_valid
    assert report == TemplateReport(variables=("anything",))
    report.raise_if_invalid()


def test_names_that_the_template_gives_itself_are_not_asked_for() -> None:
    source = (
        "{% set a = x %}{{ a }}{% for k, v in d.items() if v %}{{ loop.index }}{{ k }}{{ v }}"
        "{% set inner = k %}{{ inner }}{% endfor %}{% for i in range(3) %}{{ i }}{% endfor %}"
    )
    assert compile_template(source).variables == {"x", "d"}


def test_names_that_may_be_left_without_a_value_are_asked_for() -> None:
    assert compile_template("{% if x %}{% set a = 1 %}{% endif %}{{ a }}").variables == {"x", "a"}
    assert compile_template("{{ a }}{% set a = 1 %}").variables == {"a"}
    assert compile_template(
        "{% for i in x %}{% set a = 1 %}{% endfor %}{{ a }}{{ i }}"
    ).variables == {
        "x",
        "a",
        "i",
    }
    source = "{% if x %}{% set a = 1 %}{% else %}{% set a = 2 %}{% endif %}{{ a }}"
    assert compile_template(source).variables == {"x"}


def test_saving_with_an_unknown_variable_fails_with_its_place() -> None:
    with pytest.raises(UnknownVariable) as caught:
        check_template("Hello\n  {{ nmae }}", specs("name")).raise_if_invalid()
    assert caught.value.code == "template_unknown_variable"
    assert (caught.value.line, caught.value.column) == (2, 6)
    assert "'nmae'" in caught.value.message


def test_what_is_wrong_comes_before_what_is_unknown_only_if_it_stands_first() -> None:
    with pytest.raises(TemplateInvalid) as caught:
        check_template("{{ x|nope }}{{ y }}", specs()).raise_if_invalid()
    codes = [item["code"] for item in caught.value.details["errors"]]
    assert codes == ["template_unknown_variable", "template_invalid", "template_unknown_variable"]


@pytest.mark.parametrize(
    "source", ["{{ a }} {{ b }}", "{{ a", "{{ a ** 2 }}", "", "x" * 40_000, "\ud800", "{{ a.b }}"]
)
def test_the_isolated_check_says_the_same(source: str) -> None:
    declared = specs("a", "c")
    assert check_isolated(source, declared) == check_template(source, declared)
    assert check_isolated(source) == check_template(source)
