from routing.models import RoutingRule
from tenants.models import Membership
from tenants.scope import scopes_disabled, tenant_scope
from tests.admin import Desk, desk_of, make_superuser
from tests.cast import House

SAID = "Nothing was saved"


def owner_of_both(acme: House, rival: House) -> Desk:
    with tenant_scope(rival.id):
        Membership.objects.create(user_id=acme.owner.pk, role=Membership.Role.OWNER)
    return desk_of(acme)


def rule_form(house: House) -> dict[str, object]:
    agent = house.agents["sales"].pk
    return {"name": "new", "kind": "keyword", "keywords": "cement", "agent": agent}


def test_a_form_shown_in_one_tenant_is_not_saved_in_another(acme: House, rival: House) -> None:
    desk = owner_of_both(acme, rival)
    desk.enter(rival.tenant)
    response = desk.post("routing_routingrule_add", **rule_form(rival))
    assert response.status_code == 409
    assert SAID in response.content.decode()
    with scopes_disabled():
        assert RoutingRule.objects.count() == 2


def test_no_way_of_saving_forgets_to_look(acme: House, rival: House) -> None:
    desk = owner_of_both(acme, rival)
    desk.enter(rival.tenant)
    agent, prompt = rival.agents["sales"], rival.agents["sales"].prompt
    version = scoped_version(rival)
    posts = [
        desk.post("routing_agent_change", agent.pk, name="Hacked"),
        desk.post("routing_agent_changelist", _save="Save"),
        desk.post("routing_agent_changelist", action="delete_selected", _selected_action=agent.pk),
        desk.post("tenants_apikey_add", name="x", scopes="chat:write", kind="live"),
        desk.post("tenants_membership_add", username="x", role="owner"),
        desk.post("prompts_prompt_add", name="x", slug="x", source="x"),
        desk.post("prompts_version_edit", prompt.pk, version.pk, source="x"),
    ]
    assert {(response.status_code, SAID in response.content.decode()) for response in posts} == {
        (409, True)
    }


def test_a_form_without_the_field_is_refused(acme: House) -> None:
    response = desk_of(acme).post("routing_routingrule_add", _tenant="", **rule_form(acme))
    assert response.status_code == 409


def test_every_form_carries_the_field(acme: House) -> None:
    desk = desk_of(acme)
    field = f'name="_tenant" value="{acme.id}"'
    version = scoped_version(acme)
    for response in (
        desk.get("routing_agent_add"),
        desk.get("routing_agent_change", acme.agents["sales"].pk),
        desk.get("routing_routingrule_changelist"),
        desk.get("tenants_apikey_add"),
        desk.get("prompts_version_edit", version.prompt_id, version.pk),
    ):
        assert field in response.content.decode()


def test_a_superuser_who_left_the_tenant_saves_nothing_either(acme: House) -> None:
    desk = Desk(make_superuser(), acme.tenant)
    desk.enter(acme.tenant)
    desk.enter(None)
    response = desk.post("routing_routingrule_add", **rule_form(acme))
    assert response.status_code == 409
    assert "that you have left" in response.content.decode()


def scoped_version(house: House):  # type: ignore[no-untyped-def]
    with tenant_scope(house.id):
        return house.agents["sales"].prompt.versions.get()
