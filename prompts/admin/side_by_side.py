"""A diff as two columns of lines."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

from prompts.diff import DiffRow, Op, Segment


@dataclass(frozen=True, slots=True)
class Side:
    """One line in one column; `number` is None where the other column has a line more."""

    number: int | None
    op: Op
    segments: tuple[Segment, ...]


NOTHING = Side(None, "equal", ())


def side_by_side(rows: Iterable[DiffRow]) -> Iterator[tuple[Side, Side]]:
    """Pairs of (old line, new line): equal lines beside each other, and within a change the
    deleted lines beside the inserted ones, as far as there are.
    """
    deleted: list[Side] = []
    inserted: list[Side] = []
    for row in rows:
        if row.op == "delete":
            if inserted:
                yield from _emptied(deleted, inserted)
            deleted.append(Side(row.old_number, "delete", row.segments))
        elif row.op == "insert":
            inserted.append(Side(row.new_number, "insert", row.segments))
        else:
            yield from _emptied(deleted, inserted)
            yield (
                Side(row.old_number, "equal", row.segments),
                Side(row.new_number, "equal", row.segments),
            )
    yield from _emptied(deleted, inserted)


def _emptied(deleted: list[Side], inserted: list[Side]) -> Iterator[tuple[Side, Side]]:
    yield from zip_longest(deleted, inserted, fillvalue=NOTHING)
    deleted.clear()
    inserted.clear()
