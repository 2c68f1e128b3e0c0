"""Keywords and phrases; case, accents and plurals aside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from routing.rules.values import RoutableMessage, RuleInvalid, check_keys
from routing.words import stems

MAX_KEYWORDS: Final = 200


@dataclass(frozen=True, slots=True)
class KeywordCondition:
    """One of the keywords, or phrases, stands in the message."""

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


def keyword_condition(condition: Mapping[str, Any]) -> KeywordCondition:
    """From `{"any": [words and phrases]}`. Raises `RuleInvalid`."""
    check_keys(condition, ["any"])
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


def _contains(words: Sequence[str], phrase: Sequence[str]) -> bool:
    size = len(phrase)
    return any(tuple(words[i : i + size]) == tuple(phrase) for i in range(len(words) - size + 1))
