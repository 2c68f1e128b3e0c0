"""The thread of a conversation: what was asked for so far, and what short answers mean."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from routing.llm.offline.catalogue import Catalogue, Mention
from routing.llm.offline.intents import has_cue
from routing.llm.offline.quantities import numbers_in, without_codes
from routing.llm.offline.vocabulary import cues, vocabulary
from routing.llm.offline.words import words

YES: Final = cues(
    """
    si | confirmo | confirmado | confirmar | dale | ok | okey | okay | correcto | de acuerdo |
    perfecto | adelante | va | claro | hazlo | esta bien | asi esta bien | por supuesto |
    sale | yes | yep | sure | confirm | go ahead | sounds good | that s right | correct |
    please do | deal
    """
)
NO: Final = cues(
    """
    no | mejor no | cancela | cancelar | cancelalo | olvidalo | ya no | dejalo | nope |
    cancel | forget it | never mind
    """
)
ADDING: Final = cues(
    """
    agrega | anade | anadir | sumale | tambien | ademas | otro | otra | mas | add | also |
    plus | another | more
    """
)
ONLY: Final = cues("solo | solamente | nada mas | unicamente | only | just")
REMOVING: Final = cues("quita | elimina | saca | menos | remove | without | drop")
TOTAL: Final = cues(
    """
    total | cuanto es | cuanto seria | cuanto sale todo | en total | la cuenta |
    how much is it | altogether
    """
)
#: «los de 3/4», «the blue one»: one of those just spoken of.
POINTING: Final = vocabulary("el la los las del de que mejor the that those")
#: A follow-up is short; a longer message says what it is about.
SHORT: Final = 7


def is_yes(text: str) -> bool:
    """True for a short yes; «¿cómo va?» is none."""
    if text.lstrip().startswith("¿"):
        return False
    return len(words(text)) <= SHORT and has_cue(YES, text) and not is_no(text)


def is_no(text: str) -> bool:
    return len(words(text)) <= SHORT and has_cue(NO, text)


def asks_total(text: str) -> bool:
    return has_cue(TOTAL, text)


def basket_after(texts: Iterable[str], catalogue: Catalogue) -> tuple[Mention, ...]:
    """What a customer who said `texts`, in order, has spoken of last: products and quantities.

    A product replaces the ones before it unless the words add or remove, or only say anew how many
    of it; a lone number changes the quantity of the last one; a no empties the basket.
    """
    basket: tuple[Mention, ...] = ()
    for text in texts:
        basket = _step(basket, text, catalogue)
    return basket


def _adds(text: str) -> bool:
    return has_cue(ADDING, text) or words(text)[:1] in (["y"], ["and"])


def _step(basket: tuple[Mention, ...], text: str, catalogue: Catalogue) -> tuple[Mention, ...]:
    if basket and words(text)[:1] and words(text)[0] in POINTING and len(words(text)) <= SHORT:
        refined = catalogue.refined(basket[-1], text)
        if refined is not None:
            return (*basket[:-1], refined)
    mentions = catalogue.mentions(text)
    if mentions:
        named = {mention.product for mention in mentions}
        rest = tuple(line for line in basket if line.product not in named)
        if has_cue(REMOVING, text):
            return rest
        if rest and not has_cue(ONLY, text) and named <= {line.product for line in basket}:
            return _recounted(basket, mentions)
        return rest + tuple(mentions) if _adds(text) else tuple(mentions)
    if is_no(text):
        return ()
    numbers = numbers_in(without_codes(text))
    if basket and len(numbers) == 1 and numbers[0] > 0 and len(words(text)) <= SHORT:
        return (*basket[:-1], replace(basket[-1], quantity=numbers[0]))
    return basket


def _recounted(basket: tuple[Mention, ...], mentions: Iterable[Mention]) -> tuple[Mention, ...]:
    quantities = {m.product: m.quantity for m in mentions if m.quantity is not None}
    return tuple(
        replace(line, quantity=quantities.get(line.product, line.quantity)) for line in basket
    )
