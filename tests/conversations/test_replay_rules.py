from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations.models import Message, Step, Task
from conversations.routing_history import list_past_messages
from routing.models import RoutingRule
from tenants.scope import tenant_scope
from tests.admin import XSS, Desk, desk_of, make_turn
from tests.cast import House, make_rule

PAGE = "routing_routingrule_replay"


def routed(house: House, text: str, agent: str, **output: Any) -> Task:
    """A message as the engine leaves it, decided on by the LLM when nothing else is said."""
    task = make_turn(house.tenant, text)
    with tenant_scope(house.id):
        Task.objects.filter(pk=task.pk).update(
            question=Message.objects.get(session=task.session_id, role="user")
        )
        Step.objects.filter(task=task, kind="route").update(
            agent_slug=agent,
            input={"active_agent": "", "session": {"num_turns": 0}},
            output={"source": "llm", "intent": "x"} | output,
        )
    return task


def form_of(house: House, **values: Any) -> dict[str, Any]:
    form = {"name": "draft", "kind": "keyword", "keywords": "factura"}
    return form | {"agent": house.agents["desk"].pk, "is_active": "on"} | values


def shown(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


@pytest.fixture
def desk(acme: House) -> Desk:
    routed(acme, "¿qué precio tiene?", "sales", source="rule")
    routed(acme, "quiero factura", "sales")
    routed(acme, "factura del precio", "sales", source="rule")
    routed(acme, "hola", "desk")
    return desk_of(acme)


def test_a_new_rule_shows_what_it_would_catch_before_it_is_saved(desk: Desk, acme: House) -> None:
    page = shown(desk.post(f"{PAGE}_new", **form_of(acme)))
    assert "1 of 4 messages would be routed differently" in page
    assert "Left to the LLM: 2 before, 1 after." in page
    assert "quiero factura" in page
    assert "hola" not in page
    with tenant_scope(acme.id):
        assert RoutingRule.objects.count() == 1


def test_a_changed_rule_and_one_that_is_switched_off(desk: Desk, acme: House) -> None:
    changed = form_of(acme, name="rule 0", keywords="precio")
    page = shown(desk.post(f"{PAGE}_form", acme.rules[0].pk, **changed))
    assert "2 of 4 messages" in page
    assert ">Desk<" in page
    del changed["is_active"]
    page = shown(desk.post(f"{PAGE}_form", acme.rules[0].pk, **changed))
    assert "Left to the LLM: 2 before, 4 after." in page
    same = form_of(acme, name="rule 0", keywords="precio", agent=acme.agents["sales"].pk)
    page = shown(desk.post(f"{PAGE}_form", acme.rules[0].pk, **same))
    assert "0 of 4 messages" in page


def test_another_order_of_the_list(desk: Desk, acme: House) -> None:
    second = make_rule(acme.tenant, acme.agents["desk"], ["factura"], name="second")
    form: dict[str, Any] = {"form-TOTAL_FORMS": 2}
    for number, (rule, position) in enumerate(((acme.rules[0], 1), (second, 0))):
        form |= {f"form-{number}-id": rule.pk, f"form-{number}-position": position}
        form |= {f"form-{number}-is_active": "on"}
    page = shown(desk.post(PAGE, **form))
    assert "1 of 4 messages" in page
    assert "factura del precio" in page
    with tenant_scope(acme.id):
        assert RoutingRule.objects.get(name="second").position == 1


def test_an_unfinished_form_says_so_and_hostile_text_stays_text(acme: House) -> None:
    routed(acme, XSS, "sales")
    desk = desk_of(acme)
    assert "not finished" in shown(desk.post(f"{PAGE}_new", **form_of(acme, keywords="")))
    page = shown(desk.post(f"{PAGE}_new", **form_of(acme, keywords="script", name=XSS[:100])))
    assert "1 of 1 messages" in page
    assert "<img src=x" not in page
    assert desk.get(f"{PAGE}_new").status_code == 405


def test_nobody_replays_the_messages_or_rules_of_another_tenant(acme: House, rival: House) -> None:
    routed(acme, "canary factura", "sales")
    theirs = desk_of(rival)
    page = shown(theirs.post(f"{PAGE}_new", **form_of(rival)))
    assert "nothing to replay" in page
    found = theirs.post(f"{PAGE}_form", acme.rules[0].pk, **form_of(rival))
    assert found.status_code == 404
    assert theirs.post(f"{PAGE}_form", uuid4(), **form_of(rival)).status_code == 404


def test_the_past_is_read_with_two_queries_newest_first(acme: House) -> None:
    for number in range(5):
        routed(acme, f"message {number}", "desk")
    answer = {"intent": "buy", "confidence": 0.9}
    routed(acme, "sure", "sales", trace={"answer": answer})
    make_turn(acme.tenant, "was never routed")
    with tenant_scope(acme.id), CaptureQueriesContext(connection) as queries:
        past = list_past_messages(4)
    assert len(queries) == 2
    assert [found.text for found in past] == ["sure", "message 4", "message 3", "message 2"]
    assert [found.llm_intent for found in past[:2]] == ["buy", ""]
