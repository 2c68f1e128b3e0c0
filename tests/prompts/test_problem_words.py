import pytest
from django.utils import translation

from prompts.admin.problem_words import in_words
from prompts.rendering import check_template

#: What people get wrong, and what a page in Spanish says of it.
MISTAKES = {
    "{{ cliente.nombre }}": "La variable 'cliente' no está declarada.",
    "{{ agent.name": "El texto termina antes de que se cierre un {{ o un {%.",
    "{% if agent.name %}Hola": "El texto termina antes de que se cierre un {{ o un {%.",
    "Hola{% endif %}": "No existe {% endif %}; quizá sobra de otro.",
    "{{ agent name }}": "Aquí se esperaba 'end of print statement', no 'name'.",
    "{{ agent.name | grita }}": "En los prompts no existe el filtro 'grita'.",
    "{{ agent.name is bonito }}": "En los prompts no existe la comprobación 'bonito'.",
    "{{ saluda() }}": "Aquí solo se puede llamar a range() y a .items().",
    "{% include 'x' %}": "No disponible en los prompts: {% include %}.",
    "{{ agent.__class__ }}": "Los nombres que empiezan con _ no están disponibles en los prompts.",
}


@pytest.mark.parametrize("source", MISTAKES)
def test_a_page_says_what_is_wrong_in_its_language(source: str) -> None:
    problems = check_template(source, {"agent": None}).problems  # type: ignore[dict-item]
    with translation.override("es"):
        assert MISTAKES[source] in [in_words(problem.message) for problem in problems]
    with translation.override("en"):
        assert in_words("A block cannot hold other blocks.") == "A block cannot hold other blocks."


def test_what_has_no_words_is_said_as_it_is() -> None:
    assert in_words("Something else.") == "Something else."
