import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command

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
    monkeypatch.setattr(TenantManager, "get_queryset", lambda self: self.model._base_manager.all())
    with pytest.raises(CommandError):
        call_command("isolation_check")
    told = capsys.readouterr().out
    assert "LEAK (told) GET /api/v1/agents, another tenant's key: routing.Agent" in told
    assert "LEAK (differs) GET /admin/routing/agent/<path:object_id>/change/" in told
    assert re.search(r"LEAK \(differs\) WS ws/.*, own tenants.Tenant, .*: 1000 for it, 4404", told)
    assert "LEAK (differs) frames of WS ws/" in told
    assert not Tenant.objects.filter(slug__startswith=PREFIX).exists()
