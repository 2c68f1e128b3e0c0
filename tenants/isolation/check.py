"""The whole check: two tenants with canaries, and each door asked as the other one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from django.db import transaction

from tenants.isolation.canaries import CanaryTenant, make_tenant
from tenants.isolation.doors import Door, every_door
from tenants.isolation.sockets import every_socket
from tenants.isolation.visitors import Visitor
from tenants.isolation.walk import Leak, Walk

#: Doors per transaction: SQLite lets nobody else write for as long as one lasts.
_AT_ONCE: Final = 60


@dataclass(slots=True)
class Report:
    """What the check found. `unproved` are doors whose own tenant saw nothing there, either: that
    the other one saw nothing says little about them.
    """

    num_doors: int = 0
    num_asked: int = 0
    leaks: list[Leak] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)


def check_isolation() -> Report:
    """Ask every door of the API and of the admin, and every WebSocket, in transactions that are all
    rolled back.

    Raises LookupError when an address has a parameter of which nobody knows whose row it names.
    """
    report = Report()
    doors = iter(every_door())
    while part := list(islice(doors, _AT_ONCE)):
        _in_vain(report, part)
        report.num_doors += len(part)
    _in_vain(report, None)
    _sockets_in_vain(report)
    return report


def _sockets_in_vain(report: Report) -> None:
    report.num_doors += len(every_socket())
    with transaction.atomic():
        theirs, ours = make_tenant("theirs"), make_tenant("ours")
        visitor, _ = visitors_of(ours)
        walk = Walk(theirs, visitor)
        report.leaks += walk.leaks_in_sockets(ours.rows)
        report.num_asked += walk.num_asked
        report.unproved += unproved_sockets(theirs)
        transaction.set_rollback(True)


def unproved_sockets(house: CanaryTenant) -> list[str]:
    """WebSockets on which their own tenant is told nothing of its own."""
    key, _ = visitors_of(house)
    found = []
    for door in every_socket():
        question = door.own(house.rows)
        with transaction.atomic():
            answer = key.ask_socket(question.path, question.frames)
            transaction.set_rollback(True)
        if not house.found_in(answer.without(*question.said).told):
            found.append(f"WS {door.route} ({answer.status})")
    return found


def _in_vain(report: Report, doors: Sequence[Door] | None) -> None:
    """One part of the check; None is what is done from lists: actions, and choices of fields."""
    with transaction.atomic():
        theirs, ours = make_tenant("theirs"), make_tenant("ours")
        for visitor in visitors_of(ours):
            walk = Walk(theirs, visitor)
            if doors is not None:
                report.leaks += walk.leaks(doors)
            elif visitor.user is not None:
                report.leaks += walk.leaks_in_lists()
            report.num_asked += walk.num_asked
        if doors is not None:
            report.unproved += _unproved(theirs, doors)
        transaction.set_rollback(True)


def visitors_of(house: CanaryTenant) -> list[Visitor]:
    """Its key, and its owner at the admin."""
    return [
        Visitor("another tenant's key", key=house.key),
        Visitor("another tenant's owner", user=house.owner, tenant_id=house.tenant.pk),
    ]


def _unproved(house: CanaryTenant, doors: Sequence[Door]) -> list[str]:
    """Doors that their own tenant cannot read from."""
    key, owner = visitors_of(house)
    found = []
    for door in doors:
        if door.method == "GET":
            with transaction.atomic():
                visitor = owner if door.is_page else key
                answer = visitor.ask(door.request_about(house.rows))
                transaction.set_rollback(True)
            if answer.status == 404 or answer.status >= 500:
                found.append(f"{door.name} ({answer.status})")
    return found
