"""Why a task failed, in the wire shape of errors."""

from functools import cache
from typing import Any

# These two add their leaves to the error tree, which a web process might not do otherwise.
import prompts.errors  # noqa: F401
import routing.errors  # noqa: F401
from orkesta.errors import DOCS_URL, OrkestaError, all_error_types


@cache
def _error_types() -> dict[str, type[OrkestaError]]:
    # The first class with a code is the one that declares it; its heirs repeat it.
    found: dict[str, type[OrkestaError]] = {}
    for kind in all_error_types():
        found.setdefault(kind.code, kind)
    return found


def failure(code: str, detail: str) -> dict[str, Any] | None:
    """The problem that ended a task; None without a code. It has no `request_id`: the failure is
    the task's, and nobody's request.
    """
    if not code:
        return None
    error = _error_types().get(code, OrkestaError)(detail)
    return {
        "type": DOCS_URL + code,
        "title": error.title,
        "detail": error.message,
        "code": code,
        "retryable": error.retryable,
    }
