"""Words as the offline model compares them: folded, cut to roots, and alike despite a slip."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from routing.words import fold

#: From here two words are alike: slips pass («sement», «tornlilo»), «clavo» and «llave» do not.
ALIKE: Final = 0.7

_TOKEN = re.compile(r"\d+/\d+|\d+(?:[.,]\d+)*|[^\W\d_]+|[,;.!?\n]")
_SOFT_C = re.compile(r"c(?=[ei])")
_PLURAL = re.compile(r"(?<=[aeioubdfghklmnprt])s$")


def plain(text: str) -> str:
    """`text` folded, with «½» written as 1/2."""
    return fold(text).replace("\u2044", "/")


def tokens(text: str) -> list[str]:
    """The words, numbers, fractions and pauses of `text`, folded, in order."""
    return _TOKEN.findall(plain(text))


def words(text: str) -> list[str]:
    """The tokens that are not pauses."""
    return [token for token in tokens(text) if token[0].isalnum()]


def spaced(text: str) -> str:
    """` word word word `: a cue stands in it when ` cue` does, its last word as a prefix."""
    return f" {' '.join(words(text))} "


def by_ear(text: str) -> str:
    """`text` (folded) with one letter for those that sound the same, so that «nesecito» and
    «necesito», «tuvo» and «tubo» are equal. As long as `text`.
    """
    return _SOFT_C.sub("s", text.replace("v", "b").replace("z", "s"))


@lru_cache(maxsize=16_384)
def root(word: str) -> str:
    """`word` (folded) by ear, without the endings of number and gender.

    «tubos» and «tubo», «blancas» and «blanco», «luces» and «luz», «colores» and «color» are equal.
    """
    return by_ear(_stem(word))


def _stem(word: str) -> str:
    if word[0].isdigit() or len(word) < 4:
        return word
    if word.endswith("ces"):
        return word[:-3] + "z"
    stem = word[:-1] if _PLURAL.search(word) else word
    if stem.endswith(("a", "o", "e")) and len(stem) > 3:
        stem = stem[:-1]
    return stem


def root_set(found: Iterable[str]) -> frozenset[str]:
    return frozenset(root(word) for word in found)


def roots(text: str) -> list[str]:
    return [root(word) for word in words(text)]


@lru_cache(maxsize=16_384)
def grams(word: str) -> frozenset[str]:
    """The pairs of letters of `word`, its beginning and end marked."""
    marked = f"^{word}$"
    return frozenset(marked[i : i + 2] for i in range(len(marked) - 1))


def overlap(a: frozenset[str], b: frozenset[str]) -> float:
    """Dice's coefficient: 0 for nothing in common, 1 for equal sets."""
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


def likeness(a: str, b: str) -> float:
    """How alike two roots are, 0 to 1; short words and numbers are equal or different."""
    if a == b:
        return 1.0
    if min(len(a), len(b)) < 4 or a[0].isdigit() or b[0].isdigit():
        return 0.0
    alike = overlap(grams(a), grams(b))
    return alike if alike >= ALIKE else 0.0


def best_likeness(word: str, others: Iterable[str]) -> float:
    return max((likeness(word, other) for other in others), default=0.0)
