import pytest
from django.utils import translation

from conversations.triggers.cron_words import cron_words


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 9 * * MON", "Cada lunes a las 09:00"),
        ("0 9,18 * * MON-FRI", "De lunes a viernes a las 09:00 y 18:00"),
        ("0 9 * * 0,6", "Cada sábado y domingo a las 09:00"),
        ("30 8 1,15 * *", "El día 1 y 15 del mes a las 08:30"),
        ("* * * * *", "Todos los días cada minuto"),
        ("*/15 * * * *", "Todos los días cada 15 minutos"),
        ("0 * * * *", "Todos los días cada hora"),
    ],
)
def test_a_schedule_is_told_in_the_language_of_whoever_looks(expression: str, words: str) -> None:
    with translation.override("es"):
        assert cron_words(expression) == words


@pytest.mark.parametrize(
    "expression", ["0 0 L * *", "5 4 * * SUN#1", "0 9 25 12 *", "7 * * * *", "0 9 13 * FRI"]
)
def test_what_has_no_short_words_stays_as_it_is_written(expression: str) -> None:
    with translation.override("es"):
        assert cron_words(expression) == expression


def test_english_and_what_is_no_expression_are_left_to_the_library() -> None:
    assert cron_words("0 0 L * *") == "At 00:00 on the last day of every month"
    with translation.override("es"):
        assert cron_words("no time") == ""
