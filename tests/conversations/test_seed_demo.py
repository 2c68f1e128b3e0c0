from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from conversations.demo.access import DemoAccess, find_access, shop_token
from conversations.demo.seed import seed_demo
from conversations.models import Message, Session, Step, Task
from orkesta.outbound import own_server_allowed
from prompts.models import PromptVersion
from routing.models import Agent, LLMEndpoint, RoutingRule
from routing.server_models import McpServer
from routing.tool_models import Tool
from tenants.authentication import authenticate_key
from tenants.models import ApiKey, Membership, Tenant
from tenants.scope import tenant_scope
from tenants.services import revoke_api_key
from tests.shop import run_shop

OPENAI = {"api_key": "sk-first-0123456789", "base_url": "https://llm.example/v1", "model": "gpt-x"}


def seed() -> list[str]:
    return seed_demo(has_dialogues=False)


def can_sign_in(access: DemoAccess) -> bool:
    form = {"username": access.username, "password": access.password}
    return Client().post("/admin/login/?next=/admin/", form).status_code == 302


def default_endpoint(slug: str = "ferreteria") -> tuple[str, str, str]:
    with tenant_scope(Tenant.objects.get(slug=slug).id):
        row = LLMEndpoint.objects.get(is_default=True, is_active=True)
        return row.base_url, row.llm, row.api_key.reveal()


@pytest.mark.django_db
def test_both_tenants_have_what_they_need() -> None:
    assert seed() == ["ferreteria", "floreria"]
    for slug, owner in (("ferreteria", "demo"), ("floreria", "demo2")):
        with tenant_scope(Tenant.objects.get(slug=slug).id):
            assert Membership.objects.get().user.get_username() == owner
            agents = Agent.objects.all()
            published = PromptVersion.objects.filter(status="published", number=1)
            assert {agent.prompt_id for agent in agents} == {row.prompt_id for row in published}
            assert agents.filter(is_fallback=True).count() == 1
            assert RoutingRule.objects.count() >= 4
            used = Tool.objects.filter(agent_tools__isnull=False)
            assert used.exists() == (slug == "ferreteria")
            assert all(tool.is_active and not tool.is_quarantined for tool in used)


@pytest.mark.django_db
def test_the_login_and_the_key_that_are_shown_work() -> None:
    seed()
    access = find_access("ferreteria")
    assert access is not None
    assert can_sign_in(access)
    principal = authenticate_key(access.api_key)
    assert (principal.tenant_slug, access.api_key[:9]) == ("ferreteria", "ork_test_")
    other = find_access("floreria")
    assert other is not None
    assert other.api_key != access.api_key
    assert other.password != access.password


@pytest.mark.django_db
def test_nothing_plain_is_stored() -> None:
    seed()
    access = find_access("ferreteria")
    assert access is not None
    row = ApiKey._base_manager.get(tenant__slug="ferreteria")
    user = get_user_model().objects.get(username="demo")
    stored = repr(row.__dict__) + repr(user.__dict__)
    assert access.api_key not in stored
    assert access.api_key.split("_")[3] not in stored
    assert access.password not in stored


@pytest.mark.django_db
def test_running_it_again_keeps_what_people_did() -> None:
    seed()
    before = find_access("ferreteria")
    tenant = Tenant.objects.get(slug="ferreteria")
    with tenant_scope(tenant.id):
        RoutingRule.objects.filter(name="Precio").update(intent="otro")
        RoutingRule.objects.filter(name="Factura").delete()
    assert seed() == []
    with tenant_scope(tenant.id):
        assert RoutingRule.objects.get(name="Precio").intent == "otro"
        assert not RoutingRule.objects.filter(name="Factura").exists()
        assert ApiKey.objects.count() == 1
    assert find_access("ferreteria") == before


@pytest.mark.django_db
def test_a_login_and_a_key_that_no_longer_work_are_replaced() -> None:
    seed()
    before = find_access("ferreteria")
    tenant = Tenant.objects.get(slug="ferreteria")
    with tenant_scope(tenant.id):
        revoke_api_key(key=ApiKey.objects.get())
    user = get_user_model().objects.get(username="demo")
    user.set_password("something else")
    user.is_active = False
    user.save()
    assert find_access("ferreteria") is None
    seed()
    after = find_access("ferreteria")
    assert before is not None
    assert after is not None
    assert after.api_key != before.api_key
    assert authenticate_key(after.api_key).tenant_slug == "ferreteria"
    assert can_sign_in(after)


@pytest.mark.django_db
def test_another_secret_key_gives_other_credentials(settings: Settings) -> None:
    seed()
    before = find_access("ferreteria")
    settings.SECRET_KEY = "another-secret-key-of-the-same-house"
    assert find_access("ferreteria") is None
    seed()
    after = find_access("ferreteria")
    assert before is not None
    assert after is not None
    assert {before.api_key, before.password}.isdisjoint({after.api_key, after.password})


@pytest.mark.django_db
def test_without_a_secret_key_of_its_own_there_is_no_demo(settings: Settings) -> None:
    settings.SECRET_KEY = settings.INSECURE_KEY
    with pytest.raises(CommandError, match="ORCHESTRATOR_SECRET_KEY"):
        call_command("seed_demo", skip_checks=True)
    assert not Tenant.objects.exists()


@pytest.mark.django_db
def test_the_operator_exists_in_development_only(settings: Settings) -> None:
    seed()
    assert not get_user_model().objects.filter(is_superuser=True).exists()
    settings.DEBUG = True
    seed()
    assert get_user_model().objects.get(is_superuser=True).get_username() == "operator"


@pytest.mark.django_db
def test_an_openai_key_in_the_environment_is_followed(settings: Settings) -> None:
    seed()
    assert default_endpoint()[0] == "offline://"
    settings.ORKESTA_OPENAI = OPENAI
    seed()
    assert default_endpoint() == ("https://llm.example/v1", "gpt-x", OPENAI["api_key"])
    assert default_endpoint("floreria")[0] == "https://llm.example/v1"
    settings.ORKESTA_OPENAI = OPENAI | {"api_key": "sk-second-0123456789", "model": "gpt-y"}
    seed()
    assert default_endpoint()[1:] == ("gpt-y", "sk-second-0123456789")
    settings.ORKESTA_OPENAI = OPENAI | {"api_key": ""}
    seed()
    assert default_endpoint() == ("offline://", "orkesta-offline", "")
    assert "sk-" not in repr(list(LLMEndpoint._base_manager.values()))


@pytest.mark.django_db
def test_workers_hear_of_another_endpoint(settings: Settings) -> None:
    seed()
    before = Tenant.objects.get(slug="ferreteria").config_version
    seed()
    assert Tenant.objects.get(slug="ferreteria").config_version == before
    settings.ORKESTA_OPENAI = OPENAI
    seed()
    assert Tenant.objects.get(slug="ferreteria").config_version > before


@pytest.mark.django_db
def test_a_default_that_somebody_chose_stays(settings: Settings) -> None:
    seed()
    settings.ORKESTA_OPENAI = OPENAI
    seed()
    tenant = Tenant.objects.get(slug="ferreteria")
    with tenant_scope(tenant.id):
        LLMEndpoint.objects.update(is_default=False)
        LLMEndpoint.objects.create(name="Mine", base_url="https://mine.example", is_default=True)
    seed()
    assert default_endpoint()[0] == "https://mine.example"
    settings.ORKESTA_OPENAI = OPENAI | {"api_key": ""}
    seed()
    assert default_endpoint()[0] == "https://mine.example"


@pytest.mark.django_db
def test_an_address_that_is_none_is_refused_in_words(settings: Settings) -> None:
    settings.ORKESTA_OPENAI = OPENAI | {"base_url": "llm.example"}
    with pytest.raises(CommandError, match="OPENAI_BASE_URL"):
        call_command("seed_demo", "--without-conversations", skip_checks=True)


def server_row() -> McpServer:
    with tenant_scope(Tenant.objects.get(slug="ferreteria").id):
        return McpServer.objects.get()


@pytest.mark.django_db
def test_the_mcp_server_is_followed_to_where_it_listens() -> None:
    seed()
    version = Tenant.objects.get(slug="ferreteria").config_version
    seed_demo(shop_url="http://127.0.0.1:4711/mcp")
    assert server_row().url == "http://127.0.0.1:4711/mcp"
    assert server_row().secret.reveal() == f"Bearer {shop_token()}"
    assert Tenant.objects.get(slug="ferreteria").config_version > version
    row = server_row()
    with tenant_scope(row.tenant_id):
        McpServer.objects.update(url="https://mcp.example/mcp")
    seed_demo(shop_url="http://127.0.0.1:4712/mcp")
    assert server_row().url == "https://mcp.example/mcp"
    with tenant_scope(row.tenant_id):
        McpServer.objects.all().delete()
    seed_demo(shop_url="http://127.0.0.1:4713/mcp")
    with tenant_scope(row.tenant_id):
        assert not McpServer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_customers_were_answered_as_any_others_are(tmp_path: Path) -> None:
    with ExitStack() as stack:
        shop = stack.enter_context(run_shop(tmp_path / "shop.sqlite3", token=shop_token()))
        stack.enter_context(own_server_allowed(urlsplit(shop.url).netloc))
        assert seed_demo(shop_url=shop.url) == ["ferreteria", "floreria"]
    with tenant_scope(Tenant.objects.get(slug="ferreteria").id):
        assert set(Task.objects.values_list("status", flat=True)) == {"completed"}
        asked = Message.objects.filter(role="user").count()
        assert asked == Message.objects.filter(role="assistant").count() == Task.objects.count()
        assert asked >= 10
        routes = Step.objects.filter(kind="route")
        sources = set(routes.values_list("output__source", flat=True))
        assert {"rule", "llm"} <= sources
        assert set(Session.objects.values_list("status", flat=True)) == {"open", "closed"}
        answer = Message.objects.get(
            task__messages__content="Necesito 10 tubos PVC de 1/2", role="assistant"
        )
        assert answer.agent_slug == "pedidos"
        assert "680.00" in answer.content
        assert Message.objects.filter(content__contains="PED-1001").exists()
        assert not Step.objects.filter(kind="tool").exclude(status="succeeded").exists()


@pytest.mark.django_db
def test_how_to_enter_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="seed_demo"):
        call_command("demo_access", skip_checks=True)
    seed()
    call_command("demo_access", "--tenant", "floreria", skip_checks=True)
    access = find_access("floreria")
    assert access is not None
    assert capsys.readouterr().out.splitlines() == [
        "Tenant  floreria",
        f"Admin   user demo2   password {access.password}",
        f"API key {access.api_key}",
    ]
    call_command("demo_access", "--operator", skip_checks=True)
    assert "user operator" in capsys.readouterr().out
