"""A diff as two columns of lines, the long unchanged passages folded away."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Final

from prompts.diff import DiffRow, Op, Segment


@dataclass(frozen=True, slots=True)
class Side:
    """One line in one column; `number` is None where the other column has a line more."""

    number: int | None
    op: Op
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """So many unchanged lines that nobody has to read."""

    lines: int


NOTHING: Final = Side(None, "equal", ())
#: Unchanged lines shown around each change.
CONTEXT_LINES: Final = 3


def folded(pairs: Iterable[tuple[Side, Side]]) -> Iterator[tuple[Side, Side] | Fold]:
    """`pairs` with every long run of unchanged lines folded, but for those beside a change."""
    runs = [
        (is_same, list(run))
        for is_same, run in groupby(pairs, key=lambda pair: pair[0].op == pair[1].op == "equal")
    ]
    for index, (is_same, run) in enumerate(runs):
        before = CONTEXT_LINES if index > 0 else 0
        after = CONTEXT_LINES if index < len(runs) - 1 else 0
        if not is_same or len(run) <= before + after + 1:
            yield from run
            continue
        yield from run[:before]
        yield Fold(len(run) - before - after)
        yield from run[len(run) - after :]


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
