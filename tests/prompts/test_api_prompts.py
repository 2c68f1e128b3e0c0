from typing import Any

import pytest

from prompts.models import PromptVersion
from prompts.services import publish_version, save_draft
from tenants.principals import Scope
from tenants.scope import tenant_scope
from tests.callers import Caller, assert_problem, make_key
from tests.cast import House

SALES = "/api/v1/prompts/sales"
VERSIONS = f"{SALES}/versions"


@pytest.fixture
def api(acme: House) -> Caller:
    return Caller(make_key(acme.tenant, [Scope.PROMPTS_READ, Scope.PROMPTS_WRITE]))


def drafted(api: Caller, source: str = "Hola, {{ user.name }}.", **body: Any) -> Any:
    return api.post(VERSIONS, {"source": source, **body})


def live_number(house: House) -> int:
    with tenant_scope(house.id):
        rows = PromptVersion.objects.filter(prompt=house.agents["sales"].prompt)
        return rows.get(status=PromptVersion.Status.PUBLISHED).number


def test_prompts_are_listed_with_what_is_live_and_what_waits(api: Caller, acme: House) -> None:
    drafted(api)
    items = {item["slug"]: item for item in api.get("/api/v1/prompts").json()["items"]}
    assert set(items) == {"desk", "sales"}
    assert (items["sales"]["published_version"], items["sales"]["newest_draft"]) == (1, 2)
    assert items["desk"]["newest_draft"] is None
    assert api.get(SALES).json() == items["sales"]


def test_a_draft_is_saved_found_and_published(api: Caller, acme: House) -> None:
    made = drafted(api, notes="Warmer")
    assert made.status_code == 201
    assert made["Location"] == f"{VERSIONS}/2"
    draft = api.get(made["Location"]).json()
    assert draft == made.json()
    assert (draft["status"], draft["notes"]) == ("draft", "Warmer")
    assert draft["source"] == "Hola, {{ user.name }}."
    assert live_number(acme) == 1
    published = api.post(f"{made['Location']}/publish").json()
    assert (published["status"], published["number"]) == ("published", 2)
    assert live_number(acme) == 2
    numbers = [item["number"] for item in api.get(VERSIONS).json()["items"]]
    assert numbers == [2, 1]


def test_publishing_an_older_version_rolls_back(api: Caller, acme: House) -> None:
    with tenant_scope(acme.id):
        prompt = acme.agents["sales"].prompt
        publish_version(version=save_draft(prompt=prompt, source="Nuevo."))
    assert api.post(f"{VERSIONS}/1/publish").status_code == 200
    assert live_number(acme) == 1


@pytest.mark.parametrize(
    ("source", "code", "line"),
    [("Hola\n{{ customer }}", "template_unknown_variable", 2), ("{{ 9**9", "template_invalid", 1)],
)
def test_a_text_that_cannot_run_is_refused_with_its_place(
    api: Caller, source: str, code: str, line: int
) -> None:
    problem = assert_problem(drafted(api, source), 422, code)
    assert problem["errors"][0]["line"] == line
    assert len(api.get(VERSIONS).json()["items"]) == 1


def test_a_version_is_filled_with_what_is_given_and_with_samples(api: Caller, acme: House) -> None:
    drafted(api, "{{ tenant.name }} atiende a {{ user.name }}: {{ context.order }}")
    body = {"variables": {"user": {"name": "Rosa"}, "context": {"order": 7}}}
    filled = api.post(f"{VERSIONS}/2/render", body).json()
    assert filled["text"] == f"{acme.tenant.name} atiende a Rosa: 7"
    assert filled["is_exact"] is True
    assert filled["num_tokens"] > 5
    sampled = api.post(f"{VERSIONS}/1/render", {}).json()
    assert sampled["text"] == "You are Sales."


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"tenant_key": "x"}, "template_variables_invalid"),
        ({"user": "Rosa"}, "template_failed"),
        ({"user": {"name": "x" * 50_000}}, "template_too_large"),
    ],
)
def test_what_cannot_be_filled_in_is_refused(
    api: Caller, variables: dict[str, Any], code: str
) -> None:
    drafted(api, "{% for n in [1,2,3,4,5,6] %}{{ user.name }}{% endfor %}")
    problem = api.post(f"{VERSIONS}/2/render", {"variables": variables})
    assert_problem(problem, 422, code)


def test_reading_is_not_writing(acme: House) -> None:
    reader = Caller(make_key(acme.tenant, [Scope.PROMPTS_READ]))
    assert reader.get(VERSIONS).status_code == 200
    assert reader.post(f"{VERSIONS}/1/render", {}).status_code == 200
    assert_problem(drafted(reader), 403, "scope_missing")
    assert_problem(reader.post(f"{VERSIONS}/1/publish"), 403, "scope_missing")


@pytest.mark.parametrize("number", ["0", "9", "2147483648", "9" * 40])
def test_a_version_that_is_not_there_is_not_found(api: Caller, number: str) -> None:
    assert_problem(api.get(f"{VERSIONS}/{number}"), 404, "not_found")
    assert_problem(api.post(f"{VERSIONS}/{number}/publish"), 404, "not_found")


def test_another_tenants_prompt_looks_like_none(acme: House, rival: House) -> None:
    theirs = Caller(make_key(rival.tenant))
    with tenant_scope(acme.id):
        prompt = acme.agents["sales"].prompt
        prompt.slug = "only-at-acme"
        prompt.save()
    for path in ("", "/versions", "/versions/1"):
        assert_problem(theirs.get(f"/api/v1/prompts/only-at-acme{path}"), 404, "not_found")


def test_a_label_is_moved_read_and_removed(api: Caller, acme: House) -> None:
    drafted(api)
    label = f"{SALES}/labels/staging"
    assert api.request("PUT", label, {"version": 2}).json()["version"] == 2
    assert api.get(label).json()["number"] == 2
    assert api.get(f"{SALES}/labels/production").json()["number"] == 1
    assert [item["name"] for item in api.get(f"{SALES}/labels").json()] == ["staging"]
    assert_problem(api.request("PUT", label, {"version": 9}), 404, "not_found")
    problem = api.request("PUT", f"{SALES}/labels/production", {"version": 2})
    assert_problem(problem, 422, "prompt_label_reserved")
    assert api.request("DELETE", label).status_code == 204
    assert_problem(api.request("DELETE", label), 404, "not_found")


def test_a_version_says_what_it_is_composed_of(api: Caller, acme: House) -> None:
    assert drafted(api, "Hola.\n[[orkesta:conduct]]").json()["template"].startswith("Hola.\n# How")
    parts = api.get(f"{VERSIONS}/2/parts").json()
    assert [(part["kind"], part["name"]) for part in parts] == [
        ("own", ""),
        ("routing", "orkesta:conduct"),
    ]
    assert all(part["num_tokens"] for part in parts)
    assert_problem(drafted(api, "[[nowhere]]"), 422, "template_unknown_block")
