import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from routing.llm.offline.conversation import Conversation, Turn
from routing.llm.offline.decision import decide
from routing.llm.types import LLMRequest
from tests.fakes.llm_door import OFFLINE, Door, open_door
from tests.fakes.llm_server import says

AGENTS = """Eres el supervisor. Decide qué agente atiende el mensaje.

Agentes:
- catalogo: Busca productos en el catálogo, da precios y existencias y recomienda materiales.
  intents: buscar_producto, consultar_precio, disponibilidad
- pedidos: Toma pedidos, cotiza, los cambia o cancela, y da seguimiento a las entregas.
  intents: crear_pedido, estado_pedido, cancelar_pedido
- pagos: Resuelve pagos, facturas, comprobantes, créditos y devoluciones de dinero.
  intents: pagar, facturar, aclarar_cobro
- recepcion: Saluda, da horarios y ubicación, y atiende todo lo demás.
  intents: saludo, horario, ubicacion, otro
"""
SLUGS = ("catalogo", "pedidos", "pagos", "recepcion")
#: The share that must go where a person would send it.
PASS_MARK = 0.85

SPANISH = {
    "¿Tienen brocas para concreto de 1/4?": "catalogo",
    "cuánto sale el galón de impermeabilizante": "catalogo",
    "Ando buscando una chapa para puerta de herrería": "catalogo",
    "me das precio de la varilla de tres octavos": "catalogo",
    "¿manejan cable calibre 12?": "catalogo",
    "Hola, qué medidas hay de tornillo para tablaroca": "catalogo",
    "¿Qué me recomiendas para pegar azulejo?": "catalogo",
    "Todavía les queda cemento gris?": "catalogo",
    "muéstrame las pinturas vinílicas": "catalogo",
    "¿cuál es la diferencia entre el tubo hidráulico y el sanitario?": "catalogo",
    "Necesito 10 tubos PVC": "pedidos",
    "Mándame dos cubetas de pintura blanca a la obra": "pedidos",
    "quiero 5 bultos de cemento y 20 varillas": "pedidos",
    "¿Ya salió lo que encargué ayer?": "pedidos",
    "agrégale otra caja de clavos": "pedidos",
    "Cancela mi compra por favor": "pedidos",
    "apártame tres láminas galvanizadas": "pedidos",
    "¿Cuándo llega mi pedido?": "pedidos",
    "hazme una cotización por 200 blocks": "pedidos",
    "Cambia la dirección de entrega de mi orden": "pedidos",
    "¿Puedo pagar con tarjeta de débito?": "pagos",
    "Necesito factura con mi RFC": "pagos",
    "ya hice la transferencia, ¿a dónde mando el comprobante?": "pagos",
    "¿cuánto les debo?": "pagos",
    "pásame la liga para pagar": "pagos",
    "Me cobraron dos veces": "pagos",
    "¿dan crédito a contratistas?": "pagos",
    "quiero que me devuelvan mi dinero": "pagos",
    "¿a qué cuenta deposito?": "pagos",
    "no me ha llegado el CFDI": "pagos",
    "Hola buenas tardes": "recepcion",
    "¿A qué hora cierran los sábados?": "recepcion",
    "¿Dónde están ubicados?": "recepcion",
    "quiero hablar con una persona": "recepcion",
    "gracias, muy amable": "recepcion",
    "¿tienen estacionamiento?": "recepcion",
    "están contratando?": "recepcion",
    "tengo una queja del trato en mostrador": "recepcion",
    "qué tal, ¿en qué me puedes ayudar?": "recepcion",
    "¿abren mañana que es día festivo?": "recepcion",
}
ENGLISH = {
    "Do you carry 1/2 inch copper pipe?": "catalogo",
    "how much is a gallon of white paint": "catalogo",
    "I'd like to order 12 bags of cement": "pedidos",
    "where's my delivery?": "pedidos",
    "please cancel my order": "pedidos",
    "can I pay with a credit card?": "pagos",
    "I need an invoice for my company": "pagos",
    "hi there": "recepcion",
    "what time do you open on Sunday?": "recepcion",
    "let me talk to a human": "recepcion",
}


#: Written after the lexicon, in words it did not know: its first answers were right for 31 of the
#: first 40 and, when it had learned from those, for 36 of the other 40.
OTHER_WORDS = {
    "qué tipos de taquetes tienes para pared hueca": "catalogo",
    "¿el esmalte es base agua o aceite?": "catalogo",
    "a cómo está el metro de manguera": "catalogo",
    "necesito saber el precio del rollo de malla": "catalogo",
    "¿sirve ese silicón para exteriores?": "catalogo",
    "traen llaves mezcladoras?": "catalogo",
    "cuál pintura aguanta más la humedad": "catalogo",
    "¿de qué medida es la tabla de pino?": "catalogo",
    "hay focos de 100 watts?": "catalogo",
    "ocupo algo para destapar un caño": "catalogo",
    "resérvame ocho costales de yeso": "pedidos",
    "quisiera encargar una puerta a la medida": "pedidos",
    "¿en cuánto tiempo me traen el material?": "pedidos",
    "ponle dos más": "pedidos",
    "ya no quiero el taladro que pedí": "pedidos",
    "me falta una caja de lo que me mandaron": "pedidos",
    "pueden dejarlo en mi casa mañana?": "pedidos",
    "échame tres rollos de cinta": "pedidos",
    "surtir lista: 4 codos, 2 tees, 1 llave de paso": "pedidos",
    "¿qué pasó con mi encargo?": "pedidos",
    "¿reciben vales de despensa?": "pagos",
    "la terminal me rechazó la tarjeta": "pagos",
    "mi estado de cuenta por favor": "pagos",
    "¿me pueden refacturar?": "pagos",
    "quiero liquidar lo que tengo pendiente": "pagos",
    "salió mal mi razón social en la factura": "pagos",
    "¿puedo pagar a meses?": "pagos",
    "me regresan el dinero si no me gusta?": "pagos",
    "buenas": "recepcion",
    "¿están abiertos ahorita?": "recepcion",
    "oye y dónde queda el local": "recepcion",
    "eres un robot?": "recepcion",
    "me atendieron fatal ayer": "recepcion",
    "cuál es su teléfono": "recepcion",
    "que tengas bonito día": "recepcion",
    "how late are you open": "recepcion",
    "is the cordless drill in stock?": "catalogo",
    "I want twenty bricks delivered tomorrow": "pedidos",
    "you charged me twice": "pagos",
    "what's the cheapest glue": "catalogo",
    "¿tienen de esos conos para el tráfico?": "catalogo",
    "precio por mayoreo de la varilla": "catalogo",
    "busco algo que quite el óxido": "catalogo",
    "de qué color tienen la lona": "catalogo",
    "¿la escalera de tijera cuántos peldaños trae?": "catalogo",
    "¿qué broca uso para vidrio?": "catalogo",
    "quiero ver los candados que tengan": "catalogo",
    "cuál es el taladro más barato": "catalogo",
    "mándenme la lista de precios": "catalogo",
    "¿ya les llegó el cemento blanco?": "catalogo",
    "apúntame diez bolsas de pegazulejo": "pedidos",
    "me interesan quince láminas para el viernes": "pedidos",
    "quiero hacer un pedido grande": "pedidos",
    "modifica mi pedido, que sean 30": "pedidos",
    "no me ha llegado nada": "pedidos",
    "¿por dónde viene el camión?": "pedidos",
    "confirmo la orden 4521": "pedidos",
    "necesito que me lo lleven a Tlalpan": "pedidos",
    "repíteme el mismo pedido de la semana pasada": "pedidos",
    "quiero regresar unas llaves que compré": "pedidos",
    "¿aceptan American Express?": "pagos",
    "cuál es su CLABE": "pagos",
    "ya pagué y no aparece": "pagos",
    "¿me hacen factura de la compra de ayer?": "pagos",
    "mi tarjeta no pasa": "pagos",
    "¿cuándo vence mi crédito?": "pagos",
    "necesito el recibo del mes": "pagos",
    "¿cobran comisión?": "pagos",
    "buen día": "recepcion",
    "¿los domingos trabajan?": "recepcion",
    "mándame su ubicación": "recepcion",
    "¿hay alguien que me atienda?": "recepcion",
    "¿quién es el gerente?": "recepcion",
    "¿cómo llego desde el metro?": "recepcion",
    "muchas gracias": "recepcion",
    "do you have hammers": "catalogo",
    "send me three gallons of blue paint": "pedidos",
    "do you take checks": "pagos",
    "are you closed on Christmas": "recepcion",
    "I want to file a complaint": "recepcion",
}


def _talk(*texts: str) -> Conversation:
    return Conversation((Turn("system", AGENTS), *(Turn("user", text) for text in texts)))


def _misses(table: dict[str, str]) -> list[str]:
    return [
        f"{text!r}: {found.slug} ({found.confidence}), not {expected}"
        for text, expected in table.items()
        if (found := decide(_talk(text), SLUGS)).slug != expected
    ]


@pytest.mark.parametrize("table", [SPANISH, ENGLISH, OTHER_WORDS], ids=["es", "en", "other"])
def test_messages_reach_the_agent_a_person_would_send_them_to(table: dict[str, str]) -> None:
    misses = _misses(table)
    assert len(misses) <= len(table) * (1 - PASS_MARK), misses


@pytest.mark.parametrize("text", ["asdf qwer", "xkcd zzz 42", "????", "", "la capital de Francia"])
def test_gibberish_goes_to_the_fallback_with_little_confidence(text: str) -> None:
    found = decide(_talk(text), SLUGS)
    assert found.slug == "recepcion"
    assert found.confidence < 0.3


@pytest.mark.parametrize("text", ["Necesito 10 tubos PVC", "¿Puedo pagar con tarjeta?", "hola"])
def test_what_is_clear_is_decided_with_confidence(text: str) -> None:
    assert decide(_talk(text), SLUGS).confidence > 0.7


def test_a_short_answer_stays_with_what_was_said_before() -> None:
    found = decide(_talk("quiero hacer un pedido", "que sean doce", "o trece"), SLUGS)
    assert found.slug == "pedidos"
    assert found.confidence < decide(_talk("quiero hacer un pedido"), SLUGS).confidence


CLINIC = """Decide quién atiende.
- citas: Agenda y cambia citas con el doctor.
  ejemplos: "¿tienen lugar el martes?"; "quiero mover mi consulta"
- recetas: Renueva recetas y explica tratamientos y medicamentos.
- otro: Todo lo demás.
"""


def test_agents_of_another_trade_are_told_apart_by_their_own_words() -> None:
    slugs = ("citas", "recetas", "otro")
    for text, expected in {
        "¿habrá lugar este martes?": "citas",
        "necesito mover la consulta del jueves": "citas",
        "se me acabaron los medicamentos": "recetas",
        "renueva mi receta por favor": "recetas",
        "buenas tardes": "otro",
    }.items():
        talk = Conversation((Turn("system", CLINIC), Turn("user", text)))
        assert decide(talk, slugs).slug == expected, text


def _schema(slugs: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["action", "agent_name", "intent", "confidence", "response"],
        "properties": {
            "action": {"type": "string", "enum": ["delegate", "respond"]},
            "agent_name": {"anyOf": [{"type": "string", "enum": slugs}, {"type": "null"}]},
            "intent": {"type": "string"},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "response": {"type": ["string", "null"]},
        },
    }


async def _decision(slugs: list[str], text: str) -> dict[str, Any]:
    messages = [{"role": "system", "content": AGENTS}, {"role": "user", "content": text}]
    request = LLMRequest(messages, response_schema=_schema(slugs), schema_name="decision")
    async with open_door(says("never asked")) as door:
        completion = await Door(door.client, door.fake, OFFLINE).complete(request)
    decision: dict[str, Any] = json.loads(completion.text)
    Draft202012Validator(_schema(slugs)).validate(decision)
    return decision


async def test_the_decision_comes_as_the_supervisor_asks_for_it() -> None:
    assert await _decision(list(SLUGS), "Necesito 10 tubos PVC") == {
        "action": "delegate",
        "agent_name": "pedidos",
        "intent": "crear_pedido",
        "confidence": 0.95,
        "response": None,
    }


async def test_with_nobody_to_delegate_to_it_answers_itself() -> None:
    decision = await _decision(["ventas"], "asdf qwer")
    assert decision["action"] == "respond"
    assert decision["agent_name"] is None
    assert "(modelo sin conexión)" in decision["response"]
    assert decision["confidence"] < 0.3
