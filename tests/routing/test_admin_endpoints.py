from typing import Any

import pytest
from asgiref.sync import async_to_sync

from routing.breaker import BreakerStatus, Outcome
from routing.breaker_store import breaker_store
from routing.models import LLMEndpoint
from tenants.scope import tenant_scope
from tests.admin import desk_of
from tests.cast import House

KEY = "sk-secret-of-acme-4f2a"
URL = "https://api.openai.example/v1"


def form_of(**values: Any) -> dict[str, Any]:
    form = {"name": "OpenAI", "base_url": URL, "llm": "gpt-5-mini", "timeout_seconds": 30}
    return form | {"is_active": "on"} | values


def endpoints(house: House) -> dict[str, LLMEndpoint]:
    with tenant_scope(house.id):
        return {row.name: row for row in LLMEndpoint.objects.all()}


def with_key(house: House) -> LLMEndpoint:
    desk_of(house).post("routing_llmendpoint_add", **form_of(new_api_key=KEY))
    return endpoints(house)["OpenAI"]


def errors_of(response: Any) -> Any:
    return response.context["adminform"].form.errors


def test_a_key_is_sealed_and_only_its_end_is_shown(acme: House) -> None:
    row = with_key(acme)
    assert row.api_key.reveal() == KEY
    assert KEY not in row.sealed_api_key
    for page in ("changelist", "change"):
        args = [row.pk] if page == "change" else []
        text = desk_of(acme).get(f"routing_llmendpoint_{page}", *args).content.decode()
        assert KEY not in text
        assert "•••• 4f2a" in text


def test_an_empty_field_keeps_the_key(acme: House) -> None:
    row = with_key(acme)
    form = form_of(name="Renamed", base_url=f"{URL}/other-path")
    assert desk_of(acme).post("routing_llmendpoint_change", row.pk, **form).status_code == 302
    assert endpoints(acme)["Renamed"].api_key.reveal() == KEY


def test_a_key_is_replaced_and_forgotten(acme: House) -> None:
    row, desk = with_key(acme), desk_of(acme)
    desk.post("routing_llmendpoint_change", row.pk, **form_of(new_api_key="sk-another-key-9999"))
    assert endpoints(acme)["OpenAI"].api_key.reveal() == "sk-another-key-9999"
    assert endpoints(acme)["OpenAI"].api_key_hint == "9999"
    desk.post("routing_llmendpoint_change", row.pk, **form_of(forget_api_key="on"))
    assert not endpoints(acme)["OpenAI"].api_key
    assert endpoints(acme)["OpenAI"].api_key_hint == ""


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1",
        "http://api.openai.example/v1",
        "https://api.openai.example.evil.example/v1",
    ],
)
def test_a_key_does_not_travel_to_another_host(acme: House, url: str) -> None:
    row, desk = with_key(acme), desk_of(acme)
    response = desk.post("routing_llmendpoint_change", row.pk, **form_of(base_url=url))
    assert "new_api_key" in errors_of(response)
    assert endpoints(acme)["OpenAI"].base_url == URL
    for way in ({"new_api_key": "sk-of-the-new-host"}, {"forget_api_key": "on"}):
        form = form_of(base_url=url, **way)
        assert desk.post("routing_llmendpoint_change", row.pk, **form).status_code == 302
        assert endpoints(acme)["OpenAI"].api_key.reveal() != KEY
        desk.post("routing_llmendpoint_change", row.pk, **form_of(new_api_key=KEY))


@pytest.mark.parametrize(
    "url", ["ftp://x", "https://u:p@host/v1", "https://host/v1?key=1", "javascript:alert(1)", "//x"]
)
def test_an_address_that_is_none_is_refused(acme: House, url: str) -> None:
    response = desk_of(acme).post("routing_llmendpoint_add", **form_of(base_url=url))
    assert "base_url" in errors_of(response)


def test_another_default_takes_over_and_says_so(acme: House) -> None:
    desk = desk_of(acme)
    desk.post("routing_llmendpoint_add", **form_of(is_default="on"))
    assert {name: row.is_default for name, row in endpoints(acme).items()} == {
        "OpenAI": True,
        "Offline": False,
    }
    page = desk.get("routing_llmendpoint_changelist").content.decode()
    assert "The default was “Offline”; it is “OpenAI” now." in page


def test_the_default_cannot_simply_be_taken_away(acme: House) -> None:
    form = form_of(name="Offline", base_url="offline://")
    desk = desk_of(acme)
    response = desk.post("routing_llmendpoint_change", acme.endpoint.pk, **form)
    assert "is_default" in errors_of(response)
    form = form_of(name="Offline", base_url="offline://", is_default="on")
    del form["is_active"]
    response = desk.post("routing_llmendpoint_change", acme.endpoint.pk, **form)
    assert "is_active" in errors_of(response)
    with_key(acme)
    desk.post("routing_llmendpoint_delete", acme.endpoint.pk, post="yes")
    page = desk.get("routing_llmendpoint_changelist").content.decode()
    assert "make another endpoint the default first" in page
    assert set(endpoints(acme)) == {"Offline", "OpenAI"}


def test_the_first_endpoint_is_the_default(acme: House) -> None:
    with tenant_scope(acme.id):
        LLMEndpoint.objects.all().delete()
    desk_of(acme).post("routing_llmendpoint_add", **form_of())
    assert endpoints(acme)["OpenAI"].is_default


def test_the_key_stands_in_no_log_of_changes(acme: House) -> None:
    row = with_key(acme)
    page = desk_of(acme).get("routing_llmendpoint_history", row.pk).content.decode()
    assert KEY not in page


def test_an_embedding_model_is_of_one_endpoint_and_its_breaker_is_closed_with_it(
    acme: House,
) -> None:
    desk = desk_of(acme)
    desk.post("routing_llmendpoint_add", **form_of(embedding_llm="text-embedding-3-small"))
    row = endpoints(acme)["OpenAI"]
    assert row.embedding_llm == "text-embedding-3-small"
    second = desk.post("routing_llmendpoint_add", **form_of(name="Second", embedding_llm="x"))
    assert "already" in str(errors_of(second))
    store = breaker_store()
    for _ in range(5):
        async_to_sync(store.report)(acme.id, "embeddings:OpenAI", Outcome.FAILURE)
    desk.post("routing_llmendpoint_reset_breaker", row.pk)
    state = async_to_sync(store.read)(acme.id, "embeddings:OpenAI")
    assert state.status is BreakerStatus.CLOSED
