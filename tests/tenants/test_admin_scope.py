from datetime import UTC, datetime

from django.utils import timezone

from routing.models import Agent
from tenants.models import Membership
from tenants.scope import tenant_scope
from tests.admin import Desk, desk_of, make_superuser
from tests.cast import House, make_member, make_tenant


def join(desk: Desk, house: House, role: str = Membership.Role.OWNER) -> Membership:
    with tenant_scope(house.id):
        return Membership.objects.create(user_id=desk.client.session["_auth_user_id"], role=role)


def test_it_begins_in_the_tenant_joined_first(acme: House, rival: House) -> None:
    desk = desk_of(acme)
    join(desk, rival)
    assert desk.get("index").wsgi_request.tenant == acme.tenant


def test_it_stays_in_the_tenant_that_was_chosen(acme: House, rival: House) -> None:
    desk = desk_of(acme)
    join(desk, rival)
    assert desk.enter(rival.tenant).status_code == 302
    response = desk.get("routing_agent_changelist")
    assert response.wsgi_request.tenant == rival.tenant
    assert {agent.tenant_id for agent in response.context["cl"].result_list} == {rival.id}


def test_it_leaves_a_tenant_that_one_is_no_longer_a_member_of(acme: House, rival: House) -> None:
    desk = desk_of(acme)
    membership = join(desk, rival)
    desk.enter(rival.tenant)
    with tenant_scope(rival.id):
        membership.delete()
    assert desk.get("index").wsgi_request.tenant == acme.tenant


def test_it_refuses_a_tenant_that_one_does_not_belong_to(acme: House, rival: House) -> None:
    desk = desk_of(acme)
    assert desk.enter(rival.tenant).status_code == 404
    assert desk.enter(None).status_code == 404
    assert desk.post("tenants_tenant_switch", tenant="not-an-id").status_code == 404
    assert desk.get("index").wsgi_request.tenant == acme.tenant


def test_it_changes_tenant_by_post_only(acme: House) -> None:
    assert desk_of(acme).get("tenants_tenant_switch", tenant=acme.id).status_code == 405


def test_it_shuts_an_inactive_tenant_to_its_members(acme: House) -> None:
    acme.tenant.is_active = False
    acme.tenant.save()
    desk = desk_of(acme)
    assert desk.get("index").wsgi_request.tenant is None
    assert desk.get("routing_agent_changelist").status_code == 403


def test_it_gives_staff_without_a_tenant_nothing_but_advice(db: None) -> None:
    tenant = make_tenant("elsewhere")
    user = make_member(tenant, "lost")
    with tenant_scope(tenant.id):
        Membership.objects.all().delete()
    desk = Desk(user)
    assert "You belong to no tenant yet" in desk.get("index").content.decode()
    assert desk.get("routing_agent_changelist").status_code == 403


def test_a_superuser_without_a_tenant_sees_only_the_installation(acme: House) -> None:
    desk = Desk(make_superuser())
    index = desk.get("index").content.decode()
    assert "Choose the tenant to work in" in index
    assert "/admin/routing/agent/" not in index
    assert desk.get("tenants_tenant_changelist").status_code == 200
    assert desk.get("routing_agent_changelist")["Location"] == "/admin/tenants/tenant/"
    with tenant_scope(acme.id):
        agent = Agent.objects.first()
    assert desk.get("routing_agent_change", agent.pk).status_code == 403


def test_a_superuser_enters_any_tenant_and_leaves_it(acme: House) -> None:
    desk = Desk(make_superuser())
    desk.enter(acme.tenant)
    assert desk.get("routing_agent_changelist").status_code == 200
    desk.enter(None)
    assert desk.get("index").wsgi_request.tenant is None


def test_it_speaks_the_tenants_language_until_one_is_chosen(acme: House) -> None:
    desk = desk_of(acme)
    del desk.client.cookies["django_language"]
    assert "Conversaciones" in desk.get("index").content.decode()
    response = desk.client.post("/admin/language/", {"language": "en", "next": "/admin/"})
    assert response.status_code == 302
    assert "Conversations" in desk.get("index").content.decode()


def test_it_keeps_the_tenants_time(acme: House) -> None:
    acme.tenant.time_zone = "America/Mexico_City"
    acme.tenant.save()
    with tenant_scope(acme.id):
        Membership.objects.update(created_at=datetime(2026, 11, 20, 15, 34, tzinfo=UTC))
    before = timezone.get_current_timezone_name()
    response = desk_of(acme).get("tenants_membership_changelist")
    assert "9:34 a.m." in response.content.decode()
    assert timezone.get_current_timezone_name() == before


def test_it_does_not_ask_the_anonymous_for_a_tenant(acme: House) -> None:
    desk = desk_of(acme)
    desk.client.logout()
    response = desk.get("login")
    assert response.status_code == 200
    assert response.wsgi_request.tenant is None
