"""What other rules would have done with messages that came in before. Pure: no database, no LLM.

Both sets of rules are run on the same messages, so that what is told follows from the difference
between them. What only an LLM can say is not guessed: where no rule decides, it was asked and would
be asked again. Nor is an embedding model asked: what it found then counts again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any
from uuid import UUID

from routing.rules import (
    Near,
    RoutableMessage,
    Rule,
    SessionState,
    first_for_intent,
    first_match,
)
from routing.rules.meanings import by_meaning, remembered_meanings, wanted_texts


class ChangeKind(StrEnum):
    """AGENT: another agent answers. CAUGHT: a rule decides what the LLM was asked. RELEASED: the
    LLM is asked what a rule decided.
    """

    AGENT = "agent"
    CAUGHT = "caught"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class PastMessage:
    """A message as it came in, and how it was routed. `llm_intent` is the intent that the LLM found
    with enough confidence, if it was asked; `meanings` is how near the embedding model found rules,
    by their names.
    """

    task_id: UUID
    session_id: UUID
    text: str
    at: datetime
    context: Mapping[str, Any]
    session: SessionState
    asked_for: str
    source: str
    agent_slug: str
    llm_intent: str = ""
    meanings: Mapping[str, Near] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who answers: by the rule named, or by the LLM when there is none. The agent is empty when
    only the LLM can say.
    """

    agent_slug: str
    rule: str = ""
    reason: str = ""
    #: A rule decides by itself, before any model is asked.
    is_cheap: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    kind: ChangeKind
    message: PastMessage
    before: Verdict
    after: Verdict


@dataclass(frozen=True, slots=True)
class Replay:
    """What would change, newest message first; how many each rule of the draft decides on; and how
    many are left to the LLM before and after. Messages that named their agent are not counted.
    """

    num_messages: int
    changes: tuple[Change, ...]
    hits: Mapping[str, int]
    num_llm_before: int
    num_llm_after: int
    num_embeddings: int = 0

    @property
    def num_unchanged(self) -> int:
        return self.num_messages - len(self.changes)

    def count(self, kind: ChangeKind) -> int:
        return sum(change.kind is kind for change in self.changes)


def replay(
    messages: Sequence[PastMessage],
    *,
    now: Sequence[Rule],
    draft: Sequence[Rule],
    zone: tzinfo,
    can_embed: bool = False,
) -> Replay:
    """Run the messages through the rules of now and those of the draft. `can_embed`: the tenant has
    an embedding model.
    """
    routed = [message for message in messages if not message.asked_for]
    changes: list[Change] = []
    hits: Counter[str] = Counter()
    num_llm = [0, 0]
    is_embedding, num_embeddings = can_embed and bool(wanted_texts(draft)), 0
    for past in routed:
        before, after = _verdict(past, now, zone), _verdict(past, draft, zone)
        num_llm[0] += not before.rule
        num_llm[1] += not after.rule
        num_embeddings += is_embedding and not after.is_cheap
        if after.rule:
            hits[after.rule] += 1
        kind = _kind_of_change(before, after)
        if kind is not None:
            changes.append(Change(kind, past, before, after))
    return Replay(len(routed), tuple(changes), hits, num_llm[0], num_llm[1], num_embeddings)


def _verdict(past: PastMessage, rules: Sequence[Rule], zone: tzinfo) -> Verdict:
    message = RoutableMessage.of(
        past.text, at=past.at.astimezone(zone), context=past.context, session=past.session
    )
    trial = first_match(rules, message)
    is_cheap = trial is not None
    if trial is None and past.meanings:
        trial = by_meaning(rules, remembered_meanings(rules, past.meanings))
    if trial is None and past.llm_intent:
        trial = first_for_intent(rules, past.llm_intent)
    if trial is not None:
        return Verdict(trial.rule.agent_slug, trial.rule.name, trial.reason or "", is_cheap)
    return Verdict("" if past.source == "rule" else past.agent_slug)


def _kind_of_change(before: Verdict, after: Verdict) -> ChangeKind | None:
    if before.rule and not after.rule:
        return ChangeKind.RELEASED
    if not before.rule and not after.rule:
        return None
    if before.agent_slug and before.agent_slug != after.agent_slug:
        return ChangeKind.AGENT
    return None if before.rule else ChangeKind.CAUGHT
