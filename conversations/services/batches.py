"""Many requests in one call."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from conversations.errors import BatchSizeInvalid
from conversations.models import Batch
from conversations.selectors import get_batch
from conversations.services.messages import post_message
from conversations.services.tasks import cancel_task
from conversations.states import UNFINISHED
from orkesta.errors import OrkestaError, StateConflict
from tenants.principals import Principal

MAX_REQUESTS: Final = 1000


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One request of a batch; the fields are those of `post_message`."""

    message: str
    session_id: UUID | None = None
    agent: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    user_ref: str = ""
    user_name: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    prompt_label: str = ""
    task_type: str = ""


@transaction.atomic
def post_batch(
    *,
    principal: Principal,
    requests: Sequence[BatchRequest],
    name: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> Batch:
    """Accept all the requests, or none of them.

    Raises BatchSizeInvalid, and whatever `post_message` raises for the first request that cannot
    be accepted, with `pointer` details that lead to it.
    """
    if not 1 <= len(requests) <= MAX_REQUESTS:
        raise BatchSizeInvalid(f"A batch has between 1 and {MAX_REQUESTS} requests.")
    batch = Batch.objects.create(
        name=name,
        metadata=dict(metadata or {}),
        opened_by_id=principal.key_id,
        num_requests=len(requests),
        num_unfinished=len(requests),
    )
    for number, request in enumerate(requests):
        try:
            post_message(
                principal=principal,
                message=request.message,
                session_id=request.session_id,
                agent=request.agent,
                context=request.context,
                user_ref=request.user_ref,
                user_name=request.user_name,
                metadata=request.metadata,
                prompt_label=request.prompt_label,
                task_type=request.task_type,
                batch_id=batch.id,
            )
        except OrkestaError as exc:
            fault = {"pointer": f"/requests/{number}", "code": exc.code, "detail": exc.message}
            exc.details["errors"] = [fault]
            raise
    return batch


def cancel_batch(*, batch_id: UUID) -> Batch:
    """Cancel whatever of the batch is unfinished, each task by itself. Raises BatchNotFound."""
    batch = get_batch(batch_id)
    # From the end: workers take the first ones first, and begin more of them meanwhile.
    unfinished = batch.tasks.filter(status__in=sorted(UNFINISHED)).order_by("-pk")
    for task_id in list(unfinished.values_list("pk", flat=True)):
        with suppress(StateConflict):  # it ended in the meantime
            cancel_task(task_id=task_id)
    batch.refresh_from_db()
    return batch
