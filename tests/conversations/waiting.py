"""A task that waits for a person, as rows, without the engine."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from conversations.input_models import InputRequest
from conversations.models import Message, Session, Step, Task
from conversations.states import StepKind, StepStatus, TaskStatus
from tenants.scope import tenant_scope
from tests.cast import House


def make_waiting(house: House, question: str = "May it?", **values: Any) -> InputRequest:
    """For an approval of `refund`, unless `values` say something else."""
    given = {
        "kind": "approval",
        "tool_name": "refund",
        "arguments": {"sku": "TUB-050"},
        "agent_slug": "sales",
        "expires_at": timezone.now() + timedelta(hours=1),
    } | values
    with tenant_scope(house.id):
        session = Session.objects.create(user_name="Rosa", last_seq=2)
        task = Task.objects.create(
            session=session, seq=2, turn=2, status=TaskStatus.INPUT_REQUIRED, num_steps=1
        )
        said = Message.objects.create(
            session=session, task=task, seq=1, turn=2, role="user", content="Hola"
        )
        Task.objects.filter(pk=task.pk).update(question=said)
        told = {"kind": given["kind"], "call_id": "call_0", "question": question}
        Step.objects.create(
            task=task,
            number=1,
            attempt=1,
            kind=StepKind.HUMAN,
            status=StepStatus.STARTED,
            agent_slug="sales",
            input=told,
        )
        return InputRequest.objects.create(task=task, step_number=1, question=question, **given)
