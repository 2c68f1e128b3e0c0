from typing import Any

import pytest

from tests.callers import Caller, assert_problem
from tests.cast import House, make_agent
from tests.conversations.triggers import make_schedule

SCHEDULES = "/api/v1/schedules"
MORNING = {"name": "Mañana", "cron": "0 9 * * MON-FRI", "message": "¿Qué vence hoy?"}


def test_a_schedule_is_made_changed_and_deleted(acme: House, acme_api: Caller) -> None:
    acme.tenant.time_zone = "America/Mexico_City"
    acme.tenant.save()
    made = acme_api.post(SCHEDULES, MORNING | {"agent": "sales", "time_zone": None})
    assert made.status_code == 201
    shown = made.json()
    assert (shown["time_zone"], shown["agent"]) == ("America/Mexico_City", "sales")
    assert shown["explanation"] == "At 09:00 on Monday through Friday, America/Mexico_City"
    assert shown["next_due_at"].endswith("15:00:00Z")
    place = made["Location"]
    assert acme_api.get(place).json() == shown
    assert acme_api.get(SCHEDULES).json()["items"] == [shown]
    paused = acme_api.request("PATCH", place, {"is_active": "0", "agent": ""}).json()
    assert (paused["is_active"], paused["next_due_at"], paused["agent"]) == (False, None, None)
    assert paused["message"] == shown["message"]
    resumed = acme_api.request("PATCH", place, {"is_active": True, "cron": "0 0 1 1 *"}).json()
    assert "-01-01T06:00:00Z" in resumed["next_due_at"]
    assert acme_api.request("DELETE", place).status_code == 204
    assert_problem(acme_api.get(place), 404, "not_found")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"cron": "every day"}, "/cron"),
        ({"cron": 5}, "/cron"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"message": ""}, "/message"),
        ({"name": "x" * 101}, "/name"),
        ({"agent": "nobody"}, "/agent"),
        ({"context": [1]}, "/context"),
        ({"is_active": "perhaps"}, "/is_active"),
    ],
)
def test_it_says_what_is_wrong_and_where(
    acme: House, acme_api: Caller, change: dict[str, Any], pointer: str
) -> None:
    for response in (
        acme_api.post(SCHEDULES, MORNING | change),
        acme_api.request("PATCH", f"{SCHEDULES}/{make_schedule(acme).pk}", change),
    ):
        assert response.status_code == 422, response.content
        assert [fault["pointer"] for fault in response.json()["errors"]] == [pointer]


def test_another_tenants_agent_is_no_agent(acme: House, rival: House, acme_api: Caller) -> None:
    make_agent(rival.tenant, "theirs")
    body = MORNING | {"agent": "theirs"}
    assert_problem(acme_api.post(SCHEDULES, body), 422, "unknown_agent")
