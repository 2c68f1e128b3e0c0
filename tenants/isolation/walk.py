"""Asks every door as somebody who must not learn of a tenant, and tells what they learned."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Final

from django.db import transaction

from tenants.isolation.canaries import PREFIX, CanaryTenant
from tenants.isolation.doors import Door, Request, lists, nobodys
from tenants.isolation.lines import LOST
from tenants.isolation.sockets import Question, compared, every_socket
from tenants.isolation.visitors import Answer, Visitor

#: Addresses that look for texts.
_SEARCHES: Final = {"admin:search": {"s": PREFIX}}
#: Statuses of answers that are errors of the server's, and the same of WebSockets' closes.
FAILURES: Final = frozenset({*range(500, 600), LOST, 1011})


class Kind(StrEnum):
    TOLD = "told"
    """A text of the other tenant was in an answer, in a header or in a log."""
    DIFFERS = "differs"
    """A row of the other tenant is answered for otherwise than a row that is not there."""
    TOUCHED = "touched"
    """A row of the other tenant was changed, added or deleted."""
    FAILED = "failed"
    """The answer was an error of the server's."""


@dataclass(frozen=True, slots=True)
class Leak:
    kind: Kind
    visitor: str
    door: str
    detail: str


@dataclass(slots=True)
class Walk:
    """Of one visitor past all doors of `house`, of which they must learn nothing."""

    house: CanaryTenant
    visitor: Visitor
    num_asked: int = 0
    _untouched: dict[str, list[tuple[Any, ...]]] = field(init=False)

    def __post_init__(self) -> None:
        self._untouched = self.house.state()

    def leaks(self, doors: Iterable[Door]) -> Iterator[Leak]:
        """What was learned or done, as it is found out."""
        nobody = nobodys(self.house)
        for door in filter(self._is_for_visitor, doors):
            request = door.request_about(self.house.rows)
            if request.is_about_a_row:
                yield from self._about_a_row(door, request, door.request_about(nobody))
            elif request.method == "GET":
                yield from self._about_nothing(door, request)

    def leaks_in_lists(self) -> Iterator[Leak]:
        """The same, of what lists do with many rows, and of what fields of forms offer."""
        yield from self._actions()
        yield from self._choices()

    def leaks_in_sockets(self, own: Mapping[str, Any]) -> Iterator[Leak]:
        """The same, of WebSockets; `own` are rows of the visitor's own tenant."""
        nobody = nobodys(self.house)
        for door in every_socket():
            pairs = zip(
                door.questions(own, self.house.rows), door.questions(own, nobody), strict=True
            )
            for (name, question), (_, other) in pairs:
                foreign, leaks = self._watch(name, partial(self._open, question), question.said)
                yield from leaks
                with transaction.atomic():
                    absent = self._open(other)
                    transaction.set_rollback(True)
                mine, theirs = foreign.without(*question.said), absent.without(*other.said)
                if compared(mine) != compared(theirs):
                    detail = f"{foreign.status} for it, {absent.status}"
                    yield self._leak(Kind.DIFFERS, name, detail)

    def _open(self, question: Question) -> Answer:
        return self.visitor.ask_socket(question.path, question.frames)

    def _is_for_visitor(self, door: Door) -> bool:
        """A key is of no use at the admin, and a browser's session none at the API."""
        return door.is_page if self.visitor.user else not (door.is_page and self.visitor.key)

    def _about_a_row(self, door: Door, request: Request, other: Request) -> Iterator[Leak]:
        foreign, leaks = self._ask(door.name, request)
        yield from leaks
        with transaction.atomic():
            absent = self.visitor.ask(other)
            transaction.set_rollback(True)
        mine, theirs = foreign.without(*_said(request)), absent.without(*_said(other))
        if not mine.same_as(theirs):
            yield self._leak(Kind.DIFFERS, door.name, f"{foreign.status} for it, {absent.status}")

    def _about_nothing(self, door: Door, request: Request) -> Iterator[Leak]:
        queries: list[Mapping[str, Any]] = [{}, _SEARCHES.get(door.address.name, {})]
        if door.address.name.endswith("_changelist"):
            queries.append({"q": PREFIX})
        for query in queries[:1] + [query for query in queries[1:] if query]:
            yield from self._ask(door.name, request, query)[1]

    def _actions(self) -> Iterator[Leak]:
        """What can be done with many rows at once, done to the other's; with "all" ticked, too."""
        for name, page in lists().items():
            row = self.house.rows.get(page.model._meta.label)
            for action in [*(_name_of(each) for each in page.actions or ()), "delete_selected"]:
                chosen = {"action": action, "_selected_action": str(getattr(row, "pk", ""))}
                body = chosen | {"select_across": "1", "index": "0", "post": "yes"}
                path = f"/admin/{name.replace('_', '/', 1)}/"
                yield from self._ask(f"{action} in {name}", Request("POST", path, body))[1]

    def _choices(self) -> Iterator[Leak]:
        """What fields offer while somebody types."""
        for page in lists().values():
            for column in page.model._meta.concrete_fields:
                if column.is_relation:
                    query = {
                        "app_label": page.model._meta.app_label,
                        "model_name": page.model._meta.model_name,
                        "field_name": column.name,
                        "term": PREFIX,
                    }
                    request = Request("GET", "/admin/autocomplete/", {})
                    yield from self._ask(f"choices of {column}", request, query)[1]

    def _ask(
        self, name: str, request: Request, query: Mapping[str, Any] | None = None
    ) -> tuple[Answer, list[Leak]]:
        ask = partial(self.visitor.ask, request, query)
        return self._watch(name, ask, _said(request), is_reading=request.method == "GET")

    def _watch(
        self, name: str, ask: Callable[[], Answer], said: Sequence[str], *, is_reading: bool = False
    ) -> tuple[Answer, list[Leak]]:
        """Ask, look at what came of it, and undo it."""
        self.num_asked += 1
        before = self._untouched
        with transaction.atomic():
            answer = ask()
            after = before if is_reading else self.house.state()
            transaction.set_rollback(True)
        leaks = []
        if told := self.house.found_in(answer.without(*said).told):
            leaks.append(self._leak(Kind.TOLD, name, ", ".join(told)))
        if touched := [label for label in before if before[label] != after[label]]:
            leaks.append(self._leak(Kind.TOUCHED, name, ", ".join(touched)))
        if answer.status in FAILURES:
            leaks.append(self._leak(Kind.FAILED, name, str(answer.status)))
        return answer, leaks

    def _leak(self, kind: Kind, door: str, detail: str) -> Leak:
        return Leak(kind, self.visitor.name, door, detail)


def _said(request: Request) -> list[str]:
    """What the asker brought along."""
    parts = [part for part in request.path.split("/") if part]
    return [request.path, *parts[2:], *(str(value) for value in request.body.values())]


def _name_of(action: Any) -> str:
    return action if isinstance(action, str) else str(action.__name__)
