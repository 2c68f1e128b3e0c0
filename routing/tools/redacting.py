"""Secrets kept out of what a tool's other side says: it was sent them, and may say them back."""

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson

from orkesta.crypto import Secret
from routing.llm.storable import storable

MASK: Final = "•••"
MAX_WORDS: Final = 500
_SCHEMES: Final = re.compile(r"^(?:bearer|basic|token|apikey|api-key)\s+", re.IGNORECASE)


def spoken_forms(secret: Secret) -> tuple[str, ...]:
    """How `secret` can appear in an answer: whole, without its scheme, and inside JSON."""
    plain = secret.reveal()
    if not plain:
        return ()
    bare = _SCHEMES.sub("", plain)
    forms = {plain, bare, orjson.dumps(plain).decode()[1:-1], orjson.dumps(bare).decode()[1:-1]}
    # The longest first, or a part would be masked out of the whole.
    return tuple(sorted(filter(None, forms), key=len, reverse=True))


def without(text: str, forms: Sequence[str]) -> str:
    """`text` in which every form of a secret is masked."""
    for form in forms:
        text = text.replace(form, MASK)
    return text


def data_without(value: Any, forms: Sequence[str]) -> Any:
    """A JSON value in whose texts and names every form of a secret is masked."""
    if isinstance(value, str):
        return without(value, forms)
    if isinstance(value, dict):
        return {without(name, forms): data_without(part, forms) for name, part in value.items()}
    if isinstance(value, list):
        return [data_without(part, forms) for part in value]
    return value


def words_of(text: str, forms: Sequence[str]) -> str:
    """What the other side says is wrong, short and on one line, for a message to the model."""
    return storable(" ".join(without(text[: MAX_WORDS * 8], forms).split()))[:MAX_WORDS]
