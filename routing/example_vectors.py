"""Vectors of examples as rows: which are wanted, which are there, and how they are stored."""

import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from routing.llm.embeddings import Vector
from routing.llm.types import LLMTarget
from routing.models import ExampleVector
from routing.rules import Rule
from routing.rules.meanings import MeantExample, meant_examples, wanted_texts


@dataclass(frozen=True, slots=True)
class Meanings:
    """What the examples of a tenant's rules mean, and who can tell what a message means."""

    target: LLMTarget
    examples: tuple[MeantExample, ...]

    @property
    def dimensions(self) -> int:
        return len(self.examples[0].vector)


def read_meanings(target: LLMTarget | None, rules: Sequence[Rule]) -> Meanings | None:
    """None when no rule asks for it, or nothing is known yet. Reads the database once at most."""
    texts = wanted_texts(rules) if target is not None else ()
    if target is None or not texts:
        return None
    examples = meant_examples(rules, read_vectors(target, texts))
    return Meanings(target, examples) if examples else None


def read_vectors(target: LLMTarget, texts: Sequence[str]) -> dict[str, Vector]:
    """Those that are there, all as long as the newest of them."""
    by_digest = {digest_of(target, text): text for text in texts}
    rows = ExampleVector.objects.filter(digest__in=by_digest).order_by("-id")
    found = {
        by_digest[digest]: _unpacked(packed)
        for digest, packed in rows.values_list("digest", "vector")
    }
    newest = len(next(iter(found.values()), ()))
    return {text: vector for text, vector in found.items() if len(vector) == newest}


def store_vectors(target: LLMTarget, vectors: Mapping[str, Vector]) -> None:
    """Put them beside those that are there, in place of what is there for the same texts."""
    rows = [
        ExampleVector(
            digest=digest_of(target, text), llm=target.model[:100], vector=_packed(vector)
        )
        for text, vector in vectors.items()
    ]
    ExampleVector.objects.filter(digest__in=[row.digest for row in rows]).delete()
    for row in rows:
        row.save(force_insert=True)


def forget_others(target: LLMTarget | None, texts: Iterable[str]) -> int:
    """Delete what no example asks for any more; how many there were."""
    wanted = [] if target is None else [digest_of(target, text) for text in texts]
    return ExampleVector.objects.exclude(digest__in=wanted).delete()[0]


def digest_of(target: LLMTarget, text: str) -> str:
    """Names the text, the model and where it is asked."""
    told = "\0".join((target.base_url, target.model, text))
    return sha256(told.encode("utf-8", "replace")).hexdigest()


def _packed(vector: Vector) -> bytes:
    return _little(vector).tobytes()


def _unpacked(packed: bytes | memoryview) -> Vector:
    vector = array("f")
    vector.frombytes(packed)
    return _little(vector)


def _little(vector: Vector) -> Vector:
    """The low byte first, or back again."""
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return vector
