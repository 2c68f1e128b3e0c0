"""How many tasks of a batch are unfinished: counted down in the transaction that ends each."""

from typing import Final
from uuid import UUID

from django.db.models import Case, DateTimeField, F, UUIDField, Value, When
from django.db.models.functions import Now

from conversations.models import Batch
from orkesta.statements import Param
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
    returning=["num_unfinished"],
)


def note_end(batch_id: UUID | None) -> None:
    """One task of the batch has ended, in this transaction. None: it belongs to no batch."""
    if batch_id is not None:
        _COUNT_DOWN(batch_id=batch_id)
