"""What to do next with the tools that are offered: which to call, in which order, or none.

A plan is made anew for each request, from the conversation and what tools have answered so far:
find what the message speaks of, have it quoted, and make the order when the customer says yes.
Tools are known by their names, descriptions and schemas alone.
"""

from collections.abc import Callable, Sequence
from typing import Final

from routing.llm.offline.catalogue import Mention
from routing.llm.offline.conversation import Conversation, Tool
from routing.llm.offline.dialogue import is_no, is_yes
from routing.llm.offline.facts import CERTAIN, answering
from routing.llm.offline.facts import score as certainty
from routing.llm.offline.intents import weigh
from routing.llm.offline.knowledge import listed_in, value_of
from routing.llm.offline.lexicon import ORDER, PRODUCT
from routing.llm.offline.material import Material
from routing.llm.offline.quantities import Piece, codes_in, pieces_of
from routing.llm.offline.results import fault_of
from routing.llm.offline.routine import next_step, routine_of
from routing.llm.offline.synonyms import head_of, is_thing
from routing.llm.offline.tool_names import has_made, is_handing_over
from routing.llm.offline.tools import (
    THRESHOLD,
    Call,
    arguments_of,
    call_of,
    is_link,
    is_maker,
    is_quote,
    is_search,
    score,
)
from routing.llm.offline.turns import Outcome
from routing.llm.offline.vocabulary import CONTAINERS, DOINGS, FILLERS
from routing.llm.offline.words import root

#: One message sets off so many calls at most, and so many at once.
MAX_CALLS: Final = 8
MAX_SEARCHES: Final = 4
MAX_QUERY_WORDS: Final = 6


def next_calls(
    talk: Conversation, tools: Sequence[Tool], *, forced: str | None
) -> tuple[Call, ...]:
    """The calls to make now; none to answer in words.

    `forced` names a tool that must be called, "" any of them. A tool whose required arguments are
    not to be found is called only when forced. No call is made twice for one message.
    """
    if not tools or len(talk.outcomes) >= MAX_CALLS:
        return ()
    if forced is not None:
        return () if talk.outcomes else _forced(talk, tools, forced)
    if any(fault_of(outcome.text) for outcome in talk.outcomes):
        return ()
    if steps := routine_of(talk, tools):
        return next_step(talk, steps)
    planned = _follow_up(talk, tools) or _towards(_goal(talk, tools), talk, tools)
    return tuple(call for call in planned if not _is_made(talk, call))


def _forced(talk: Conversation, tools: Sequence[Tool], name: str) -> tuple[Call, ...]:
    candidates = [tool for tool in tools if name in ("", tool.name)]
    best = max(candidates, key=lambda tool: score(tool, talk.last_text))
    arguments = arguments_of(best, Material(talk), is_forced=True)
    return () if arguments is None else (call_of(best, arguments),)


def _goal(talk: Conversation, tools: Sequence[Tool]) -> Tool | None:
    """The tool whose answer the message is after."""
    text = talk.last_text
    maker, quote, search = (_first(tools, kind) for kind in (is_maker, is_quote, is_search))
    if _confirms(talk):
        return maker
    if is_no(text) and not _queries(talk):
        return None
    if quote is not None and _is_counted(talk):
        return quote
    # Nothing is counted, so there is nothing to quote, and without a quote nothing to order.
    later = [quote, maker if quote is not None else None]
    others = [t for t in tools if t not in later and not is_handing_over(t.name)]
    best = max(others, key=lambda tool: score(tool, text), default=None)
    if best is None or score(best, text) < THRESHOLD:
        return search if _asks_product(text) else None
    if not _is_wanted(best, talk):
        return None
    is_ready = best is search or arguments_of(best, Material(talk)) is not None
    return best if is_ready or not _names_thing(text) else search


def _is_told(talk: Conversation) -> bool:
    """True when the prompt itself holds the answer."""
    text = talk.last_text
    facts = answering(talk.briefing.facts, text)
    return bool(facts) and certainty(facts[0], text) >= CERTAIN


def _is_wanted(tool: Tool, talk: Conversation) -> bool:
    """False for what the prompt answers by itself, and for a look at everything there is, when the
    message does not say which.
    """
    if codes_in(talk.last_text):
        return True
    found = arguments_of(tool, Material(talk)) or {}
    fields = tool.parameters.get("properties") or {}
    usual = [field.get("default") for field in fields.values()] + [talk.briefing.customer]
    says_which = any(value not in usual for value in found.values())
    if _is_told(talk) and is_search(tool):
        return _names_thing(talk.last_text)
    if _is_told(talk):
        return says_which and "?" in talk.last_text
    return says_which or not fields or bool(tool.parameters.get("required"))


def _confirms(talk: Conversation) -> bool:
    return is_yes(talk.last_text) and bool(talk.proposal)


def _towards(goal: Tool | None, talk: Conversation, tools: Sequence[Tool]) -> list[Call]:
    """The call of the goal, or what has to be found out before it."""
    if goal is None:
        return []
    search = _first(tools, is_search)
    if goal is search:
        return _searches(talk, search, _queries(talk))
    is_confirmed = _confirms(talk)
    is_known = is_confirmed or (_changes_basket(talk) and not _names_thing(talk.last_text))
    if (is_quote(goal) or is_maker(goal)) and search is not None and not is_known:
        found_first = _searches(talk, search, _queries(talk, has_listed=False))
        if not all(_is_made(talk, call) for call in found_first):
            return found_first
    arguments = arguments_of(goal, _material(talk, goal, is_confirmed=is_confirmed))
    if arguments is not None:
        return [call_of(goal, arguments)]
    return []


def _material(talk: Conversation, goal: Tool, *, is_confirmed: bool) -> Material:
    """What the goal's arguments are taken from. A yes says little: there, what was offered counts,
    and all that the customer said on the way.
    """
    if is_confirmed:
        return Material(talk, about=talk.proposal, said="\n".join(talk.user_texts))
    if is_quote(goal):
        counted: tuple[Mention, ...] = tuple(m for m in talk.basket if m.quantity is not None)
        return Material(talk, about=counted)
    return Material(talk)


def _follow_up(talk: Conversation, tools: Sequence[Tool]) -> list[Call]:
    """After an order was made: where it is paid."""
    link = _first(tools, is_link)
    if link is None or not any(has_made(outcome.name) for outcome in talk.outcomes):
        return []
    arguments = arguments_of(link, Material(talk))
    return [] if arguments is None else [call_of(link, arguments)]


def _searches(talk: Conversation, search: Tool, queries: Sequence[str]) -> list[Call]:
    """One search for each thing; where it found nothing, one by other names."""
    calls = []
    for query in queries[:MAX_SEARCHES]:
        call = _search(talk, search, query)
        if call is None:
            continue
        if _is_made(talk, call) and not _has_found(talk, call):
            call = _search(talk, search, _by_other_names(query)) or call
        calls.append(call)
    return calls


def _search(talk: Conversation, search: Tool, query: str) -> Call | None:
    arguments = arguments_of(search, Material(talk, said=query))
    if arguments is None:
        return None
    words_of = dict.fromkeys(search.parameters.get("required", ()), query)
    return call_of(search, arguments | words_of)


def _queries(talk: Conversation, *, has_listed: bool = True) -> list[str]:
    """What can be looked up: the things that the message names; with `has_listed` those, too, that
    the prompt lists.
    """
    listed = () if has_listed else talk.briefing.products
    text = talk.last_text
    queries = codes_in(text)
    for piece in pieces_of(text):
        query = _query(piece, is_first=not queries)
        if query:
            queries.append(query)
    fresh = [query for query in queries if not (listed and talk.catalogue.mentions(query))]
    return [_of_whom(query, talk) for query in dict.fromkeys(fresh)]


def _of_whom(query: str, talk: Conversation) -> str:
    """`query`, or what was spoken of last where it names only what goods come in."""
    is_vague = CONTAINERS.issuperset(query.split()) and talk.basket_before
    return talk.basket_before[-1].product.sku if is_vague else query


def _query(piece: Piece, *, is_first: bool) -> str:
    kept = [word for word in piece.words if word not in FILLERS | DOINGS]
    names = any(is_thing(root(word)) for word in kept)
    if not any(word[0].isalpha() and len(word) > 1 for word in kept):
        return ""
    return " ".join(kept[:MAX_QUERY_WORDS]) if names or is_first or piece.is_explicit else ""


def _by_other_names(query: str) -> str:
    return " ".join(head_of(word) for word in query.split())


def _is_counted(talk: Conversation) -> bool:
    """True when the message says how many of something, or changes what was said of it."""
    text = talk.last_text
    pieces = [piece for piece in pieces_of(text) if piece.is_explicit]
    if codes_in(text) or any(_query(piece, is_first=False) for piece in pieces):
        return bool(pieces)
    return _changes_basket(talk)


def _changes_basket(talk: Conversation) -> bool:
    """True when the message only says anew which or how many of what was spoken of before."""
    text = talk.last_text
    counted = {mention.product for mention in talk.basket if mention.quantity is not None}
    named = {mention.product for mention in talk.catalogue.mentions(text)}
    names_others = not named <= counted or (not named and _names_thing(text))
    return talk.basket != talk.basket_before and bool(counted) and not names_others


def _names_thing(text: str) -> bool:
    return any(is_thing(root(word)) for piece in pieces_of(text) for word in piece.words)


def _asks_product(text: str) -> bool:
    weights = weigh(text)
    most = max(weights.values())
    return most > 0 and max(weights[PRODUCT.name], weights[ORDER.name]) >= most


def _is_made(talk: Conversation, call: Call) -> bool:
    return any(_is_same(outcome, call) for outcome in talk.outcomes)


def _has_found(talk: Conversation, call: Call) -> bool:
    found = (value_of(outcome.text) for outcome in talk.outcomes if _is_same(outcome, call))
    return any(True for value in found for _ in listed_in(value))


def _is_same(outcome: Outcome, call: Call) -> bool:
    """Whoever runs tools may write their arguments in another way, or not say what was called."""
    same = value_of(outcome.arguments) == value_of(call.arguments)
    return not outcome.name or (outcome.name == call.name and same)


def _first(tools: Sequence[Tool], is_kind: Callable[[Tool], bool]) -> Tool | None:
    return next((tool for tool in tools if is_kind(tool)), None)
