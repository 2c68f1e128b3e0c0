"""The part of a form that takes a secret: written, never read, and kept to the host it is for."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanSwitchWidget

from routing.tools.http_plan import origin_of
from tenants.admin.forms import TenantModelForm


class SecretForm(TenantModelForm):
    """For rows with `url`, `sealed_secret`, `secret_hint` and `set_secret`."""

    new_secret = forms.CharField(
        label=_("Secret"),
        required=False,
        max_length=4000,
        help_text=_(
            "The whole value of the header, such as “Bearer …”. It is sealed when you save, and "
            "never shown again. Empty keeps the present one."
        ),
        widget=UnfoldAdminPasswordWidget(
            render_value=False, attrs={"autocomplete": "new-password", "spellcheck": "false"}
        ),
    )
    forget_secret = forms.BooleanField(
        label=_("Forget the secret"), required=False, widget=UnfoldBooleanSwitchWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.origin_before = origin_of(self.instance.url)
        if self.instance.sealed_secret and "new_secret" in self.fields:
            hint = f"•••• {self.instance.secret_hint}".strip()
            self.fields["new_secret"].widget.attrs["placeholder"] = hint
        elif not self.instance.sealed_secret:
            self.fields.pop("forget_secret", None)

    def clean_new_secret(self) -> str:
        secret = str(self.cleaned_data["new_secret"])
        if not secret.isascii() or not secret.isprintable():
            raise ValidationError(_("A header cannot hold these characters."), code="unsendable")
        return secret

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or {}
        is_new_host = origin_of(asked.get("url", self.instance.url)) != self.origin_before
        has_secret = bool(self.instance.sealed_secret) and not asked.get("forget_secret")
        if is_new_host and has_secret and not asked.get("new_secret"):
            error = _("The host is another one now: enter its secret, or forget the present one.")
            self.add_error("new_secret", ValidationError(error, code="secret_of_other_host"))
        return asked

    def seal_secret(self) -> None:
        """Put the asked-for change of the secret into the row, which is not saved yet."""
        if self.cleaned_data.get("new_secret"):
            self.instance.set_secret(self.cleaned_data["new_secret"])
        elif self.cleaned_data.get("forget_secret"):
            self.instance.set_secret("")
        else:
            return
        self.also_stored |= {"sealed_secret", "secret_hint"}
