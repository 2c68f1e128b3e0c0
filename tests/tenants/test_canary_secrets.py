"""Secrets with canaries in them are planted, everything is asked, and the canaries looked for."""

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import OperationalError, connection
from django.test import Client

from conversations.trigger_models import WebhookEndpoint
from conversations.triggers import endpoints
from orkesta.addresses import addresses
from orkesta.telemetry import LogFormatter
from routing.models import LLMEndpoint, Tool
from tenants.authentication import authenticate_key
from tenants.scope import scopes_disabled, tenant_scope
from tests.admin import desk_of
from tests.callers import NO_SUCH_ID, Caller, make_key
from tests.cast import House

LLM, TOOL = "canary-llm-4471c2aa9e", "canary-tool-88b1f00d37"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, as the product writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogFormatter("json"))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def planted(acme: House) -> dict[str, str]:
    with tenant_scope(acme.id):
        endpoint = LLMEndpoint.objects.get()
        endpoint.set_api_key(LLM)
        endpoint.save()
        tool = Tool.objects.create(name="shop", kind="http", url="https://shop.example/")
        tool.set_secret(TOOL)
        tool.save()
        values = {"name": "Shop", "url": "https://93.184.216.34/", "event_types": ["task.failed"]}
        _, webhook = endpoints.create_endpoint(tenant_id=acme.id, values=values)
    return {"llm": LLM, "tool": TOOL, "webhook": webhook, "key": make_key(acme.tenant)}


def told(response: Any) -> str:
    body = b"".join(response) if response.streaming else response.content
    return body.decode(errors="replace") + str(response.headers)


def ask_everything(house: House, key: str) -> Iterator[str]:
    caller = Caller(key)
    for address in addresses("api/v1/"):
        if not address.name or "stream" in address.name:
            continue
        known = {name: 1 if name == "number" else NO_SUCH_ID for name in address.parameters}
        for method in address.methods:
            if address.name == "key" and method == "DELETE":
                continue
            yield told(caller.request(method, address.path(**known), {"key": "x", "message": "x"}))
    desk = desk_of(house)
    for page in addresses("admin/"):
        if page.name.endswith("_changelist"):
            yield told(desk.get(page.name.removeprefix("admin:")))
    with tenant_scope(house.id):
        rows = [LLMEndpoint.objects.get(), Tool.objects.get(), WebhookEndpoint.objects.get()]
    for row in rows:
        yield told(desk.get(f"{row._meta.app_label}_{row._meta.model_name}_change", row.pk))


def stored() -> Iterator[str]:
    with scopes_disabled():
        for model in apps.get_models():
            for row in model._base_manager.values():
                yield f"{model._meta.label}: {row}"


@pytest.mark.django_db
def test_no_secret_is_in_an_answer_a_page_a_column_or_a_line_of_the_log(
    acme: House, planted: dict[str, str], log: io.StringIO
) -> None:
    answers = list(ask_everything(acme, planted["key"]))
    assert len(answers) > 60
    for secret in planted.values():
        assert [text[:200] for text in answers if secret in text] == []
        assert [text[:200] for text in stored() if secret in text] == []
        assert secret not in log.getvalue()


@pytest.mark.django_db
def test_no_secret_is_told_when_everything_breaks(
    acme: House, planted: dict[str, str], log: io.StringIO
) -> None:
    key = planted["key"]
    authenticate_key(key)
    secrets = " ".join(planted.values())

    def broken(execute: Any, sql: str, *rest: Any) -> Any:
        raise OperationalError(f"cannot connect with {secrets}")

    caller = Caller(key)
    with connection.execute_wrapper(broken):
        answers = [told(caller.get(path)) for path in ("/api/v1/tasks", "/api/v1/keys")]
        answers.append(told(Client(raise_request_exception=False).get("/admin/")))
    logging.getLogger("some.library").error("failed with %s", secrets)
    assert "failed with" in log.getvalue()
    for secret in planted.values():
        assert secret not in log.getvalue()
        assert [text[:200] for text in answers if secret in text] == []
