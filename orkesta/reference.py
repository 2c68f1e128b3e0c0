"""The pages of docs/ that are made from the code: settings and errors.

`make docs` writes them, `make check` and a guard compare them, so they cannot tell another story.
"""

import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from django.apps import apps

from orkesta import env
from orkesta.errors import OrkestaError, all_error_types

FOLDER: Final = env.PROJECT_ROOT / "docs"
_KINDS: Final = {
    "str": "text",
    "bool": "true or false",
    "int": "whole number",
    "float": "number",
    "list": "list, separated by commas",
}
_SETTINGS_HEAD: Final = """\
# Settings

Everything that varies between installations comes from environment variables, or from a file
`.env` beside `manage.py`; the environment wins. They are read once, at start: a bad value refuses
the start, and all bad values are named together with the reason. `manage.py check` then says what
is unwise, with a hint (ids `orkesta.E…` and `orkesta.W…`).

Made from `orkesta/env.py` by `make docs`.

| variable | value | default | what for |
|---|---|---|---|
"""
_ERRORS_HEAD: Final = """\
# Errors

Every error has one shape, `application/problem+json` (RFC 9457): `type`, `title`, `status`,
`detail`, `code`, `request_id`, `retryable`, and `errors` where single values are at fault, each
with `pointer` (a JSON Pointer into the body, or `?name` for a query parameter), `code` and
`detail`. The same fields are the `data` of an `error` event on a WebSocket or an SSE stream, where
`status` is what HTTP would have answered.

Go by `code`: it is stable and unique. `retryable` says whether the same request may succeed later;
with a `Retry-After` header, after so many seconds. Absent things and other tenants' things give the
same `not_found`.

Made from the error tree by `make docs`.

| code | status | retryable | meaning |
|---|---|---|---|
"""


def pages() -> dict[Path, str]:
    """Each generated page, by where it belongs."""
    return {FOLDER / "settings.md": settings_page(), FOLDER / "errors.md": errors_page()}


def settings_page() -> str:
    rows = []
    for variable in env.VARIABLES:
        secret = " Secret." if variable.is_secret else ""
        rows.append(
            f"| `{variable.name}` | {_KINDS[variable.kind]}{_range(variable.check)}"
            f" | {_shown(variable.default)} | {variable.help}{secret} |"
        )
    return _SETTINGS_HEAD + "\n".join(rows) + "\n"


def errors_page() -> str:
    rows = []
    for kind in error_types():
        again = "yes" if kind.retryable else "no"
        anchor = f'<a id="{kind.code}"></a>`{kind.code}`'
        rows.append(f"| {anchor} | {kind.http_status} | {again} | {_meaning(kind)} |")
    return _ERRORS_HEAD + "\n".join(rows) + "\n"


def error_types() -> list[type[OrkestaError]]:
    """Every error with a code of its own, by status and code. One that only narrows another keeps
    that one's code. Imports all modules, so that none is missed.
    """
    for name in project_modules():
        importlib.import_module(name)
    kinds = [kind for kind in all_error_types() if "code" in vars(kind)]
    return sorted(kinds, key=lambda kind: (kind.http_status, kind.code))


def project_modules() -> Iterable[str]:
    """The names of all modules of the project's own apps, except migrations and programs."""
    for config in apps.get_app_configs():
        if not Path(config.path).is_relative_to(env.PROJECT_ROOT / config.label):
            continue
        for found in pkgutil.walk_packages([config.path], f"{config.name}."):
            if not {"migrations", "__main__"} & set(found.name.split(".")):
                yield found.name


def _meaning(kind: type[OrkestaError]) -> str:
    text = (kind.__doc__ or "").strip()
    return " ".join(text.split()).replace("|", "\\|")


def _range(check: Any) -> str:
    low, high = getattr(check, "min", None), getattr(check, "max", None)
    if low is not None:
        return f", {low:,g} to {high:,g}"
    choices = getattr(check, "choices", None)
    return f": {', '.join(f'`{choice}`' for choice in choices)}" if choices else ""


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, list):
        return f"`{','.join(default)}`" if default else "none"
    return f"`{default}`" if default != "" else "none"
