"""Which of the two languages somebody writes in."""

from typing import Final, Literal

from routing.llm.offline.vocabulary import vocabulary
from routing.llm.offline.words import words

Language = Literal["es", "en"]

SPANISH: Final = vocabulary(
    """
    a el la los las un una unos unas de del que y o en es son con por para al su sus mi mis tu
    tus me te se nos lo le les no si como cuanto cuanta cuantos cuantas cuando donde quien
    cual quiero necesito tienen tienes tiene hay hola buenas buenos gracias favor precio
    puedo puede quisiera dame busco cuesta vale pedido pago pagar factura hora abren cierran
    eres este esta muy mas pero tambien ya confirmo claro adios ayuda producto productos
    responde siempre nunca cliente tienda
    """
)
ENGLISH: Final = vocabulary(
    """
    the a an of and or in is are am was with for to from at my your his her our their i you
    we they it this that these those do does did have has can could would should will not no
    yes how much many what when where who which why want need like please thanks thank hello
    hi hey price cost buy order pay invoice open close there any some me us let get product
    products store shop customer always never answer
    """
)


def language_of(text: str, *, default: Language = "es") -> Language:
    """The language with more of its small words in `text`; `default` when neither leads."""
    found = words(text)
    spanish = sum(word in SPANISH for word in found) + sum(c in "¿¡ñáéíóú" for c in text.lower())
    english = sum(word in ENGLISH for word in found)
    if spanish == english:
        return default
    return "es" if spanish > english else "en"
