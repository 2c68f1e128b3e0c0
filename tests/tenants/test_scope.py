import asyncio
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Count
from django_scopes import scope

from routing.models import Agent, RoutingRule
from tenants.scope import ScopeError, scopes_disabled, tenant_scope
from tests.cast import House

READS = {
    "list": lambda: list(Agent.objects.all()),
    "exclude": lambda: list(Agent.objects.exclude(slug="x")),
    "iterator": lambda: list(Agent.objects.iterator()),
    "exists": lambda: Agent.objects.exists(),
    "count": lambda: Agent.objects.count(),
    "first": lambda: Agent.objects.first(),
    "values": lambda: list(Agent.objects.values("id")),
    "aggregate": lambda: Agent.objects.aggregate(n=Count("id")),
    "explain": lambda: Agent.objects.all().explain(),
    "in_bulk": lambda: Agent.objects.in_bulk(),
    "union": lambda: list(Agent.objects.values("id").union(Agent.objects.values("id"))),
    "raw": lambda: list(Agent.objects.raw("select * from routing_agent")),
    "update": lambda: Agent.objects.update(name="x"),
    "delete": lambda: Agent.objects.all().delete(),
    "filter delete": lambda: Agent.objects.filter(slug="desk").delete(),
    "create": lambda: Agent.objects.create(slug="x"),
    "bulk_create": lambda: Agent.objects.bulk_create([Agent(slug="x")]),
    "get_or_create": lambda: Agent.objects.get_or_create(slug="x"),
    "save": lambda: Agent(slug="x").save(),
    "subquery": lambda: list(RoutingRule._base_manager.filter(agent__in=Agent.objects.all())),
}


@pytest.mark.parametrize("name", READS)
def test_it_refuses_every_query_without_a_scope(acme: House, name: str) -> None:
    with pytest.raises(ScopeError):
        READS[name]()


WAYS = ["async for", "aiterator", "aexists", "aexplain", "acount", "aget", "afirst", "ain_bulk"]


@pytest.mark.parametrize("way", WAYS)
def test_it_refuses_asynchronous_queries_without_a_scope(acme: House, way: str) -> None:
    async def query() -> object:
        rows = Agent.objects.exclude(slug="x")
        if way == "async for":
            return [row async for row in rows]
        if way == "aiterator":
            return [row async for row in rows.aiterator()]
        return await getattr(rows, way)()

    with pytest.raises(ScopeError):
        asyncio.run(query())


def test_it_refuses_a_scope_without_a_tenant(acme: House) -> None:
    with pytest.raises(ScopeError), tenant_scope(None):  # type: ignore[arg-type]
        pass
    # The library's own, which nobody of ours enters.
    with scope(tenant=None), pytest.raises(ScopeError):
        Agent.objects.exists()


def test_it_shows_only_the_rows_of_the_tenant_in_scope(acme: House, rival: House) -> None:
    with tenant_scope(acme.id):
        assert {agent.tenant_id for agent in Agent.objects.all()} == {acme.id}
        assert not Agent.objects.filter(pk=rival.agents["desk"].pk).exists()


def test_it_fills_the_tenant_from_the_scope(acme: House) -> None:
    assert acme.agents["desk"].tenant_id == acme.id


def test_it_refuses_to_save_a_row_of_another_tenant(acme: House, rival: House) -> None:
    with tenant_scope(acme.id), pytest.raises(ScopeError):
        rival.agents["desk"].save()


def test_it_refuses_to_overwrite_a_row_of_another_tenant_by_its_key(
    acme: House, rival: House
) -> None:
    stolen = Agent(pk=rival.agents["desk"].pk, slug="stolen", prompt=acme.agents["desk"].prompt)
    with tenant_scope(acme.id), pytest.raises(IntegrityError), transaction.atomic():
        stolen.save()
    with tenant_scope(rival.id):
        assert Agent.objects.get(pk=stolen.pk).slug == "desk"


def test_it_refuses_to_delete_a_row_of_another_tenant_by_its_key(acme: House, rival: House) -> None:
    with tenant_scope(acme.id), pytest.raises(ScopeError):
        Agent(pk=rival.agents["sales"].pk).delete()


@pytest.mark.parametrize("cached", [True, False])
def test_it_refuses_a_foreign_key_into_another_tenant(
    acme: House, rival: House, cached: bool
) -> None:
    agent = acme.agents["desk"]
    prompt = rival.agents["desk"].prompt
    if cached:
        agent.prompt = prompt
    else:
        agent.prompt_id = prompt.pk
    with tenant_scope(acme.id), pytest.raises(ScopeError):
        agent.save()


def test_it_refuses_a_foreign_key_to_nothing(acme: House) -> None:
    agent = acme.agents["desk"]
    agent.prompt_id = uuid4()
    with tenant_scope(acme.id), pytest.raises(ScopeError):
        agent.save()


def test_it_lets_maintenance_see_all_rows_when_scopes_are_disabled(
    acme: House, rival: House
) -> None:
    with scopes_disabled():
        assert Agent.objects.count() == 4


def test_it_updates_no_row_of_another_tenant_that_has_the_same_id(
    acme: House, rival: House
) -> None:
    theirs = rival.agents["sales"]
    with tenant_scope(acme.id):
        stolen = Agent(id=theirs.id, slug="stolen", prompt=acme.agents["sales"].prompt)
        with pytest.raises(DatabaseError), transaction.atomic():
            stolen.save(force_update=True)
    theirs.refresh_from_db()
    assert (theirs.slug, theirs.tenant_id) == ("sales", rival.id)
