"""What every endpoint shares: one parser, one renderer, one error shape, one kind of page.

The classes named in `REST_FRAMEWORK` are gathered here. `endpoint` and `openapi` are imported by
their own names: DRF loads this package while it is still defining the view they build on.
"""

from orkesta.api.pages import CursorPages, LogPages
from orkesta.api.parser import StrictJsonParser
from orkesta.api.problems import exception_handler, problem_response
from orkesta.api.renderer import JsonRenderer

__all__ = [
    "CursorPages",
    "JsonRenderer",
    "LogPages",
    "StrictJsonParser",
    "exception_handler",
    "problem_response",
]
