"""Standard Webhooks (standardwebhooks.com, specification 1.0): secrets, and how we sign with them.

A secret is `whsec_` and 24 to 64 bytes in base64. What is signed is `id.timestamp.body`.
"""

import base64
import binascii
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from standardwebhooks import Webhook

from orkesta.crypto import Secret

PREFIX: Final = "whsec_"
NEW_SECRET_BYTES: Final = 32


def make_secret() -> str:
    """A new random secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(NEW_SECRET_BYTES)).decode()


def validate_secret(text: str) -> None:
    """Raises ValidationError unless it is a secret that another system has made for us."""
    try:
        raw = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not text.startswith(PREFIX) or not 24 <= len(raw) <= 64:
        words = _("A signing secret is “whsec_” and 24 to 64 bytes in base64.")
        raise ValidationError(words, code="secret_invalid")


def headers_for(
    *, webhook_id: str, body: str, signed_with: Iterable[Secret], at: datetime
) -> dict[str, str]:
    """The three headers of a delivery, signed with each of the secrets. `at` is that of the try,
    not of the event, or later tries would look like replays.
    """
    # The library takes the wall-clock fields for UTC, whatever the time zone.
    at = at.astimezone(UTC)
    signatures = [Webhook(secret.reveal()).sign(webhook_id, at, body) for secret in signed_with]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
