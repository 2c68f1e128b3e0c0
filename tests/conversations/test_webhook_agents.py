import asyncio
import html
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from asgiref.sync import sync_to_async
from standardwebhooks import Webhook

from conversations.engine.runner import Stop
from orkesta.env import PROJECT_ROOT
from orkesta.webhook_signing import make_secret
from routing.models import Agent
from routing.snapshot import forget_snapshots
from routing.tools.connections import close_connections
from tenants.scope import tenant_scope
from tests.admin import desk_of
from tests.cast import House, make_agent
from tests.engine import Story, apost, ask_fake_llm, open_worker, story_of
from tests.fakes.asgi_server import serve_asgi
from tests.fakes.llm_server import calls_tools, says

SECRET = make_secret()
Answer = Callable[[Any], Awaitable[None]]


def answers(*parts: bytes, status: int = 200, kind: str = "text/plain", **headers: str) -> Answer:
    async def answer(send: Any) -> None:
        named = {"content-type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
        raw = [(name.encode(), value.encode()) for name, value in named.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})

    return answer


def streams(*payloads: Any) -> Answer:
    events = [b"data: " + orjson.dumps(payload) + b"\n\n" for payload in payloads]
    return answers(*events, kind="text/event-stream; charset=utf-8")


def hangs(*parts: bytes) -> Answer:
    async def answer(send: Any) -> None:
        if parts:
            start = {"type": "http.response.start", "status": 200}
            await send(start | {"headers": [(b"content-type", b"text/plain")]})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await asyncio.sleep(30)

    return answer


class Remote:
    """A tenant's program; each request takes the next answer, the last one stays."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = answers
        self.asked: list[tuple[dict[str, str], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, message = b"", {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        self.asked.append(({k.decode(): v.decode() for k, v in scope["headers"]}, body))
        await self.answers[min(len(self.asked), len(self.answers)) - 1](send)


def make_remote(house: House, url: str, **values: Any) -> None:
    """Let `sales` be a program at `url`."""
    with tenant_scope(house.id):
        sales = Agent.objects.get(slug="sales")
        sales.set_webhook_secret(SECRET)
        values = {"kind": "webhook", "webhook_url": url, "prompt": None, "max_retries": 0} | values
        for name, value in values.items():
            setattr(sales, name, value)
        sales.save()
    forget_snapshots()


@pytest.fixture
async def house(transactional_db: None, acme: House, settings: Any) -> AsyncIterator[House]:
    settings.ORKESTA_ALLOW_PRIVATE_UPSTREAMS = True
    await sync_to_async(ask_fake_llm)(acme)
    yield acme
    await close_connections()


@asynccontextmanager
async def shop(house: House, *answers: Answer, **values: Any) -> AsyncIterator[Remote]:
    remote = Remote(*answers)
    async with serve_asgi(remote) as port:
        await sync_to_async(make_remote)(house, f"http://127.0.0.1:{port}/ask", **values)
        yield remote


async def turn(house: House, text: str = "price?", **values: Any) -> Story:
    async with open_worker(says("soy el respaldo")) as (worker, _):
        posted = await apost(house, text, **values)
        await worker.run_once()
    return await story_of(house, posted.task.id)


@pytest.mark.parametrize(
    "answer",
    [
        answers(b'{"content": "10 pesos \xf0\x9f\x98\x80"}', kind="application/json"),
        answers(b"10 pe", b"sos \xf0\x9f", b"\x98\x80"),
        streams({"delta": "10 "}, {"delta": "pesos 😀"}),
    ],
    ids=["json", "text", "events"],
)
async def test_a_program_answers_in_its_own_way(house: House, answer: Answer) -> None:
    async with shop(house, answer):
        story = await turn(house)
    step = story.steps[1]
    assert (story.answer, story.task.status) == ("10 pesos 😀", "completed")
    assert (step.kind, step.agent_slug, step.output["endpoint"]) == ("agent", "sales", "127.0.0.1")


async def test_it_is_told_what_it_needs_and_can_check_who_asks(house: House) -> None:
    async with shop(house, answers(b"uno"), answers(b"dos")) as remote:
        first = await turn(house, user_ref="c-7", user_name="Ana", context={"cart": 2})
        await turn(house, "and the price now?", session_id=first.session.id)
        headers, body = remote.asked[1]
    told = Webhook(SECRET).verify(body, headers)
    assert (told["message"], told["agent"], told["tenant"]) == (
        "and the price now?",
        "sales",
        "acme",
    )
    assert told["history"] == [
        {"role": "user", "content": "price?"},
        {"role": "assistant", "content": "uno"},
    ]
    assert told["user"] == {"id": "c-7", "name": "Ana"}
    assert orjson.loads(remote.asked[0][1])["context"] == {"cart": 2}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (answers(b"no", status=400), "agent_rejected"),
        (answers(b"no", status=500), "agent_error"),
        (answers(b"", status=302, location="http://127.0.0.1/"), "agent_error"),
        (answers(b"no", status=503), "agent_unreachable"),
        (answers(b"no", status=429, retry_after="60"), "agent_busy"),
        (answers(b"  "), "agent_bad_answer"),
        (answers(b"{", kind="application/json"), "agent_bad_answer"),
        (answers(b'{"content": 7}', kind="application/json"), "agent_bad_answer"),
        (answers(b"<p>", kind="text/html"), "agent_bad_answer"),
        (answers(b"x" * 100_000, b"y" * 100_001), "agent_bad_answer"),
        (streams({"delta": "diez"}, {"error": "the stock is down\x00"}), "agent_error"),
        (hangs(), "agent_timeout"),
        (hangs(b"diez"), "agent_timeout"),
    ],
)
async def test_a_program_that_fails_is_replaced(house: House, answer: Answer, code: str) -> None:
    async with shop(house, answer, timeout_seconds=0.3):
        story = await turn(house)
    assert (story.steps[1].output["code"], story.steps[1].status) == (code, "failed")
    assert (story.answer, story.steps[2].agent_slug) == ("soy el respaldo", "desk")


async def test_it_is_told_what_the_agent_before_it_found_out(house: House) -> None:
    async with shop(house, answers(b"45")) as remote:
        await sync_to_async(make_agent)(house.tenant, "first", may_hand_off=True)
        hand = calls_tools(("hand_off", {"agent": "sales", "reason": "wants a price"}))
        async with open_worker(hand) as (worker, _):
            posted = await apost(house, "price?", agent="first")
            await worker.run_once()
    assert (await story_of(house, posted.task.id)).answer == "45"
    told = orjson.loads(remote.asked[0][1])
    assert "«first» hands over to you: wants a price" in told["note"]


async def test_it_is_tried_again_under_the_same_id_until_it_says_something(house: House) -> None:
    busy = answers(b"", status=503, retry_after="0")
    late = answers(b"", status=429, retry_after="0")
    async with shop(house, busy, late, answers(b"ya"), max_retries=2) as remote:
        story = await turn(house)
    assert (story.answer, story.steps[1].output["attempts"]) == ("ya", 3)
    assert len({headers["webhook-id"] for headers, _ in remote.asked}) == 1
    async with shop(house, hangs(b"diez"), max_retries=2, timeout_seconds=0.2) as remote:
        await turn(house)
        assert len(remote.asked) == 1


async def test_its_breaker_opens(house: House) -> None:
    async with shop(house, answers(b"no", status=500), slug="sales") as remote:
        for _ in range(6):
            story = await turn(house)
        assert len(remote.asked) == 5
    assert story.steps[1].output["code"] == "agent_circuit_open"


async def test_an_address_in_a_private_network_is_shut(house: House, settings: Any) -> None:
    settings.ORKESTA_ALLOW_PRIVATE_UPSTREAMS = False
    async with shop(house, answers(b"hola")) as remote:
        story = await turn(house)
        assert remote.asked == []
    assert story.steps[1].output["code"] == "agent_unreachable"


async def test_cancelling_cuts_the_connection_and_keeps_what_was_said(house: House) -> None:
    async with shop(house, hangs(b"diez pesos")), open_worker(says("no")) as (worker, _):
        posted = await apost(house, "price?")
        running = asyncio.create_task(worker.run_once())
        async with asyncio.timeout(30):
            while not worker.running:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
        worker.running[posted.task.id][0].stop(Stop.CANCELLED)
        await running
    story = await story_of(house, posted.task.id)
    assert story.task.status == "cancelled"
    assert (story.steps[1].kind, story.steps[1].output["text"]) == ("agent", "diez pesos")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def test_the_receiver_of_the_documentation_answers(house: House) -> None:
    example = PROJECT_ROOT / "examples" / "webhook_agent.py"
    assert example.read_text() in (PROJECT_ROOT / "docs" / "webhook-agents.md").read_text()
    port = free_port()
    environment = os.environ | {"WEBHOOK_SECRET": SECRET, "PORT": str(port)}
    process = subprocess.Popen(  # noqa: ASYNC220 - it does not wait
        [sys.executable, example], env=environment, stderr=subprocess.PIPE
    )
    try:
        url = f"http://127.0.0.1:{port}/"
        await sync_to_async(make_remote)(house, url, max_retries=5)
        story = await turn(house)
    finally:
        process.kill()
        process.communicate()
    assert story.answer == "You said: price?"


def test_its_secret_is_shown_once_and_sealed(acme: House) -> None:
    desk = desk_of(acme)
    form = {
        "name": "Robot", "slug": "robot", "description": "Answers.", "kind": "webhook",
        "max_tokens_per_step": 1000, "max_steps": 10, "max_task_tokens": 0, "max_task_seconds": 60,
        "history_turns": 10, "timeout_seconds": 30, "max_retries": 3, "while_busy": "enqueue",
        "is_active": "on",
    }  # fmt: skip
    answer = desk.post("routing_agent_add", **form)
    assert "webhook_url" in answer.context["adminform"].form.errors
    form |= {"webhook_url": "https://agents.example/ask"}
    desk.post("routing_agent_add", **form)
    shown = desk.get("routing_agent_changelist").content.decode()
    with tenant_scope(acme.id):
        robot = Agent.objects.get(slug="robot")
    secret = robot.webhook_secret.reveal()
    assert secret.startswith("whsec_")
    assert secret in html.unescape(shown)
    assert secret not in robot.sealed_webhook_secret
    for page, args in (("changelist", []), ("change", [robot.pk])):
        shown = desk.get(f"routing_agent_{page}", *args).content.decode()
        assert secret not in html.unescape(shown)
    desk.post("routing_agent_change", robot.pk, **form, new_webhook_secret="on")
    robot.refresh_from_db()
    assert robot.webhook_secret.reveal() != secret
