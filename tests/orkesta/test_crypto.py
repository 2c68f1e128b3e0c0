import json
import pickle
from uuid import uuid4

import pytest

from orkesta.crypto import Secret, SecretUnreadable, decrypt, encrypt, seal, unseal
from routing.models import LLMEndpoint

FIELD = "sealed_api_key"


def sealed(plain: str = "sk-one") -> LLMEndpoint:
    row = LLMEndpoint(tenant_id=uuid4(), name="One")
    seal(row, FIELD, plain)
    return row


def copied(row: LLMEndpoint, **changes: object) -> LLMEndpoint:
    """Another row, with this one's ciphertext."""
    values = {"id": row.id, "tenant_id": row.tenant_id, FIELD: row.sealed_api_key}
    return LLMEndpoint(**values | changes)


def test_a_secret_can_be_read_in_its_own_row() -> None:
    row = sealed()
    assert "sk-one" not in row.sealed_api_key
    assert unseal(copied(row), FIELD).reveal() == "sk-one"


@pytest.mark.parametrize("name", ["id", "tenant_id"])
def test_a_ciphertext_means_nothing_in_another_row_or_tenant(name: str) -> None:
    with pytest.raises(SecretUnreadable):
        unseal(copied(sealed(), **{name: uuid4()}), FIELD)


def test_a_ciphertext_means_nothing_in_another_place() -> None:
    stored = encrypt("sk-one", associated="here")
    assert decrypt(stored, associated="here").reveal() == "sk-one"
    with pytest.raises(SecretUnreadable):
        decrypt(stored, associated="there")


@pytest.mark.parametrize(
    "stored", ["", "v1", "v1.abc.", "v2.abc.AAAA", "v1.00000000.AAAA", "v1.a.é"]
)
def test_what_is_no_ciphertext_is_unreadable(stored: str) -> None:
    with pytest.raises(SecretUnreadable):
        decrypt(stored, associated="here")


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("sk-one")
    assert "sk-one" not in f"{secret} {secret!r} {[secret]} {json.dumps([secret], default=str)}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
