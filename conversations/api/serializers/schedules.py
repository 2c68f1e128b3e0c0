"""Schedules and their runs."""

from typing import Any

from rest_framework import serializers

from orkesta.api.fields import Body, Flag, OptionalObject, OptionalText, Text


class ScheduleBodySerializer(Body):
    """A message for the clock to post."""

    name = Text(max_length=100, help_text="What you call it.")
    cron = Text(
        max_length=100, help_text="Minute, hour, day, month, weekday, such as `30 8 * * MON-FRI`."
    )
    time_zone = OptionalText(
        max_length=64, help_text="A name of the IANA database; the tenant's when missing."
    )
    message = Text(max_length=32_000, help_text="What is posted.")
    agent = OptionalText(max_length=63, help_text="Slug of the agent that must answer.")
    context = OptionalObject(help_text="Business facts for the agent.")  # type: ignore[assignment]
    is_active = Flag(default=True, help_text="An inactive schedule is never due.")


class ScheduleSerializer(serializers.Serializer[Any]):
    schedule_id = serializers.UUIDField(source="id")
    name = serializers.CharField()
    cron = serializers.CharField()
    time_zone = serializers.CharField()
    explanation = serializers.CharField(help_text="When it is due, in words.")
    message = serializers.CharField()
    agent = serializers.CharField(source="agent.slug", default=None, allow_null=True)
    context = serializers.DictField()  # type: ignore[assignment]
    is_active = serializers.BooleanField()
    next_due_at = serializers.DateTimeField(allow_null=True)
    last_fired_at = serializers.DateTimeField(allow_null=True)
    session_id = serializers.UUIDField(allow_null=True, help_text="Where it posts its messages.")
    created_at = serializers.DateTimeField()


class ScheduleRunSerializer(serializers.Serializer[Any]):
    """One due time and what came of it."""

    run_id = serializers.UUIDField(source="id")
    due_at = serializers.DateTimeField()
    fired_at = serializers.DateTimeField()
    num_skipped = serializers.IntegerField(
        help_text="Due times before it that passed while nobody looked at the clock; at least."
    )
    task_id = serializers.UUIDField(allow_null=True)
    error = serializers.CharField(
        source="error_code", help_text="Code of the error when the message was refused, or empty."
    )
