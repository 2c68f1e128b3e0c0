import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from channels.layers import channel_layers
from django.conf import settings as live_settings
from django.db import OperationalError, connection
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from conversations.models import Task
from conversations.states import TaskStatus
from tenants.scope import tenant_scope
from tests.callers import Caller
from tests.cast import House


@pytest.fixture
def nobody() -> Client:
    return Client(raise_request_exception=False)


@pytest.fixture
def dead_redis(settings: Any) -> Iterator[None]:
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": ["redis://user:s3cret@127.0.0.1:1/0"]},
        }
    }
    channel_layers.backends = {}
    yield
    channel_layers.backends = {}


def down(*args: Any) -> Any:
    raise OperationalError("could not connect to server at db.internal, password s3cret")


def detailed(client: Client, status: int) -> dict[str, Any]:
    response = client.get("/health/detailed")
    assert response.status_code == status
    assert response["Cache-Control"] == "no-store"
    return response.json()


def test_it_is_alive(nobody: Client) -> None:
    response = nobody.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert nobody.post("/health").status_code == 405


def test_it_is_alive_without_a_database(nobody: Client, db: None) -> None:
    with connection.execute_wrapper(down):
        assert nobody.get("/health").status_code == 200


def test_all_components_are_well(nobody: Client, db: None) -> None:
    body = detailed(nobody, 200)
    assert body["status"] == "ok"
    assert {name: found["status"] for name, found in body["components"].items()} == {
        "database": "ok",
        "worker": "ok",
        "channel_layer": "ok",
    }


def test_without_a_database_it_is_down_and_tells_no_secret(nobody: Client, db: None) -> None:
    with connection.execute_wrapper(down):
        body = detailed(nobody, 503)
    assert body["status"] == "down"
    assert body["components"]["database"] == {"status": "down"}
    assert "s3cret" not in str(body)
    assert "db.internal" not in str(body)


def test_without_its_channel_layer_it_is_degraded(
    nobody: Client, db: None, dead_redis: None
) -> None:
    assert live_settings.CHANNEL_LAYERS["default"]["BACKEND"].startswith("channels_redis")
    body = detailed(nobody, 200)
    assert body["status"] == "degraded"
    assert body["components"]["channel_layer"] == {"status": "degraded"}
    assert "s3cret" not in str(body)
    asyncio.set_event_loop(None)


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"available_at": F("available_at") - timedelta(seconds=20)}, "ok"),
        ({"available_at": F("available_at") - timedelta(seconds=60)}, "degraded"),
        ({"available_at": F("available_at") + timedelta(seconds=60)}, "ok"),
        ({"status": TaskStatus.PROCESSING, "lease_until": Now()}, "ok"),
        (
            {
                "status": TaskStatus.PROCESSING,
                "lease_until": Now() - timedelta(seconds=90),
            },
            "degraded",
        ),
        (
            {
                "status": TaskStatus.COMPLETED,
                "available_at": F("available_at") - timedelta(seconds=60),
            },
            "ok",
        ),
    ],
)
def test_tasks_that_nobody_takes_up_are_noticed(
    acme: House, acme_api: Caller, nobody: Client, change: dict[str, Any], state: str
) -> None:
    acme_api.post("/api/v1/chat/send", {"message": "hola"})
    with tenant_scope(acme.id):
        Task.objects.update(**change)
    assert detailed(nobody, 200)["components"]["worker"]["status"] == state


def test_a_task_behind_another_of_its_session_waits_by_design(
    acme: House, acme_api: Caller, nobody: Client
) -> None:
    sent = acme_api.post("/api/v1/chat/send", {"message": "uno"}).json()
    later = acme_api.post(
        "/api/v1/chat/send", {"message": "dos", "session_id": sent["session_id"]}
    ).json()
    with tenant_scope(acme.id):
        soon = timezone.now() + timedelta(minutes=1)
        Task.objects.filter(pk=sent["task_id"]).update(
            status=TaskStatus.PROCESSING, lease_until=soon
        )
        Task.objects.filter(pk=later["task_id"]).update(
            available_at=timezone.now() - timedelta(minutes=1)
        )
    assert detailed(nobody, 200)["components"]["worker"]["status"] == "ok"
