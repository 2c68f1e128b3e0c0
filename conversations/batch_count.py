"""How many tasks of a batch are unfinished: counted down in the transaction that ends each."""

from typing import Final
from uuid import UUID

from django.db.models import Case, DateTimeField, F, UUIDField, Value, When
from django.db.models.functions import Now
from django.utils import timezone

from conversations.models import Batch
from conversations.triggers.events import WebhookEvent
from conversations.triggers.outbox import Announcement, announce
from orkesta.statements import Param, Row
from tenants.statements import update

# The row is locked after task and session, everywhere, so no two transactions wait for each other.
_COUNT_DOWN: Final = update(
    lambda: Batch.objects.filter(pk=Param("batch_id", UUIDField())),
    lambda: {
        "num_unfinished": F("num_unfinished") - 1,
        "finished_at": Case(
            When(num_unfinished__lte=1, then=Now()),
            default=Value(None),
            output_field=DateTimeField(),
        ),
    },
    returning=["num_unfinished", "num_requests", "tenant"],
)


def note_end(batch_id: UUID | None) -> None:
    """One task of the batch has ended, in this transaction; with the last one, so has the batch,
    and webhooks are told. None: it belongs to no batch.
    """
    for num_unfinished, num_requests, tenant_id in _count_down(batch_id):
        if num_unfinished == 0:
            data = {"batch_id": str(batch_id), "num_requests": num_requests}
            finished = Announcement(WebhookEvent.BATCH_FINISHED, data)
            announce(tenant_id, [finished], at=timezone.now())


def _count_down(batch_id: UUID | None) -> list[Row]:
    return [] if batch_id is None else _COUNT_DOWN(batch_id=batch_id)
