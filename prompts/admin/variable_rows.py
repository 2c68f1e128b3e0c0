"""Declared variables as rows of a form: name, type, default, sample, and whether it is required."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from prompts.errors import VariablesInvalid
from prompts.rendering import VariableSpec, VariableType, parse_variables
from prompts.rendering.variables import MOST_VARIABLES

_TEXTS: Final = ("name", "type", "default", "sample", "description")
#: Empty rows below the declared ones; saving gives more.
NUM_EMPTY: Final = 3
_YES, _NO = frozenset({"true", "yes", "sí", "si", "1"}), frozenset({"false", "no", "0"})
_WORDS: Final[Mapping[str, Any]] = {
    VariableType.STRING: _("text"),
    VariableType.NUMBER: _("number"),
    VariableType.BOOLEAN: _("yes or no"),
    VariableType.LIST: _("list (JSON)"),
    VariableType.OBJECT: _("object (JSON)"),
}

Row = Mapping[str, Any]


class VariableRowsWidget(forms.Widget):
    """One row of inputs per variable, named `<field>-<row>-<column>`."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        rows = [*(value or []), *[{"type": VariableType.STRING}] * NUM_EMPTY]
        context = {"name": name, "rows": rows, "types": _WORDS.items()}
        return render_to_string("orkesta/prompts/variable_rows.html", context)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Row]:
        rows = [_typed(data, f"{name}-{number}-") for number in range(MOST_VARIABLES + NUM_EMPTY)]
        return [row for row in rows if row["name"] or row["default"] or row["sample"]]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-0-name" not in data

    def id_for_label(self, id_: str, index: str = "0") -> str:
        return f"{id_}-0-name"


class VariableRowsField(forms.Field):
    """A list of declarations, as `Prompt.variables` holds it."""

    widget = VariableRowsWidget

    def prepare_value(self, value: Any) -> list[Row]:
        rows = value if isinstance(value, list) else []
        return [{**row, **_as_texts(row)} for row in rows if isinstance(row, dict)]

    def to_python(self, value: Any) -> list[dict[str, Any]]:
        declared = [_declared(row) for row in value or []]
        try:
            return [spec.as_json() for spec in parse_variables(declared).values()]
        except VariablesInvalid as exc:
            raise ValidationError(list(_faults(exc, declared)), code=exc.code) from exc

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return _specs(initial) != _specs(self.to_python(data))
        except ValidationError:
            return True


def _typed(data: Any, prefix: str) -> dict[str, Any]:
    row: dict[str, Any] = {column: str(data.get(prefix + column, "")) for column in _TEXTS}
    row["name"] = row["name"].strip()
    return row | {"required": f"{prefix}required" in data}


def _declared(row: Row) -> dict[str, Any]:
    """The row as a declaration; a value that cannot be read is left for `parse_variables` to
    refuse, since text is not what the type asks for.
    """
    values = {name: _value(str(row[name]), row["type"]) for name in ("default", "sample")}
    return {**row, **values}


def _value(text: str, kind: str) -> Any:
    if not text.strip():
        return None
    if kind == VariableType.BOOLEAN:
        word = text.strip().lower()
        return True if word in _YES else False if word in _NO else text
    if kind in (VariableType.NUMBER, VariableType.LIST, VariableType.OBJECT):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
    return text


def _as_texts(row: Row) -> dict[str, str]:
    """The values of a stored declaration as somebody would type them; typed ones are text."""
    texts = {}
    for name in ("default", "sample"):
        value = row.get(name)
        is_text = isinstance(value, str)
        texts[name] = "" if value is None else value if is_text else orjson.dumps(value).decode()
    return texts


def _faults(error: VariablesInvalid, declared: list[dict[str, Any]]) -> list[ValidationError]:
    found = []
    for item in error.details["errors"][:10]:
        _root, _slash, place = item["pointer"].partition("/")
        number, _slash, column = place.partition("/")
        row = int(number) if number.isdigit() else -1
        name = declared[row]["name"] if 0 <= row < len(declared) else ""
        told = _("%(name)s, %(column)s: %(detail)s") if name else "%(detail)s"
        params = {"name": name, "column": column, "detail": item["detail"]}
        found.append(ValidationError(told, code="variable", params=params))
    return found


def _specs(value: Any) -> dict[str, VariableSpec]:
    try:
        return parse_variables(value or [])
    except VariablesInvalid:
        return {}
