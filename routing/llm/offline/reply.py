"""What the offline model answers to a conversation, in words."""

from collections.abc import Mapping, Sequence
from typing import Final

from routing.llm.offline import offers
from routing.llm.offline.briefing import Briefing, Fact
from routing.llm.offline.catalogue import Mention
from routing.llm.offline.conversation import Conversation
from routing.llm.offline.dialogue import asks_total, is_no, is_yes
from routing.llm.offline.facts import CERTAIN, answering, score
from routing.llm.offline.intents import has_cue, weigh
from routing.llm.offline.knowledge import listed_in, value_of
from routing.llm.offline.language import Language
from routing.llm.offline.lexicon import GREETING, HUMAN, INTENTS, ORDER, PRODUCT
from routing.llm.offline.phrases import PHRASES, Phrases
from routing.llm.offline.quantities import pieces_of
from routing.llm.offline.results import fault_of, is_empty, summary
from routing.llm.offline.synonyms import head_of
from routing.llm.offline.telling import told
from routing.llm.offline.vocabulary import CONTAINERS, FILLERS, cues, vocabulary
from routing.llm.offline.words import words

MAX_TOPICS: Final = 4
#: What tools call the words that they look for.
QUERY_KEYS: Final = vocabulary("consulta busqueda query search q term termino texto")
MAX_EXAMPLES: Final = 3

LISTING: Final = cues(
    """
    catalogo | lista de precios | que productos | que venden | que tienen | que manejan |
    todo lo que | catalog | what do you sell | what do you have | what products | price list
    """
)
THANKS: Final = cues("gracias | adios | hasta luego | nos vemos | thank | thanks | bye")
CANCELLING: Final = cues(
    """
    cancela mi | cancela el | cancelar mi | cancelar el | cancelar un | cancelen | cancel my |
    cancel the | cancel an
    """
)
CONTACTS: Final = cues(
    """
    telefono | contacto | whatsapp | correo | ubicacion | direccion | phone | contact |
    email | address
    """
)


def reply(talk: Conversation) -> str:
    """The answer to the last message, in its language; says once that it comes offline."""
    said = PHRASES[talk.language]
    if talk.outcomes:
        body = _of_outcomes(talk, said)
    else:
        body = _about_products(talk, said) or _about_the_rest(talk, said)
    return f"{body} {said.mark}"


def _of_outcomes(talk: Conversation, said: Phrases) -> str:
    """What tools have found and done: an order, a quote, products; anything else field by field."""
    missing = _missing(talk, said)
    bills = told(talk, said)
    if bills:
        return "\n".join(filter(None, [missing, bills]))
    found = [one.product for outcome in talk.outcomes for one in listed_in(value_of(outcome.text))]
    if found and not any(fault_of(outcome.text) for outcome in talk.outcomes):
        answer = _about_products(talk, said) or offers.choice(found, said)
        return "\n".join(filter(None, [missing, answer]))
    if missing and not found:
        return " ".join(filter(None, [missing, offered(talk.briefing, said), said.ask]))
    return summary([outcome.text for outcome in talk.outcomes], said)


def _missing(talk: Conversation, said: Phrases) -> str:
    """What was looked up in vain, by no other name either; empty when everything was found."""
    found: dict[str, bool] = {}
    names: dict[str, str] = {}
    for outcome in talk.outcomes:
        arguments = value_of(outcome.arguments)
        given = arguments.items() if isinstance(arguments, Mapping) else ()
        texts = [str(value) for key, value in given if key in QUERY_KEYS]
        if len(texts) != 1 or fault_of(outcome.text):
            continue
        if CONTAINERS.issuperset(texts[0].split()):
            continue
        thing = " ".join(head_of(word) for word in texts[0].split())
        names.setdefault(thing, texts[0])
        found[thing] = found.get(thing, False) or not is_empty(outcome.text)
    return " ".join(said.not_found.format(what=names[thing]) for thing in found if not found[thing])


def _about_products(talk: Conversation, said: Phrases) -> str:
    """The answer when products are spoken of, now or in short answers to it; else empty."""
    text = talk.last_text
    facts = answering(talk.briefing.facts, text)
    mentions = talk.catalogue.mentions(text)
    if mentions:
        basket = mentions if _only_asks(text, mentions) else talk.basket or mentions
        return _offer_with_facts(basket, mentions, facts, talk)
    if facts:
        return ""
    if is_yes(text) and talk.is_asked:
        return offers.confirmation(talk.basket_before, talk.briefing.facts, said)
    if is_no(text) and talk.basket_before:
        return said.declined
    is_changed = talk.basket != talk.basket_before
    if talk.basket and (is_changed or asks_total(text)):
        return offers.offer(talk.basket, said)
    return ""


def _only_asks(text: str, mentions: Sequence[Mention]) -> bool:
    """«¿y cuánto cuesta el cemento?» puts nothing into the basket."""
    weights = weigh(text)
    asks = weights[PRODUCT.name] > weights[ORDER.name]
    return asks and all(mention.quantity is None for mention in mentions)


def _offer_with_facts(
    basket: Sequence[Mention],
    mentions: Sequence[Mention],
    facts: Sequence[Fact],
    talk: Conversation,
) -> str:
    said = PHRASES[talk.language]
    is_certain = bool(facts) and score(facts[0], talk.last_text) >= CERTAIN
    if is_certain and all(mention.quantity is None for mention in mentions):
        return ""
    body = offers.offer(basket, said)
    return f"{_told(facts)}\n{body}" if is_certain else body


def _about_the_rest(talk: Conversation, said: Phrases) -> str:
    text = talk.last_text
    facts = answering(talk.briefing.facts, text)
    if facts:
        return _told(facts)
    if has_cue(LISTING, text) and talk.briefing.products:
        return offers.listing(talk.briefing.products, said)
    weights = weigh(text)
    intent = max(weights, key=lambda name: weights[name])
    if not weights[intent] or intent == GREETING.name:
        return _greeting(talk, said, is_understood=bool(weights[intent]))
    if intent == HUMAN.name:
        return _no_person(talk.briefing, said, said.no_person)
    if has_cue(CANCELLING, text):
        return _no_person(talk.briefing, said, said.no_cancelling)
    is_counted = any(piece.is_explicit for piece in pieces_of(text))
    if talk.briefing.products and (intent == PRODUCT.name or is_counted):
        return _not_found(talk, said)
    names_nothing = FILLERS.issuperset(words(text))
    opening = "" if intent == ORDER.name or names_nothing else said.unknown
    question = said.ask_by_intent.get(intent, said.ask)
    labels = next(one.labels for one in INTENTS if one.name == intent)
    help_offered = offered(talk.briefing, said, about=labels)
    return " ".join(filter(None, [opening, help_offered, question]))


def _told(facts: Sequence[Fact]) -> str:
    """Facts as sentences; those with a question for a key need only their answer."""
    told = []
    for fact in facts:
        text = fact.text if fact.key.endswith("?") else f"{fact.key}: {fact.text}"
        told.append(text if text[-1] in ".!?" else f"{text}.")
    return " ".join(told)


def _greeting(talk: Conversation, said: Phrases, *, is_understood: bool) -> str:
    if has_cue(THANKS, talk.last_text):
        return said.bye
    opening = said.hello if is_understood or not talk.last_text.strip() else said.puzzled
    return " ".join(
        filter(
            None,
            [
                opening,
                introduction(talk.briefing, talk.language, said),
                offered(talk.briefing, said),
                said.ask,
            ],
        )
    )


def introduction(briefing: Briefing, language: Language, said: Phrases) -> str:
    """Who speaks, as the prompt says it, when the prompt is in the language spoken."""
    if not briefing.persona or briefing.language != language:
        return ""
    return said.i_am.format(who=briefing.persona)


def offered(briefing: Briefing, said: Phrases, *, about: tuple[str, ...] = ("",)) -> str:
    """What the prompt lets it help with, first what is `about` the matter; empty when nothing."""
    topics = []
    if briefing.products:
        examples = _distinct_names(briefing)
        topics.append(said.products_topic.format(examples=", ".join(examples)))
    keys = [fact.key for fact in briefing.facts if not fact.key.endswith("?")]
    keys.sort(key=lambda key: not has_cue(about, key))
    topics += [f"{key[0].lower()}{key[1:]}" for key in keys[:MAX_TOPICS]]
    if not topics:
        return ""
    *most, last = topics
    joined = f"{', '.join(most)} {said.and_} {last}" if most else last
    return said.can_help.format(topics=joined)


def _distinct_names(briefing: Briefing) -> list[str]:
    """Names of products that begin differently, as examples."""
    by_first_word = {product.roots[0]: product.name for product in reversed(briefing.products)}
    firsts = dict.fromkeys(product.roots[0] for product in briefing.products)
    return [by_first_word[first] for first in list(firsts)[:MAX_EXAMPLES]]


def _no_person(briefing: Briefing, said: Phrases, opening: str) -> str:
    contacts = [fact for fact in briefing.facts if has_cue(CONTACTS, fact.key)]
    return " ".join(filter(None, [opening, _told(contacts), offered(briefing, said)]))


def _not_found(talk: Conversation, said: Phrases) -> str:
    asked = [word for word in words(talk.last_text) if word not in FILLERS and not word.isdigit()]
    if not asked:
        return f"{offered(talk.briefing, said)} {said.ask_by_intent['product']}"
    what = " ".join(asked[:6])
    return f"{said.not_found.format(what=what)} {offered(talk.briefing, said)} {said.ask}"
