import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from tenants.principals import Scope
from tenants.scope import tenant_scope
from tenants.usage.rollup import roll_up
from tenants.usage_models import Budget
from tests.callers import Caller, assert_problem, make_key
from tests.cast import House
from tests.tenants.usage.rows import some_id, use

USAGE = "/api/v1/usage"


@pytest.fixture
def used(acme: House, rival: House) -> House:
    """Half of it counted in a day's sum, half not yet."""
    use(acme.tenant, session_id=some_id(1), key_id=some_id(9))
    with tenant_scope(acme.id):
        roll_up()
    use(acme.tenant, session_id=some_id(2), agent_slug="desk", llm="gpt-5", is_estimated=True)
    use(acme.tenant, session_id=some_id(2), price_source="unknown", cost_nano=5)
    use(rival.tenant, cost_nano=10**12, agent_slug="theirs", llm="canary")
    return acme


def ask(api: Caller, **query: Any) -> Any:
    response = api.get(USAGE + "?" + "&".join(f"{k}={v}" for k, v in query.items()))
    assert response.status_code == 200, response.content
    return response


def groups(api: Caller, **query: Any) -> dict[str, str]:
    return {line["group"]: line["cost"] for line in ask(api, **query).json()["items"]}


def test_it_sums_by_day_from_the_first_of_the_month(used: House, acme_api: Caller) -> None:
    told = ask(acme_api).json()
    (line,) = told["items"]
    assert line["group"] == str(timezone.now().date())
    assert (line["calls"], line["input_tokens"], line["output_tokens"]) == (3, 300, 30)
    assert line["cost"] == "0.002000005"
    assert (line["estimated_calls"], line["unknown_price_calls"]) == (1, 1)
    assert told["first_day"].endswith("-01")
    assert told["total"] == line | {"group": ""}
    assert told["currency"] == "USD"


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("agent", {"sales": "0.001000005", "desk": "0.001000000"}),
        ("llm", {"gpt-5-mini": "0.001000005", "gpt-5": "0.001000000"}),
        ("session", {str(some_id(2)): "0.001000005", str(some_id(1)): "0.001000000"}),
        ("key", {"": "0.001000005", str(some_id(9)): "0.001000000"}),
    ],
)
def test_it_sums_by_whatever_is_asked_dearest_first(
    used: House, acme_api: Caller, by: str, expected: dict[str, str]
) -> None:
    found = groups(acme_api, group_by=by)
    assert found == expected
    assert next(iter(found)) == next(iter(expected))


def test_it_narrows_to_an_agent_an_llm_and_a_kind(used: House, acme_api: Caller) -> None:
    assert groups(acme_api, group_by="llm", agent="desk") == {"gpt-5": "0.001000000"}
    assert groups(acme_api, group_by="agent", llm="gpt-5") == {"desk": "0.001000000"}
    assert groups(acme_api, kind="tool") == {}


def test_another_tenants_usage_is_never_in_it(used: House, acme_api: Caller) -> None:
    for by in ("day", "agent", "llm", "session", "key"):
        for form in ("json", "csv"):
            text = ask(acme_api, group_by=by, format=form).text
            assert "theirs" not in text
            assert "canary" not in text
            assert "1000.0" not in text


@pytest.mark.parametrize("how", ["format", "accept"])
def test_it_is_a_table_for_spreadsheets(used: House, acme_api: Caller, how: str) -> None:
    use(used.tenant, llm="=cmd()", cost_nano=1)
    path = f"{USAGE}?group_by=llm" + ("&format=csv" if how == "format" else "")
    response = acme_api.get(path, **({"Accept": "text/csv"} if how == "accept" else {}))
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    head, *rows = csv.reader(io.StringIO(response.text))
    assert head[:2] == ["llm", "calls"]
    assert [row[0] for row in rows] == ["gpt-5-mini", "gpt-5", "'=cmd()"]
    assert rows[0][head.index("cost")] == "0.001000005"


def test_it_tells_what_is_left_of_the_budget(used: House, acme_api: Caller) -> None:
    with tenant_scope(used.tenant.id):
        Budget.objects.create(money_per_month=Decimal("2.50"))
    told = ask(acme_api).json()["budget"]
    assert told == {
        "limit": "2.50",
        "spent": "0.002000005",
        "tokens_limit": None,
        "tokens_spent": 330,
    }


@pytest.mark.parametrize(
    "query",
    [
        "group_by=tenant",
        "first_day=2026-11-02&last_day=2026-11-01",
        "first_day=2024-01-01&last_day=2026-11-01",
        "first_day=0001-01-01",
        "last_day=yesterday",
        "kind=x",
    ],
)
def test_what_makes_no_sense_is_refused(acme_api: Caller, query: str) -> None:
    assert_problem(acme_api.get(f"{USAGE}?{query}"), 422, "validation_failed")


def test_the_last_day_there_is_can_be_asked_for(acme_api: Caller) -> None:
    assert ask(acme_api, first_day="9999-12-31", last_day="9999-12-31").json()["items"] == []


def test_it_needs_its_scope(acme: House) -> None:
    caller = Caller(make_key(acme.tenant, [Scope.TASKS_READ]))
    assert_problem(caller.get(USAGE), 403, "scope_missing")
