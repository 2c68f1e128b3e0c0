"""The tracker: what runs now and what has just ended, as cards that keep themselves up to date."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from conversations.admin.lanes import Lane, read_lanes
from conversations.admin.shown import TASK_LABELS, ago, duration
from conversations.admin.task_verbs import WORDS, Words
from conversations.models import Step, Task
from conversations.progress import progress_of
from conversations.services import Verb, verbs_for
from conversations.states import TERMINAL, UNFINISHED, StepStatus, TaskStatus

#: As many cards as a page has room for; unfinished tasks go first.
MAX_CARDS: Final = 30
#: More parts than this cannot be told apart.
MAX_PARTS: Final = 24
#: A fork needs a step to be chosen, which is done on the task's own page.
ON_CARDS: Final = (Verb.PAUSE, Verb.RESUME, Verb.RETRY, Verb.CANCEL)


@dataclass(frozen=True, slots=True)
class Offer:
    """A verb that somebody may use on a task, and the address of its dialog."""

    verb: Verb
    words: Words
    href: str


@dataclass(frozen=True, slots=True)
class Card:
    """One task. `parts` is a word for each step: done, failed, running or ahead."""

    task: Task
    href: str
    customer: str
    agent: str
    label: str
    parts: Sequence[str]
    line: str
    when: str
    offers: Sequence[Offer]
    lanes: Sequence[Lane] = ()


def read_cards(tasks: QuerySet[Any], *, may_control: bool) -> list[Card]:
    """The cards of the newest of `tasks`, which have their steps at hand."""
    newest = tasks.filter(parent=None).select_related("session").order_by("-id")
    # Two queries that an index answers, and not one that sorts all that ever was.
    rows = list(newest.filter(status__in=sorted(UNFINISHED))[:MAX_CARDS])
    rows += newest.filter(status__in=sorted(TERMINAL))[: MAX_CARDS - len(rows)]
    lanes = read_lanes(rows)
    return [_card(task, lanes.get(task.pk, ()), may_control=may_control) for task in rows]


def mark_of_task(task: Task, lanes: Iterable[Lane] = ()) -> str:
    """A short text that is another one as soon as the task, or one of its branches, has come
    further.
    """
    return ".".join([task.status, task.wanted, str(task.num_steps), *(one.mark for one in lanes)])


def mark_of_cards(cards: Iterable[Card]) -> str:
    """A short text that is another one as soon as any card shows something else."""
    seen = [f"{card.task.pk} {mark_of_task(card.task, card.lanes)} {card.when}" for card in cards]
    return hashlib.sha256("|".join(seen).encode()).hexdigest()[:16]


def parts_of(task: Task) -> list[str]:
    """How far the task is, as one word for each step."""
    parts = ["failed" if s.status == StepStatus.FAILED else "done" for s in _finished(task)]
    if task.status in {TaskStatus.PROCESSING, TaskStatus.WAITING}:
        parts.append("running")
    ahead = 0 if task.is_terminal else progress_of(task).total - len(parts)
    return (parts + ["ahead"] * ahead)[-MAX_PARTS:]


def offers_for(task: Task) -> list[Offer]:
    """The verbs for the card of this task."""
    offered = verbs_for(task)
    return [
        Offer(verb, WORDS[verb], reverse(f"admin:conversations_task_{verb}", args=[task.pk]))
        for verb in ON_CARDS
        if verb in offered
    ]


def _card(task: Any, lanes: Sequence[Lane], *, may_control: bool) -> Card:
    session = task.session
    return Card(
        task=task,
        href=reverse("admin:conversations_task_change", args=[task.pk]),
        customer=session.user_name or session.user_ref or _("Anonymous"),
        agent=task.agent_name or task.answered_by or task.agent_slug,
        label=TASK_LABELS[task.status],
        parts=parts_of(task),
        line=_line(task, lanes),
        when=ago(task.created_at),
        offers=offers_for(task) if may_control else [],
        lanes=lanes,
    )


def _line(task: Task, lanes: Sequence[Lane]) -> str:
    if task.error_code:
        return f"{task.error_code} · {task.error_detail}"
    if task.status == TaskStatus.WAITING:
        num_ended = sum(lane.task.is_terminal for lane in lanes)
        return _("%(ended)d of %(total)d branches have ended") % {
            "ended": num_ended,
            "total": len(lanes),
        }
    steps = _finished(task)
    if not steps:
        return _("Waits for its turn") if task.status == TaskStatus.QUEUED else ""
    far = progress_of(task)
    place = _("Step %(current)d of %(total)d") % {"current": far.current, "total": far.total}
    last = steps[-1]
    told = (place, last.get_kind_display(), last.reason, duration(last.duration_ms))
    return " · ".join(filter(None, told))


def _finished(task: Task) -> list[Step]:
    return [step for step in task.steps.all() if step.status != StepStatus.STARTED]
