"""What the tester of rules asks for: a message, and on demand when, about what and how far in."""

import json
from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from routing.rehearsal import Rehearsal, rehearse
from routing.rules import SessionState
from routing.rules.conversation import MAX_IDLE_MINUTES, MAX_TURNS
from tenants.models import Tenant

MAX_TRIED_CHARS: Final = 2000
MAX_CONTEXT_CHARS: Final = 8000


def _input(kind: Any = forms.TextInput, **attrs: Any) -> Any:
    return kind(attrs={"class": "ork-input", "autocomplete": "off", **attrs})


class TesterForm(forms.Form):
    """Only the message is needed; the time is the tenant's, which the middleware made the active
    one.
    """

    message = forms.CharField(required=False)
    at = forms.DateTimeField(
        label=_("At"), required=False, widget=_input(forms.DateTimeInput, type="datetime-local")
    )
    context = forms.CharField(
        label=_("Context"),
        required=False,
        max_length=MAX_CONTEXT_CHARS,
        widget=_input(placeholder='{"channel": "web"}'),
    )
    active_agent = forms.SlugField(label=_("Active agent"), required=False, widget=_input())
    last_intent = forms.CharField(
        label=_("Intent before"), required=False, max_length=63, widget=_input()
    )
    num_turns = forms.IntegerField(
        label=_("Turns before"),
        required=False,
        min_value=0,
        max_value=MAX_TURNS,
        widget=_input(forms.NumberInput),
    )
    idle_minutes = forms.IntegerField(
        label=_("Minutes of silence"),
        required=False,
        min_value=0,
        max_value=MAX_IDLE_MINUTES,
        widget=_input(forms.NumberInput),
    )

    may_embed = forms.BooleanField(
        label=_("Ask what it means, too: one embedding, for money"), required=False
    )

    def clean_context(self) -> Mapping[str, Any]:
        text = self.cleaned_data["context"]
        try:
            context = json.loads(text) if text else {}
        except (ValueError, RecursionError) as exc:
            raise ValidationError(_('Write the context as JSON: {"channel": "web"}.')) from exc
        if not isinstance(context, dict):
            raise ValidationError(_('Write the context as JSON: {"channel": "web"}.'))
        return context

    def rehearse(self, tenant: Tenant) -> Rehearsal:
        """Try the message; the form must be valid."""
        asked = self.cleaned_data
        idle = asked["idle_minutes"]
        session = SessionState(
            num_turns=asked["num_turns"] or 0,
            active_agent=asked["active_agent"],
            idle_seconds=None if idle is None else idle * 60.0,
            last_intent=asked["last_intent"],
        )
        return rehearse(
            tenant,
            asked["message"][:MAX_TRIED_CHARS],
            at=asked["at"] or timezone.now(),
            context=asked["context"],
            session=session,
            may_embed=asked["may_embed"],
        )
