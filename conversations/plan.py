"""A workflow: agents that do their parts one after another, each knowing what was found before it;
some of the parts are done by several agents at the same time.

Pure values. The plan is stored on the task, so it can be looked at and never changes; how far it
has come follows from the recorded steps.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

#: Key of a group of branches in a stored plan.
PARALLEL: Final = "parallel"
Stored = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """What one agent does in a plan. `note` is what a branch is told of the parts before it."""

    agent_slug: str
    instruction: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Branches: what several agents do at the same time, each in a task of its own."""

    branches: tuple[Part, ...]


Entry = Part | Group


def read_plan(stored: Iterable[Stored]) -> tuple[Entry, ...]:
    """The plan as the task's row keeps it."""
    return tuple(
        Group(tuple(map(_part, entry[PARALLEL]))) if PARALLEL in entry else _part(entry)
        for entry in stored
    )


def _part(stored: Stored) -> Part:
    return Part(str(stored["agent"]), str(stored["instruction"]), str(stored.get("note", "")))


def agents_of(stored: Iterable[Stored]) -> Iterator[tuple[str, str]]:
    """All agents of a stored plan, each with the JSON pointer to where it is named."""
    for place, entry in enumerate(stored):
        if PARALLEL not in entry:
            yield f"/plan/{place}/agent", str(entry["agent"])
        for branch, part in enumerate(entry.get(PARALLEL, ())):
            yield f"/plan/{place}/{PARALLEL}/{branch}/agent", str(part["agent"])


def has_branches(stored: Iterable[Stored]) -> bool:
    """Whether any part of a stored plan is done by several agents at the same time."""
    return any(PARALLEL in entry for entry in stored)


def leading_agent(stored: Iterable[Stored]) -> str:
    """The first agent of a stored plan that works for itself: the task is routed to it."""
    return next((str(entry["agent"]) for entry in stored if PARALLEL not in entry), "")
