"""The first page: what happened today, and what needs somebody."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from conversations.admin import figures
from conversations.admin.inbox import read_waiting
from conversations.admin.shown import TASK_LABELS, ago, duration
from conversations.admin.usage_figures import read_month
from tenants.admin_scope import Role, has_role, tenant_of
from tenants.allowances import allowance_of
from tenants.models import Tenant

NUM_SHOWN_TASKS: Final = 8
NUM_SHOWN_REQUESTS: Final = 3
#: Stacked bars without a frame; see https://www.chartjs.org/docs/latest/configuration/.
CHART_OPTIONS: Final = orjson.dumps(
    {
        "maintainAspectRatio": False,
        "animation": False,
        "interaction": {"mode": "index", "intersect": False},
        "datasets": {"bar": {"maxBarThickness": 18, "borderRadius": 4}},
        "plugins": {"legend": {"display": False}},
        "scales": {
            "x": {"stacked": True, "grid": {"display": False}, "border": {"display": False}},
            "y": {
                "stacked": True,
                "beginAtZero": True,
                "ticks": {"precision": 0, "maxTicksLimit": 6},
                "border": {"display": False},
            },
        },
    }
).decode()


@dataclass(frozen=True, slots=True)
class Card:
    """A number that links to the rows behind it."""

    title: str
    value: str
    note: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for a person."""

    icon: str
    text: str
    href: str
    tone: str = "warning"


@dataclass(frozen=True, slots=True)
class FirstStep:
    """One thing to do before the first conversation can happen."""

    title: str
    text: str
    href: str
    is_done: bool


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The template's context; unfold calls it for the index page."""
    tenant = tenant_of(request)
    if tenant is None:
        return context | {"tenants": _tenants(request), "tenant": None}
    agents = figures.read_agents()
    tasks = figures.read_last_tasks()
    counts = figures.read_counts(tenant)
    context |= {"tenant": tenant, "has_history": bool(tasks)}
    if not tasks:
        return context | {"first_steps": _first_steps(request, tenant, agents)}
    days = figures.read_days()
    names = {agent.slug: agent.name for agent in agents}
    return context | {
        "cards": _cards(counts, days),
        "chart": _chart(days),
        "chart_options": CHART_OPTIONS,
        "chart_days": figures.CHART_DAYS,
        "needs": list(_needs(request, counts, days, agents)),
        "tracker": [_tick(task) for task in reversed(tasks)],
        "last_tasks": [_line(task, names) for task in tasks[:NUM_SHOWN_TASKS]],
        "agent_work": _agent_lines(names),
    }


def _cards(counts: figures.Counts, days: Sequence[figures.Day]) -> list[Card]:
    today, yesterday = days[-1], days[-2]
    sessions, tasks = reverse("admin:conversations_session_changelist"), _task_list()
    return [
        Card(_("Conversations today"), str(counts.sessions), _("with a message"), sessions),
        Card(
            _("Tasks today"),
            str(today.tasks),
            _("%(number)d yesterday") % {"number": yesterday.tasks},
            tasks,
        ),
        Card(
            _("Failed today"),
            str(today.failed),
            _share(today),
            f"{tasks}?status__exact=failed",
        ),
        Card(
            _("Answered within"),
            duration(figures.read_p95_today()) or "–",
            _("95 of 100 tasks today"),
        ),
        Card(
            _("Tokens today"),
            _grouped(figures.read_tokens_today()),
            _("in and out"),
        ),
    ]


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _share(day: figures.Day) -> str:
    if not day.tasks:
        return _("nothing to fail yet")
    return _("%(share)s %% of them") % {"share": number_format(100 * day.failed / day.tasks, 1)}


def _chart(days: Sequence[figures.Day]) -> str:
    done = [day.tasks - day.failed for day in days]
    failed = [day.failed for day in days]
    series = [
        {
            "label": _("Done or under way"),
            "data": done,
            "backgroundColor": "var(--color-primary-500)",
        },
        {"label": _("Failed"), "data": failed, "backgroundColor": "var(--color-red-500)"},
    ]
    return orjson.dumps({"labels": [day.label for day in days], "datasets": series}).decode()


def _needs(
    request: HttpRequest,
    counts: figures.Counts,
    days: Sequence[figures.Day],
    agents: Sequence[Any],
) -> Iterable[Need]:
    """What waits, the most urgent first; each only for those who can do something about it."""
    if days[-1].failed:
        text = ngettext("%d task failed today", "%d tasks failed today", days[-1].failed)
        yield Need(
            "error", text % days[-1].failed, f"{_task_list()}?status__exact=failed", "danger"
        )
    if counts.waiting:
        text = ngettext("%d task waits for a person", "%d tasks wait for a person", counts.waiting)
        yield Need(
            "front_hand", text % counts.waiting, f"{_task_list()}?status__exact=input_required"
        )
    for asked in read_waiting(request)[:NUM_SHOWN_REQUESTS]:
        page = reverse("admin:conversations_inputrequest_change", args=[asked.id])
        yield Need("how_to_reg", asked.text, page)
    if has_role(request, Role.EDITOR):
        yield from _budget(request, counts.without_budget)
        yield from _unready(agents)
        if counts.drafts:
            text = ngettext(
                "%d draft is not published", "%d drafts are not published", counts.drafts
            )
            yield Need(
                "edit_note",
                text % counts.drafts,
                reverse("admin:prompts_prompt_changelist"),
                "info",
            )
    if has_role(request, Role.OWNER) and counts.expiring_keys:
        text = ngettext("%d API key expires soon", "%d API keys expire soon", counts.expiring_keys)
        yield Need("key", text % counts.expiring_keys, reverse("admin:tenants_apikey_changelist"))


def _budget(request: HttpRequest, num_paused: int) -> Iterable[Need]:
    """The end of the month's budget, and what it holds up."""
    tenant = tenant_of(request)
    if tenant is None:
        return
    page = reverse("admin:tenants_usageday_changelist")
    if num_paused:
        text = ngettext("%d task waits for budget", "%d tasks wait for budget", num_paused)
        yield Need("payments", text % num_paused, page, "danger")
    allowance = allowance_of(tenant.id)
    if not allowance.has_budget:
        return
    month = read_month(allowance)
    if month.tone != "good":
        text = _("%(percent)d %% of the month's budget is spent") % {"percent": month.percent or 0}
        yield Need("savings", text, page, month.tone)


def _unready(agents: Sequence[Any]) -> Iterable[Need]:
    for agent in agents:
        if agent.is_active and not agent.is_told:
            text = _("“%(agent)s” has no published prompt") % {"agent": agent.name}
            yield Need(
                "smart_toy", text, reverse("admin:prompts_prompt_change", args=[agent.prompt_id])
            )
    if not any(agent.is_fallback and agent.is_active for agent in agents):
        text = _("No agent is the fallback")
        yield Need("support_agent", text, reverse("admin:routing_agent_changelist"), "danger")
    if agents and not agents[0].has_default_endpoint:
        text = _("No LLM endpoint is the default")
        yield Need("hub", text, reverse("admin:routing_llmendpoint_changelist"), "danger")


def _tick(task: Any) -> dict[str, str]:
    title = f"{task.get_status_display()} · {task.session} · {ago(task.created_at)}"
    href = reverse("admin:conversations_task_change", args=[task.pk])
    return {"status": task.status, "title": title, "href": href}


def _line(task: Any, names: Mapping[str, str]) -> dict[str, Any]:
    slug = task.answered_by or task.agent_slug
    took = task.finished_at and task.started_at and task.finished_at - task.started_at
    return {
        "href": reverse("admin:conversations_task_change", args=[task.pk]),
        "customer": task.session.user_name or task.session.user_ref or _("Anonymous"),
        "agent": names.get(slug, slug),
        "status": task.get_status_display(),
        "label": TASK_LABELS[task.status],
        "took": duration(took) if took else "",
        "ago": ago(task.created_at),
    }


def _agent_lines(names: Mapping[str, str]) -> list[dict[str, Any]]:
    work = figures.read_agent_work()
    most = max((row.calls for row in work), default=1)
    return [
        {
            "name": names.get(row.slug, row.slug),
            "calls": row.calls,
            "took": duration(row.milliseconds),
            "tokens": _grouped(row.tokens),
            "share": round(100 * row.calls / most),
        }
        for row in work
    ]


def _first_steps(request: HttpRequest, tenant: Tenant, agents: Sequence[Any]) -> list[FirstStep]:
    is_told = any(agent.is_told for agent in agents)
    steps = [
        FirstStep(
            _("Choose the LLM"),
            _("The built-in model works at once; a real one needs its address and key."),
            reverse("admin:routing_llmendpoint_changelist"),
            bool(agents) and agents[0].has_default_endpoint,
        ),
        FirstStep(
            _("Write a prompt"),
            _("What the agent is told: who it is, what it knows, how it speaks."),
            reverse("admin:prompts_prompt_changelist"),
            is_told,
        ),
        FirstStep(
            _("Make an agent"),
            _("The first one answers everything; more of them share the work."),
            reverse("admin:routing_agent_changelist"),
            bool(agents),
        ),
        FirstStep(
            _("Send the first message"),
            _("An API key comes with a ready line for the terminal."),
            reverse("admin:tenants_apikey_changelist"),
            False,
        ),
    ]
    return steps if has_role(request, Role.OWNER) else steps[1:3] * has_role(request, Role.EDITOR)


def _tenants(request: HttpRequest) -> list[Tenant]:
    return list(Tenant.objects.order_by("name")[:12]) if request.user.is_superuser else []


def _task_list() -> str:
    return reverse("admin:conversations_task_changelist")
