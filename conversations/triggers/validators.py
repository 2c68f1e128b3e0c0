"""What people may enter for webhooks. Each raises ValidationError with words for the form."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from conversations.triggers.events import WebhookEvent
from orkesta.outbound import OutboundPolicy, UrlNotAllowed, check_url
from prompts.errors import TemplateError
from prompts.rendering import compile_template


def outbound_policy() -> OutboundPolicy:
    """What this installation lets webhooks reach. On a development machine, any port of it."""
    if not settings.ORKESTA_ALLOW_PRIVATE_UPSTREAMS:
        return OutboundPolicy()
    return OutboundPolicy(allow_private=True, extra_ports=frozenset(range(1, 65_536)))


def validate_webhook_url(url: str) -> None:
    try:
        check_url(url, outbound_policy())
    except UrlNotAllowed as exc:
        raise ValidationError(exc.message, code=exc.code) from exc


def validate_event_types(types: Any) -> None:
    if not isinstance(types, list) or not types:
        raise ValidationError(_("Choose at least one event."), code="required")
    unknown = [str(name) for name in types if name not in WebhookEvent.values]
    if unknown:
        text = _("There is no event %(names)s.") % {"names": ", ".join(unknown)[:200]}
        raise ValidationError(text, code="unknown_event")


def validate_message_template(source: str) -> None:
    try:
        names = compile_template(source).variables - {"body"}
    except TemplateError as exc:
        raise ValidationError(exc.message, code=exc.code) from exc
    if names:
        text = _("Only “body” is known here, not %(names)s.") % {"names": ", ".join(sorted(names))}
        raise ValidationError(text, code="template_unknown_variable")
