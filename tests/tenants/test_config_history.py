from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversations.triggers.schedules import create_schedule, fire_now
from orkesta.crypto import SealedTextField
from routing.models import Agent, LLMEndpoint, RoutingRule
from tenants.audit import Actor, acting
from tenants.audit_models import ActorKind
from tenants.history import forget_versions, versioned_models
from tenants.models import Tenant, Tier
from tenants.scope import ScopeError, TenantModel, tenant_scope
from tenants.services import touch_configuration
from tests.cast import House, make_tenant

ADA = Actor(ActorKind.USER, "7", "Ada", "203.0.113.9")


def versions(row: Any) -> list[Any]:
    with tenant_scope(getattr(row, "tenant_id", None) or row.pk):
        return list(row.history.order_by("number"))


def test_every_state_that_was_saved_is_kept_with_who_did_it(acme: House) -> None:
    agent = acme.agents["sales"]
    with tenant_scope(acme.id), acting(ADA):
        agent.name = "Ventas"
        agent.save(update_fields=["name"])
    found = versions(agent)
    assert [(one.number, one.history_type, one.name) for one in found] == [
        (1, "+", "Sales"),
        (2, "~", "Ventas"),
    ]
    assert (found[1].actor_name, found[1].actor_kind, found[1].actor_id) == ("Ada", "user", "7")
    assert found[1].tenant_id == acme.id


def test_a_deleted_row_leaves_how_it_was(acme: House) -> None:
    rule = acme.rules[0]
    pk = rule.pk
    with tenant_scope(acme.id):
        rule.delete()
        last = RoutingRule.history.filter(id=pk).order_by("number").last()
    assert (last.history_type, last.condition) == ("-", {"any": ["price", "precio"]})


def test_saving_nothing_new_leaves_no_version(acme: House) -> None:
    agent = acme.agents["sales"]
    with tenant_scope(acme.id):
        Agent.objects.get(pk=agent.pk).save()
    assert len(versions(agent)) == 1


def test_a_state_that_nobody_kept_is_kept_before_it_is_overwritten(acme: House) -> None:
    agent = acme.agents["sales"]
    with tenant_scope(acme.id), acting(ADA):
        Agent.objects.filter(pk=agent.pk).update(name="By update")
        fresh = Agent.objects.get(pk=agent.pk)
        fresh.name = "Ventas"
        fresh.save()
    found = versions(agent)
    assert [one.name for one in found] == ["Sales", "By update", "Ventas"]
    assert [one.actor_name for one in found] == ["", "", "Ada"]
    assert found[1].history_change_reason == "found"


def test_a_column_that_was_not_written_is_kept_as_it_is_stored(acme: House) -> None:
    agent = acme.agents["sales"]
    with tenant_scope(acme.id):
        old = Agent.objects.get(pk=agent.pk)
        old.name, old.description = "Never written", "New."
        old.save(update_fields=["description"])
    assert versions(agent)[-1].name == "Sales"


def test_what_happens_all_day_leaves_no_version_and_costs_nothing(acme: House) -> None:
    values = {"name": "Daily", "cron": "0 9 * * *", "message": "hola"}
    with tenant_scope(acme.id):
        schedule = create_schedule(tenant_id=acme.id, values=values)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            fire_now(schedule.pk)
            touch_configuration(acme.id)
    assert not [one["sql"] for one in asked if "historical" in one["sql"]]
    assert len(versions(schedule)) == 1
    assert len(versions(acme.tenant)) == 1


def test_no_secret_is_kept_in_any_version(acme: House) -> None:
    for model in versioned_models():
        kept = model.history.model._meta.concrete_fields
        sealed = [one.name for one in model._meta.fields if isinstance(one, SealedTextField)]
        assert not {one.name for one in kept} & set(sealed)
    with tenant_scope(acme.id):
        acme.endpoint.set_api_key("sk-canary-of-history-4f2a")
        acme.endpoint.save()
    found = versions(acme.endpoint)[-1]
    assert found.api_key_hint == "4f2a"
    assert "canary" not in str(vars(found))


def test_versions_of_a_tenants_rows_stand_behind_the_scope(acme: House, rival: House) -> None:
    with tenant_scope(rival.id):
        assert not Agent.history.filter(id=acme.agents["sales"].pk).exists()
        assert Agent.history.exists()
        assert not acme.agents["sales"].history.exists()
    for rows in (Agent.history, Agent.history.model.objects):
        with pytest.raises(ScopeError):
            rows.exists()
    shared = [one for one in versioned_models() if not issubclass(one.history.model, TenantModel)]
    assert shared == [Tier]


def test_they_go_with_their_tenant(acme: House) -> None:
    gone = make_tenant("gone")
    with tenant_scope(gone.id):
        LLMEndpoint.objects.create(name="Offline")
    gone.delete()
    left = [
        model._meta.label
        for model in apps.get_models()
        if hasattr(model, "instance_type")
        and issubclass(model, TenantModel)
        and model._base_manager.filter(tenant_id=gone.id).exists()
    ]
    assert left == []
    assert Tenant.history.model._base_manager.filter(tenant_id=acme.id).exists()


def test_what_is_older_than_the_tier_keeps_is_forgotten_but_for_what_is_so_still(
    acme: House,
) -> None:
    agent, rule = acme.agents["sales"], acme.rules[0]
    with tenant_scope(acme.id):
        agent.name = "Ventas"
        agent.save()
        rule_id = rule.pk
        rule.delete()
        assert forget_versions(timezone.now() - timedelta(days=1)) == 0
        assert forget_versions(timezone.now() + timedelta(days=1)) == 3
        assert [one.name for one in agent.history.all()] == ["Ventas"]
        assert not RoutingRule.history.filter(id=rule_id).exists()
