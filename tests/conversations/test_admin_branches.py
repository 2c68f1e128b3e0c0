"""Workflows with branches, as staff see them."""

import pytest
from django.utils import translation

from conversations.models import Task
from tenants.scope import tenant_scope
from tests.admin import Desk, desk_of
from tests.cast import House
from tests.conversations.branches import claim_all, end, forked

pytestmark = pytest.mark.django_db


def shown(desk: Desk, *args: object, **query: str) -> str:
    page = "conversations_task_change" if args else "conversations_task_live"
    return desk.get(page, *args, **query).content.decode()


def test_branches_stand_beside_each_other_in_the_timeline(acme: House) -> None:
    parent, one, two = forked(acme)
    end(claim_all()[one], "<b>TUB-012</b>")
    page = shown(desk_of(acme), parent)
    assert "Waiting for branches" in page
    assert page.index(f"/task/{one}/change/") < page.index(f"/task/{two}/change/")
    assert "&lt;b&gt;TUB-012&lt;/b&gt;" in page
    assert page.count('ork-lane"') == 2


def test_the_page_of_a_branch_leads_to_its_workflow_and_shows_what_it_found(acme: House) -> None:
    parent, one, _ = forked(acme)
    end(claim_all()[one], "TUB-012")
    page = shown(desk_of(acme), one)
    assert "Branch of" in page
    assert f"/task/{parent}/change/" in page
    assert "TUB-012" in page


def test_the_tracker_shows_a_workflow_once_with_its_branches_on_its_card(acme: House) -> None:
    _, one, _ = forked(acme)
    end(claim_all()[one])
    page = shown(desk_of(acme))
    assert page.count("ork-live-card") == 1
    assert "1 of 2 branches have ended" in page
    assert page.count("ork-chip ork-chip-also") == 1


def test_a_branch_that_comes_further_is_news(acme: House) -> None:
    parent, one, _ = forked(acme)
    with tenant_scope(acme.id):
        task = Task.objects.get(pk=parent)
    seen = shown(desk_of(acme), parent).partition("?seen=")[2].partition("&")[0]
    ask = {"seen": seen, "state": f"{task.status}.{task.wanted}"}
    desk = desk_of(acme)
    desk.client.defaults["HTTP_HX_REQUEST"] = "true"
    assert desk.get("conversations_task_change", parent, **ask).status_code == 204
    end(claim_all()[one])
    assert desk.get("conversations_task_change", parent, **ask).status_code == 200


def test_it_is_said_in_spanish(acme: House) -> None:
    parent, *_ = forked(acme)
    desk = desk_of(acme)
    desk.client.cookies["django_language"] = "es"
    with translation.override("es"):
        page = desk.get("conversations_task_change", parent).content.decode()
    assert "Espera a sus ramas" in page
    assert "Ramas en paralelo" in page


def test_branches_that_have_said_nothing_are_listed_with_their_agents_names(acme: House) -> None:
    forked(acme)
    page = desk_of(acme).get("conversations_task_changelist").content.decode()
    assert page.count(f">{acme.agents['desk'].name}<") == 3
    assert ">desk<" not in page
