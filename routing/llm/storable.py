"""Model text made storable: PostgreSQL takes no NUL, and nobody takes a lone surrogate."""

import re
from typing import Final

REPLACEMENT: Final = "\ufffd"

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def storable(text: str) -> str:
    """`text` with surrogate pairs joined, and NUL and lone surrogates replaced by U+FFFD."""
    if _UNSTORABLE.search(text) is None:
        return text
    joined = _PAIR.sub(lambda pair: _join(pair.group()), text)
    return _UNSTORABLE.sub(REPLACEMENT, joined)


def _join(pair: str) -> str:
    return pair.encode("utf-16", "surrogatepass").decode("utf-16")


class StorablePieces:
    """`storable` for text that comes in pieces: some servers cut an emoji between two of them."""

    __slots__ = ("_half",)

    def __init__(self) -> None:
        self._half = ""

    def feed(self, piece: str) -> str:
        """What can be said so far; the first half of a pair waits for its other half."""
        text = self._half + piece
        self._half = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._half, text = text[-1], text[:-1]
        return storable(text)

    def finish(self) -> str:
        """What is left when no piece follows: nothing, or U+FFFD for half a pair."""
        rest, self._half = self._half, ""
        return storable(rest)
