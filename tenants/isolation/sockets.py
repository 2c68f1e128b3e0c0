"""WebSockets, asked like any other address: who may open one, and how far its frames reach."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from rest_framework import serializers

from tenants.isolation.doors import ids_in
from tenants.isolation.lines import sockets
from tenants.isolation.visitors import Answer

#: What each part of an address stands for: a model and its field.
PARAMETERS: Final[Mapping[str, tuple[str, str]]] = {
    "tenant": ("tenants.Tenant", "slug"),
    "session": ("conversations.Session", "pk"),
}
#: What fields of frames stand for, beside `<model>_id`.
_NAMED: Final[Mapping[str, tuple[str, str]]] = {"agent": ("routing.Agent", "slug")}
_GROUP: Final = re.compile(r"\(\?P<(\w+)>[^)]*\)")
#: What of an answer to a frame has to be the same for what is foreign and what is absent.
_COMPARED: Final = ("code", "detail", "status", "wanted", "request_id")

Rows = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """An address to open, and what to say there."""

    path: str
    frames: tuple[Mapping[str, Any], ...] = ()

    @property
    def said(self) -> list[str]:
        """What the asker brings along."""
        values = [str(value) for frame in self.frames for value in frame.values()]
        return [self.path, *self.path.split("/"), *values]


@dataclass(frozen=True, slots=True)
class SocketDoor:
    """One address of WebSockets, and the frames that may be sent there."""

    route: str
    frames: Mapping[str, type[serializers.Serializer[Any]]]

    def questions(self, own: Rows, rows: Rows) -> Iterator[tuple[str, Question]]:
        """By name: open what is `rows`', mix it with what is one's own, and name it in each frame
        on a socket of one's own. Raises LookupError for a parameter nobody knows.
        """
        yield f"WS {self.route}", Question(self._path(rows))
        for label, _ in PARAMETERS.values():
            mixed = {**rows, label: own[label]}
            yield f"WS {self.route}, own {label}", Question(self._path(mixed))
        if self.frames:
            frames = tuple(self._frame(kind, rows) for kind in sorted(self.frames))
            yield f"frames of WS {self.route}", Question(self._path(own), frames)

    def own(self, own: Rows) -> Question:
        """Open what is one's own."""
        return Question(self._path(own))

    def _path(self, rows: Rows) -> str:
        def value(found: re.Match[str]) -> str:
            label, attribute = PARAMETERS[found[1]]
            return str(getattr(rows[label], attribute))

        return "/" + _GROUP.sub(value, self.route)

    def _frame(self, kind: str, rows: Rows) -> Mapping[str, Any]:
        known = ids_in(rows)
        known |= {name: str(getattr(rows[label], field)) for name, (label, field) in _NAMED.items()}
        given = {
            name: known.get(name, "hola")
            for name, field in self.frames[kind]().fields.items()
            if name in known or field.required
        }
        return {**given, "type": kind, "request_id": kind}


def every_socket() -> list[SocketDoor]:
    """All that the installation serves, but those that say that there is nothing there."""
    found = []
    for route in sockets().routes:
        shape = route.pattern.regex.pattern.strip("^$").removesuffix("/?")
        consumer = getattr(route.callback, "__self__", None)
        if shape:
            found.append(SocketDoor(shape, getattr(consumer, "frames", {})))
    return found


def compared(answer: Answer) -> tuple[int, list[bytes]]:
    """What nobody may tell a foreign row from an absent one by: how it closed, and its answers to
    frames, without what is of each answer alone.
    """
    answers = []
    for line in answer.body.splitlines():
        event = orjson.loads(line)
        known = {name: event["data"].get(name) for name in _COMPARED}
        if known["request_id"]:
            # Who gives their frame no name is told that of the connection, which is new each time.
            named = any(known["request_id"] in each.frames for each in every_socket())
            known["request_id"] = known["request_id"] if named else ""
            answers.append(orjson.dumps([event["type"], known]))
    return answer.status, sorted(answers)
