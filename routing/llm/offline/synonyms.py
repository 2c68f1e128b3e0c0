"""The other names of a thing."""

from typing import Final

from routing.llm.offline.vocabulary import CONCEPTS, FILLERS, QUALITIES, THINGS
from routing.llm.offline.words import root, root_set, words

_NAMES: Final = {root(word): root_set(line) for line in (*THINGS, *QUALITIES) for word in line}
_THINGS: Final = frozenset(root(word) for line in THINGS for word in line)
_HEADS: Final = {root(word): line[0] for line in THINGS for word in line}
_CONCEPTS: Final[dict[str, int]] = {
    root(word): number for number, line in enumerate(CONCEPTS) for word in line
}


def names_of(word: str) -> frozenset[str]:
    """The roots that mean the same as the root `word`, itself among them."""
    return _NAMES.get(word, frozenset()) | {word}


def head_of(word: str) -> str:
    """The name that shops use most for the thing `word`; itself when it is none."""
    return _HEADS.get(root(word), word)


def is_thing(word: str) -> bool:
    """True for the root of a word that shops sell by."""
    return word in _THINGS


def ideas_in(text: str) -> frozenset[str]:
    """The ideas in `text`: words for one idea give the same, others their root, fillers none."""
    ideas = []
    for word in words(text.replace("_", " ")):
        number = _CONCEPTS.get(root(word))
        if number is not None:
            ideas.append(f"idea {number}")
        elif word not in FILLERS and len(word) > 2:
            ideas.append(root(word))
    return frozenset(ideas)
