import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from prompts.errors import TemplateError, TemplateInvalid
from prompts.rendering import check_template, compile_template
from prompts.rendering.filters import FILTERS
from tests.prompts.payloads import DATA

quick = settings(max_examples=60, deadline=30_000, derandomize=True)

ALPHABET = (
    "{{ }} {% %} {# #} {%- -%} {{- -}} for in if elif else endif endfor set is not and or range"
    " loop macro include x d n items people big nothing true none 'text' '%s' '__class__' 0 1 2.5"
    " 99999999 | . , : ( ) [ ] { } = == < ~ + - * / // % ** ! \\ \n upper join sort map attr format"
    " replace center default tojson index __class__ __globals__ items() keys() raw endraw self"
)
WORDS = ALPHABET.split(" ")
fragments = st.lists(st.sampled_from([*WORDS, " "]), max_size=40)
soup = st.builds(lambda glue, found: glue.join(found), st.sampled_from(["", " "]), fragments)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(-9e29, 9e29)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc_", max_size=5), inner),
    max_leaves=6,
)

names = st.sampled_from(["a", "b", "c"])


def expressions() -> st.SearchStrategy[str]:
    def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pair = st.tuples(inner, inner)
        operator = st.sampled_from(["~", "+", "-", "*", "/", "%", "==", "<", "in", "and", "or"])
        return st.one_of(
            st.builds(lambda two, sign: f"({two[0]} {sign} {two[1]})", pair, operator),
            st.builds(lambda one, name: f"({one})|{name}", inner, st.sampled_from([*FILTERS])),
            st.builds(lambda two: f"({two[0]})[{two[1]}]", pair),
            st.builds(lambda one: f"({one}).key", inner),
            st.builds(lambda two: f"({two[0]} if {two[1]} else 1)", pair),
            st.builds(lambda one: f"(not {one})", inner),
        )

    atom = names | st.sampled_from(["1", "'text'", "['x', 2]", "{'key': 3}", "none", "-1.5"])
    return st.recursive(atom, wider, max_leaves=6)


def statements() -> st.SearchStrategy[str]:
    def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        body = st.lists(inner, max_size=3).map("".join)
        return st.one_of(
            st.builds(
                "{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, expressions(), body, body
            ),
            st.builds("{{% for {} in {} %}}{}{{% endfor %}}".format, names, expressions(), body),
        )

    simple = st.builds("{{{{ {} }}}}".format, expressions()) | st.builds(
        "{{% set {} = {} %}}".format, names, expressions()
    )
    return st.lists(st.recursive(simple, wider, max_leaves=4), max_size=3).map("".join)


def outcome(source: str, variables: dict[str, Any]) -> str | TemplateError:
    try:
        return compile_template(source).render(variables)
    except TemplateError as error:
        return error


@quick
@given(soup)
def test_whatever_is_typed_ends_in_text_or_a_typed_error(source: str) -> None:
    found = outcome(source, DATA)
    if isinstance(found, str):
        assert not re.search(r"<class| at 0x", found)
        return
    lines = source.split("\n")
    assert found.message
    assert 0 <= found.line <= len(lines)
    assert 0 <= found.column <= max(map(len, lines)) + 1


@quick
@given(statements(), st.fixed_dictionaries({"a": plain, "b": plain, "c": plain}))
def test_whatever_passes_the_gate_ends_in_text_or_a_typed_error(
    source: str, variables: dict[str, Any]
) -> None:
    found = outcome(source, variables)
    if isinstance(found, TemplateError):
        assert not re.search(r"internal|assert|<prompt>", found.message)


@quick
@given(statements(), plain)
def test_it_asks_for_all_that_makes_a_difference(source: str, value: Any) -> None:
    report = check_template(source)
    found = outcome(source, dict.fromkeys(report.variables, value))
    assert str(found) == str(outcome(source, dict.fromkeys("abc", value)))
    assert not re.search(r"'[abc]' is undefined", str(found))


@quick
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_given_text_comes_out_unchanged(text: str) -> None:
    assert compile_template("{{ value }}").render({"value": text}) == text
    assert compile_template("{{ [1]|join(value) ~ value }}").render({"value": text}) == "1" + text


@quick
@given(plain)
def test_given_data_comes_out_unchanged(value: Any) -> None:
    text = compile_template("{{ value|tojson }}").render({"value": value})
    assert json.loads(text) == value


@quick
@given(st.text(max_size=200))
def test_text_without_marks_is_its_own_output(source: str) -> None:
    try:
        text = compile_template(source).render({})
    except TemplateInvalid:
        assert re.search(r"\{[{%#]|[\0\ud800-\udfff]", source)
    else:
        if not re.search(r"\{[{%#]", source):
            lines = re.sub(r"\r\n?", "\n", source)
            assert text == lines.removesuffix("\n")


@quick
@given(soup)
def test_checking_never_raises(source: str) -> None:
    report = check_template(source, {})
    assert report.is_valid == (not report.problems)
