"""Vectors of the offline model: what a text is made of, hashed into a few hundred numbers.

They know letters, and the model's own short list of words for one idea; nothing else of what words
mean. The same text always has the same vector, on any machine.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from math import sqrt
from typing import Any, Final

from routing.llm.offline import wire
from routing.llm.offline.conversation import MAX_TEXT_CHARS, BadRequest
from routing.llm.offline.synonyms import ideas_in
from routing.llm.offline.words import words

DIMENSIONS: Final = 256
MAX_TEXTS: Final = 2048
#: An idea says more of a text than a group of three letters.
IDEA_WEIGHT: Final = 2.0


def read_texts(value: Any) -> tuple[str, ...]:
    """The texts to embed. Raises BadRequest."""
    if not isinstance(value, Mapping):
        raise BadRequest("The body is not an object.")
    given = value.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not 0 < len(texts) <= MAX_TEXTS:
        raise BadRequest("A text or a list of texts is needed.", param="input")
    if not all(isinstance(text, str) and text for text in texts):
        raise BadRequest("Every input is a text that is not empty.", param="input")
    if value.get("encoding_format", "float") != "float":
        raise BadRequest("Vectors are told as floats.", param="encoding_format")
    return tuple(texts)


def embeddings(texts: Sequence[str]) -> dict[str, Any]:
    """The answer in the shape of OpenAI's."""
    rows = [
        {"object": "embedding", "index": index, "embedding": vector_of(text)}
        for index, text in enumerate(texts)
    ]
    num_tokens = sum(wire.tokens_in(text) for text in texts)
    usage = {"prompt_tokens": num_tokens, "total_tokens": num_tokens}
    return {"object": "list", "model": wire.MODEL, "data": rows, "usage": usage}


def vector_of(text: str) -> list[float]:
    """Of length 1, whatever the text is."""
    head = text[:MAX_TEXT_CHARS]
    found: list[float] = [0.0] * DIMENSIONS
    for idea in ideas_in(head):
        _add(found, f"idea {idea}", IDEA_WEIGHT)
    for word in set(words(head)):
        edged = f" {word} "
        for start in range(len(edged) - 2):
            _add(found, edged[start : start + 3], 1.0)
    length = sqrt(sum(value * value for value in found))
    if not length:  # no word at all; or words that hashed against each other
        _add(found, f"text {head}", 1.0)
        length = sqrt(sum(value * value for value in found)) or 1.0
    return [value / length for value in found]


def _add(found: list[float], piece: str, weight: float) -> None:
    """Two pieces in one place are as likely to cancel out as to add up."""
    number = int.from_bytes(blake2b(piece.encode("utf-8", "replace"), digest_size=8).digest())
    found[(number >> 1) % DIMENSIONS] += weight if number & 1 else -weight
