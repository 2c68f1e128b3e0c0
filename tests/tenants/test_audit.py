import csv
import io
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from conversations.services import cancel_task
from prompts.services import publish_version, save_draft
from routing.models import Agent, LLMEndpoint
from tenants.audit import HIDDEN, Actor, acting, record
from tenants.audit_models import ActorKind, AuditAction, AuditEntry, InstallationEntry
from tenants.models import ApiKey
from tenants.scope import tenant_scope
from tests.admin import desk_of, superuser_in
from tests.callers import Caller, make_key
from tests.cast import House, make_member, make_tenant, make_tier

pytestmark = pytest.mark.django_db


def entries(house: House) -> list[AuditEntry]:
    with tenant_scope(house.id):
        return list(AuditEntry.objects.order_by("seq"))


def test_it_tells_who_made_a_key_and_from_where(acme: House, acme_api: Caller) -> None:
    acme_api.post("/api/v1/keys", {"name": "Shop", "scopes": ["chat:write"]})
    entry = entries(acme)[-1]
    with tenant_scope(acme.id):
        caller = ApiKey.objects.get(name="test")
    assert (entry.action, entry.actor_kind) == ("key_issued", "key")
    assert (entry.actor_id, entry.address) == (str(caller.pk), "127.0.0.1")
    assert entry.changes == {"scopes": [None, ["chat:write"]]}
    assert entry.request_id


def test_the_life_of_a_key_is_kept(acme: House, acme_api: Caller) -> None:
    made = acme_api.post("/api/v1/keys", {"name": "Shop", "scopes": ["chat:write"]}).json()
    acme_api.post(f"/api/v1/keys/{made['key_id']}/rotate", {})
    acme_api.request("DELETE", f"/api/v1/keys/{made['key_id']}")
    Caller(None).post("/api/v1/keys/leaked", {"key": acme_api.key})
    found = [entry.action for entry in entries(acme)]
    assert found[1:] == ["key_issued", "key_issued", "key_rotated", "key_revoked", "key_revoked"]
    assert entries(acme)[-1].changes["revoked_because"] == [None, "leaked"]
    assert entries(acme)[-1].actor_kind == "system"
    assert [entry.seq for entry in entries(acme)] == list(range(1, 7))


def test_control_of_tasks_is_kept(acme: House, acme_api: Caller) -> None:
    task_id = acme_api.post("/api/v1/chat/send", {"message": "hola"}).json()["task_id"]
    for verb in ("pause", "resume", "cancel", "cancel", "retry"):
        acme_api.post(f"/api/v1/tasks/{task_id}/{verb}", {})
    found = [entry.action for entry in entries(acme)]
    assert found[1:] == ["task_paused", "task_resumed", "task_cancelled", "task_forked"]


def test_what_was_rolled_back_is_not_in_it(acme: House) -> None:
    with tenant_scope(acme.id), transaction.atomic():
        record(AuditAction.CHANGED, acme.agents["desk"])
        transaction.set_rollback(True)
    assert entries(acme) == []


@pytest.mark.parametrize("act", ["update", "delete"])
def test_the_database_refuses_to_change_it(acme: House, act: str) -> None:
    with tenant_scope(acme.id):
        record(AuditAction.CHANGED, acme.agents["desk"])
        rows = AuditEntry.objects.all()
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            rows.update(actor_name="nobody") if act == "update" else rows.delete()
    with connection.cursor() as cursor, pytest.raises(DatabaseError), transaction.atomic():
        cursor.execute("DELETE FROM tenants_auditentry")
    assert len(entries(acme)) == 1


@pytest.mark.django_db(transaction=True)
def test_a_database_can_be_emptied_all_the_same(acme: House) -> None:
    with tenant_scope(acme.id):
        record(AuditAction.CHANGED, acme.agents["desk"])
    call_command("flush", interactive=False, verbosity=0)
    assert not AuditEntry._base_manager.exists()


def test_a_change_in_the_admin_is_kept_with_before_and_after(acme: House) -> None:
    desk, endpoint = desk_of(acme), acme.endpoint
    page: Any = desk.get("routing_llmendpoint_change", endpoint.pk)
    form = page.context["adminform"].form
    values = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    inner = {
        f"{one.formset.prefix}-{name}": 0
        for one in page.context["inline_admin_formsets"]
        for name in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    values = {name: value for name, value in values.items() if value is not False}
    desk.post("routing_llmendpoint_change", endpoint.pk, **values | inner | {"name": "Cloud"})
    with tenant_scope(acme.id):
        assert LLMEndpoint.objects.get().name == "Cloud"
    entry = entries(acme)[-1]
    assert (entry.action, entry.actor_name) == ("changed", acme.owner.get_username())
    assert entry.changes["name"] == ["Offline", "Cloud"]


def test_values_that_nobody_may_read_are_not_kept(acme: House) -> None:
    with tenant_scope(acme.id):
        entry = record(
            AuditAction.CHANGED,
            acme.endpoint,
            {"sealed_key": ("a", "b"), "new_key": (None, "sk-canary"), "name": ("a", "b")},
        )
    assert entry.changes["new_key"] == [HIDDEN, HIDDEN]
    assert "sk-canary" not in str(entry.changes)
    assert entry.changes["name"] == ["a", "b"]


def test_tenants_are_numbered_apart_and_see_their_own(acme: House, rival: House) -> None:
    for house in (acme, rival, acme):
        with tenant_scope(house.id), acting(Actor(ActorKind.USER, "1", "Ada")):
            record(AuditAction.CHANGED, house.agents["desk"])
    assert [entry.seq for entry in entries(acme)] == [1, 2]
    assert [entry.seq for entry in entries(rival)] == [1]


def test_owners_read_it_and_take_it_along(acme: House) -> None:
    with tenant_scope(acme.id), acting(Actor(ActorKind.USER, "1", "=cmd()")):
        record(AuditAction.CHANGED, acme.agents["desk"], {"name": ("<b>", "Desk")})
    desk = desk_of(acme)
    entry = entries(acme)[0]
    assert "=cmd()" in desk.get("tenants_auditentry_changelist").content.decode()
    page = desk.get("tenants_auditentry_change", entry.pk).content.decode()
    assert "&lt;b&gt;" in page
    response = desk.get("tenants_auditentry_export")
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert [row["actor_name"] for row in rows] == ["'=cmd()"]
    assert desk.post("tenants_auditentry_delete", entry.pk, post="yes").status_code == 403


@pytest.mark.parametrize("page", ["changelist", "export"])
def test_others_do_not_read_it(acme: House, page: str) -> None:
    editor = make_member(acme.tenant, "ed", "editor")
    desk = desk_of(House(acme.tenant, editor, acme.endpoint))
    assert desk.get(f"tenants_auditentry_{page}").status_code == 403


def test_deleting_in_the_admin_is_kept(acme: House) -> None:
    desk, rule = desk_of(acme), acme.rules[0]
    desk.post("routing_routingrule_delete", rule.pk, post="yes")
    entry = entries(acme)[-1]
    assert (entry.action, entry.object_id) == ("deleted", str(rule.pk))


def test_a_second_cancellation_is_no_act(acme: House, acme_api: Caller) -> None:
    task_id = acme_api.post("/api/v1/chat/send", {"message": "hola"}).json()["task_id"]
    with tenant_scope(acme.id):
        cancel_task(task_id=task_id)
        num_entries = AuditEntry.objects.count()
        cancel_task(task_id=task_id)
        assert AuditEntry.objects.count() == num_entries
        assert Agent.objects.exists()


def test_a_change_of_the_tenant_is_in_its_own_log(acme: House, rival: House) -> None:
    root = superuser_in(rival)
    page: Any = root.get("tenants_tenant_change", acme.id)
    form = page.context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    root.post("tenants_tenant_change", acme.id, **values | {"name": "Acme & Sons"})
    assert entries(acme)[-1].changes == {"name": ["Acme", "Acme & Sons"]}
    assert entries(acme)[-1].actor_name == "root"
    assert entries(rival) == []
    assert root.post("tenants_tenant_delete", acme.id, post="yes").status_code == 403


def test_publishing_a_prompt_is_kept(acme: House) -> None:
    with tenant_scope(acme.id):
        draft = save_draft(prompt=acme.agents["sales"].prompt, source="Sell.")
        publish_version(version=draft)
    entry = entries(acme)[-1]
    assert (entry.action, entry.object_id) == ("published", str(draft.pk))


def test_a_key_made_in_the_shell_was_made_by_the_system(acme: House) -> None:
    make_key(acme.tenant)
    assert entries(acme)[0].actor_kind == "system"


def test_acts_on_a_tier_are_in_the_log_of_the_installation_and_of_its_tenants(
    acme: House, rival: House
) -> None:
    other = make_tenant("other", tier=make_tier(slug="other"))
    root, tier = superuser_in(rival), acme.tenant.tier
    page: Any = root.get("tenants_tier_change", tier.pk)
    form = page.context["adminform"].form
    values = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    root.post("tenants_tier_change", tier.pk, **values | {"max_agents": 50})
    logs = [InstallationEntry.objects.last(), entries(acme)[-1], entries(rival)[-1]]
    for entry in logs:
        assert (entry.object_type, entry.changes) == ("tenants.Tier", {"max_agents": [None, 50]})
        assert (entry.actor_name, entry.action) == ("root", "changed")
    with tenant_scope(other.id):
        assert not AuditEntry.objects.exists()


def test_acts_on_people_are_in_the_log_without_their_passwords(acme: House) -> None:
    root = superuser_in(acme)
    values = {"password1": "canary-of-1", "password2": "canary-of-1"}
    page = f"/admin/auth/user/{acme.owner.pk}/password/"
    assert root.client.post(page, values | {"_tenant": str(acme.id)}).status_code == 302
    entry = entries(acme)[-1]
    assert (entry.object_type, entry.object_id) == ("auth.User", str(acme.owner.pk))
    assert entry.changes == {"password": [HIDDEN, HIDDEN]}
    assert InstallationEntry.objects.last().changes == entry.changes


def test_a_member_with_a_new_user_is_in_both_logs(acme: House) -> None:
    desk_of(acme).post("tenants_membership_add", username="nueva", role="viewer", full_name="N")
    assert entries(acme)[-1].object_type == "tenants.Membership"
    assert InstallationEntry.objects.last().changes == {"username": [None, "nueva"]}


def test_an_override_is_in_the_log_with_its_limit(acme: House) -> None:
    root = superuser_in(acme)
    values = {"limit": "max_agents", "value": "7", "reason": "A pilot"}
    root.post("tenants_tieroverride_add", **values, expires_at_0="", expires_at_1="")
    entry = entries(acme)[-1]
    assert (entry.object_type, entry.action) == ("tenants.TierOverride", "created")
    assert entry.changes["limit"] == [None, "max_agents"]
