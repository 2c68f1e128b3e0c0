import datetime
import decimal
import math
from collections import OrderedDict
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

import pytest
from markupsafe import Markup

from prompts.errors import TemplateFailed, TemplateTooLarge
from prompts.rendering import compile_template, limits


class Text(StrEnum):
    ONE = "one"


class Secret(dict[str, str]):
    api_key = "sk-secret"


def render(value: Any) -> str:
    return compile_template("{{ value|tojson }}").render({"value": value})


@pytest.mark.parametrize(
    "value",
    [
        SimpleNamespace(api_key="sk-secret"),
        Secret(name="x"),
        OrderedDict(a=1),
        (1, 2),
        {1, 2},
        b"bytes",
        Text.ONE,
        Markup("<b>"),
        decimal.Decimal(1),
        datetime.date(2026, 1, 1),
        len,
        object(),
        range(3),
        {1: "a number as key"},
        {None: 1},
        {Text.ONE: 1},
        math.nan,
        math.inf,
        10**31,
        "NUL \0",
        "surrogate \ud800",
        {"\ud800": 1},
        1 + 2j,
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("depth", [0, 3])
def test_only_plain_data_is_let_in(value: Any, depth: int) -> None:
    for _ in range(depth):
        value = {"inside": [value]}
    with pytest.raises(TemplateFailed, match="'value' holds"):
        render(value)


def test_plain_data_comes_through_whole() -> None:
    value = {"a": [1, -2.5, True, None, "ñ😀"], "b": {"c": {}}, "_id": [], "": ""}
    assert render(value) == (
        '{"a": [1, -2.5, true, null, "ñ😀"], "b": {"c": {}}, "_id": [], "": ""}'
    )


def test_depth_number_and_size_of_values_are_bounded() -> None:
    deep: Any = 1
    for _ in range(limits.DATA_DEPTH + 1):
        deep = [deep]
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    shared: Any = ["x" * 1000]
    for _ in range(12):
        shared = [shared, shared]
    for value in (
        deep,
        cyclic,
        shared,
        [0] * (limits.DATA_VALUES + 1),
        "x" * (limits.DATA_CHARACTERS + 1),
        ["x" * 1024] * 1025,
        {"k" * (limits.KEY_CHARACTERS + 1): 1},
    ):
        with pytest.raises(TemplateTooLarge):
            render(value)


def test_what_was_given_is_not_changed_and_not_shared() -> None:
    value = {"list": [3, 1, 2]}
    source = "{% set q = value.list|sort %}{{ q|join }}{{ value.list|reverse|join }}"
    assert compile_template(source).render({"value": value}) == "123213"
    assert value == {"list": [3, 1, 2]}


def test_dots_reach_keys_only() -> None:
    for path in (
        "value.keys",
        "value.pop",
        "value['get']",
        "value.name.upper",
        "value.list.append",
    ):
        with pytest.raises(TemplateFailed):
            compile_template("{{ " + path + " }}").render({"value": {"name": "x", "list": []}})
