"""The form of a tool: other fields for each kind, JSON only where there is no other way."""

import json
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from routing.admin.secrets import SecretForm
from routing.tool_models import Tool
from routing.tools.builtin import BUILTINS
from routing.tools.http_plan import BODY_FORMATS, METHODS
from routing.tools.values import Recovery, Risk, ToolKind

_MONO = {"class": "ork-mono", "spellcheck": "false"}


class HeadersField(forms.CharField):
    """Headers as people write them, one “Name: value” per line."""

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return "\n".join(f"{name}: {text}" for name, text in value.items())

    def to_python(self, value: Any) -> Any:
        if isinstance(value, dict):
            return value
        lines = [line for line in str(value or "").splitlines() if line.strip()]
        pairs = [line.partition(":") for line in lines]
        if any(not separator for _name, separator, _text in pairs):
            raise forms.ValidationError(_("Write one “Name: value” per line."), code="no_header")
        return {name.strip(): text.strip() for name, _separator, text in pairs}

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(initial or {}) != self.to_python(data))


class PrettyJson(forms.JSONField):
    """JSON that is shown as people write it, over several lines."""

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict | list):
            return json.dumps(value, indent=2, ensure_ascii=False)
        return super().prepare_value(value)


class ToolForm(SecretForm):
    builtin = forms.ChoiceField(
        label=_("Built-in tool"),
        required=False,
        choices=[("", "—"), *((one.name, one.title) for one in BUILTINS.values())],
        widget=UnfoldAdminSelectWidget,
    )
    method = forms.ChoiceField(
        label=_("Method"),
        required=False,
        choices=[(method, method) for method in METHODS],
        widget=UnfoldAdminSelectWidget,
    )
    body_format = forms.ChoiceField(
        label=_("Body"),
        required=False,
        choices=[(one, one.upper() if one == "json" else _("Form")) for one in BODY_FORMATS],
        widget=UnfoldAdminSelectWidget,
    )
    parameters = PrettyJson(
        label=_("Parameters"),
        required=False,
        help_text=_("JSON Schema of the arguments, an object."),
        widget=UnfoldAdminTextareaWidget(attrs=_MONO | {"rows": 8}),
    )
    places = PrettyJson(
        label=_("Places of arguments"),
        required=False,
        help_text=_(
            "Where arguments go that are not in the URL; by default to the body, or to the query "
            'where there is none: {"page": {"in": "query", "name": "page[number]"}}.'
        ),
        widget=UnfoldAdminTextareaWidget(attrs=_MONO | {"rows": 2}),
    )
    headers = HeadersField(
        label=_("Headers"),
        required=False,
        help_text=_("One “Name: value” per line. Secrets do not belong here."),
        widget=UnfoldAdminTextareaWidget(attrs=_MONO | {"rows": 2}),
    )
    description = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=4000,
        help_text=_("The model reads this to know when and how to use the tool."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )

    class Meta:
        model = Tool
        fields: ClassVar = (
            "name",
            "title",
            "description",
            "kind",
            "parameters",
            "risk",
            "recovery",
            "timeout_seconds",
            "is_active",
            "builtin",
            "method",
            "url",
            "places",
            "body_format",
            "headers",
            "status_url",
            "secret_header",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind: Any = self.fields.get("kind")
        if kind is not None:
            # The tools of MCP servers come by a sync.
            kind.choices = [one for one in kind.choices if one[0] not in ("", ToolKind.MCP)]

    def clean_parameters(self) -> Any:
        return self.cleaned_data["parameters"] or {"type": "object", "properties": {}}

    def clean_places(self) -> dict[str, Any]:
        return self.cleaned_data["places"] or {}

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or {}
        if self.instance.kind == ToolKind.MCP:
            return asked
        if asked.get("kind") == ToolKind.BUILTIN:
            self._take_builtin(asked)
        elif not asked.get("description"):
            self.add_error("description", _("Say what the tool is for."))
        if asked.get("kind") == ToolKind.HTTP and not asked.get("url"):
            self.add_error("url", _("Write the address that is called."))
        return asked

    def _take_builtin(self, asked: dict[str, Any]) -> None:
        """A built-in tool brings its own parameters, and a description for who writes none. It has
        no effect on anything.
        """
        found = BUILTINS.get(asked.get("builtin") or "")
        if found is None:
            self.add_error("builtin", _("Choose one."))
            return
        asked["parameters"] = dict(found.parameters)
        asked["description"] = asked.get("description") or found.description
        asked["title"] = asked.get("title") or found.title
        asked["risk"], asked["recovery"] = Risk.READ, Recovery.IDEMPOTENT
        self.also_stored |= {"parameters", "description", "title", "risk", "recovery"}
