import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from django.utils.translation import gettext_lazy

from orkesta.api.renderer import to_json

NAME = UUID("019aa33c-5b7c-7d3f-b04d-2c0b5a8c1f10")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), '"2026-01-02T03:04:05Z"'),
        (
            datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-6))),
            '"2026-01-02T00:00:00-06:00"',
        ),
        (NAME, f'"{NAME}"'),
        (Decimal("1.10"), '"1.10"'),
        (gettext_lazy("a word that no catalogue holds"), '"a word that no catalogue holds"'),
        ("ñ€😀", '"ñ€😀"'),
    ],
)
def test_values_have_one_form(value: object, text: str) -> None:
    assert to_json(value).decode() == text


def test_a_row_that_should_never_have_been_stored_is_still_shown() -> None:
    text = to_json({"id": NAME, "at": datetime(2026, 1, 2, tzinfo=UTC), "x": "a\ud800", "n": 2**70})
    assert json.loads(text) == {
        "id": str(NAME),
        "at": "2026-01-02T00:00:00Z",
        "x": "a\ud800",
        "n": 2**70,
    }


def test_what_has_no_form_in_json_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError):
        to_json(object())
