"""Replaying real messages under a draft: choosing them, saying what it will cost, keeping figures.

Whoever answers them (`conversations.drafts`) never makes a call that changes something.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Count, F, QuerySet, Sum

from orkesta.ids import uuid7
from prompts.case_runs import digest_of
from prompts.costs import read_traffic
from prompts.errors import NothingToReplay, ReplayConflict, ReplayNotFound
from prompts.models import Prompt, PromptVersion
from prompts.past import PastTurn, list_past_turns, wake_runners
from prompts.replay_models import PromptReplay, PromptReplayMessage, ReplayOutcome
from prompts.run_models import RunStatus
from prompts.runs import RunClaim, cancel_run, resume_run, write_part
from tenants.usage_models import CallKind, UsageRecord

MAX_MESSAGES: Final = 200
MAX_CHARS: Final = 8000


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a replay of so many messages will cost, in nano-dollars: what they cost when they were
    answered, and what the draft is longer or shorter.
    """

    num_messages: int
    cost_nano: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one message under the draft."""

    outcome: ReplayOutcome
    agent_slug: str = ""
    text: str = ""
    tokens: int = 0
    cost_nano: int = 0
    calls: Sequence[Mapping[str, Any]] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Used:
    tokens: int = 0
    cost_nano: int = 0
    num_calls: int = 0


def estimate_replays(version: PromptVersion, limits: Sequence[int]) -> list[Estimate]:
    """One for each limit. Needs the tenant's scope."""
    turns = list_past_turns(version.prompt_id, max(limits, default=0))
    used = _used_by([turn.task_id for turn in turns])
    more = _more_per_call(version)
    return [_estimate(turns[:limit], used, more) for limit in limits]


@transaction.atomic
def start_replay(
    *, version: PromptVersion, limit: int, author: AbstractBaseUser | None = None
) -> PromptReplay:
    """Replay the last `limit` messages of the prompt's agents, at most MAX_MESSAGES, durably and
    beside live traffic. Raises ReplayConflict while another one of the prompt is unfinished, or for
    a block, and NothingToReplay.
    """
    prompt = Prompt.objects.select_for_update().get(pk=version.prompt_id)
    unfinished = (RunStatus.RUNNING, RunStatus.PAUSED)
    others = PromptReplay.objects.filter(version__prompt=prompt, status__in=unfinished)
    if prompt.is_block or others.exists():
        raise ReplayConflict
    turns = list_past_turns(prompt.pk, min(limit, MAX_MESSAGES))
    if not turns:
        raise NothingToReplay
    used = _used_by([turn.task_id for turn in turns])
    replay = PromptReplay.objects.create(
        version=version,
        digest=digest_of(version),
        num_parts=len(turns),
        estimated_nano=_estimate(turns, used, _more_per_call(version)).cost_nano,
        author_id=author.pk if author else None,
    )
    # Lists go by id, highest first: so the newest message gets the highest.
    ids = sorted((uuid7() for _ in turns), reverse=True)
    PromptReplayMessage.objects.bulk_create(
        _message(replay, place, turn, used.get(turn.task_id, _Used()), message_id=ids[place - 1])
        for place, turn in enumerate(turns, 1)
    )
    wake_runners()
    return replay


def list_replays(version: PromptVersion) -> QuerySet[PromptReplay]:
    """The version's replays, newest first."""
    return PromptReplay.objects.filter(version=version).order_by("-id")


def latest_replay(version: PromptVersion) -> PromptReplay | None:
    """The newest replay of the text that the version has now."""
    return list_replays(version).filter(digest=digest_of(version)).first()


def get_replay(replay_id: UUID) -> PromptReplay:
    """The replay with its version and prompt. Raises ReplayNotFound."""
    rows = PromptReplay.objects.select_related("version__prompt__tenant")
    replay = rows.filter(pk=replay_id).first()
    if replay is None:
        raise ReplayNotFound
    return replay


def cancel_replay(replay: PromptReplay) -> PromptReplay:
    """End it; figures of what was done stay. Raises ReplayConflict when it has ended before."""
    if not cancel_run(replay):
        raise ReplayConflict("The replay has ended.")
    replay.refresh_from_db()
    return replay


def resume_replay(replay: PromptReplay) -> PromptReplay:
    """Go on after the budget was raised. Raises ReplayConflict when it does not wait."""
    with transaction.atomic():
        if not resume_run(replay):
            raise ReplayConflict("The replay does not wait for anything.")
        wake_runners()
    replay.refresh_from_db()
    return replay


def next_message(claim: RunClaim) -> PromptReplayMessage | None:
    """The message whose turn it is. Needs the tenant's scope."""
    rows = PromptReplayMessage.objects.filter(replay=claim.run_id, outcome=ReplayOutcome.PENDING)
    return rows.first()


def write_answered(claim: RunClaim, message: PromptReplayMessage, answered: Answered) -> None:
    """Keep what became of the message, and count it. To be called in a transaction. Raises
    RunLost.
    """
    is_equal = answered.text.strip() == message.old_answer.strip() and bool(answered.text.strip())
    changes: dict[str, Any] = {
        f"num_{answered.outcome}": F(f"num_{answered.outcome}") + 1,
        "num_equal": F("num_equal") + int(is_equal),
        "old_tokens": F("old_tokens") + message.old_tokens,
        "new_tokens": F("new_tokens") + answered.tokens,
        "old_cost_nano": F("old_cost_nano") + message.old_cost_nano,
        "new_cost_nano": F("new_cost_nano") + answered.cost_nano,
    }
    write_part(claim, changes)
    PromptReplayMessage.objects.filter(pk=message.pk).update(
        outcome=answered.outcome,
        new_agent=answered.agent_slug,
        new_answer=answered.text[:MAX_CHARS],
        new_tokens=answered.tokens,
        new_cost_nano=answered.cost_nano,
        calls=list(answered.calls),
        problem=answered.problem[:500],
    )


def _message(
    replay: PromptReplay, place: int, turn: PastTurn, used: _Used, *, message_id: UUID
) -> PromptReplayMessage:
    return PromptReplayMessage(
        id=message_id,
        tenant_id=replay.tenant_id,
        replay=replay,
        position=place,
        task_id=turn.task_id,
        session_id=turn.session_id,
        message=turn.text[:MAX_CHARS],
        asked_at=turn.asked_at,
        old_agent=turn.agent_slug,
        old_answer=turn.answer[:MAX_CHARS],
        old_tokens=used.tokens,
        old_cost_nano=used.cost_nano,
    )


def _used_by(task_ids: Sequence[UUID]) -> dict[UUID, _Used]:
    """What the calls of LLMs for each task came to."""
    rows = (
        UsageRecord.objects.filter(task_id__in=task_ids, kind=CallKind.LLM)
        .order_by()
        .values("task_id")
        .annotate(
            tokens=Sum("input_tokens") + Sum("output_tokens"),
            nano=Sum("cost_nano"),
            calls=Count("pk"),
        )
    )
    return {
        row["task_id"]: _Used(int(row["tokens"]), int(row["nano"]), row["calls"])
        for row in rows
        if row["task_id"] is not None
    }


def _more_per_call(version: PromptVersion) -> int:
    """What a call costs more, or less, with the version in the place of what is published."""
    status = PromptVersion.Status.PUBLISHED
    live = PromptVersion.objects.filter(prompt=version.prompt_id, status=status).first()
    more = version.num_tokens - (live.num_tokens if live else 0)
    cost = read_traffic(version.prompt).per_call(abs(more)) or 0
    return cost if more > 0 else -cost


def _estimate(turns: Sequence[PastTurn], used: Mapping[UUID, _Used], more: int) -> Estimate:
    found = [used.get(turn.task_id, _Used()) for turn in turns]
    nano = sum(one.cost_nano + one.num_calls * more for one in found)
    return Estimate(len(turns), max(0, nano))
