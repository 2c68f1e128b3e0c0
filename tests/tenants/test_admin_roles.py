import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission

from tenants.models import Membership
from tenants.scope import tenant_scope
from tests.admin import Desk, make_turn
from tests.cast import House, make_member

Role = Membership.Role
LISTS = sorted(
    f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry
)
HISTORY = {
    "conversations_inputrequest",
    "conversations_session",
    "conversations_task",
    "conversations_schedulerun",
    "conversations_webhookdelivery",
}
READABLE = {
    Role.VIEWER: HISTORY,
    Role.EDITOR: HISTORY
    | {
        "conversations_inboundwebhook",
        "conversations_schedule",
        "conversations_webhookendpoint",
        "prompts_prompt",
        "prompts_prompttestcase",
        "routing_agent",
        "routing_llmendpoint",
        "routing_mcpserver",
        "routing_routingrule",
        "routing_tool",
        "tenants_usageday",
    },
    Role.OWNER: set(LISTS)
    - {"tenants_tenant", "tenants_tier", "tenants_installationentry", "auth_user"},
}
ADDABLE = {
    Role.VIEWER: set(),
    Role.EDITOR: {
        "conversations_schedule",
        "prompts_prompt",
        "prompts_prompttestcase",
        "routing_agent",
        "routing_routingrule",
        "routing_tool",
    },
    Role.OWNER: {
        "conversations_inboundwebhook",
        "conversations_schedule",
        "conversations_webhookendpoint",
        "prompts_prompt",
        "prompts_prompttestcase",
        "routing_agent",
        "routing_routingrule",
        "routing_llmendpoint",
        "routing_mcpserver",
        "routing_tool",
        "tenants_apikey",
        "tenants_membership",
    },
}


def member(house: House, role: Role) -> Desk:
    return Desk(make_member(house.tenant, f"the-{role}", role), house.tenant)


@pytest.mark.parametrize("role", list(Role))
def test_each_role_reads_its_lists(acme: House, role: Role) -> None:
    desk = member(acme, role)
    open_lists = {name for name in LISTS if desk.get(f"{name}_changelist").status_code == 200}
    assert open_lists == READABLE[role]


@pytest.mark.parametrize("role", list(Role))
def test_each_role_adds_what_it_may(acme: House, role: Role) -> None:
    desk = member(acme, role)
    open_forms = {name for name in LISTS if desk.get(f"{name}_add").status_code == 200}
    assert open_forms == ADDABLE[role]


@pytest.mark.parametrize("role", list(Role))
def test_the_sidebar_offers_what_the_role_may_read(acme: House, role: Role) -> None:
    page = member(acme, role).get("index").content.decode()
    offered = {name for name in LISTS if f'href="/admin/{name.replace("_", "/", 1)}/"' in page}
    assert offered >= READABLE[role] & {"conversations_session", "conversations_task"}
    assert offered <= READABLE[role]


def test_a_viewer_changes_nothing(acme: House) -> None:
    desk = member(acme, Role.VIEWER)
    agent, rule = acme.agents["sales"], acme.rules[0]
    task = make_turn(acme.tenant)
    assert desk.post("routing_agent_change", agent.pk, name="Hacked").status_code == 403
    assert desk.post("routing_routingrule_delete", rule.pk, post="yes").status_code == 403
    assert desk.post("conversations_task_cancel", task.pk, _form_submitted=1).status_code == 403
    assert desk.post("routing_routingrule_try", message="price").status_code == 403
    agent.refresh_from_db()
    assert agent.name == "Sales"


def test_a_viewer_opens_conversations_without_a_way_to_change_them(acme: House) -> None:
    desk = member(acme, Role.VIEWER)
    task = make_turn(acme.tenant)
    assert desk.get("conversations_session_change", task.session_id).status_code == 200
    page = desk.get("conversations_task_change", task.pk).content.decode()
    assert "/cancel/" not in page


def test_an_editor_sees_no_key_and_edits_no_endpoint(acme: House) -> None:
    desk = member(acme, Role.EDITOR)
    assert desk.get("tenants_apikey_changelist").status_code == 403
    page = desk.get("routing_llmendpoint_change", acme.endpoint.pk)
    assert page.status_code == 200
    assert 'name="new_api_key"' not in page.content.decode()
    form = {"base_url": "https://evil.example/v1", "name": "x", "llm": "x", "timeout_seconds": 1}
    response = desk.post("routing_llmendpoint_change", acme.endpoint.pk, **form)
    assert response.status_code == 403


def test_a_member_of_two_tenants_has_a_role_in_each(acme: House, rival: House) -> None:
    user = make_member(acme.tenant, "both", Role.OWNER)
    with tenant_scope(rival.id):
        Membership.objects.create(user=user, role=Role.VIEWER)
    desk = Desk(user, acme.tenant)
    assert desk.get("tenants_membership_changelist").status_code == 200
    desk.enter(rival.tenant)
    assert desk.get("tenants_membership_changelist").status_code == 403


def test_djangos_own_permissions_give_nothing(acme: House) -> None:
    user = make_member(acme.tenant, "old", Role.VIEWER)
    user.user_permissions.set(Permission.objects.all())  # type: ignore[attr-defined]
    assert Desk(user, acme.tenant).get("routing_agent_changelist").status_code == 403
