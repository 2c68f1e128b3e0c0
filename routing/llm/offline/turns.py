"""What was said and done, message by message, as a chat request holds it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A tool call in a message of the assistant; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. `calls` are the assistant's; `call_id` says which of them a tool answers."""

    role: Role
    text: str
    calls: tuple[Asked, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A tool that was called, and what it answered; `name` is empty when nobody called it."""

    name: str
    arguments: str
    text: str


def outcomes_in(turns: Iterable[Turn]) -> tuple[Outcome, ...]:
    """What tools answered in `turns`, in order."""
    asked: dict[str, Asked] = {}
    found = []
    for turn in turns:
        asked |= {call.id: call for call in turn.calls}
        if turn.role == "tool":
            call = asked.get(turn.call_id, Asked("", "", ""))
            found.append(Outcome(call.name, call.arguments, turn.text))
    return tuple(found)


def since_user(turns: Sequence[Turn]) -> Sequence[Turn]:
    """What came after the user last spoke."""
    for position in range(len(turns) - 1, -1, -1):
        if turns[position].role == "user":
            return turns[position + 1 :]
    return turns
