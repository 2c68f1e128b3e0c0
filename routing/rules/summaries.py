"""A condition in a few words, for lists; whatever is stored, it says something."""

from collections.abc import Mapping
from typing import Any, Final


def summary(kind: str, condition: Any) -> str:
    """`condition` of a rule of this kind in one line, of any length."""
    if not isinstance(condition, dict):
        return ""
    say = _KINDS.get(kind)
    return say(condition) if say else ""


def _listed(values: Any) -> str:
    return ", ".join(map(str, values)) if isinstance(values, list) else ""


def _context(condition: Mapping[str, Any]) -> str:
    value = condition.get("value", "")
    said = _listed(value) if isinstance(value, list) else str(value)
    operator = str(condition.get("operator", "")).replace("_", " ")
    return f"{condition.get('path', '')} {operator} {said}".strip()


def _windows(condition: Mapping[str, Any]) -> str:
    windows = condition.get("windows")
    found = [w for w in windows if isinstance(w, dict)] if isinstance(windows, list) else []
    lines = [f"{_listed(w.get('days')) or 'mon-sun'} {w.get('from')}-{w.get('to')}" for w in found]
    said = "; ".join(lines)
    return f"not {said}" if condition.get("outside") else said


def _session(condition: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name}: {_listed(value) if isinstance(value, list) else value}"
        for name, value in condition.items()
    )


_KINDS: Final = {
    "keyword": lambda condition: _listed(condition.get("any")),
    "examples": lambda condition: _listed(condition.get("examples")),
    "regex": lambda condition: str(condition.get("pattern", "")),
    "intent": lambda condition: _listed(condition.get("any")),
    "context": _context,
    "time": _windows,
    "session": _session,
}
