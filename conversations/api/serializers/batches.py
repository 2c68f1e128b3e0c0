"""Bodies of the batch calls."""

from typing import Any

from rest_framework import serializers

from conversations import selectors
from conversations.api.serializers.chat import CustomerSerializer, PromptLabelField, TaskTypeField
from conversations.models import Batch
from conversations.services.batches import MAX_REQUESTS
from orkesta.api.fields import Body, OptionalId, OptionalObject, OptionalText, Text


class BatchRequestSerializer(serializers.Serializer[Any]):
    """One request; the fields are those of `chat/send`."""

    message = Text()
    session_id = OptionalId()
    context = OptionalObject()  # type: ignore[assignment]
    agent = OptionalText(max_length=63)
    prompt_label = PromptLabelField()
    task_type = TaskTypeField()
    user = CustomerSerializer(required=False, allow_null=True)
    metadata = OptionalObject()


class PostBatchSerializer(Body):
    """Requests that are accepted together, or not at all."""

    requests = serializers.ListField(
        child=BatchRequestSerializer(), allow_empty=False, max_length=MAX_REQUESTS
    )
    name = OptionalText(max_length=200, help_text="For people; it need not be unique.")
    metadata = OptionalObject()


class BatchSummarySerializer(serializers.Serializer[Batch]):
    """How far a batch has come, in a list."""

    batch_id = serializers.UUIDField(source="id")
    name = serializers.CharField()
    num_requests = serializers.IntegerField()
    num_unfinished = serializers.IntegerField()
    progress = serializers.SerializerMethodField(help_text="From 0 to 1.")
    is_finished = serializers.SerializerMethodField()
    metadata = serializers.JSONField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    def get_progress(self, batch: Batch) -> float:
        return round(1 - batch.num_unfinished / batch.num_requests, 4)

    def get_is_finished(self, batch: Batch) -> bool:
        return batch.finished_at is not None


class BatchSerializer(BatchSummarySerializer):
    """How far a batch has come, with its tasks counted by status."""

    counts = serializers.SerializerMethodField(help_text="Tasks by status.")

    def get_counts(self, batch: Batch) -> dict[str, int]:
        return selectors.count_by_status(batch)
