"""What a message means: asked of an embedding model once, when no rule has decided.

It is a tier that Orkesta does without. Whatever goes wrong, a spent budget included, is told in the
trace, and the LLM is asked as if there were no such tier.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Final

from orkesta.errors import OrkestaError
from routing.example_vectors import Meanings, digest_of
from routing.gateway import Gateway
from routing.llm.embeddings import Vector
from routing.llm.types import LLMTarget
from routing.rules import Rule, Trial
from routing.rules.meanings import MeantRule, by_meaning, nearest_meanings

#: What a message means is told within so long, or not at all.
MAX_SECONDS: Final = 2.0
#: Beyond that for whatever stands before the call; the call itself should tell that it was late.
SPARE_SECONDS: Final = 0.5
#: Of messages only the head is sent; what they ask for stands there.
MAX_MESSAGE_CHARS: Final = 1000
#: Messages that are said again and again are asked about once.
MAX_REMEMBERED: Final = 500
MAX_TRACED: Final = 5


@dataclass(frozen=True, slots=True)
class Meant:
    """What the tier had to say: the rules by how near they come, the one that decides, or what
    went wrong. `is_remembered`: nobody had to be asked. `is_asked` is False where nobody was, as it
    would have cost something.
    """

    endpoint: str
    llm: str
    nearest: Sequence[MeantRule] = ()
    trial: Trial | None = None
    problem: str = ""
    is_remembered: bool = False
    is_asked: bool = True

    def trace(self) -> dict[str, Any]:
        """For the `route` step."""
        told: dict[str, Any] = {
            "endpoint": self.endpoint,
            "llm": self.llm,
            "decides": self.trial is not None,
            "near": self.near(),
        }
        if self.is_remembered:
            told["is_remembered"] = True
        return told | ({"problem": self.problem[:500]} if self.problem else {})

    def near(self) -> list[dict[str, Any]]:
        """The nearest rules, in plain values."""
        return [_told(one) for one in self.nearest[:MAX_TRACED]]


async def ask_meaning(
    meanings: Meanings, rules: Sequence[Rule], text: str, gateway: Gateway
) -> Meant:
    """What the message means to the rules. Never raises an OrkestaError."""
    target, head = meanings.target, text.strip()[:MAX_MESSAGE_CHARS]
    nothing = Meant(target.name, target.model)
    if not head:
        return replace(nothing, problem="There is no text.")
    known = recall(target, head)
    try:
        async with asyncio.timeout(MAX_SECONDS + SPARE_SECONDS):
            vector = known or await _vector_of(gateway, target, head)
    except TimeoutError:
        return replace(nothing, problem=f"There was no answer within {MAX_SECONDS:g} s.")
    except OrkestaError as exc:
        return replace(nothing, problem=exc.message)
    if len(vector) != meanings.dimensions:
        problem = f"It has {len(vector)} dimensions, the examples have {meanings.dimensions}."
        return replace(nothing, problem=problem)
    # Some hundred vectors take milliseconds, which the event loop has better use for.
    nearest = await asyncio.to_thread(nearest_meanings, rules, meanings.examples, vector)
    trial = by_meaning(rules, nearest)
    return replace(nothing, nearest=nearest, trial=trial, is_remembered=known is not None)


async def _vector_of(gateway: Gateway, target: LLMTarget, text: str) -> Vector:
    seconds = min(target.timeout_seconds, MAX_SECONDS)
    patience = replace(target, timeout_seconds=seconds, max_retries=0)
    (vector,) = (await gateway.embed(patience, [text])).vectors
    _remember(target, text, vector)
    return vector


def _told(one: MeantRule) -> dict[str, Any]:
    return {
        "rule_id": one.rule.id,
        "rule": one.rule.name,
        "score": round(one.near.score, 3),
        "threshold": one.threshold,
        "example": one.near.example[:80],
    }


# --- What was asked before ------------------------------------------------------------------------
_Key = tuple[str, str]
_remembered: OrderedDict[_Key, Vector] = OrderedDict()
_lock = Lock()


def is_known(meanings: Meanings, text: str) -> bool:
    """Whether it costs nothing to ask what the message means."""
    return recall(meanings.target, text.strip()[:MAX_MESSAGE_CHARS]) is not None


def recall(target: LLMTarget, text: str) -> "Vector | None":
    """What this process was told of the same text by the same model, for the same tenant."""
    key = (target.tenant_id, digest_of(target, text))
    with _lock:
        found = _remembered.get(key)
        if found is not None:
            _remembered.move_to_end(key)
    return found


def forget_meanings() -> None:
    """For tests."""
    with _lock:
        _remembered.clear()


def _remember(target: LLMTarget, text: str, vector: Vector) -> None:
    with _lock:
        _remembered[target.tenant_id, digest_of(target, text)] = vector
        while len(_remembered) > MAX_REMEMBERED:
            _remembered.popitem(last=False)
