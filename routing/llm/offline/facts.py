"""Finds which fact of the prompt answers a question."""

from collections.abc import Sequence
from typing import Final

from routing.llm.offline.briefing import Fact
from routing.llm.offline.intents import has_cue
from routing.llm.offline.vocabulary import FILLERS, cues
from routing.llm.offline.words import best_likeness, root, root_set, words

#: Questions and the keys of facts speak of the same matter in different words.
TOPICS: Final = (
    (
        cues(
            """
            horario | hora | horas | abren | abierto | cierran | cierra | cerrado | atienden
            | open | close | hours | what time
            """
        ),
        cues("horario | hora | hours | opening | atencion"),
    ),
    (
        cues(
            """
            pagar | pago | pagos | tarjeta | efectivo | transfer | deposit | pay | payment |
            card | cash
            """
        ),
        cues("pago | pagos | payment | pagar | pay"),
    ),
    (
        cues("factura | facturar | cfdi | rfc | invoice"),
        cues("factura | facturacion | invoice | invoicing"),
    ),
    (
        cues(
            """
            entrega | entregan | envio | envios | envian | domicilio | llevan | mandan |
            reparten | deliver | ship
            """
        ),
        cues("entrega | envio | envios | domicilio | reparto | delivery | shipping"),
    ),
    (
        cues(
            """
            ubicad | ubicacion | direccion | donde estan | donde quedan | donde se | como
            llego | address | located | location | where
            """
        ),
        cues("ubicacion | direccion | address | location | sucursal"),
    ),
    (
        cues(
            """
            telefono | whatsapp | llamar | correo | contacto | phone | email | contact |
            call
            """
        ),
        cues("telefono | contacto | whatsapp | correo | phone | email | contact"),
    ),
    (
        cues("devol | devuelv | cambio | cambiar | regresar | return | refund | exchange"),
        cues("devolucion | devoluciones | cambio | cambios | return | refund"),
    ),
    (
        cues("tarda | tardan | demora | cuanto tiempo | cuando llega | how long | how soon"),
        cues("tiempo | plazo de entrega | delivery time"),
    ),
    (
        cues("garantia | warranty | guarantee"),
        cues("garantia | warranty | guarantee"),
    ),
    (
        cues("credito | plazo | plazos | fiado | credit"),
        cues("credito | plazo | credit"),
    ),
    (
        cues("descuento | oferta | promocion | mayoreo | rebaja | discount | sale | deal"),
        cues("descuento | oferta | promocion | mayoreo | discount | promotion"),
    ),
)
THRESHOLD: Final = 0.5
#: From here a fact is what was asked for, even if a product was named on the way.
CERTAIN: Final = 1.0


def answering(facts: Sequence[Fact], text: str) -> list[Fact]:
    """The facts that answer `text`, best first, those nearly as good as the best among them."""
    ranked = sorted(((score(fact, text), fact) for fact in facts), key=lambda pair: -pair[0])
    best = ranked[0][0] if ranked else 0.0
    return [fact for value, fact in ranked if value >= max(THRESHOLD, best * 0.8)][:2]


def score(fact: Fact, text: str) -> float:
    """How well `fact` answers: by topic, by the words of its key, a little by those of its text."""
    asked = [root(word) for word in words(text) if word not in FILLERS]
    key = [word for word in fact.roots if word not in _FILLER_ROOTS]
    by_topic = sum(
        has_cue(asked_by, text) and has_cue(labels, fact.key) for asked_by, labels in TOPICS
    )
    by_key = sum(best_likeness(word, asked) for word in key) / len(key) if key else 0.0
    by_text = sum(word in fact.text_roots for word in asked) * 0.2
    return by_topic * 1.0 + by_key + min(by_text, 0.6)


_FILLER_ROOTS: Final = root_set(FILLERS)
