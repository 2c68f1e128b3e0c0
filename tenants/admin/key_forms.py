"""What is asked when a key is made or rotated."""

from typing import Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from tenants.admin.forms import TenantModelForm
from tenants.models import ApiKey
from tenants.networks import read_networks
from tenants.principals import Scope

SCOPE_WORDS: Final = {
    Scope.CHAT_WRITE: _("send messages and read the answers"),
    Scope.TASKS_READ: _("look at tasks"),
    Scope.TASKS_WRITE: _("start tasks"),
    Scope.TASKS_CONTROL: _("pause, resume and cancel tasks"),
    Scope.AGENTS_READ: _("look at agents"),
    Scope.AGENTS_WRITE: _("change agents"),
    Scope.PROMPTS_READ: _("look at prompts"),
    Scope.PROMPTS_WRITE: _("change prompts"),
    Scope.KEYS_MANAGE: _("make and revoke keys"),
    Scope.SCHEDULES_MANAGE: _("set up schedules"),
    Scope.WEBHOOKS_MANAGE: _("set up webhooks"),
    Scope.USAGE_READ: _("read the usage"),
}
#: What a chat widget or a shop's back end needs.
USUAL_SCOPES: Final = [Scope.CHAT_WRITE, Scope.TASKS_READ, Scope.TASKS_CONTROL]
LIFETIMES: Final = {
    "30": _("30 days"),
    "90": _("90 days"),
    "365": _("1 year"),
    "": _("It does not expire"),
}
#: Hours.
OVERLAPS: Final = {
    "0": _("not a moment longer"),
    "1": _("1 hour"),
    "24": _("24 hours"),
    "168": _("7 days"),
}


class NewKeyForm(TenantModelForm):
    scopes = forms.MultipleChoiceField(
        label=_("Allowed to"),
        initial=USUAL_SCOPES,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        choices=[(scope.value, words) for scope, words in SCOPE_WORDS.items()],
    )
    lifetime = forms.ChoiceField(
        label=_("Expires after"),
        choices=list(LIFETIMES.items()),
        initial="90",
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[("live", _("Live: for customers")), ("test", _("Test: for trying things out"))],
        initial="live",
        widget=UnfoldAdminSelectWidget,
    )

    agents = forms.CharField(
        label=_("Agents"),
        required=False,
        help_text=_("Slugs of the only agents it may talk to, one per line. None means all."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    addresses = forms.CharField(
        label=_("Addresses"),
        required=False,
        help_text=_("Networks such as 203.0.113.0/24, one per line. None means anywhere."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )

    class Meta:
        model = ApiKey
        fields = ("name",)

    def clean_agents(self) -> list[str]:
        return str(self.cleaned_data["agents"]).split()

    def clean_addresses(self) -> list[str]:
        networks = str(self.cleaned_data["addresses"]).split()
        try:
            read_networks(networks)
        except ValueError as exc:
            raise ValidationError(_("This is no list of networks: %s") % exc) from exc
        return networks


class RotationForm(forms.Form):
    overlap = forms.ChoiceField(
        label=_("The old key works for"),
        choices=list(OVERLAPS.items()),
        initial="24",
        widget=UnfoldAdminSelectWidget,
    )
