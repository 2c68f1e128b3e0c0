"""A form made of a tool's JSON Schema, for people who try the tool by hand."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

MAX_FIELDS: Final = 60
_INPUT: Final = {"class": "ork-input", "autocomplete": "off"}


class JsonText(forms.CharField):
    """Any JSON value, as text; empty leaves the argument out."""

    widget = forms.Textarea(attrs=_INPUT | {"rows": 3, "class": "ork-input ork-mono"})

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            return orjson.loads(text)
        except (orjson.JSONDecodeError, UnicodeError) as exc:
            raise ValidationError(_("This is not JSON."), code="not_json") from exc


class ArgumentsForm(forms.Form):
    """A field for each argument of the schema; whatever is not simple is asked for as JSON."""

    def __init__(self, parameters: Mapping[str, Any], data: Any = None) -> None:
        super().__init__(data, prefix="argument")
        required = parameters.get("required") or []
        properties = parameters.get("properties") or {}
        for name, schema in list(properties.items())[:MAX_FIELDS]:
            self.fields[name] = _field(
                name, schema if isinstance(schema, dict) else {}, is_required=name in required
            )

    @property
    def arguments(self) -> dict[str, Any]:
        """What was filled in; an empty field is an argument left out."""
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if value is not None and value != ""
        }


def _field(name: str, schema: Mapping[str, Any], *, is_required: bool) -> forms.Field:
    shared: dict[str, Any] = {
        "label": name,
        "required": is_required,
        "help_text": str(schema.get("description", ""))[:300],
    }
    kind, choices = schema.get("type"), schema.get("enum")
    if kind == "string" and isinstance(choices, list):
        options = [("", "—"), *((one, one) for one in choices if isinstance(one, str))]
        return forms.ChoiceField(choices=options, widget=forms.Select(attrs=_INPUT), **shared)
    if kind == "string":
        return forms.CharField(widget=forms.TextInput(attrs=_INPUT), **shared)
    if kind == "integer":
        return forms.IntegerField(widget=forms.NumberInput(attrs=_INPUT), **shared)
    if kind == "number":
        return forms.FloatField(widget=forms.NumberInput(attrs=_INPUT | {"step": "any"}), **shared)
    if kind == "boolean":
        answers: list[tuple[str, Any]] = [("", "—"), ("true", _("yes")), ("false", _("no"))]
        return forms.TypedChoiceField(
            choices=answers,
            coerce=lambda text: text == "true",
            empty_value=None,
            widget=forms.Select(attrs=_INPUT),
            **shared,
        )
    return JsonText(**shared)
