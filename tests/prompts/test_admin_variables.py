import re
from typing import Any

import pytest
from django.http import HttpResponse

from prompts.models import Prompt
from tenants.scope import tenant_scope
from tests.admin import XSS, desk_of
from tests.cast import House

PAGE = "prompts_prompt_change"


def save(house: House, *rows: dict[str, str]) -> HttpResponse:
    form = {"name": "Sales", "slug": "sales", "task_type": "conversation", "description": ""}
    cells = {
        f"variables-{number}-{column}": text
        for number, row in enumerate([*rows, {"name": "", "type": "string"}])
        for column, text in row.items()
    }
    return desk_of(house).post(PAGE, house.agents["sales"].prompt.pk, **form | cells)


def declared(house: House) -> Any:
    with tenant_scope(house.id):
        return Prompt.objects.get(slug="sales").variables


def test_each_row_declares_a_variable_of_its_type(acme: House) -> None:
    response = save(
        acme,
        {"name": " branch ", "type": "string", "default": " Centro", "sample": "Norte"},
        {"name": "discount", "type": "number", "default": "0.5", "required": "on"},
        {"name": "is_open", "type": "boolean", "default": "sí", "sample": "NO"},
        {"name": "brands", "type": "list", "sample": '["a", "b"]'},
        {"name": "shop", "type": "object", "default": '{"n": 1}', "description": "Where"},
    )
    assert response.status_code == 302
    found = [tuple(row.values()) for row in declared(acme)]
    assert found == [
        ("branch", "string", " Centro", "Norte", False, ""),
        ("discount", "number", 0.5, None, True, ""),
        ("is_open", "boolean", True, False, False, ""),
        ("brands", "list", None, ["a", "b"], False, ""),
        ("shop", "object", {"n": 1}, None, False, "Where"),
    ]


def test_what_is_declared_is_shown_as_it_was_typed_and_saved_unchanged(acme: House) -> None:
    rows: list[dict[str, str]] = [
        {"name": "branch", "type": "string", "default": XSS, "sample": "7"},
        {"name": "zero", "type": "number", "default": "0"},
        {"name": "closed", "type": "boolean", "default": "false", "required": "on"},
        {"name": "brands", "type": "list", "sample": '["a"]'},
    ]
    save(acme, *rows)
    before = declared(acme)
    page = desk_of(acme).get(PAGE, acme.agents["sales"].prompt.pk).content.decode()
    assert "<script>alert" not in page
    values = dict(re.findall(r'name="(variables-\d-(?:default|sample))" value="([^"]*)"', page))
    assert values["variables-1-default"] == "0"
    assert values["variables-2-default"] == "false"
    assert values["variables-3-sample"] == "[&quot;a&quot;]"
    assert values["variables-4-default"] == "", "an empty row to write into"
    save(acme, *rows)
    assert declared(acme) == before


def test_a_row_that_is_emptied_is_gone(acme: House) -> None:
    save(acme, {"name": "branch", "type": "string"})
    assert declared(acme)
    save(acme)
    assert declared(acme) == []


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"name": "n", "type": "number", "default": "many"}], "n, default: This must be a number"),
        ([{"name": "b", "type": "boolean", "sample": "perhaps"}], "b, sample: This must be a bool"),
        ([{"name": "l", "type": "list", "default": "{}"}], "l, default: This must be a list"),
        ([{"name": "two words", "type": "string"}], "two words, name: A name takes letters"),
        ([{"name": "x", "type": "date"}], "x, type: The types are"),
        ([{"name": "x", "type": "string"}] * 2, "Two variables have this name"),
        ([{"name": "", "type": "string", "default": "v"}], "A name takes letters"),
        ([{"name": "n", "type": "number", "default": "1e999"}], "n, default: "),
    ],
)
def test_a_row_that_cannot_be_is_said_by_its_name(
    acme: House, rows: list[dict[str, str]], told: str
) -> None:
    response = save(acme, *rows)
    assert response.status_code == 200
    errors = " ".join(response.context["adminform"].form.errors["variables"])
    assert told in errors
    assert declared(acme) == []
