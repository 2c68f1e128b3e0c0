import pytest

from routing.rules import RoutableMessage, Rule, compile_condition, first_match
from routing.words import fold, stems


def reason(condition: dict[str, object], text: str, kind: str = "keyword") -> str | None:
    rule = Rule("1", "one", compile_condition(kind, condition), "sales")
    trial = first_match([rule], RoutableMessage.of(text))
    return trial.reason if trial else None


def test_the_reason_names_the_keyword_that_comes_first_in_the_message() -> None:
    words = {"any": ["costo", "precio", "valor", "tarifa"]}
    assert reason(words, "¿Qué valor, precio o tarifa tiene?") == "keyword «valor»"


def test_a_keyword_matches_whatever_its_case_accents_and_number() -> None:
    assert reason({"any": ["envío"]}, "LOS ENVIOS tardan") == "keyword «envío»"


def test_a_phrase_matches_only_with_its_words_side_by_side() -> None:
    phrase = {"any": ["nota de crédito"]}
    assert reason(phrase, "Necesito una nota de credito hoy") == "keywords «nota de credito»"
    assert reason(phrase, "Una nota: crédito de la casa") is None
    assert reason(phrase, "Apunte nota de") is None


def test_a_keyword_is_no_part_of_a_longer_word() -> None:
    assert reason({"any": ["pago"]}, "Hablemos de Santiago_pagoda") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tubo_pvc-50", ("tubo", "pvc", "50")),
        ("Año 2026½", ("ano", "20261", "2")),
        ("¡¿...?!", ()),
        ("ΣΊΣΥΦΟΣ Straße 中文", ("σισυφοσ", "strass", "中文")),
    ],
)
def test_words_are_letters_and_digits(text: str, words: tuple[str, ...]) -> None:
    assert stems(text) == words


def test_plain_english_folds_like_anything_else() -> None:
    assert fold("PVC Pipe") == "pvc pipe"
