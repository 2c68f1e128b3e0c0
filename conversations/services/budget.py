"""Raise and continue: a larger budget, and the tasks that had been paused for want of it."""

from contextlib import suppress
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KT

from conversations.models import Event, Task
from conversations.services.tasks import resume_task
from conversations.states import TaskStatus
from orkesta.errors import Invalid, StateConflict
from tenants.allowances import allowance_of
from tenants.audit import record
from tenants.audit_models import AuditAction
from tenants.usage_models import Budget


def list_paused_by_budget() -> QuerySet[Task]:
    """Tasks that wait for a larger budget: the last that happened to them says so."""
    changes = Event.objects.filter(task=OuterRef("pk"), type="task.status_changed")
    why = changes.order_by("-seq").annotate(why=KT("data__reason")).values("why")[:1]
    paused = Task.objects.filter(status=TaskStatus.PAUSED)
    return paused.annotate(paused_by=Subquery(why)).filter(paused_by="budget")


@transaction.atomic
def set_budget(
    *, tenant_id: UUID, dollars: Decimal | None, is_hard: bool, alert_percent: int
) -> int:
    """Set what the tenant wants to spend in a month, and let the tasks go on that a smaller budget
    had paused; how many these are. Those for which it is still too small pause again.

    Raises Invalid when the tenant's tier allows less.
    """
    allowed = allowance_of(tenant_id).money_per_month
    if dollars is not None and allowed is not None and dollars > allowed:
        detail = f"The tenant's tier allows {allowed} US dollars a month."
        raise Invalid(
            detail, errors=[{"pointer": "/money_per_month", "code": "max", "detail": detail}]
        )
    budget, _ = Budget.objects.get_or_create()
    is_raised = (
        budget.money_per_month is None or dollars is None or dollars > budget.money_per_month
    )
    before = budget.money_per_month
    budget.money_per_month, budget.is_hard = dollars, is_hard
    budget.alert_percent = alert_percent
    # A raised one is worth a warning of its own.
    budget.alerted_month = None if is_raised else budget.alerted_month
    budget.save()
    record(AuditAction.BUDGET_SET, budget, {"money_per_month": (before, dollars)})
    num_resumed = 0
    for task_id in list_paused_by_budget().values_list("pk", flat=True):
        with suppress(StateConflict):  # somebody was quicker
            resume_task(task_id=task_id)
            num_resumed += 1
    return num_resumed
