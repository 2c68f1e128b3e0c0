from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.db.models import Model

from conversations.trigger_models import (
    InboundWebhook,
    Schedule,
    ScheduleRun,
    WebhookDelivery,
    WebhookEndpoint,
)
from orkesta.addresses import Address, addresses
from prompts.models import PromptVersion
from prompts.replay_models import PromptReplay
from prompts.services import save_draft
from tenants.admin.model_admin import TenantModelAdmin
from tenants.audit import record
from tenants.audit_models import AuditAction, AuditEntry
from tenants.models import ApiKey, Membership
from tenants.scope import tenant_scope
from tenants.services import issue_api_key
from tests.admin import Desk, desk_of, make_turn, superuser_in
from tests.cast import House, make_member
from tests.conversations.triggers import make_triggers
from tests.furniture import make_extras

#: Addresses that lead to a row; `app_list` leads to the lists of an app.
ROW_PAGES = [
    found
    for found in addresses("admin/")
    if found.parameters and found.name not in {"", "admin:app_list"}
]


def rows_of(house: House) -> dict[str, Model]:
    """One row of every model that the admin shows, by `app_model`."""
    task = make_turn(house.tenant)
    agent = house.agents["sales"]
    triggers = make_triggers(house, "trigger")
    extras = make_extras(house)
    with tenant_scope(house.id):
        issue_api_key(tenant=house.tenant, name="shop", scopes=["chat:write"])
        draft = save_draft(prompt=agent.prompt, source="a draft")
        PromptReplay.objects.create(version=draft)
        return extras | {
            "tenants_tenant": house.tenant,
            "tenants_tier": house.tenant.tier,
            "auth_user": house.owner,  # type: ignore[dict-item]
            "tenants_membership": Membership.objects.get(),
            "tenants_apikey": ApiKey.objects.get(),
            "tenants_auditentry": AuditEntry.objects.latest("seq"),
            "tenants_installationentry": record(AuditAction.CREATED, house.tenant.tier),
            "prompts_prompt": agent.prompt,
            "routing_agent": agent,
            "routing_llmendpoint": house.endpoint,
            "routing_routingrule": house.rules[0],
            "conversations_session": task.session,
            "conversations_task": task,
            "conversations_schedule": Schedule.objects.get(pk=triggers["schedule_id"]),
            "conversations_schedulerun": ScheduleRun.objects.get(),
            "conversations_inboundwebhook": InboundWebhook.objects.get(pk=triggers["inbound_id"]),
            "conversations_webhookendpoint": WebhookEndpoint.objects.get(
                pk=triggers["endpoint_id"]
            ),
            "conversations_webhookdelivery": WebhookDelivery.objects.get(
                pk=triggers["delivery_id"]
            ),
        }


def arguments(page: Address, rows: dict[str, Model], other_id: Any = None) -> dict[str, Any]:
    """What the address takes to lead to one of `rows`, or to `other_id`, which is nobody's."""
    if page.name.startswith(("admin:prompts_version_", "admin:prompts_replay_")):
        prompt = rows["prompts_prompt"]
        versions = PromptVersion._base_manager.filter(prompt=prompt).order_by("number")
        old, new = versions.first(), versions.last()
        found = {"prompt_id": prompt.pk, "version_id": new.pk, "old_id": old.pk}
        found["replay_id"] = PromptReplay._base_manager.get(version=new).pk
        return {name: other_id or found[name] for name in page.parameters}
    label = "_".join(page.name.removeprefix("admin:").split("_")[:2])
    found = dict.fromkeys(page.parameters, other_id or rows[label].pk)
    if "history_id" in found and other_id is None:
        versions = rows[label].history.model._base_manager.filter(id=rows[label].pk)
        found["history_id"] = versions.get(number=1).pk
    return found


def answers(desk: Desk, page: Address, **values: Any) -> set[int]:
    path = page.path(**values)
    form = {"_tenant": str(desk.tenant.id) if desk.tenant else "", "_form_submitted": "1"}
    responses = [desk.client.get(path), desk.client.post(path, form)]
    return {response.status_code for response in responses}


def is_of_a_tenant(page: Address) -> bool:
    of_all = ("admin:tenants_tenant_", "admin:tenants_tier_", "admin:tenants_installationentry_")
    return not page.name.startswith((*of_all, "admin:auth_"))


def test_every_page_with_an_id_is_known_to_this_test(acme: House) -> None:
    rows = rows_of(acme)
    for page in ROW_PAGES:
        assert page.path(**arguments(page, rows))
    shown = {f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry}
    assert shown == set(rows)


def test_another_tenants_row_is_as_absent_as_no_row(acme: House, rival: House) -> None:
    theirs, desk = rows_of(rival), desk_of(acme)
    for page in ROW_PAGES:
        # Some pages answer one of the two methods only.
        foreign = answers(desk, page, **arguments(page, theirs)) - {405}
        absent = answers(desk, page, **arguments(page, theirs, other_id=uuid4())) - {405}
        expected = {404} if is_of_a_tenant(page) else {403}
        assert (page.name, foreign, absent) == (page.name, expected, expected)


def test_a_superuser_in_one_tenant_does_not_reach_into_another(acme: House, rival: House) -> None:
    theirs, desk = rows_of(rival), superuser_in(acme)
    for page in filter(is_of_a_tenant, ROW_PAGES):
        foreign = answers(desk, page, **arguments(page, theirs)) - {405}
        assert (page.name, foreign) == (page.name, {404})


def test_nobody_reaches_a_row_without_signing_in(acme: House) -> None:
    rows, desk = rows_of(acme), desk_of(acme)
    desk.client.logout()
    for page in ROW_PAGES:
        assert (page.name, answers(desk, page, **arguments(page, rows))) == (page.name, {302})


@pytest.mark.parametrize("what", ["not-an-id", "00", "%00", "_5F", "1" * 500])
def test_a_garbled_id_is_absent_too(acme: House, what: str) -> None:
    desk = desk_of(acme)
    for page in admin.site._registry.values():
        if isinstance(page, TenantModelAdmin):
            place = f"/admin/{page.opts.app_label}/{page.opts.model_name}/{what}/"
            assert desk.client.get(f"{place}change/").status_code == 404


def test_no_list_shows_another_tenants_rows(acme: House, rival: House) -> None:
    canary = "Canary of the rival"
    agent = rival.agents["sales"]
    with tenant_scope(rival.id):
        for row in (agent, agent.prompt, rival.rules[0], rival.endpoint):
            row.name = canary
            row.save()
        issue_api_key(tenant=rival.tenant, name=canary, scopes=["chat:write"])
    make_member(rival.tenant, canary.replace(" ", ""))
    make_turn(rival.tenant, question=canary, user_name=canary)
    make_triggers(rival, canary)
    rows_of(acme)
    desk = desk_of(acme)
    for model in admin.site._registry:
        page = desk.get(f"{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert canary not in page.content.decode()
        assert canary.replace(" ", "") not in page.content.decode()
    assert canary not in desk.get("index").content.decode()
