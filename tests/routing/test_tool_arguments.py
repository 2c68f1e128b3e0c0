from typing import Any

import pytest

from routing.errors import ToolRetry
from routing.tools import read_arguments
from tests.routing.tool_calls import builtin_tool, made_tool

ORDER = {
    "type": "object",
    "properties": {
        "sku": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]+$"},
        "quantity": {"type": "integer", "minimum": 1},
    },
    "required": ["sku"],
    "additionalProperties": False,
}


def test_arguments_that_fit_are_given_back_as_they_were_written() -> None:
    tool = made_tool(parameters=ORDER)
    assert read_arguments(tool, '{"sku": "PVC-10", "quantity": 3}') == {
        "sku": "PVC-10",
        "quantity": 3,
    }


def test_a_tool_without_arguments_takes_no_text_for_none() -> None:
    assert read_arguments(builtin_tool("current_time"), "") == {}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ('{"sku": "PVC-10"', "not valid JSON"),
        ('{"sku": "PVC-10", "quantity": NaN}', "not valid JSON"),
        ('{"sku": "\\ud800"}', "not valid JSON"),
        ("[" * 100_000, "longer than"),
        ("[" * 20_000, "not valid JSON"),
        ("[]", "must be a JSON object"),
        ('{"sku": ' + "[" * 100 + "]" * 100 + "}", "nested too deep"),
        ("{}", "'sku' is a required property"),
        ('{"sku": "pvc"}', "sku: 'pvc' does not match"),
        ('{"sku": "PVC-10", "quantity": 0}', "quantity: 0 is less than the minimum"),
        ('{"sku": "PVC-10", "tenant": "rival"}', "'tenant' was unexpected"),
    ],
)
def test_what_does_not_fit_goes_back_to_the_model_with_the_reason(raw: str, said: str) -> None:
    with pytest.raises(ToolRetry) as caught:
        read_arguments(made_tool(parameters=ORDER), raw)
    assert said in caught.value.message
    assert len(caught.value.message) < 1000


def test_texts_that_no_database_takes_are_made_storable() -> None:
    tool = made_tool(parameters={"type": "object"})
    read: dict[str, Any] = read_arguments(tool, '{"a\\u0000b": ["\\u0000"]}')
    assert read == {"a\ufffdb": ["\ufffd"]}
