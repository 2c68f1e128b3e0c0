"""Comparing two sequences of texts in bounded time.

difflib alone compares every pair of equal pieces, again for each part it splits off: two prompts of
32 KB in which every seventh word changed took it 0.7 s, and two words repeated take it minutes.
So pieces that occur once in both are lined up first (patience diff, Bram Cohen); difflib only sees
what lies between, as far as its work fits the budget; the rest counts as replaced.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import TypeAlias

# Are they equal, the old pieces, the new pieces.
Passage: TypeAlias = tuple[bool, Sequence[str], Sequence[str]]

# A step of difflib's takes about 0.1 microseconds.
STEPS = 1_000_000
DEPTH = 12


class Comparison:
    """Compares sequences, one after the other, within one budget of steps."""

    def __init__(self, steps: int = STEPS) -> None:
        self._steps = steps

    def passages(
        self, old: Sequence[str], new: Sequence[str], depth: int = DEPTH
    ) -> Iterator[Passage]:
        """Stretches of `old` and `new`, in order and without gaps, that are equal or replaced."""
        start = _shared(old, new)
        yield True, old[:start], new[:start]
        old, new = old[start:], new[start:]
        end = _shared(old[::-1], new[::-1])
        tail_old, tail_new = old[len(old) - end :], new[len(new) - end :]
        yield from self._between(old[: len(old) - end], new[: len(new) - end], depth)
        yield True, tail_old, tail_new

    def _between(self, old: Sequence[str], new: Sequence[str], depth: int) -> Iterator[Passage]:
        anchors = _anchors(old, new) if depth else []
        if not anchors:
            yield from self._closely(old, new)
            return
        from_old = from_new = 0
        for at_old, at_new in anchors:
            yield from self.passages(old[from_old:at_old], new[from_new:at_new], depth - 1)
            yield True, old[at_old : at_old + 1], new[at_new : at_new + 1]
            from_old, from_new = at_old + 1, at_new + 1
        yield from self.passages(old[from_old:], new[from_new:], depth - 1)

    def _closely(self, old: Sequence[str], new: Sequence[str]) -> Iterator[Passage]:
        counts = Counter(new)
        pairs = sum(counts[piece] for piece in old)
        steps = (pairs + len(old)) * min(len(old), len(new)) if pairs else 0
        if not pairs or steps > self._steps:
            yield False, old, new
            return
        self._steps -= steps
        matcher = SequenceMatcher(None, old, new, autojunk=False)
        for op, old_from, old_to, new_from, new_to in matcher.get_opcodes():
            yield op == "equal", old[old_from:old_to], new[new_from:new_to]


def _shared(old: Sequence[str], new: Sequence[str]) -> int:
    """How many pieces both begin with."""
    shared = 0
    for before, after in zip(old, new, strict=False):
        if before != after:
            break
        shared += 1
    return shared


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """The longest rising run of places of pieces that occur once in `old` and once in `new`."""
    in_old, in_new = Counter(old), Counter(new)
    places = {piece: at for at, piece in enumerate(new) if in_new[piece] == 1}
    candidates = [
        (at, places[piece])
        for at, piece in enumerate(old)
        if in_old[piece] == 1 and piece in places
    ]
    # Patience sorting: `ends[n]` is the smallest end of a run of n + 1, `before` its predecessor.
    ends: list[int] = []
    tops: list[int] = []
    before: list[int] = []
    for index, (_, at_new) in enumerate(candidates):
        length = bisect_left(ends, at_new)
        ends[length : length + 1] = [at_new]
        tops[length : length + 1] = [index]
        before.append(tops[length - 1] if length else -1)
    run: list[tuple[int, int]] = []
    index = tops[-1] if tops else -1
    while index >= 0:
        run.append(candidates[index])
        index = before[index]
    return run[::-1]
