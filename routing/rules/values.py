"""What rules are told and what they answer: the message, the state of its session, the verdict."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from orkesta.errors import Invalid
from routing.words import stems

#: Only the head of a message is looked at; what it asks for stands there.
MAX_TEXT_CHARS: Final = 8000


class RuleInvalid(Invalid):
    """The condition of a routing rule cannot be used."""

    code = "rule_invalid"


@dataclass(frozen=True, slots=True)
class SessionState:
    """What a session had come to before the message. `num_turns` counts no further than the turns
    that an agent is told of; `idle_seconds` is None for the first message.
    """

    num_turns: int = 0
    active_agent: str = ""
    idle_seconds: float | None = None
    last_intent: str = ""


@dataclass(frozen=True, slots=True)
class Near:
    """How near the nearest example of a rule comes to the message: 0 to 1."""

    score: float
    example: str


@dataclass(frozen=True, slots=True)
class RoutableMessage:
    """A message prepared once for all rules. `at` is when it came in, in the tenant's time zone;
    without it no time window is open, nor closed.
    """

    text: str
    encoded: bytes
    words: tuple[str, ...]
    word_set: frozenset[str]
    at: datetime | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    session: SessionState = SessionState()
    #: What has been found out about it, by who found it: once, however many rules ask.
    looked_up: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        text: str,
        *,
        at: datetime | None = None,
        context: Mapping[str, Any] | None = None,
        session: SessionState | None = None,
    ) -> "RoutableMessage":
        head = text[:MAX_TEXT_CHARS]
        # Half a character, which JSON can spell, is no character to RE2.
        encoded = head.encode("utf-8", "replace")
        words = stems(head)
        state = session or SessionState()
        return cls(head, encoded, words, frozenset(words), at, context or {}, state)


class Condition(Protocol):
    def match(self, message: RoutableMessage) -> str | None:
        """Why the message matches, in words; None when it does not. Never raises."""
        ...


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
    """What the rule at this position, counted from 1, said of a message; `reason` is None when it
    did not match. `near` is there for rules that measure how near they come.
    """

    rule: Rule
    reason: str | None
    near: Near | None = None
    position: int = 0


def read_texts(values: Any, *, what: str, max_count: int, max_chars: int = 200) -> tuple[str, ...]:
    """A non-empty list of non-blank texts. Raises `RuleInvalid`, naming `what` is missing."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise RuleInvalid(f"{what} must be a list of texts.")
    texts = tuple(value.strip() for value in values)
    if not 0 < len(texts) <= max_count:
        raise RuleInvalid(f"{what}: between 1 and {max_count} are needed.")
    if not all(0 < len(text) <= max_chars for text in texts):
        raise RuleInvalid(f"{what}: each has between 1 and {max_chars} characters.")
    return texts


def check_keys(condition: Mapping[str, Any], allowed: Sequence[str]) -> None:
    """Raises `RuleInvalid` for a key that means nothing: a typing error must not go unseen."""
    unknown = sorted(str(key)[:40] for key in condition.keys() - set(allowed))
    if unknown:
        raise RuleInvalid(f"There is no «{unknown[0]}» here, only: {', '.join(allowed)}.")
