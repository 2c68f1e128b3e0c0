"""Routing rules as pure values: compiled once per configuration, tried in order on each message.

Nothing here reads a clock or a database: when a message came in and how far its session has come
is told with it. Nothing here raises on any text, and every kind takes time linear in the text.
"""

from routing.rules.intents import know_each_other
from routing.rules.keywords import MAX_KEYWORDS
from routing.rules.summaries import summary
from routing.rules.trying import (
    KINDS,
    came_near,
    compile_condition,
    first_for_intent,
    first_match,
    try_all,
)
from routing.rules.values import (
    Condition,
    Near,
    RoutableMessage,
    Rule,
    RuleInvalid,
    SessionState,
    Trial,
)

__all__ = [
    "KINDS",
    "MAX_KEYWORDS",
    "Condition",
    "Near",
    "RoutableMessage",
    "Rule",
    "RuleInvalid",
    "SessionState",
    "Trial",
    "came_near",
    "compile_condition",
    "first_for_intent",
    "first_match",
    "know_each_other",
    "summary",
    "try_all",
]
