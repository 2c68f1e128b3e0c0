from typing import Any

import pytest

from routing.models import Agent, LLMEndpoint, RoutingRule
from tenants.audit_models import AuditEntry
from tenants.models import Tenant, Tier
from tenants.scope import tenant_scope
from tests.admin import Desk, desk_of, superuser_in
from tests.cast import House, make_agent, make_member
from tests.conversations.triggers import make_endpoint, make_inbound, make_schedule
from tests.forms import posted_by
from tests.furniture import make_extras


def rename(house: House, row: Any, **values: Any) -> None:
    with tenant_scope(house.id):
        for name, value in values.items():
            setattr(row, name, value)
        row.save()


def version_of(house: House, row: Any, number: int) -> Any:
    with tenant_scope(house.id):
        return row.history.get(number=number)


def page_of(row: Any) -> str:
    return f"{row._meta.app_label}_{row._meta.model_name}"


def form_at(desk: Desk, row: Any, version: Any) -> dict[str, Any]:
    """What a browser would post from the page that shows the version."""
    page = desk.get(f"{page_of(row)}_version", row.pk, version.pk)
    assert page.status_code == 200, page.content
    return posted_by(page, f"{row._meta.model_name}_form")


def restore(desk: Desk, row: Any, version: Any, **extra: Any) -> Any:
    data = form_at(desk, row, version) | extra
    return desk.post(f"{page_of(row)}_version", row.pk, version.pk, **data)


def last_entry(house: House) -> Any:
    with tenant_scope(house.id):
        return AuditEntry.objects.order_by("seq").last()


def test_the_history_tells_who_changed_what(acme: House) -> None:
    desk, endpoint = desk_of(acme), acme.endpoint
    data = form_at(desk, endpoint, version_of(acme, endpoint, 1)) | {"name": "<b>Nube</b>"}
    desk.post("routing_llmendpoint_change", endpoint.pk, **data)
    page = desk.get("routing_llmendpoint_history", endpoint.pk).content.decode()
    assert acme.owner.get_username() in page
    assert "<del>Offline</del>" in page
    assert "&lt;b&gt;Nube&lt;/b&gt;" in page


def configured(house: House) -> dict[str, Any]:
    """A row of each kind that a tenant's owner configures."""
    extras = make_extras(house, text="A text")
    return {
        "agent": house.agents["sales"],
        "rule": house.rules[0],
        "prompt": house.agents["sales"].prompt,
        "tool": extras["routing_tool"],
        "server": extras["routing_mcpserver"],
        "schedule": make_schedule(house, name="Daily"),
        "inbound": make_inbound(house).webhook,
        "endpoint": make_endpoint(house)[0],
    }


KINDS = ("agent", "rule", "prompt", "tool", "server", "schedule", "inbound", "endpoint")


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_configured_can_be_restored(acme: House, kind: str) -> None:
    row, desk = configured(acme)[kind], desk_of(acme)
    field = "title" if kind == "tool" else "name"
    before = row.history.model._base_manager.get(id=row.pk, number=1)
    rename(acme, row, **{field: "Another"})
    answer = restore(desk, row, before)
    assert answer.status_code == 302, answer.context["errors"]
    with tenant_scope(acme.id):
        versions = list(row.history.order_by("number"))
    assert len(versions) == 3
    told = {one.attname for one in type(before).tracked_fields}
    assert [getattr(versions[2], name) for name in told] == [getattr(before, name) for name in told]
    assert last_entry(acme).action == "restored"
    assert set(last_entry(acme).changes) == {field}


def test_a_restored_version_is_a_new_change(acme: House) -> None:
    desk, endpoint = desk_of(acme), acme.endpoint
    rename(acme, endpoint, name="Cloud", timeout_seconds=5.0)
    before = Tenant.objects.get(pk=acme.id).config_version
    answer = restore(desk, endpoint, version_of(acme, endpoint, 1), _reason="it was better")
    assert answer.status_code == 302, answer.context["errors"]
    with tenant_scope(acme.id):
        found = LLMEndpoint.objects.get()
        newest = found.history.first()
    assert (found.name, found.timeout_seconds, found.is_default) == ("Offline", 30.0, True)
    assert (newest.number, newest.actor_name) == (3, acme.owner.get_username())
    assert newest.history_change_reason.startswith("Restored version 1 of ")
    assert newest.history_change_reason.endswith(": it was better")
    assert Tenant.objects.get(pk=acme.id).config_version > before
    entry = last_entry(acme)
    assert entry.changes["name"] == ["Cloud", "Offline"]
    assert entry.action == "restored"
    assert entry.reason == newest.history_change_reason
    assert entry.request_id == newest.request_id != ""


def test_looking_at_a_version_changes_nothing(acme: House) -> None:
    rename(acme, acme.endpoint, name="Cloud")
    values = form_at(desk_of(acme), acme.endpoint, version_of(acme, acme.endpoint, 1))
    assert values["name"] == ["Offline"]
    with tenant_scope(acme.id):
        assert LLMEndpoint.objects.get().name == "Cloud"
        assert acme.endpoint.history.count() == 2


def test_restoring_asks_for_the_key_of_the_host_of_then(acme: House) -> None:
    desk, endpoint = desk_of(acme), acme.endpoint
    rename(acme, endpoint, base_url="https://old.example.com/v1")
    with tenant_scope(acme.id):
        endpoint.set_api_key("sk-of-the-newer-host-4f2a")
    rename(acme, endpoint, base_url="https://new.example.com/v1")
    old = version_of(acme, endpoint, 2)
    answer = restore(desk, endpoint, old)
    assert "new_api_key" in answer.context["adminform"].form.errors
    assert restore(desk, endpoint, old, new_api_key="sk-of-the-older-host-9c1d").status_code == 302
    with tenant_scope(acme.id):
        found = LLMEndpoint.objects.get()
        assert found.base_url == "https://old.example.com/v1"
        assert found.api_key.reveal() == "sk-of-the-older-host-9c1d"


def test_what_a_version_pointed_to_and_is_gone_is_said(acme: House) -> None:
    rule, other = acme.rules[0], make_agent(acme.tenant, "other")
    rename(acme, rule, agent=other, name="to the other")
    rename(acme, rule, agent=acme.agents["sales"], name="to sales")
    with tenant_scope(acme.id):
        other.delete()
    desk = desk_of(acme)
    page: Any = desk.get("routing_routingrule_version", rule.pk, version_of(acme, rule, 2).pk)
    assert "What it pointed to then is gone: agent." in page.content.decode()
    assert page.context["adminform"].form["agent"].value() == acme.agents["sales"].pk
    assert "deleted" in desk.get("routing_routingrule_history", rule.pk).content.decode()


def test_an_invalid_version_is_not_restored(acme: House) -> None:
    desk, rule = desk_of(acme), acme.rules[0]
    rename(acme, rule, name="newer name")
    with tenant_scope(acme.id):
        RoutingRule.objects.create(name="rule 0", agent=acme.agents["desk"], condition={"any": "x"})
    answer = restore(desk, rule, version_of(acme, rule, 1))
    assert "name" in answer.context["adminform"].form.errors
    with tenant_scope(acme.id):
        assert RoutingRule.objects.get(pk=rule.pk).name == "newer name"


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_only_who_may_change_it_restores(acme: House, role: str) -> None:
    endpoint = acme.endpoint
    rename(acme, endpoint, name="Cloud")
    old = version_of(acme, endpoint, 1)
    data = form_at(desk_of(acme), endpoint, old)
    desk = Desk(make_member(acme.tenant, role, role), acme.tenant)
    answer = desk.post("routing_llmendpoint_version", endpoint.pk, old.pk, **data)
    assert answer.status_code == 403
    page = desk.get("routing_llmendpoint_version", endpoint.pk, old.pk)
    assert page.status_code == (200 if role == "editor" else 403)
    assert 'name="_save"' not in page.content.decode()


def test_versions_of_another_tenant_are_not_there(acme: House, rival: House) -> None:
    desk, mine, theirs = desk_of(acme), acme.agents["sales"], rival.agents["sales"]
    foreign = version_of(rival, theirs, 1)
    for row in (mine, theirs):
        assert desk.get("routing_agent_version", row.pk, foreign.pk).status_code == 404
        posted = desk.post("routing_agent_version", row.pk, foreign.pk, name="x")
        assert posted.status_code == 404
    assert desk.get("routing_agent_history", theirs.pk).status_code == 404


def test_a_form_of_another_tab_is_refused(acme: House, rival: House) -> None:
    rename(acme, acme.endpoint, name="Cloud")
    old = version_of(acme, acme.endpoint, 1)
    desk = desk_of(acme)
    data = form_at(desk, acme.endpoint, old) | {"_tenant": str(rival.id)}
    answer = desk.post("routing_llmendpoint_version", acme.endpoint.pk, old.pk, **data)
    assert answer.status_code == 409


def test_superusers_restore_tenants_and_tiers_from_anywhere(acme: House, rival: House) -> None:
    root, tier = superuser_in(rival), Tier.objects.get()
    rename(acme, acme.tenant, name="Other")
    tier.name = "Other"
    tier.save()
    for row in (acme.tenant, tier):
        page = root.get(f"{page_of(row)}_history", row.pk).content.decode()
        assert "<ins>Other</ins>" in page
        assert restore(root, row, version_of(acme, row, 1)).status_code == 302
    assert Tenant.objects.get(pk=acme.id).name == "Acme"
    assert Tier.objects.get().name == "Standard"


def test_a_switch_in_the_list_is_a_version_too(acme: House) -> None:
    desk, agent = desk_of(acme), acme.agents["sales"]
    page: Any = desk.get("routing_agent_changelist")
    formset = page.context["cl"].formset
    data = {f"{formset.prefix}-{k}": v for k, v in formset.management_form.initial.items()}
    for n, form in enumerate(formset.forms):
        data[f"form-{n}-id"] = str(form.instance.pk)
        if form.instance.pk != agent.pk:
            data[f"form-{n}-is_active"] = "on"
    desk.post("routing_agent_changelist", **data, _save="1")
    with tenant_scope(acme.id):
        assert not Agent.objects.get(pk=agent.pk).is_active
        assert [one.is_active for one in agent.history.order_by("number")] == [True, False]
