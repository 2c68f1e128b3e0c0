"""What may be asked of a task, and what it is afterwards."""

from typing import Any

from rest_framework import serializers

from conversations.states import TaskStatus, Wanted
from orkesta.api.fields import Body


class MovedSerializer(serializers.Serializer[Any]):
    """A task after a move; `wanted` is what its worker has been asked for and not yet done."""

    task_id = serializers.UUIDField(source="id")
    session_id = serializers.UUIDField()
    status = serializers.ChoiceField(TaskStatus.choices)
    wanted = serializers.ChoiceField(Wanted.choices, allow_blank=True)
    forked_from = serializers.UUIDField(
        source="forked_from_id", allow_null=True, help_text="The task this one took its steps from."
    )


class ForkSerializer(Body):
    """Where to branch off."""

    after_step = serializers.IntegerField(
        min_value=0, max_value=1000, help_text="Steps to keep; 0 begins from nothing."
    )
