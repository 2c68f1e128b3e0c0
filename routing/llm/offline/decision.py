"""Which agent should answer: the supervisor's decision, made without a language model."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from routing.llm.offline.conversation import Conversation
from routing.llm.offline.dialogue import is_yes
from routing.llm.offline.intents import has_cue, trigrams, weigh
from routing.llm.offline.lexicon import FALLBACK_LABELS, INTENTS
from routing.llm.offline.synonyms import ideas_in
from routing.llm.offline.vocabulary import FILLERS
from routing.llm.offline.words import best_likeness, overlap, root, root_set, roots, spaced, words

#: How an agent names itself says more of it than how it is described.
SLUG_WEIGHT: Final = 3.0
INTENTS_WEIGHT: Final = 2.0
DESCRIPTION_WEIGHT: Final = 1.0
#: Each word that message and agent share; the examples of an agent that resemble the message.
SHARED_WORD: Final = 0.35
EXAMPLE_WEIGHT: Final = 1.5
EXAMPLE_FLOOR: Final = 0.3
#: A short answer («sí», «diez») is about what was said before it.
SHORT_ANSWER: Final = 4
SURE: Final = 0.5
ORDERING: Final = "sí, confirmo el pedido"
LEFT_OF_EARLIER: Final = 0.6
LOWEST: Final = 0.1
HIGHEST: Final = 0.97

_AGENT = re.compile(
    r"^\s*[-*•]\s*[`*]*(?P<slug>[a-z0-9][\w-]*)[`*]*\s*(?:\([^)]*\))?\s*:\s*(?P<rest>.*)$"
)
_INTENTS = re.compile(r"\b(?:intents?|intenciones)\s*:\s*([^\n|;]*)", re.IGNORECASE)
_EXAMPLES = re.compile(r"\b(?:examples?|ejemplos?)\s*:\s*([^\n]*)", re.IGNORECASE)
_FILLER_ROOTS: Final = root_set(FILLERS)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent as the prompt describes it."""

    slug: str
    description: str
    intents: tuple[str, ...]
    examples: tuple[str, ...]

    @property
    def parts(self) -> tuple[tuple[float, str], ...]:
        return (
            (SLUG_WEIGHT, self.slug),
            (INTENTS_WEIGHT, " ".join(self.intents)),
            (DESCRIPTION_WEIGHT, self.description),
        )

    @property
    def roots(self) -> frozenset[str]:
        said = " ".join([self.slug, self.description, *self.intents])
        return frozenset(roots(said.replace("_", " "))) - _FILLER_ROOTS


@dataclass(frozen=True, slots=True)
class Decision:
    """The agent chosen, "" when there is none; `confidence` is low when little spoke for it."""

    slug: str
    intent: str
    confidence: float


def decide(talk: Conversation, slugs: Sequence[str]) -> Decision:
    """The agent for the last message, among `slugs` as the prompt describes them."""
    candidates = candidates_of(talk.briefing.text, tuple(slugs))
    texts = talk.user_texts
    # A yes to an offer is an order, whoever made the offer.
    is_order = is_yes(talk.last_text) and bool(talk.proposal)
    decision = _decide_for(ORDERING if is_order else talk.last_text, candidates)
    if len(words(talk.last_text)) > SHORT_ANSWER or decision.confidence >= SURE:
        return decision
    for text in reversed(texts[:-1]):
        earlier = _decide_for(text, candidates)
        if earlier.confidence >= SURE:
            left = round(earlier.confidence * LEFT_OF_EARLIER, 2)
            return decision if left < decision.confidence else replace(earlier, confidence=left)
    return decision


@lru_cache(maxsize=64)
def candidates_of(prompt: str, slugs: tuple[str, ...]) -> tuple[Candidate, ...]:
    """The agents of `slugs`; those in `- slug: description` lines with what stands below them,
    up to the next one: `intents: a, b` and `examples: …; …`.
    """
    blocks: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in prompt.splitlines():
        found = _AGENT.match(line)
        if found is not None and found["slug"] in slugs:
            current = blocks.setdefault(found["slug"], [])
            current.append(found["rest"])
        elif found is not None or not line.strip():
            current = None
        elif current is not None:
            current.append(line)
    return tuple(_candidate(slug, "\n".join(blocks.get(slug, ()))) for slug in slugs)


def _candidate(slug: str, block: str) -> Candidate:
    intents = [part for found in _INTENTS.findall(block) for part in found.split(",")]
    examples = [part for found in _EXAMPLES.findall(block) for part in re.split(r"[;|]", found)]
    return Candidate(
        slug=slug,
        description=_EXAMPLES.sub(" ", _INTENTS.sub(" ", block)),
        intents=tuple(intent.strip(" .`\"'") for intent in intents if intent.strip(" .`\"'")),
        examples=tuple(example.strip(" \"'«»“”") for example in examples if example.strip()),
    )


def _decide_for(text: str, candidates: Sequence[Candidate]) -> Decision:
    if not candidates:
        return Decision("", "", LOWEST)
    weights = weigh(text)
    reach = {c.slug: _reach(c, candidates) for c in candidates}
    scores = {
        c.slug: sum(weights[name] * share for name, share in reach[c.slug].items())
        + SHARED_WORD * _shared_words(c, text)
        + EXAMPLE_WEIGHT * _nearest_example(c, text)
        for c in candidates
    }
    ranked = sorted(candidates, key=lambda c: -scores[c.slug])
    best = ranked[0]
    top = scores[best.slug]
    second = scores[ranked[1].slug] if len(ranked) > 1 else 0.0
    if top <= 0:
        fallback = fallback_of(candidates)
        return Decision(fallback.slug if fallback else "", "unknown", LOWEST)
    return Decision(best.slug, _intent(best, text, weights), _confidence(top, second))


def _confidence(top: float, second: float) -> float:
    """Grows with the evidence and with the lead over the next agent."""
    evidence = 1 - math.exp(-1.6 * top)
    lead = (top - second) / top
    return round(min(LOWEST + 0.9 * evidence * (0.45 + 0.55 * lead), HIGHEST), 2)


def _reach(candidate: Candidate, candidates: Sequence[Candidate]) -> dict[str, float]:
    """How much of each intent of the lexicon is this agent's: 1 for whoever speaks of it most."""
    reach = {}
    for intent in INTENTS:
        most = max(_labels(c, intent.labels) for c in candidates)
        reach[intent.name] = _labels(candidate, intent.labels) / most if most else 0.0
    return reach


@lru_cache(maxsize=4096)
def _labels(candidate: Candidate, labels: tuple[str, ...]) -> float:
    return sum(
        weight * any(f" {label}" in spaced(part.replace("_", " ")) for label in labels)
        for weight, part in candidate.parts
    )


def fallback_of(candidates: Sequence[Candidate]) -> Candidate | None:
    """The agent that says it takes what is left; None when none says so."""
    best = max(candidates, key=lambda c: _labels(c, FALLBACK_LABELS), default=None)
    return best if best is not None and _labels(best, FALLBACK_LABELS) else None


def _shared_words(candidate: Candidate, text: str) -> float:
    said = {root(word) for word in words(text) if word not in FILLERS and len(word) > 2}
    return sum(best_likeness(word, candidate.roots) for word in said)


def _nearest_example(candidate: Candidate, text: str) -> float:
    letters = trigrams(spaced(text))
    alike = (overlap(letters, trigrams(spaced(example))) for example in candidate.examples)
    nearest = max(alike, default=0.0)
    return nearest if nearest >= EXAMPLE_FLOOR else 0.0


def _intent(candidate: Candidate, text: str, weights: Mapping[str, float]) -> str:
    """The agent's own name for what is asked, when it has names; else the lexicon's."""
    general = max(INTENTS, key=lambda intent: weights[intent.name])
    if not candidate.intents:
        return general.name
    said = ideas_in(text)

    def fit(name: str) -> float:
        readable = name.replace("_", " ").replace("-", " ")
        shared = len(said & ideas_in(readable))
        return (
            shared + 0.5 * has_cue(general.labels, readable) + 0.5 * has_cue(general.cues, readable)
        )

    return max(candidate.intents, key=fit)
