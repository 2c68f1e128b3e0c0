"""Addresses of LLM endpoints, tools and MCP servers, as they may be stored."""

from typing import Final
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from orkesta.outbound import UrlNotAllowed, check_url, configured_policy

OFFLINE_URL: Final = "offline://"
#: Endpoints that are asked, one after another, in place of the one that was meant.
MAX_FALLBACKS: Final = 3


def validate_endpoint_url(value: str) -> None:
    """Accepts http(s) addresses that this installation lets tenants call, without query or
    fragment, and `offline://`.
    """
    if value == OFFLINE_URL:
        return
    validate_called_url(value)
    parts = urlsplit(value)
    if parts.query or parts.fragment:
        raise ValidationError(_("Enter the address without a query or fragment."))


def validate_called_url(value: str) -> None:
    """Accepts http(s) addresses that this installation lets tenants call."""
    try:
        check_url(value, configured_policy())
        urlsplit(value)
    except (UrlNotAllowed, ValueError) as exc:
        raise ValidationError(
            _("This address cannot be called: use http(s), a public host and no credentials.")
        ) from exc
