"""What a customer is told when nobody can answer, as long as nobody has written it otherwise."""

from collections.abc import Mapping
from typing import Final

POLITE_ANSWERS: Final[Mapping[str, str]] = {
    "es": (
        "Disculpa, en este momento no puedo responderte."
        " Por favor, inténtalo de nuevo en unos minutos."
    ),
    "en": "Sorry, I cannot answer you right now. Please try again in a few minutes.",
}


def polite_answer(language: str) -> str:
    """In the tenant's language; in English where there is no text in it."""
    return POLITE_ANSWERS.get(language, POLITE_ANSWERS["en"])
