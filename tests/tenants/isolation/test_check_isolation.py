import re
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from conversations.consumers import handshake
from conversations.errors import SessionNotFound
from conversations.models import Session
from routing.models import Agent
from tenants.isolation import check
from tenants.isolation.canaries import PREFIX
from tenants.isolation.doors import Door, every_door
from tenants.models import Tenant
from tenants.scope import TenantManager, scopes_disabled


def doors_of(*names: str) -> list[Door]:
    return [door for door in every_door() if door.address.name in names]


def few(monkeypatch: Any, *names: str) -> None:
    monkeypatch.setattr(check, "every_door", lambda: doors_of(*names))


@pytest.mark.django_db
def test_an_operator_is_told_that_nothing_leaks_and_nothing_is_left(
    monkeypatch: Any, capsys: Any
) -> None:
    few(monkeypatch, "agents", "task", "admin:routing_agent_change")
    call_command("isolation_check", "--json")
    assert '"leaks": []' in capsys.readouterr().out
    with scopes_disabled():
        assert not Tenant.objects.filter(slug__startswith=PREFIX).exists()
        assert not Agent.objects.exists()


@pytest.mark.django_db
def test_a_forgotten_filter_is_told_of_and_nothing_is_left(monkeypatch: Any, capsys: Any) -> None:
    few(monkeypatch, "agents", "admin:routing_agent_change")
    # Sockets prepare statements, once and for all tests that follow.
    monkeypatch.setattr(check, "_sockets_in_vain", lambda report: None)
    monkeypatch.setattr(TenantManager, "get_queryset", lambda self: self.model._base_manager.all())
    with pytest.raises(CommandError):
        call_command("isolation_check")
    told = capsys.readouterr().out
    assert "LEAK (told) GET /api/v1/agents, another tenant's key: routing.Agent" in told
    assert "LEAK (differs) GET /admin/routing/agent/<path:object_id>/change/" in told
    assert not Tenant.objects.filter(slug__startswith=PREFIX).exists()


@pytest.mark.django_db
def test_a_socket_that_opens_any_session_is_told_of(monkeypatch: Any, capsys: Any) -> None:
    few(monkeypatch)
    monkeypatch.setattr(handshake, "get_session", session_of_anybody)
    with pytest.raises(CommandError):
        call_command("isolation_check")
    told = capsys.readouterr().out
    assert re.search(r"LEAK \(differs\) WS ws/.*, own tenants.Tenant, another tenant's key", told)


def session_of_anybody(session_id: UUID) -> Session:
    found = Session._base_manager.filter(pk=session_id).first()
    if found is None:
        raise SessionNotFound
    return found
