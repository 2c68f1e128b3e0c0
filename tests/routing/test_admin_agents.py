from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from routing.models import Agent, RoutingRule
from tenants.scope import tenant_scope
from tests.admin import Desk, desk_of
from tests.cast import House


def form_of(house: House, **values: Any) -> dict[str, Any]:
    form = {
        "name": "Payments",
        "slug": "payments",
        "description": "Takes payments.",
        "intents": "pay\ninvoice, refund\n\npay",
        "kind": "prompt",
        "prompt": house.agents["sales"].prompt_id,
        "is_active": "on",
        "max_steps": 10,
        "max_tokens_per_step": 1000,
        "max_task_tokens": 100_000,
        "max_task_seconds": 600,
        "history_turns": 10,
        "timeout_seconds": 30,
        "max_retries": 3,
        "while_busy": "enqueue",
    }
    return form | values


def agents(house: House) -> dict[str, Agent]:
    with tenant_scope(house.id):
        return {agent.slug: agent for agent in Agent.objects.all()}


def fallbacks(house: House) -> list[str]:
    return [slug for slug, agent in agents(house).items() if agent.is_fallback]


def said(desk: Desk) -> str:
    return desk.get("routing_agent_changelist").content.decode()


def errors_of(response: Any) -> Any:
    return response.context["adminform"].form.errors


def test_an_agent_is_made_with_words_instead_of_json(acme: House) -> None:
    before = acme.tenant.config_version
    assert desk_of(acme).post("routing_agent_add", **form_of(acme)).status_code == 302
    assert agents(acme)["payments"].intents == ["pay", "invoice", "refund"]
    acme.tenant.refresh_from_db()
    assert acme.tenant.config_version == before + 1


def test_a_tier_may_limit_how_many_agents_there_are(acme: House) -> None:
    acme.tenant.tier.max_agents = 2
    acme.tenant.tier.save()
    response = desk_of(acme).post("routing_agent_add", **form_of(acme))
    assert "Your tier allows 2 agents." in response.content.decode()
    assert "payments" not in agents(acme)


def test_another_fallback_takes_over_from_the_first(acme: House) -> None:
    desk = desk_of(acme)
    desk.post("routing_agent_add", **form_of(acme, is_fallback="on"))
    assert fallbacks(acme) == ["payments"]
    assert "The fallback was “Desk”; it is “Payments” now." in said(desk)


def test_the_fallback_cannot_simply_be_taken_away(acme: House) -> None:
    desk, agent = desk_of(acme), acme.agents["desk"]
    form = form_of(acme, name="Desk", slug="desk", prompt=agent.prompt_id)
    assert "is_fallback" in errors_of(desk.post("routing_agent_change", agent.pk, **form))
    del form["is_active"]
    response = desk.post("routing_agent_change", agent.pk, **form | {"is_fallback": "on"})
    assert "is_active" in errors_of(response)
    desk.post("routing_agent_delete", agent.pk, post="yes")
    assert "make another agent the fallback first" in said(desk)
    assert fallbacks(acme) == ["desk"]


def test_the_list_does_not_switch_the_fallback_off(acme: House) -> None:
    rows = [acme.agents["desk"], acme.agents["sales"]]
    form: dict[str, Any] = {"form-TOTAL_FORMS": 2, "form-INITIAL_FORMS": 2, "_save": "Save"}
    form |= {f"form-{number}-id": row.pk for number, row in enumerate(rows)}
    desk = desk_of(acme)
    response = desk.post("routing_agent_changelist", **form)
    assert "it is the last resort" in response.content.decode()
    assert all(agent.is_active for agent in agents(acme).values())
    desk.post("routing_agent_changelist", **form | {"form-0-is_active": "on"})
    assert {slug: agent.is_active for slug, agent in agents(acme).items()} == {
        "desk": True,
        "sales": False,
    }


def test_deleting_many_stops_at_the_fallback_unless_all_go(acme: House) -> None:
    desk = desk_of(acme)
    chosen = [agent.pk for agent in acme.agents.values()]
    desk.post("routing_agent_add", **form_of(acme))
    form = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    page = desk.post("routing_agent_changelist", **form).content.decode()
    assert "make another agent the fallback first" in page
    assert set(agents(acme)) == {"desk", "sales", "payments"}
    everybody = [agent.pk for agent in agents(acme).values()]
    desk.post("routing_agent_changelist", **form | {"_selected_action": everybody})
    assert agents(acme) == {}
    with tenant_scope(acme.id):
        assert not RoutingRule.objects.exists(), "rules go with the agent they lead to"


def test_the_first_agent_of_a_tenant_is_its_fallback(acme: House) -> None:
    with tenant_scope(acme.id):
        Agent.objects.all().delete()
    desk = desk_of(acme)
    assert desk.get("routing_agent_add").context["adminform"].form.initial["is_fallback"]
    desk.post("routing_agent_add", **form_of(acme))
    assert fallbacks(acme) == ["payments"]


def test_a_prompt_in_use_is_not_deleted(acme: House) -> None:
    prompt = acme.agents["sales"].prompt
    page = desk_of(acme).get("prompts_prompt_delete", prompt.pk).content.decode()
    assert "protected" in page
    desk_of(acme).post("prompts_prompt_delete", prompt.pk, post="yes")
    assert set(agents(acme)) == {"desk", "sales"}


def test_saving_writes_only_what_was_changed(acme: House) -> None:
    agent = acme.agents["sales"]
    form = form_of(acme, name="Shop", slug="sales", description=agent.description, intents="")
    with CaptureQueriesContext(connection) as queries:
        desk_of(acme).post("routing_agent_change", agent.pk, **form)
    updates = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "routing_')]
    assert [update.partition(" WHERE ")[0] for update in updates] == [
        """UPDATE "routing_agent" SET "name" = 'Shop'"""
    ]


def test_the_list_says_who_is_ready(acme: House) -> None:
    with tenant_scope(acme.id):
        acme.agents["sales"].prompt.versions.all().delete()
    page = said(desk_of(acme))
    assert "nothing published" in page
    assert "v1" in page
    assert "Offline" in page
