import re

import pytest
from django.utils import translation

from conversations.engine.actions import CallModel
from conversations.engine.orchestrator import next_action
from conversations.engine.state import TaskState
from routing.admin.reasons import spoken
from routing.rules import RoutableMessage, compile_condition


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("Rule «Precio»: keyword «precio».", "Regla «Precio»: palabra clave «precio»."),
        ("Rule «a»: pattern matched «x.».", "Regla «a»: el patrón coincide con «x.»."),
        (
            "The LLM chose it for intent «buy» with confidence 0.84.",
            "El LLM lo eligió para la intención «buy» con confianza 0.84.",
        ),
        ("It is the only agent.", "Es el único agente."),
        (
            "Rule «Persona»: intent «queja», which the LLM found.",
            "Regla «Persona»: intención «queja», que halló el LLM.",
        ),
        (
            "Rule «Vuelve»: turn 3 with «ventas» after 20 min.",
            "Regla «Vuelve»: turno 3 con «ventas» después de 20 min.",
        ),
        (
            "No usable decision: x. The active agent keeps the conversation.",
            "Ninguna decisión utilizable: x. El agente activo conserva la conversación.",
        ),
        ("«ventas» failed (llm_timeout).", "«ventas» falló (llm_timeout)."),
    ],
)
def test_what_orkesta_says_is_said_in_spanish(reason: str, said: str) -> None:
    with translation.override("es"):
        assert spoken(reason) == said
    with translation.override("en"):
        assert "«" not in reason or re.findall("«.*?»", spoken(reason)) == re.findall(
            "«.*?»", reason
        )


@pytest.mark.parametrize("reason", ["", "El cliente pidió otra cosa.", "100 %", "%(1)s", "Rule"])
def test_other_words_are_left_alone(reason: str) -> None:
    with translation.override("es"):
        assert spoken(reason) == reason


@pytest.mark.parametrize(
    ("kind", "condition", "text"),
    [
        ("keyword", {"any": ["precio"]}, "el precio"),
        ("keyword", {"any": ["forma de pago"]}, "qué forma de pago hay"),
        ("regex", {"pattern": "[0-9]+"}, "quiero 10"),
        ("session", {"is_first_message": True}, "hola"),
    ],
)
def test_what_rules_say_today_is_known(kind: str, condition: object, text: str) -> None:
    said = compile_condition(kind, condition).match(RoutableMessage.of(text))
    assert said is not None
    with translation.override("es"):
        assert spoken(f"Rule «r»: {said}.") != f"Regla «r»: {said}."


def test_what_the_engine_says_today_is_known() -> None:
    state = TaskState(
        agent_slug="sales", failure=("llm_timeout", "x"), tried=("sales",), fallback_slug="desk"
    )
    action = next_action(state)
    assert isinstance(action, CallModel)
    with translation.override("es"):
        assert spoken(action.reason) == "«sales» falló (llm_timeout)."
