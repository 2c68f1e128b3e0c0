"""Addresses of LLM endpoints, as they may be stored."""

from typing import Final
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

OFFLINE_URL: Final = "offline://"
SCHEMES: Final = frozenset({"http", "https"})


def validate_endpoint_url(value: str) -> None:
    """Accepts http(s) addresses without credentials, query or fragment, and `offline://`."""
    if value == OFFLINE_URL:
        return
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid, parts = False, urlsplit("")
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    if parts.scheme not in SCHEMES or not parts.hostname or not port_is_valid or not is_plain:
        raise ValidationError(
            _("Enter an http(s) address without user, query or fragment, or offline://.")
        )
