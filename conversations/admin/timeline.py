"""A task as a line of steps: what was decided, by whom, why, and what it took."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

from django.urls import reverse

from conversations.admin.lanes import Lane, read_lanes
from conversations.admin.shown import duration, pretty_json
from conversations.admin.transcript import agent_names
from conversations.input_models import InputRequest
from conversations.models import Message, Step, Task
from conversations.selectors import list_steps
from conversations.states import StepKind, StepStatus
from routing.admin.reasons import spoken

ICONS: Final = {
    StepKind.ROUTE: "alt_route",
    StepKind.MODEL: "neurology",
    StepKind.TOOL: "build",
    StepKind.HUMAN: "how_to_reg",
    StepKind.HANDOFF: "swap_horiz",
    StepKind.SUMMARY: "summarize",
    StepKind.AGENT: "hub",
    StepKind.JOIN: "call_merge",
}


@dataclass(frozen=True, slots=True)
class Stop:
    """One step of the line. `share` is its part of the longest step's time, in percent; `keeps`
    how many finished steps there are up to it, and 0 where nothing can be forked.
    """

    step: Step
    icon: str
    agent_name: str
    took: str
    first_token: str
    share: int
    input: str
    output: str
    reason: str = ""
    keeps: int = 0
    lanes: Sequence[Lane] = ()

    @property
    def has_failed(self) -> bool:
        return self.step.status == "failed"

    @property
    def is_open(self) -> bool:
        """Begun, and not finished: a call under way, or a person who has not answered."""
        return self.step.status == "started"


@dataclass(frozen=True, slots=True)
class Kin:
    """Another task of the same question."""

    name: str
    href: str


@dataclass(frozen=True, slots=True)
class Timeline:
    question: Message | None
    answer: Message | None
    stops: Sequence[Stop]
    tokens: int
    took: str
    origin: Kin | None = None
    forks: Sequence[Kin] = ()
    requests: Sequence[InputRequest] = ()
    parent: Kin | None = None


def read_timeline(task: Task) -> Timeline:
    """Everything that is known of the task, in six queries, and three more when it has branches."""
    steps = list(list_steps(task.pk))
    lanes = {lane.task.pk.hex: lane for lane in read_lanes([task]).get(task.pk, ())}
    # The first of each: a later message of the customer's answers a question of the task's.
    said = {message.role: message for message in task.messages.order_by("-seq")}
    names = agent_names({step.agent_slug for step in steps})
    longest = max((step.duration_ms for step in steps), default=0.0) or 1.0
    ended = task.finished_at and task.started_at and task.finished_at - task.started_at
    return Timeline(
        # A fork answers the question of another task.
        question=said.get(Message.Role.USER) or task.question,
        answer=said.get(Message.Role.ASSISTANT),
        stops=[
            replace(
                _stop(step, names.get(step.agent_slug, step.agent_slug), longest, keeps),
                lanes=_lanes(step, lanes),
            )
            for step, keeps in zip(steps, _kept(steps), strict=True)
        ],
        tokens=sum(step.input_tokens + step.output_tokens for step in steps)
        + sum(lane.tokens for lane in lanes.values()),
        took=duration(ended or sum(step.duration_ms for step in steps)),
        origin=None if task.forked_from_id is None else _kin(task.forked_from_id),
        forks=[_kin(pk) for pk in task.forks.order_by("id").values_list("pk", flat=True)[:20]],
        requests=list(task.inputs.order_by("id")),
        parent=None if task.parent_id is None else _kin(task.parent_id),
    )


def _lanes(step: Step, lanes: Mapping[str, Lane]) -> Sequence[Lane]:
    """The branches that the step waits for, as far as they are the task's own: a fork has the
    findings of another one's.
    """
    if step.kind != StepKind.JOIN:
        return ()
    named = [UUID(branch["task_id"]).hex for branch in step.input["branches"]]
    return [lanes[name] for name in named if name in lanes]


def _kept(steps: Iterable[Step]) -> Iterable[int]:
    """For each step how many a fork after it keeps: the finished ones up to it."""
    return accumulate(int(step.status != StepStatus.STARTED) for step in steps)


def _kin(task_id: UUID) -> Kin:
    return Kin(task_id.hex[-8:], reverse("admin:conversations_task_change", args=[task_id]))


def _stop(step: Step, agent_name: str, longest: float, keeps: int) -> Stop:
    return Stop(
        step=step,
        icon=ICONS.get(StepKind(step.kind), "radio_button_checked"),
        agent_name=agent_name,
        took=duration(step.duration_ms),
        first_token=duration(step.first_token_ms),
        share=max(1, round(100 * step.duration_ms / longest)),
        input=_folded(step.input),
        output=_folded(step.output),
        reason=spoken(step.reason),
        keeps=0 if step.status == StepStatus.STARTED else keeps,
    )


def _folded(value: Any) -> str:
    return pretty_json(value) if value else ""
