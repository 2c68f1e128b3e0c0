"""What changed between two texts, word by word, as plain data for a page to show."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal, TypeAlias

from prompts.sequences import Comparison, Passage
from prompts.tokens import TokenCount, count_tokens

Op: TypeAlias = Literal["equal", "delete", "insert"]

# Beyond this, texts are compared by lines only.
WORD_CHARACTERS = 256 * 1024

# Joined, the pieces are the text again. Not str.splitlines(), which splits at form feeds too.
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_PIECE = re.compile(r"\n|[^\S\n]+|\S+[^\S\n]*")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text with one fate. Never empty."""

    op: Op
    text: str


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One line of one of the texts, or of both, without its end; line numbers count from 1.

    A line that only changed in part appears as a "delete" row and an "insert" row, in which the
    words that stayed are "equal" segments. Number and op agree: a deleted line has no new number.
    """

    op: Op
    old_number: int | None
    new_number: int | None
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class TextDiff:
    """Joined, the segments that are not inserted are the old text, those not deleted the new."""

    segments: tuple[Segment, ...]
    rows: tuple[DiffRow, ...]
    old_tokens: TokenCount
    new_tokens: TokenCount

    @property
    def is_changed(self) -> bool:
        """Whether the texts differ at all."""
        return any(segment.op != "equal" for segment in self.segments)


def diff_texts(old: str, new: str, *, model: str = "") -> TextDiff:
    """The differences from `old` to `new`: lines first, then words within what changed.

    Bounded: passages with too many equal pieces to compare are shown as replaced. Line ends of any
    kind count as LF. Tokens are counted for `model` (see `prompts.tokens`).
    """
    blocks = list(_blocks(_normalised(old), _normalised(new)))
    return TextDiff(
        segments=tuple(_merged(segment for block in blocks for segment in block)),
        rows=tuple(_rows(blocks)),
        old_tokens=count_tokens(old, model),
        new_tokens=count_tokens(new, model),
    )


def _normalised(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _blocks(old: str, new: str) -> Iterator[list[Segment]]:
    """Groups of whole lines: equal in both texts, or changed and compared word by word."""
    is_small = len(old) + len(new) <= WORD_CHARACTERS
    words = Comparison()
    for is_equal, before, after in Comparison().passages(_LINE.findall(old), _LINE.findall(new)):
        if is_equal or not is_small:
            yield list(_merged(_segments([(is_equal, before, after)])))
        else:
            pieces = _PIECE.findall("".join(before)), _PIECE.findall("".join(after))
            yield list(_merged(_segments(words.passages(*pieces))))


def _segments(passages: Iterable[Passage]) -> Iterator[Segment]:
    for is_equal, before, after in passages:
        if is_equal:
            yield Segment("equal", "".join(before))
        else:
            yield Segment("delete", "".join(before))
            yield Segment("insert", "".join(after))


def _merged(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Neighbours of one kind joined, and within a change what was deleted before the inserted."""
    deleted: list[str] = []
    inserted: list[str] = []
    equal: list[str] = []
    for segment in segments:
        if segment.op == "equal" and segment.text:
            yield from _joined("delete", deleted)
            yield from _joined("insert", inserted)
            equal.append(segment.text)
        elif segment.text:
            yield from _joined("equal", equal)
            (deleted if segment.op == "delete" else inserted).append(segment.text)
    yield from _joined("equal", equal)
    yield from _joined("delete", deleted)
    yield from _joined("insert", inserted)


def _joined(op: Op, texts: list[str]) -> Iterator[Segment]:
    if texts:
        yield Segment(op, "".join(texts))
        texts.clear()


def _rows(blocks: Iterable[list[Segment]]) -> Iterator[DiffRow]:
    old_numbers, new_numbers = count(1), count(1)
    for block in blocks:
        if all(segment.op == "equal" for segment in block):
            for line in _side(block, ("equal",)):
                yield DiffRow("equal", next(old_numbers), next(new_numbers), line)
            continue
        for line in _side(block, ("equal", "delete")):
            yield DiffRow("delete", next(old_numbers), None, line)
        for line in _side(block, ("equal", "insert")):
            yield DiffRow("insert", None, next(new_numbers), line)


def _side(block: list[Segment], ops: tuple[Op, ...]) -> Iterator[tuple[Segment, ...]]:
    """The lines of one text in a block."""
    line: list[Segment] = []
    for segment in block:
        if segment.op not in ops:
            continue
        for part in _LINE.findall(segment.text):
            text = part.removesuffix("\n")
            if text:
                line.append(Segment(segment.op, text))
            if part != text:
                yield tuple(line)
                line = []
    if line:
        yield tuple(line)
