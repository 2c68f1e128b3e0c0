from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orkesta.crypto import is_sealed_with_first_key
from routing.models import LLMEndpoint
from tenants import reseal
from tenants.models import IdempotencyRecord
from tenants.scope import scopes_disabled, tenant_scope
from tests.callers import Caller
from tests.cast import House

KEYS = "ORKESTA_ENCRYPTION_KEYS"


def give_key(house: House, plain: str) -> None:
    with tenant_scope(house.id):
        house.endpoint.set_api_key(plain)
        house.endpoint.save()


def stored_keys() -> list[LLMEndpoint]:
    with scopes_disabled():
        return list(LLMEndpoint.objects.order_by("pk"))


def rotate(*args: str) -> None:
    call_command("rotate_encryption_keys", *args, skip_checks=True)


@pytest.fixture
def houses(acme: House, rival: House, settings: Any) -> list[House]:
    settings.ORKESTA_ENCRYPTION_KEYS = ["old"]
    for house in (acme, rival):
        give_key(house, f"sk-{house.tenant.slug}-0123456789")
    return [acme, rival]


def test_secrets_are_readable_without_the_old_key_afterwards(
    houses: list[House], settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ORKESTA_ENCRYPTION_KEYS = ["new", "old"]
    rotate()
    assert "2 secrets sealed anew, 0 were current" in capsys.readouterr().out
    settings.ORKESTA_ENCRYPTION_KEYS = ["new"]
    found = [row.api_key.reveal() for row in stored_keys()]
    assert found == ["sk-acme-0123456789", "sk-rival-0123456789"]
    rotate()
    assert "0 secrets sealed anew, 2 were current" in capsys.readouterr().out


def test_a_dry_run_changes_nothing(houses: list[House], settings: Any) -> None:
    settings.ORKESTA_ENCRYPTION_KEYS = ["new", "old"]
    rotate("--dry-run")
    assert not any(is_sealed_with_first_key(row.sealed_api_key) for row in stored_keys())


def test_a_secret_whose_key_is_gone_is_named_and_kept(houses: list[House], settings: Any) -> None:
    before = [row.sealed_api_key for row in stored_keys()]
    settings.ORKESTA_ENCRYPTION_KEYS = ["new"]
    with pytest.raises(CommandError, match=str(stored_keys()[0].pk)):
        rotate()
    assert [row.sealed_api_key for row in stored_keys()] == before


def test_stored_answers_are_sealed_anew_too(
    acme_api: Caller, houses: list[House], settings: Any
) -> None:
    def send() -> Any:
        body = {"message": "hola"}
        return acme_api.post("/api/v1/chat/send", body, **{"Idempotency-Key": "k-1"})

    first = send()
    settings.ORKESTA_ENCRYPTION_KEYS = ["new", "old"]
    rotate()
    settings.ORKESTA_ENCRYPTION_KEYS = ["new"]
    again = send()
    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
    with scopes_disabled():
        assert IdempotencyRecord.objects.count() == 1


def test_what_somebody_wrote_meanwhile_is_not_overwritten(
    houses: list[House], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ORKESTA_ENCRYPTION_KEYS = ["new", "old"]
    seal = reseal.seal

    def slow_seal(row: Any, field: str, plain: str) -> None:
        give_key(houses[0], "sk-newer-0123456789")
        seal(row, field, plain)

    monkeypatch.setattr(reseal, "seal", slow_seal)
    rotate()
    assert stored_keys()[0].api_key.reveal() == "sk-newer-0123456789"
