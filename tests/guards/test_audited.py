from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse

from conversations.trigger_models import InboundWebhook, Schedule, WebhookEndpoint
from orkesta.addresses import addresses
from prompts.case_models import PromptTestCase
from prompts.models import PromptVersion
from prompts.services import save_draft, set_label
from tenants.admin.history import VersionedPages
from tenants.admin.model_admin import GuardedModelAdmin, HistoryAdmin
from tenants.audit_models import AuditEntry
from tenants.history import is_versioned
from tenants.isolation.canaries import make_tenant
from tenants.models import ApiKey
from tenants.scope import tenant_scope
from tests.admin import Desk, make_superuser
from tests.callers import Caller
from tests.cast import House
from tests.conversations.triggers import make_endpoint, make_inbound, make_schedule
from tests.routing.test_tool_openapi import SHOP

DAILY = {"name": "Daily", "cron": "0 9 * * *", "message": "hola"}
HOOK = {"name": "Hook", "message_template": "{{ body }}"}
OUT = {"name": "Out", "url": "https://shop.example/o", "event_types": ["task.completed"]}
#: Addresses of the API at which nothing is configured: conversations, tasks, questions, and runs of
#: tests of prompts, which decide nothing.
NOT_CONFIGURATION = {
    "chat-send",
    "chat-status",
    "chat-cancel",
    "execute",
    "batches",
    "batch-cancel",
    "task-cancel",
    "task-pause",
    "task-resume",
    "task-retry",
    "task-fork",
    "task-input",
    "message-feedback",
    "sessions",
    "session-close",
    "routing-replay",
    "routing-test",
    "ws-tickets",
    "webhook-replay",
    "prompt-render",
    "replays",
    "replay-cancel",
    "replay-resume",
    "test-runs",
}
#: Addresses whose services tell the log, which others of the tests look at: whoever reports a
#: leaked key has none, and experiments are of `prompts.experiments`.
TOLD_BY_SERVICES = {"key-leaked", "experiments", "experiment", "experiment-stop"}
#: Pages of the admin beside Django's own at which something is configured, and whose services are
#: known to tell the log (the tests of each look there).
ACTS = {
    "tenants_apikey_rotate",
    "tenants_apikey_revoke",
    "prompts_version_edit",
    "prompts_version_copy",
    "prompts_version_publish",
    "prompts_version_case",
    "prompts_version_discard",
    "prompts_prompt_label",
    "prompts_prompt_unlabel",
    "prompts_prompt_spread",
    "prompts_prompt_experiment",
    "routing_mcpserver_sync",
    "routing_mcpserver_approve",
    "routing_tool_approve",
    "routing_tool_import_openapi",
    "routing_routingrule_add_example",
    "conversations_task_pause",
    "conversations_task_resume",
    "conversations_task_retry",
    "conversations_task_fork",
    "conversations_task_cancel",
    "conversations_session_case",
}
#: Pages that show, try or run something, and configure nothing.
HARMLESS = {
    "tenants_tenant_switch",
    "tenants_auditentry_export",
    "tenants_installationentry_export",
    "prompts_version_test",
    "prompts_version_preview",
    "prompts_version_compare",
    "prompts_version_tested",
    "prompts_replay_list",
    "prompts_replay_show",
    "prompts_replay_cancel",
    "prompts_replay_resume",
    "routing_llmendpoint_try",
    "routing_agent_reset_breaker",
    "routing_llmendpoint_reset_breaker",
    "routing_mcpserver_reset_breaker",
    "routing_tool_try",
    "routing_tool_reset_breaker",
    "routing_routingrule_replay",
    "routing_routingrule_replay_new",
    "routing_routingrule_replay_form",
    "routing_routingrule_undecided",
    "routing_routingrule_try",
    "conversations_schedule_run_now",
    "conversations_task_live",
}
APPS = ("tenants", "prompts", "routing", "conversations", "auth")
DJANGOS = ("changelist", "add", "change", "delete", "history", "version", "change_password")
#: Rows that are configured in the admin and have no history: people, whose past is not brought
#: back, keys, which only end, and test cases, which decide nothing.
WITHOUT_HISTORY = {"auth.User", "tenants.Membership", "tenants.ApiKey", "prompts.PromptTestCase"}
Body = dict[str, Any]


@dataclass
class Scene:
    """A tenant with one row of each kind that the API configures."""

    schedule: Schedule
    inbound: InboundWebhook
    endpoint: WebhookEndpoint
    draft: PromptVersion
    key: ApiKey
    case: PromptTestCase

    def ids(self) -> dict[str, Any]:
        return {
            "schedule_id": self.schedule.pk,
            "inbound_id": self.inbound.pk,
            "endpoint_id": self.endpoint.pk,
            "key_id": self.key.pk,
            "prompt_slug": self.draft.prompt.slug,
            "number": self.draft.number,
            "label": "staging",
            "case_id": self.case.pk,
        }


#: What is sent to each address at which something is configured, and what the log then says.
API: dict[tuple[str, str], tuple[Callable[[Scene], Body], str]] = {
    ("POST", "schedules"): (lambda scene: DAILY, "created"),
    ("PATCH", "schedule"): (lambda scene: {"message": "adiós"}, "changed"),
    ("DELETE", "schedule"): (lambda scene: {}, "deleted"),
    ("POST", "inbound-webhooks"): (lambda scene: HOOK, "created"),
    ("PATCH", "inbound-webhook"): (lambda scene: {"name": "New"}, "changed"),
    ("DELETE", "inbound-webhook"): (lambda scene: {}, "deleted"),
    ("POST", "webhook-endpoints"): (lambda scene: OUT, "created"),
    ("PATCH", "webhook-endpoint"): (lambda scene: {"name": "New"}, "changed"),
    ("DELETE", "webhook-endpoint"): (lambda scene: {}, "deleted"),
    ("POST", "webhook-secret"): (lambda scene: {}, "changed"),
    ("POST", "tool-imports"): (lambda scene: {"document": SHOP}, "created"),
    ("POST", "prompt-versions"): (lambda scene: {"source": "Hola."}, "created"),
    ("POST", "prompt-publish"): (lambda scene: {}, "published"),
    ("POST", "experiments"): (
        lambda scene: {"version": scene.draft.number, "share": 10},
        "created",
    ),
    ("POST", "test-cases"): (lambda scene: {"message": "hola"}, "created"),
    ("PATCH", "test-case"): (lambda scene: {"message": "adiós"}, "changed"),
    ("DELETE", "test-case"): (lambda scene: {}, "deleted"),
    ("PUT", "prompt-label"): (lambda scene: {"version": 1}, "changed"),
    ("DELETE", "prompt-label"): (lambda scene: {}, "deleted"),
    ("POST", "keys"): (lambda scene: {"name": "New", "scopes": ["chat:write"]}, "key_issued"),
    ("DELETE", "key"): (lambda scene: {}, "key_revoked"),
    ("POST", "key-rotate"): (lambda scene: {}, "key_rotated"),
}


@pytest.fixture
def scene(acme: House, acme_api: Caller) -> Scene:
    made = acme_api.post("/api/v1/keys", {"name": "Old", "scopes": ["chat:write"]}).json()
    with tenant_scope(acme.id):
        draft = save_draft(prompt=acme.agents["sales"].prompt, source="Otra.")
        set_label(prompt=draft.prompt, name="staging", version=draft)
        key = ApiKey.objects.get(pk=made["key_id"])
        case = PromptTestCase.objects.create(prompt=draft.prompt, message="hola")
    endpoint, _ = make_endpoint(acme)
    return Scene(make_schedule(acme), make_inbound(acme).webhook, endpoint, draft, key, case)


def entries_of(tenant_id: Any) -> list[Any]:
    with tenant_scope(tenant_id):
        return list(AuditEntry.objects.order_by("seq"))


def test_every_write_of_the_api_is_known_to_this_test() -> None:
    writes = {
        (method, found.name)
        for found in addresses("api/v1/")
        for method in found.methods
        if method != "GET" and found.name
    }
    known = NOT_CONFIGURATION | TOLD_BY_SERVICES
    unknown = {one for one in writes - set(API) if one[1] not in known}
    assert unknown == set(), "does it configure something? Add it to API or NOT_CONFIGURATION"
    assert set(API) <= writes


@pytest.mark.parametrize("act", API, ids=" ".join)
def test_a_write_of_the_api_is_in_the_log(
    acme: House, acme_api: Caller, scene: Scene, act: tuple[str, str]
) -> None:
    method, name = act
    body, said = API[act]
    address = next(found for found in addresses("api/v1/") if found.name == name)
    before = len(entries_of(acme.id))
    answer = acme_api.request(method, address.path(**scene.ids()), body(scene) or b"")
    assert answer.status_code < 300, answer.content
    found = entries_of(acme.id)[before:]
    assert said in {entry.action for entry in found}
    assert {entry.actor_kind for entry in found} == {"key"}
    assert {entry.request_id for entry in found} == {answer["X-Request-ID"]}


def test_writes_that_were_refused_are_not_in_the_log(acme: House, scene: Scene) -> None:
    routes = {found.name: found for found in addresses("api/v1/")}
    before = len(entries_of(acme.id))
    for (method, name), (body, _) in API.items():
        path = routes[name].path(**scene.ids())
        assert Caller(None).request(method, path, body(scene)).status_code == 401
    assert len(entries_of(acme.id)) == before


def test_every_page_of_the_admin_is_known_to_this_test() -> None:
    names = {found.name.removeprefix("admin:") for found in addresses("admin/") if found.name}
    ours = {name for name in names if name.startswith(tuple(f"{app}_" for app in APPS))}
    own = {name for name in ours if not name.endswith(tuple(f"_{each}" for each in DJANGOS))}
    # Theirs has the name of an action of ours.
    own |= ours & ACTS
    assert own == ACTS | HARMLESS, "does it configure something? Add it to ACTS or HARMLESS"


def test_no_page_leaves_the_log_out() -> None:
    for page in admin.site._registry.values():
        for name in ("log_addition", "log_change", "log_deletions", "_record"):
            assert getattr(type(page), name) is getattr(GuardedModelAdmin, name), (page, name)


def test_what_is_configured_in_the_admin_has_a_history() -> None:
    without = {
        model._meta.label
        for model, page in admin.site._registry.items()
        if not isinstance(page, HistoryAdmin)
        and not is_versioned(model)
        and type(page).has_change_permission is not HistoryAdmin.has_change_permission
    }
    assert without - {"tenants.InstallationEntry", "conversations.InputRequest"} == WITHOUT_HISTORY
    assert all(isinstance(page, VersionedPages) for page in admin.site._registry.values())


@pytest.mark.django_db
def test_deleting_in_the_admin_is_in_the_log() -> None:
    house = make_tenant("audited")
    desk = Desk(make_superuser(), None)
    desk.enter(house.tenant)
    desk.tenant = house.tenant
    deleted = []
    for model, page in admin.site._registry.items():
        row = house.rows.get(model._meta.label)
        name = f"{model._meta.app_label}_{model._meta.model_name}_delete"
        request = desk.client.get(reverse("admin:index")).wsgi_request
        if row is None or isinstance(page, HistoryAdmin):
            continue
        with tenant_scope(house.tenant.pk):
            may = page.has_delete_permission(request, row) and model._base_manager.filter(pk=row.pk)
        before = len(entries_of(house.tenant.pk))
        if may and desk.post(name, row.pk, post="yes").status_code == 302:
            if model._base_manager.filter(pk=row.pk).exists():
                continue
            assert entries_of(house.tenant.pk)[before:][-1].action == "deleted", model
            deleted.append(model._meta.label)
    assert len(deleted) >= 6, deleted
