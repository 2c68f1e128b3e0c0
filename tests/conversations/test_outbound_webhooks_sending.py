import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from standardwebhooks import Webhook

from conversations.trigger_models import WebhookDelivery, WebhookEndpoint
from conversations.triggers import deliveries
from conversations.triggers.deliveries import PAUSES, PER_ENDPOINT, Answer, claim_deliveries
from conversations.triggers.dispatcher import WebhookDispatcher
from conversations.triggers.endpoints import edit_endpoint, rotate_secret
from orkesta.errors import StateConflict
from tenants.scope import in_tenant, scopes_disabled, tenant_scope
from tests.cast import House
from tests.conversations.triggers import deliveries_of, make_delivery, make_endpoint
from tests.fakes.hostile_http import BEHAVIOURS, HostileServer, answer

pytestmark = pytest.mark.django_db(transaction=True)
a_house = sync_to_async(deliveries_of)


@pytest.fixture(autouse=True)
def _on_a_private_network(settings: Any) -> None:
    settings.ORKESTA_ALLOW_PRIVATE_UPSTREAMS = True


@asynccontextmanager
async def dispatcher(timeout_seconds: float = 5.0) -> AsyncIterator[WebhookDispatcher]:
    made = WebhookDispatcher(timeout_seconds=timeout_seconds)
    yield made
    await made.aclose()


async def send(timeout_seconds: float = 5.0) -> None:
    async with dispatcher(timeout_seconds) as made:
        await made.run_until_idle()


async def prepare(house: House, url: str, count: int = 1) -> tuple[WebhookEndpoint, str]:
    def make() -> tuple[WebhookEndpoint, str]:
        endpoint, secret = make_endpoint(house, url=url)
        for _ in range(count):
            make_delivery(endpoint)
        return endpoint, secret

    return await sync_to_async(make)()


@sync_to_async
def change(**values: Any) -> None:
    with scopes_disabled():
        WebhookDelivery.objects.update(**values)


async def test_it_delivers_a_signed_body_under_a_stable_id(acme: House) -> None:
    async with HostileServer() as server:
        _, secret = await prepare(acme, server.url("/ok"))
        await send()
    [delivery], [seen] = await a_house(acme), server.seen
    assert (delivery.status, delivery.next_try_at) == ("delivered", None)
    assert (seen.method, seen.headers["content-type"]) == ("POST", "application/json")
    assert seen.headers["webhook-id"] == delivery.webhook_id
    assert seen.body.decode() == delivery.body
    assert Webhook(secret).verify(seen.body, seen.headers)["type"] == "task.completed"
    [tried] = delivery.tries.all()
    assert (tried.response_status, tried.response_excerpt) == (200, "fine")
    assert tried.duration_ms > 0


async def test_during_a_rotation_both_secrets_sign(acme: House) -> None:
    async with HostileServer() as server:
        endpoint, first = await prepare(acme, server.url("/ok"))
        _, second = await in_tenant(acme.id, rotate_secret, endpoint_id=endpoint.pk)
        await send()
    for secret in (first, second):
        Webhook(secret).verify(server.seen[0].body, server.seen[0].headers)


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/busy", 429, ""),
        ("/hang", None, "outbound_timeout"),
        ("/drip-header", None, "outbound_timeout"),
        ("/garbage", None, "outbound_unreadable"),
        ("/close", None, "outbound_unreadable"),
        ("/bomb", None, "outbound_too_large"),
        ("/redirect?to=/ok", 302, ""),
    ],
)
async def test_a_try_that_fails_is_logged_and_made_again(
    acme: House, path: str, status: int | None, error: str
) -> None:
    patience = 0.3 if error == "outbound_timeout" else 10.0
    async with HostileServer() as server:
        await prepare(acme, server.url(path))
        await send(patience)
        [delivery] = await a_house(acme)
        [tried] = delivery.tries.all()
        assert (tried.response_status, tried.error_code) == (status, error)
        assert (delivery.status, delivery.num_tries, delivery.lease_until) == ("pending", 1, None)
        assert timedelta(seconds=4) < delivery.next_try_at - timezone.now() < timedelta(seconds=8)
        await change(next_try_at=timezone.now())
        await send(patience)
        assert len({seen.headers["webhook-id"] for seen in server.seen}) == 1
        assert len({seen.body for seen in server.seen}) == 1
        assert len(server.seen) == 2


async def test_of_an_endless_answer_only_the_beginning_is_read(acme: House) -> None:
    async with HostileServer() as server:
        await prepare(acme, server.url("/huge"))
        await send()
    [delivery] = await a_house(acme)
    assert delivery.status == "delivered"
    assert len(delivery.tries.all()[0].response_excerpt) == 1024


async def test_nobody_listening_is_a_try_too(acme: House) -> None:
    async with HostileServer() as server:
        url = server.url("/ok")
    await prepare(acme, url)
    await send()
    [delivery] = await a_house(acme)
    assert delivery.tries.all()[0].error_code == "outbound_unreachable"


async def test_an_address_that_has_come_to_lead_inside_is_not_called(
    acme: House, settings: Any
) -> None:
    async with HostileServer() as server:
        await prepare(acme, server.url("/ok"))
        settings.ORKESTA_ALLOW_PRIVATE_UPSTREAMS = False
        await send()
        assert server.accepted == 0
    [delivery] = await a_house(acme)
    assert delivery.tries.all()[0].error_code == "outbound_unreachable"


def fail(house: House, answer: Answer, times: int = 1) -> None:
    for _ in range(times):
        with scopes_disabled():
            oldest = WebhookDelivery.objects.filter(status="pending").order_by("created_at")[:1]
            WebhookDelivery.objects.filter(pk__in=[row.pk for row in oldest]).update(
                next_try_at=timezone.now()
            )
        [claim] = claim_deliveries(limit=1)
        with tenant_scope(house.id):
            deliveries.settle(claim, answer)


def test_tries_end_after_three_days_and_with_them_the_endpoint(acme: House) -> None:
    endpoint, _ = make_endpoint(acme)
    make_delivery(endpoint)
    pauses = []
    for _ in PAUSES:
        fail(acme, Answer(1.0, status=500))
        [delivery] = deliveries_of(acme)
        pauses.append(delivery.next_try_at - timezone.now())
    assert all(p * 0.99 < pause < p * 1.11 for p, pause in zip(PAUSES, pauses, strict=True))
    assert timedelta(days=3) < sum(pauses, timedelta()) < timedelta(days=4)
    fail(acme, Answer(1.0, status=500))
    [delivery] = deliveries_of(acme)
    assert (delivery.status, delivery.num_tries) == ("failed", 10)
    assert not delivery.endpoint.is_active
    assert delivery.endpoint.disabled_reason == "exhausted"


def test_an_endpoint_to_which_others_get_through_stays(acme: House) -> None:
    endpoint, _ = make_endpoint(acme)
    make_delivery(endpoint)
    make_delivery(endpoint, status="delivered", settled_at=timezone.now())
    fail(acme, Answer(1.0, status=500), times=10)
    failed = deliveries_of(acme)[0]
    assert (failed.status, failed.endpoint.is_active) == ("failed", True)


def test_a_410_disables_at_once_and_activating_sends_what_waits(acme: House) -> None:
    endpoint, _ = make_endpoint(acme)
    make_delivery(endpoint)
    make_delivery(endpoint, next_try_at=timezone.now() + timedelta(minutes=1))
    fail(acme, Answer(1.0, status=410))
    failed, waiting = deliveries_of(acme)
    assert (failed.status, failed.endpoint.disabled_reason) == ("failed", "gone")
    assert waiting.status == "pending"
    with scopes_disabled():
        WebhookDelivery.objects.filter(pk=waiting.pk).update(next_try_at=timezone.now())
    assert claim_deliveries(limit=5) == []
    with pytest.raises(StateConflict), tenant_scope(acme.id):
        deliveries.replay_delivery(delivery_id=failed.pk)
    with tenant_scope(acme.id):
        assert (
            edit_endpoint(endpoint_id=endpoint.pk, changes={"is_active": True}).disabled_at is None
        )
    assert [claim.delivery_id for claim in claim_deliveries(limit=5)] == [waiting.pk]


def test_a_receiver_may_ask_for_more_time_up_to_a_day(acme: House) -> None:
    make_delivery(make_endpoint(acme)[0])
    for asked, least in ((600.0, 600), (10.0**9, 86_400)):
        fail(acme, Answer(1.0, status=503, retry_after_seconds=asked))
        pause = deliveries_of(acme)[0].next_try_at - timezone.now()
        assert timedelta(seconds=least - 2) < pause < timedelta(seconds=least + 2)


async def test_a_dispatcher_that_died_before_it_noted_the_answer_is_followed_by_the_same_id(
    acme: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*args: Any) -> None:
        raise Killed

    async with HostileServer() as server:
        await prepare(acme, server.url("/ok"))
        monkeypatch.setattr(deliveries, "settle", die)
        with pytest.raises(Killed):
            await send()
        monkeypatch.undo()
        await send()
        assert len(server.seen) == 1, "its lease has not run out"
        await change(lease_until=timezone.now() - timedelta(seconds=1))
        await send()
    [delivery] = await a_house(acme)
    assert delivery.status == "delivered"
    assert [seen.headers["webhook-id"] for seen in server.seen] == [delivery.webhook_id] * 2


def test_who_lost_the_claim_writes_nothing(acme: House) -> None:
    make_delivery(make_endpoint(acme)[0])
    [old] = claim_deliveries(limit=1)
    assert claim_deliveries(limit=1) == []
    with scopes_disabled():
        WebhookDelivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    [new] = claim_deliveries(limit=1)
    assert new.attempt == old.attempt + 1
    with tenant_scope(acme.id):
        assert deliveries.load_parcel(old) is None
        assert not deliveries.settle(old, Answer(1.0, status=200))
        [delivery] = deliveries_of(acme)
        assert (delivery.status, list(delivery.tries.all())) == ("pending", [])
        assert deliveries.settle(new, Answer(1.0, status=200))


def test_what_a_quicker_one_took_between_look_and_claim_is_left_to_it(
    acme: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_delivery(make_endpoint(acme)[0])
    update, quicker = deliveries.update_returning, []

    def update_late(*values: Any) -> list[dict[str, Any]]:
        monkeypatch.undo()
        quicker.extend(claim_deliveries(limit=1))
        return update(*values)

    monkeypatch.setattr(deliveries, "update_returning", update_late)
    assert claim_deliveries(limit=1) == []
    assert len(quicker) == 1


async def test_dispatchers_at_once_send_each_delivery_once(acme: House) -> None:
    async with HostileServer() as server:
        await prepare(acme, server.url("/ok"), count=12)
        await asyncio.gather(*(send() for _ in range(4)))
    assert len(server.seen) == 12
    assert len({seen.headers["webhook-id"] for seen in server.seen}) == 12


async def test_a_dead_endpoint_does_not_hold_up_the_others(acme: House, rival: House) -> None:
    async with HostileServer() as server:
        await prepare(acme, server.url("/hang"), count=60)
        await prepare(rival, server.url("/ok"), count=3)
        async with dispatcher(timeout_seconds=2.0) as made:
            running = asyncio.create_task(made.run_forever())
            async with asyncio.timeout(30):
                while {d.status for d in await a_house(rival)} != {"delivered"}:
                    await asyncio.sleep(0.02)
            assert sum(seen.path == "/hang" for seen in server.seen) <= PER_ENDPOINT
            made.stop()
            await running


async def test_a_replay_sends_it_again_under_the_same_id(acme: House) -> None:
    async with HostileServer() as server:
        await prepare(acme, server.url("/ok"))
        await send()
        [delivery] = await a_house(acme)
        await in_tenant(acme.id, deliveries.replay_delivery, delivery_id=delivery.pk)
        await send()
    [delivery] = await a_house(acme)
    assert [seen.headers["webhook-id"] for seen in server.seen] == [delivery.webhook_id] * 2
    assert (delivery.status, delivery.num_tries, len(delivery.tries.all())) == ("delivered", 1, 2)


async def test_any_success_is_success_and_nothing_else_is(
    acme: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for status, expected in (
        ("204 Fine", "delivered"),
        ("304 Same", "pending"),
        ("400 No", "pending"),
    ):
        monkeypatch.setitem(BEHAVIOURS, "/told", answer(status))
        async with HostileServer() as server:
            await prepare(acme, server.url("/told"))
            await send()
        assert (await a_house(acme))[-1].status == expected
