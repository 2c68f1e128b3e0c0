"""Routing rules as pure values: compiled once per configuration, tried in order on each message.

Nothing here reads a clock or a database. Regular expressions run on RE2, whose time is linear in
the text, so a tenant's pattern can never hang a worker; look-around and back-references are
therefore refused when the rule is saved.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import re2

from orkesta.errors import Invalid
from routing.words import stems

MAX_KEYWORDS: Final = 200
MAX_PATTERN_CHARS: Final = 1000
MAX_PATTERN_MEMORY: Final = 1 << 20
#: Only the head of a message is looked at; what it asks for stands there.
MAX_TEXT_CHARS: Final = 8000


class RuleInvalid(Invalid):
    """The condition of a routing rule cannot be used."""

    code = "rule_invalid"


@dataclass(frozen=True, slots=True)
class RoutableMessage:
    """A message prepared once for all rules."""

    text: str
    words: tuple[str, ...]
    word_set: frozenset[str]

    @classmethod
    def of(cls, text: str) -> "RoutableMessage":
        head = text[:MAX_TEXT_CHARS]
        words = stems(head)
        return cls(head, words, frozenset(words))


class Condition(Protocol):
    def match(self, message: RoutableMessage) -> str | None:
        """Why the message matches, in words; None when it does not."""
        ...


@dataclass(frozen=True, slots=True)
class KeywordCondition:
    """One of the keywords, or phrases, stands in the message; case, accents and plurals aside."""

    keywords: Mapping[str, str]
    phrases: tuple[tuple[str, ...], ...]

    def match(self, message: RoutableMessage) -> str | None:
        if not message.word_set.isdisjoint(self.keywords):
            found = next(word for word in message.words if word in self.keywords)
            return f"keyword «{self.keywords[found]}»"
        for phrase in self.phrases:
            if phrase[0] in message.word_set and _contains(message.words, phrase):
                return f"keywords «{' '.join(phrase)}»"
        return None


@dataclass(frozen=True, slots=True)
class RegexCondition:
    pattern: Any

    def match(self, message: RoutableMessage) -> str | None:
        found = self.pattern.search(message.text)
        return f"pattern matched «{found.group(0)[:80]}»" if found else None


@dataclass(frozen=True, slots=True)
class Rule:
    """A routing rule, ready to be tried."""

    id: str
    name: str
    condition: Condition
    agent_slug: str
    intent: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """What one rule said of one message; `reason` is None when it did not match."""

    rule: Rule
    reason: str | None


def first_match(rules: Iterable[Rule], message: RoutableMessage) -> Trial | None:
    """The first rule, in order, that matches, with its reason."""
    for rule in rules:
        reason = rule.condition.match(message)
        if reason is not None:
            return Trial(rule, reason)
    return None


def try_all(rules: Iterable[Rule], message: RoutableMessage) -> list[Trial]:
    """What every rule says of the message, in order; for testers and traces."""
    return [Trial(rule, rule.condition.match(message)) for rule in rules]


def compile_condition(kind: str, condition: Any) -> Condition:
    """The condition of a rule as stored. Raises `RuleInvalid` with the reason."""
    if not isinstance(condition, dict):
        raise RuleInvalid("The condition must be an object.")
    if kind == "keyword":
        return _keyword_condition(condition)
    if kind == "regex":
        return _regex_condition(condition)
    raise RuleInvalid(f"There is no kind of rule called {kind!r}.")


def _keyword_condition(condition: Mapping[str, Any]) -> KeywordCondition:
    words = condition.get("any")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise RuleInvalid('A keyword rule needs {"any": [list of words]}.')
    if not 0 < len(words) <= MAX_KEYWORDS:
        raise RuleInvalid(f"A keyword rule has between 1 and {MAX_KEYWORDS} keywords.")
    stemmed = [(word, stems(word)) for word in words]
    if not all(parts for _, parts in stemmed):
        raise RuleInvalid("Every keyword needs at least one letter or digit.")
    return KeywordCondition(
        keywords={parts[0]: word for word, parts in stemmed if len(parts) == 1},
        phrases=tuple(parts for _, parts in stemmed if len(parts) > 1),
    )


def _regex_condition(condition: Mapping[str, Any]) -> RegexCondition:
    pattern = condition.get("pattern")
    if not isinstance(pattern, str) or not 0 < len(pattern) <= MAX_PATTERN_CHARS:
        raise RuleInvalid(
            f'A regex rule needs {{"pattern": "…"}} of at most {MAX_PATTERN_CHARS} characters.'
        )
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = MAX_PATTERN_MEMORY
    try:
        return RegexCondition(re2.compile(pattern, options))
    except re2.error as exc:
        detail = exc.args[0]
        if isinstance(detail, bytes):
            detail = detail.decode(errors="replace")
        raise RuleInvalid(f"The pattern cannot be used: {detail}.") from exc


def _contains(words: Sequence[str], phrase: Sequence[str]) -> bool:
    size = len(phrase)
    return any(tuple(words[i : i + size]) == tuple(phrase) for i in range(len(words) - size + 1))
