"""What people say to tasks that wait for them, and what becomes of those that nobody answers.

The task's row is locked first: of two people who answer at the same time, one moves the task and
the other gets `StateConflict` (409).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from conversations.batch_count import note_end
from conversations.branches import note_branch_end
from conversations.engine.dispatch import at_once, dispatch_on_commit
from conversations.errors import InputExpired, InputInvalid, TaskNotFound
from conversations.event_log import Fact, Place, append, fact_of, step_recorded
from conversations.failures import failure
from conversations.input_models import InputRequest
from conversations.models import Step, Task
from conversations.services.tasks import is_held, lock_task, move
from conversations.states import (
    INPUT_ACTIONS,
    INPUT_RESULTS,
    InputAction,
    InputKind,
    InputStatus,
    StepStatus,
    TaskStatus,
    may_move,
)
from orkesta.errors import StateConflict
from routing.errors import ToolRetry
from routing.snapshot import get_snapshot
from routing.tools.running import check_arguments
from tenants.scope import scopes_disabled
from tenants.selectors import get_tenant

#: What a call becomes that a person does not want made again.
UNKNOWN_OUTCOME: Final = "outcome_unknown"
NOT_AGAIN: Final = "It was cut off, and a person decided that it is not made again."


@dataclass(frozen=True, slots=True)
class Given:
    """What a person said to a request."""

    action: InputAction
    text: str = ""
    arguments: Mapping[str, Any] | None = None
    by: str = ""

    @property
    def output(self) -> dict[str, Any]:
        """As the step keeps it."""
        said: dict[str, Any] = {"action": self.action.value, "text": self.text, "by": self.by}
        return said if self.arguments is None else said | {"arguments": dict(self.arguments)}


@transaction.atomic
def give_input(
    *,
    task_id: UUID,
    action: str,
    text: str = "",
    arguments: Mapping[str, Any] | None = None,
    by: str = "",
) -> Task:
    """Answer what the task asks, and let it go on: `answer` a question with `text`, `approve` or
    `reject` a call, or `edit` it, which approves it with other `arguments`.

    Raises TaskNotFound, StateConflict when the task waits for nobody (any more), and InputInvalid
    for an action that does not fit, an empty answer, or arguments that the tool does not take.
    """
    task = lock_task(task_id)
    request = task.inputs.filter(status=InputStatus.PENDING).first()
    if task.status != TaskStatus.INPUT_REQUIRED or request is None:
        raise StateConflict(f"The task is {task.status}: it does not wait for an answer.")
    if request.expires_at <= timezone.now():
        raise StateConflict("The time to answer is over.")
    given = _checked(request, Given(_action(action), text.strip(), arguments, by[:200]))
    step = _close(request, given)
    facts = [*_told(task, request, given), step_recorded(task, step)]
    if request.kind == InputKind.OUTCOME and given.action is InputAction.REJECT:
        facts.append(step_recorded(task, _fail_call(task, step)))
    _move(task, TaskStatus.QUEUED)
    status = {"task_id": str(task.id), "status": TaskStatus.QUEUED, "reason": "input_given"}
    append(Place(task.tenant_id, task.session_id), [*facts, _status(task, status)])
    if task.parent_id is not None and is_held(task):
        move(task, TaskStatus.PAUSED, reason="paused")
        return task
    dispatch_on_commit(task.id, priority=task.priority)
    return task


def find_expired(*, limit: int = 100) -> list[tuple[UUID, UUID]]:
    """Requests of all tenants that nobody answered in time, with their tenant."""
    with scopes_disabled():
        rows = InputRequest.objects.filter(status=InputStatus.PENDING, expires_at__lte=Now())
        return list(rows.order_by("expires_at").values_list("tenant_id", "id")[:limit])


@transaction.atomic
def expire_input(request_id: UUID) -> bool:
    """Fail the task that waits for this answer in vain; whether there was one."""
    request = InputRequest.objects.filter(pk=request_id).first()
    if request is None:
        return False
    task = _lock_or_none(request.task_id)
    pending = InputRequest.objects.filter(pk=request_id, status=InputStatus.PENDING)
    if not pending.update(status=InputStatus.EXPIRED):
        return False
    if task is None or task.status != TaskStatus.INPUT_REQUIRED:
        return False
    error = InputExpired(f"Nobody answered in time: {request.question[:500]}")
    step = _finish_step(
        task,
        request.step_number,
        status=StepStatus.FAILED,
        output={"code": error.code, "detail": error.message},
    )
    task.error_code, task.error_detail = error.code, error.message[:2000]
    _move(task, TaskStatus.FAILED)
    status = {"task_id": str(task.id), "status": TaskStatus.FAILED, "reason": error.code}
    facts = [step_recorded(task, step), _status(task, status)]
    if task.parent_id is None:
        facts.insert(1, Fact("error", failure(error.code, error.message) or {}, task.id))
    append(Place(task.tenant_id, task.session_id), facts)
    note_end(task.batch_id)
    note_branch_end(task.parent_id)
    return True


# --- What was said ------------------------------------------------------------------------------


def _action(raw: str) -> InputAction:
    try:
        return InputAction(raw)
    except ValueError as exc:
        raise _invalid("action", f"One of: {', '.join(InputAction.values)}.") from exc


def _checked(request: InputRequest, given: Given) -> Given:
    """`given`, if it fits the request. Raises InputInvalid."""
    allowed = INPUT_ACTIONS[InputKind(request.kind)]
    if given.action not in allowed:
        named = ", ".join(sorted(allowed))
        raise _invalid("action", f"This asks for one of: {named}.")
    if given.action is InputAction.ANSWER and not given.text:
        raise _invalid("text", "An answer needs at least one visible character.")
    if len(given.text) > settings.ORKESTA_MAX_MESSAGE_CHARS:
        raise _invalid("text", f"At most {settings.ORKESTA_MAX_MESSAGE_CHARS} characters.")
    if given.action is not InputAction.EDIT:
        return Given(given.action, given.text, None, given.by)
    return Given(given.action, given.text, _edited(request, given.arguments), given.by)


def _edited(request: InputRequest, arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    if arguments is None:
        raise _invalid("arguments", "Say with which arguments the tool is to be called.")
    tenant = get_tenant(request.tenant_id)
    agent = get_snapshot(tenant.id, tenant.config_version).agents.get(request.agent_slug)
    for tool in agent.tools if agent else ():
        if tool.name == request.tool_name:
            try:
                return check_arguments(tool, arguments)
            except ToolRetry as exc:
                raise _invalid("arguments", exc.message) from exc
    raise StateConflict(f"The agent has no tool {request.tool_name} any more.")


def _invalid(field: str, detail: str) -> InputInvalid:
    return InputInvalid(
        detail, errors=[{"pointer": f"/{field}", "code": "invalid", "detail": detail}]
    )


# --- What is written ----------------------------------------------------------------------------


def _close(request: InputRequest, given: Given) -> Step:
    """The request has its answer, and the step that began with it is finished."""
    request.status, request.answer = INPUT_RESULTS[given.action], given.text
    request.answered_by, request.answered_at = given.by, timezone.now()
    request.save(update_fields=["status", "answer", "answered_by", "answered_at"])
    return _finish_step(
        request.task, request.step_number, status=StepStatus.SUCCEEDED, output=given.output
    )


def _finish_step(task: Task, number: int, *, status: StepStatus, output: Mapping[str, Any]) -> Step:
    step = task.steps.get(number=number)
    step.status, step.output, step.finished_at = status, dict(output), timezone.now()
    step.save(update_fields=["status", "output", "finished_at"])
    return step


def _fail_call(task: Task, asked: Step) -> Step:
    output = {"code": UNKNOWN_OUTCOME, "detail": NOT_AGAIN}
    return _finish_step(task, asked.input["call_step"], status=StepStatus.FAILED, output=output)


def _move(task: Task, to: TaskStatus) -> None:
    """A status of a locked task that waits for a person."""
    if not may_move(frm=task.status, to=to):
        raise StateConflict(f"A task that is {task.status} cannot become {to}.")
    task.status, task.available_at = to, at_once()
    if to is TaskStatus.FAILED:
        task.finished_at = timezone.now()
    task.save(update_fields=["status", "available_at", "finished_at", "error_code", "error_detail"])


def _told(task: Task, request: InputRequest, given: Given) -> list[Fact]:
    data = {"request_id": str(request.id), "action": given.action.value, "by": given.by}
    return [fact_of(task, "input.given", data)]


def _status(task: Task, data: dict[str, Any]) -> Fact:
    return fact_of(task, "task.status_changed", data)


def _lock_or_none(task_id: UUID) -> Task | None:
    try:
        return lock_task(task_id)
    except TaskNotFound:
        return None
