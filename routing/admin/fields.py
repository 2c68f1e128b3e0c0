"""Form fields for what is stored as JSON, so that nobody has to write JSON."""

from typing import Any

from django import forms


class LinesField(forms.CharField):
    """A list of short texts, one per line, or parted by commas; without empty ones and repeats."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        parts = str(value or "").replace(",", "\n").splitlines()
        return list(dict.fromkeys(part.strip() for part in parts if part.strip()))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(initial or []) != self.to_python(data))
