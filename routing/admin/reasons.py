"""Why a step was taken, in the language of whoever reads.

Steps keep their reasons in English, as they were given: they are read by people and by programs.
Here the sentences that Orkesta itself writes are said in the reader's language; whatever else
stands there, an error or a person's words, is shown as it is.
"""

import re
from collections.abc import Sequence
from re import Pattern
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

#: What a rule saw, and the sentences around it; `%(1)s` … stand for the groups.
_CAUSES: Final[Sequence[tuple[str, str | Promise]]] = (
    (r"keyword «(.*)»", _("keyword «%(1)s»")),
    (r"keywords «(.*)»", _("keywords «%(1)s»")),
    (r"pattern matched «(.*)»", _("the pattern matches «%(1)s»")),
    (r"like «(.*)» \((.*)\)", _("like «%(1)s» (%(2)s)")),
    (r"intent «(.*)» by its examples", _("intent «%(1)s», by its examples")),
    (r"intent «(.*)», which the LLM found", _("intent «%(1)s», which the LLM found")),
    (r"the turn before was «(.*)»", _("the turn before was «%(1)s»")),
    (r"context (\S+) is missing", _("the context has no %(1)s")),
    (r"context (\S+) is «(.*)»", _("context %(1)s is «%(2)s»")),
    (r"within the hours \((.*)\)", _("within the hours (%(1)s)")),
    (r"outside the hours \((.*)\)", _("outside the hours (%(1)s)")),
)
#: What a rule saw of the session, one after another.
_OF_SESSIONS: Final[Sequence[tuple[str, str | Promise]]] = (
    (r"first message", _("first message")),
    (r"turn (\d+)", _("turn %(1)s")),
    (r"with «(.*)»", _("with «%(1)s»")),
    (r"after (\d+) min", _("after %(1)s min")),
)
_SENTENCES: Final[Sequence[tuple[str, str | Promise]]] = (
    (r"The request named the agent\.", _("The request named the agent.")),
    (r"It is the only agent\.", _("It is the only agent.")),
    (r"The supervisor answers by itself\.", _("The supervisor answers by itself.")),
    (
        r"The LLM chose it for intent «(.*)» with confidence ([\d.]+)\.",
        _("The LLM chose it for intent «%(1)s» with confidence %(2)s."),
    ),
    (
        r"«(.*)» keeps the conversation: ([\d.]+) is not sure enough to hand over\.",
        _("«%(1)s» keeps the conversation: %(2)s is not sure enough to hand over."),
    ),
    (
        r"The LLM was not sure enough \(([\d.]+)\)\.",
        _("The LLM was not sure enough (%(1)s)."),
    ),
    (r"No LLM endpoint is configured\.", _("No LLM endpoint is configured.")),
    (r"No usable decision: (.*)", _("No usable decision: %(1)s")),
    (r"«(.*)» failed \((.*)\)\.", _("«%(1)s» failed (%(2)s).")),
    (r"Part (\d+) of (\d+)\.", _("Part %(1)s of %(2)s.")),
    (r"Part (\d+) of (\d+): (.*)", _("Part %(1)s of %(2)s: %(3)s")),
    (r"A branch of a plan\.", _("A branch of a plan.")),
    (r"A branch of a plan: (.*)", _("A branch of a plan: %(1)s")),
    (r"Stopped half-way\.", _("Stopped half-way.")),
    (
        r"It had arrived before the interruption\.",
        _("It had arrived before the interruption."),
    ),
)


def _compiled(
    table: Sequence[tuple[str, str | Promise]],
) -> list[tuple[Pattern[str], str | Promise]]:
    return [(re.compile(pattern, re.DOTALL), words) for pattern, words in table]


_KNOWN_CAUSES: Final = _compiled(_CAUSES)
_KNOWN_OF_SESSIONS: Final = _compiled(_OF_SESSIONS)
_KNOWN_SENTENCES: Final = _compiled(_SENTENCES)
_RULE: Final = re.compile(r"Rule «(.*?)»: (.*)\.", re.DOTALL)
_SESSION: Final = re.compile(r"(first message|turn \d+)(?: (with «.*»))?(?: (after \d+ min))?")
_KEEPS: Final = re.compile(r"(.*) The active agent keeps the conversation\.", re.DOTALL)


def spoken(reason: str) -> str:
    """`reason` in the active language, as far as it is a sentence of ours."""
    rule = _RULE.fullmatch(reason)
    if rule is None:
        return _said_of_others(reason)
    said = {"rule": rule[1], "cause": spoken_cause(rule[2])}
    return str(_("Rule «%(rule)s»: %(cause)s.")) % said


def spoken_cause(cause: str) -> str:
    """What a rule saw, in the active language."""
    return _said_of_session(cause) or _said(cause, _KNOWN_CAUSES)


def _said_of_others(reason: str) -> str:
    kept = _KEEPS.fullmatch(reason)
    if kept is None:
        return _said(reason, _KNOWN_SENTENCES)
    return f"{_said(kept[1], _KNOWN_SENTENCES)} {_('The active agent keeps the conversation.')}"


def _said_of_session(cause: str) -> str:
    found = _SESSION.fullmatch(cause)
    if found is None:
        return ""
    return " ".join(_said(part, _KNOWN_OF_SESSIONS) for part in found.groups() if part)


def _said(text: str, known: Sequence[tuple[Pattern[str], str | Promise]]) -> str:
    for pattern, words in known:
        found = pattern.fullmatch(text)
        if found is not None:
            groups = {str(place): part for place, part in enumerate(found.groups(), start=1)}
            return str(words) % groups
    return text
