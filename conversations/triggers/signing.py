"""Standard Webhooks (standardwebhooks.com, specification 1.0): verifying what others signed."""

from collections.abc import Mapping
from typing import Final

from standardwebhooks import Webhook, WebhookVerificationError

from conversations.triggers.errors import SignatureInvalid
from orkesta.crypto import Secret

MAX_ID_LENGTH: Final = 255


def verify(*, body: bytes, headers: Mapping[str, str], secret: Secret) -> str:
    """The sender's id of the request, which is signed and at most 300 s old or ahead.

    Raises SignatureInvalid, whatever it is that does not fit.
    """
    found = {
        name: headers.get(name, "")
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    }
    webhook_id = found["webhook-id"]
    if len(webhook_id) > MAX_ID_LENGTH or not webhook_id.isascii() or not webhook_id.isprintable():
        raise SignatureInvalid
    try:
        Webhook(secret.reveal()).verify(body, found, json_parse=False)
    except (WebhookVerificationError, ValueError) as exc:
        # ValueError: a signature without a comma, no base64, or a body that is no text.
        raise SignatureInvalid from exc
    return webhook_id
