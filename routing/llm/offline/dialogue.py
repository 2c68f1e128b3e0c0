"""The thread of a conversation: what was asked for so far, and what short answers mean."""

import re
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from routing.llm.offline.catalogue import Catalogue, Mention
from routing.llm.offline.intents import has_cue
from routing.llm.offline.quantities import MEASURES, numbers_in, pieces_of, without_codes
from routing.llm.offline.synonyms import is_thing
from routing.llm.offline.vocabulary import CONTAINERS, DOINGS, FILLERS, cues, vocabulary
from routing.llm.offline.words import root, words

YES: Final = cues(
    """
    si | confirmo | confirmado | confirmar | dale | ok | okey | okay | correcto | de acuerdo |
    perfecto | adelante | va | claro | hazlo | esta bien | asi esta bien | por supuesto |
    sale | yes | yep | sure | confirm | go ahead | sounds good | that s right | correct |
    please do | deal | lo quiero | la quiero | los quiero | las quiero | me lo llevo |
    me la llevo | me los llevo | me las llevo | i ll take
    """
)
#: A yes that says what to: good for an offer, too, that something else was said after.
ORDERING: Final = cues(
    """
    confirmo | confirmado | confirma | haz el pedido | levanta el pedido | me lo llevo |
    me los llevo | i confirm | place the order
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
_OPENING_NO = re.compile(r"\s*no\b[\s,;.]+(?=\S)", re.IGNORECASE)
#: A follow-up is short; a longer message says what it is about.
SHORT: Final = 7


def is_yes(text: str) -> bool:
    """True for a short yes; «¿cómo va?» is none."""
    if text.lstrip().startswith("¿"):
        return False
    return len(words(text)) <= SHORT and has_cue(YES, text) and not is_no(text)


def is_order(text: str) -> bool:
    """True for a short yes that can only be meant for an order."""
    return is_yes(text) and has_cue(ORDERING, text) and "?" not in text


def is_no(text: str) -> bool:
    """True for a short no; «no, mejor de 1 pulgada» is another wish."""
    return len(words(text)) <= SHORT and has_cue(NO, text) and wish_in(text) == text


def wish_in(text: str) -> str:
    """`text` without the «no» before another wish; as it is when there is none."""
    found = _OPENING_NO.match(text)
    if found is None:
        return text
    rest = text[found.end() :]
    said = words(rest)
    opens = bool(said) and (said[0] in POINTING or said[0].isdigit())
    says_which = any(word[0].isdigit() or is_thing(root(word)) for word in said)
    return rest if opens and says_which and not has_cue(NO, rest) else text


def names_goods(found: Iterable[str]) -> bool:
    """True when one of these words may be a thing, and not how many, or what to do with it."""
    known = FILLERS | DOINGS | CONTAINERS | MEASURES
    return any(word[0].isalpha() and len(word) > 2 and word not in known for word in found)


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
    text = wish_in(text)
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
    quantity = _lone_number(text)
    if basket and quantity:
        return (*basket[:-1], replace(basket[-1], quantity=quantity))
    return basket


def _lone_number(text: str) -> Decimal | None:
    """How many, where a short message says nothing else: «mejor 20 bultos», and not «2 palas»."""
    numbers = numbers_in(without_codes(text)) or _one_in(text)
    counts_others = any(p.is_explicit and names_goods(p.words) for p in pieces_of(text))
    if len(numbers) != 1 or counts_others or len(words(text)) > SHORT:
        return None
    return max(numbers[0], Decimal(0))


def _one_in(text: str) -> list[Decimal]:
    """«uno», «solo una»: an article that stands alone counts."""
    said = words(text)
    alone = len(said) <= 3 and {"uno", "una", "one"}.intersection(said) and not names_goods(said)
    return [Decimal(1)] if alone else []


def _recounted(basket: tuple[Mention, ...], mentions: Iterable[Mention]) -> tuple[Mention, ...]:
    quantities = {m.product: m.quantity for m in mentions if m.quantity is not None}
    return tuple(
        replace(line, quantity=quantities.get(line.product, line.quantity)) for line in basket
    )
