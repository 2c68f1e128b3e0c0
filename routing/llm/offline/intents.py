"""What a message is about, weighed against the lexicon."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from routing.llm.offline.lexicon import INTENTS, ORDER, PRODUCT, Intent
from routing.llm.offline.quantities import pieces_of
from routing.llm.offline.synonyms import is_thing
from routing.llm.offline.words import by_ear, overlap, root, spaced, words

STRONG: Final = 1.0
WEAK: Final = 0.4
SEED_WEIGHT: Final = 1.2
#: Below this two utterances only share the letters that all Spanish shares.
SEED_FLOOR: Final = 0.3
#: A cue of up to this many letters must be the whole word: «hi» is not «hidráulico».
SHORT_CUE: Final = 4


@lru_cache(maxsize=512)
def weigh(text: str) -> Mapping[str, float]:
    """The weight of each intent in `text`; 0 for what nothing speaks of."""
    said = spaced(text)
    letters = trigrams(said)
    weights = {
        intent.name: STRONG * _count(intent.cues, said)
        + WEAK * _count(intent.weak_cues, said)
        + SEED_WEIGHT * _nearest_seed(intent, letters)
        for intent in INTENTS
    }
    return _with_things(text, weights)


def _with_things(text: str, weights: dict[str, float]) -> dict[str, float]:
    """A counted thing is an order; a thing alone is asked about."""
    things = [p for p in pieces_of(text) if any(is_thing(root(word)) for word in p.words)]
    if any(piece.is_explicit for piece in things):
        weights[ORDER.name] += 1.0
    elif things:
        weights[PRODUCT.name] += 0.6
    return weights


@lru_cache(maxsize=64)
def _pattern(cues: Sequence[str]) -> re.Pattern[str]:
    longest_first = sorted(cues, key=lambda cue: -len(cue))
    parts = [
        re.escape(by_ear(" ".join(words(cue)))) + ("s?" if len(cue) <= SHORT_CUE else r"\w*")
        for cue in longest_first
    ]
    return re.compile(rf"(?<= )(?:{'|'.join(parts)})(?= )")


def _count(cues: tuple[str, ...], said: str) -> int:
    return len({found.group() for found in _pattern(cues).finditer(by_ear(said))})


def has_cue(cues: tuple[str, ...], text: str) -> bool:
    return _pattern(cues).search(by_ear(spaced(text))) is not None


def _nearest_seed(intent: Intent, letters: frozenset[str]) -> float:
    nearest = max(overlap(letters, trigrams(spaced(seed))) for seed in intent.seeds)
    return nearest if nearest >= SEED_FLOOR else 0.0


@lru_cache(maxsize=1024)
def trigrams(said: str) -> frozenset[str]:
    """The groups of three letters of a spaced text."""
    return frozenset(said[i : i + 3] for i in range(len(said) - 2))
