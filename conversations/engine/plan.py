"""A workflow: agents that do their parts one after another, each knowing what was found before it.

Pure values. The plan is stored on the task, so it can be looked at and never changes; how far it
has come follows from the recorded steps.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Part:
    """What one agent does in a plan."""

    agent_slug: str
    instruction: str


def read_plan(stored: Iterable[Mapping[str, Any]]) -> tuple[Part, ...]:
    """The plan as the task's row keeps it."""
    return tuple(Part(str(part["agent"]), str(part["instruction"])) for part in stored)
