"""Answers under a version that nobody is told yet, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class DraftQuestion:
    """A customer's message, and what came along with it."""

    text: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DraftAnswer:
    """What would have been answered; `failure` says why there is nothing."""

    text: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    failure: str = ""
