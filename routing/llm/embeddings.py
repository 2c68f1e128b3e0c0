"""Embeddings of the OpenAI-compatible wire: `POST …/embeddings`, a vector for each text.

Vectors are stored and compared as 32-bit floats of length 1, so that their distance tells their
cosine. Whatever else a server sends for a vector is refused: numbers that are none, a length of
zero, another number of dimensions within one answer, a vector too many or too few.
"""

import asyncio
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isfinite
from time import perf_counter
from typing import Any, Final, TypeAlias

import orjson

from routing.errors import LLMBadAnswer
from routing.llm.exchange import cause_of, read_bounded, silent
from routing.llm.sdk import SDK, post_json
from routing.llm.storable import storable
from routing.llm.translation import VENDOR_EXCEPTIONS, translate
from routing.llm.types import LLMTarget, Usage
from routing.llm.wire import input_tokens_of, parse_json, text_of, tokens_in

#: Texts in one request. With the longest vectors the answer still fits what is read of one.
MAX_TEXTS: Final = 64
MAX_CHARS: Final = 2000
MAX_DIMENSIONS: Final = 4096

Vector: TypeAlias = "array[float]"


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors of the texts that were asked about, in their order, all of length 1."""

    vectors: tuple[Vector, ...]
    usage: Usage
    model: str
    duration_ms: float

    @property
    def dimensions(self) -> int:
        return len(self.vectors[0])


async def embed_once(sdk: SDK, target: LLMTarget, texts: Sequence[str]) -> Embeddings:
    """One request. Raises LLMError; ValueError for no text, or for more than MAX_TEXTS."""
    if not 0 < len(texts) <= MAX_TEXTS:
        raise ValueError(f"Between 1 and {MAX_TEXTS} texts are embedded at once.")
    told = [storable(text[:MAX_CHARS]) for text in texts]
    body = orjson.dumps({"model": target.model, "input": told, "encoding_format": "float"})
    started = perf_counter()
    try:
        async with asyncio.timeout(target.timeout_seconds):
            response = await post_json(sdk, target, "embeddings", body)
            answer = parse_json(await read_bounded(response))
    except TimeoutError as exc:
        raise silent(target) from exc
    except VENDOR_EXCEPTIONS as exc:
        raise translate(exc, target) from cause_of(exc)
    num_input = input_tokens_of(answer.get("usage"))
    guessed = Usage(tokens_in(sum(map(len, told))), 0, estimated=True)
    return Embeddings(
        vectors=_vectors_of(answer, len(told)),
        usage=guessed if num_input is None else Usage(num_input, 0),
        model=text_of(answer.get("model")),
        duration_ms=(perf_counter() - started) * 1000,
    )


def _vectors_of(answer: dict[str, Any], num_texts: int) -> tuple[Vector, ...]:
    """One for each text, by their numbers. Raises LLMBadAnswer."""
    rows = answer.get("data")
    if not isinstance(rows, list) or len(rows) != num_texts:
        raise LLMBadAnswer("The answer does not hold a vector for each text.")
    found: dict[int, Vector] = {}
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            raise LLMBadAnswer
        index = row.get("index", place)
        if isinstance(index, bool) or not isinstance(index, int):
            raise LLMBadAnswer
        found[index] = unit_vector(row.get("embedding"))
    if found.keys() != set(range(num_texts)):
        raise LLMBadAnswer("The answer does not hold a vector for each text.")
    if len({len(vector) for vector in found.values()}) != 1:
        raise LLMBadAnswer("The vectors of one answer differ in their dimensions.")
    return tuple(found[index] for index in range(num_texts))


def unit_vector(values: Any) -> Vector:
    """The vector with length 1. Raises LLMBadAnswer for what is no vector, or points nowhere."""
    if not isinstance(values, list) or not 0 < len(values) <= MAX_DIMENSIONS:
        raise LLMBadAnswer(f"A vector has between 1 and {MAX_DIMENSIONS} numbers.")
    if not all(type(value) is float or type(value) is int for value in values):
        raise LLMBadAnswer("A vector holds something that is not a number.")
    try:
        length = hypot(*values)
    except OverflowError as exc:
        raise LLMBadAnswer("A vector holds a number that cannot be used.") from exc
    if not isfinite(length) or not length:
        raise LLMBadAnswer("A vector holds a number that cannot be used, or points nowhere.")
    return array("f", [value / length for value in values])
