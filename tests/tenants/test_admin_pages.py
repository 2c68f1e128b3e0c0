from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from prompts.services import save_draft
from routing.models import LLMEndpoint
from tenants.allowances import allowance_of
from tenants.audit import record
from tenants.audit_models import AuditAction
from tenants.models import Tenant
from tenants.scope import tenant_scope
from tenants.services import issue_api_key
from tests.admin import XSS, Desk, desk_of, make_turn, superuser_in
from tests.cast import House, make_agent, make_member, make_rule, make_tier
from tests.conversations.triggers import make_triggers
from tests.furniture import make_extras

LISTS = sorted(
    f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry
)
#: What happened is not written by hand.
HISTORY = {
    "conversations_inputrequest",
    "conversations_schedulerun",
    "conversations_session",
    "conversations_task",
    "conversations_webhookdelivery",
    "tenants_auditentry",
    "tenants_installationentry",
    "tenants_usageday",
}
#: One page in the place of a list: its rows have none of their own.
SUMS = "tenants_usageday"
#: Session, person, memberships and what waits for people come before any page's own queries.
MOST_QUERIES = 15


def furnish(house: House, numbers: range, text: str = "row") -> None:
    """A row in every list for each number, with `text` wherever a person may write something."""
    for number in numbers:
        name = f"{text}{number}"
        agent = make_agent(house.tenant, f"agent-{number}", name=name, description=text)
        make_rule(house.tenant, agent, [text], name=name, intent=text[:63])
        member = make_member(house.tenant, f"member-{number}")
        get_user_model().objects.filter(pk=member.pk).update(first_name=name, email=text)
        make_turn(house.tenant, question=text, answer=text, user_name=name, user_ref=text)
        make_triggers(house, name)
        make_extras(house, number, text)
        tier = make_tier(slug=f"tier-{number}", name=name)
        record(AuditAction.CREATED, tier)
        Tenant.objects.create(slug=f"tenant-{number}", name=name, tier=tier)
        with tenant_scope(house.id):
            agent.prompt.name = agent.prompt.description = agent.prompt.task_type = text[:50]
            agent.prompt.save()
            save_draft(prompt=agent.prompt, source=text, notes=text)
            issue_api_key(tenant=house.tenant, name=name, scopes=["chat:write"])
            LLMEndpoint.objects.create(name=name, llm=text[:100])


def num_queries(desk: Desk, page: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert desk.get(page).status_code == 200
    return len(queries)


def test_every_list_costs_the_same_however_many_rows(acme: House) -> None:
    desk = superuser_in(acme)
    furnish(acme, range(1))
    few = {name: num_queries(desk, f"{name}_changelist") for name in LISTS}
    furnish(acme, range(1, 5))
    many = {name: num_queries(desk, f"{name}_changelist") for name in LISTS}
    assert many == few
    assert max(many.values()) <= MOST_QUERIES, many


def num_queries_of_dashboard(desk: Desk, house: House) -> int:
    with tenant_scope(house.id):
        allowance_of(house.id)  # it is kept for seconds, for every call and page
    return num_queries(desk, "index")


def test_the_dashboard_takes_few_queries_however_much_happened(acme: House) -> None:
    desk = desk_of(acme)
    furnish(acme, range(1))
    few = num_queries_of_dashboard(desk, acme)
    furnish(acme, range(1, 5))
    assert num_queries_of_dashboard(desk, acme) == few <= 12


def test_every_list_escapes_what_people_wrote(acme: House) -> None:
    furnish(acme, range(1), XSS)
    desk = superuser_in(acme)
    acme.tenant.name = XSS
    acme.tenant.save()
    for name in ("index", *(f"{name}_changelist" for name in LISTS)):
        page = desk.get(name).content.decode()
        assert "&lt;script&gt;alert" in page, name
        assert "<script>alert" not in page, name
        assert "<img src=x" not in page, name


def test_every_page_of_a_row_escapes_what_people_wrote(acme: House) -> None:
    desk = superuser_in(acme)
    furnish(acme, range(1), XSS)
    for model in admin.site._registry:
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        if label == SUMS:
            continue
        with tenant_scope(acme.id):
            row = model._default_manager.order_by("pk").last()
        for place in ("change", "history", "delete"):
            response = desk.get(f"{label}_{place}", row.pk)
            assert response.status_code in {200, 403}, (label, place)
            page = response.content.decode()
            assert place != "change" or "&lt;script&gt;alert" in page, (label, place)
            assert "<img src=x" not in page, (label, place)


def test_every_form_to_add_something_opens(acme: House) -> None:
    desk = superuser_in(acme)
    for name in set(LISTS) - HISTORY:
        assert desk.get(f"{name}_add").status_code == 200, name
    for name in HISTORY:
        assert desk.get(f"{name}_add").status_code == 403, name


def test_empty_lists_say_what_belongs_there(acme: House) -> None:
    desk = desk_of(acme)
    page = desk.get("conversations_session_changelist").content.decode()
    assert "No sessions yet" in page
    assert "As soon as customers write" in page
    page = desk.get("routing_agent_changelist", q="nothing like it").content.decode()
    assert "Nothing matches" in page
    assert desk.get("app_list", "routing").status_code == 200


def test_pages_of_lists_are_short(acme: House) -> None:
    furnish(acme, range(30))
    cl = desk_of(acme).get("conversations_task_changelist").context["cl"]
    assert len(cl.result_list) == 25
    cl = desk_of(acme).get("conversations_task_changelist", p=3).context["cl"]
    assert len(cl.result_list) == 10
