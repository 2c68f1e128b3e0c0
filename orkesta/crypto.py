"""Secrets at rest: AES-256-GCM with the row in the associated data, and the model field over it.

A ciphertext copied to another row, field or tenant does not decrypt (`reliability.md` 3.7 calls
for it; Fernet cannot do it). Keys come from `ORCHESTRATOR_ENCRYPTION_KEYS`: the first encrypts,
all of them decrypt, so a key is rotated by putting the new one in front.
"""

import base64
import hashlib
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models

from orkesta.errors import OrkestaError
from orkesta.redaction import known_secrets

VERSION = "v1"
NONCE_BYTES = 12


class SecretUnreadable(OrkestaError):
    """A stored secret cannot be decrypted with the configured keys."""

    code = "secret_unreadable"


class Secret:
    """A decrypted value that does not show itself in logs, templates, JSON or pickles."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        known_secrets.add(value)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(•••)"

    def __str__(self) -> str:
        return "•••"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("a Secret does not leave the process")


def _keys() -> list[tuple[str, AESGCM]]:
    """The configured keys as (fingerprint, cipher); a ciphertext names its key by fingerprint."""
    found = []
    for text in settings.ORKESTA_ENCRYPTION_KEYS:
        key = hashlib.sha256(text.encode()).digest()
        found.append((hashlib.sha256(key).hexdigest()[:8], AESGCM(key)))
    return found


def encrypt(plain: str, *, associated: str) -> str:
    """`plain` sealed for the place named by `associated`, as `v1.<key>.<base64>`."""
    known_secrets.add(plain)
    fingerprint, cipher = _keys()[0]
    nonce = os.urandom(NONCE_BYTES)
    sealed = cipher.encrypt(nonce, plain.encode(), associated.encode())
    return f"{VERSION}.{fingerprint}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"


def decrypt(stored: str, *, associated: str) -> Secret:
    """The secret sealed by `encrypt` for the same place; raises `SecretUnreadable` otherwise."""
    try:
        version, fingerprint, payload = stored.split(".", 2)
        raw = base64.urlsafe_b64decode(payload)
    except ValueError as exc:
        raise SecretUnreadable from exc
    cipher = dict(_keys()).get(fingerprint)
    if version != VERSION or cipher is None:
        raise SecretUnreadable
    try:
        plain = cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], associated.encode())
    except InvalidTag as exc:
        raise SecretUnreadable from exc
    return Secret(plain.decode())


def is_sealed_with_first_key(stored: str) -> bool:
    """False when `rotate_encryption_keys` has to seal this value again."""
    return stored.split(".", 2)[1:2] == [_keys()[0][0]]


class SealedTextField(models.TextField):  # type: ignore[type-arg]
    """Holds only ciphertext. It is written by `seal()` and read by `unseal()`, never by assignment
    of plain text, so nothing that lists, exports or logs a row can show the secret. Filtering by
    the value is refused: two equal secrets have different ciphertexts.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("blank", True)
        kwargs.setdefault("default", "")
        kwargs["editable"] = False
        super().__init__(*args, **kwargs)

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name not in {"exact", "isnull"}:
            raise TypeError("a sealed field cannot be searched")
        return super().get_lookup(lookup_name)


def _place(row: models.Model, field: str) -> str:
    tenant = getattr(row, "tenant_id", "")
    return f"{tenant}|{row._meta.label_lower}|{row.pk}|{field}"


def seal(row: models.Model, field: str, plain: str) -> None:
    """Put `plain` into `row.field`, bound to this row, field and tenant. The row needs its key and
    tenant; the caller saves it. An empty string clears the field.
    """
    setattr(row, field, encrypt(plain, associated=_place(row, field)) if plain else "")


def unseal(row: models.Model, field: str) -> Secret:
    """The secret in `row.field`; empty when none is set. Raises `SecretUnreadable`."""
    stored = getattr(row, field)
    return decrypt(stored, associated=_place(row, field)) if stored else Secret("")


def hint_of(secret: str) -> str:
    """The end of a secret, by which people know it; nothing of a short one."""
    return secret[-4:] if len(secret) >= 12 else ""
