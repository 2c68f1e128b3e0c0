"""What the API of prompts takes and gives."""

from typing import Any

from rest_framework import serializers

from orkesta.api.fields import Body, OptionalObject, OptionalText, Text
from prompts.models import PromptVersion


class PromptSerializer(serializers.Serializer[Any]):
    """A prompt: what an agent is told, of which one version is live."""

    slug = serializers.CharField()
    name = serializers.CharField()
    task_type = serializers.CharField()
    description = serializers.CharField()
    published_version = serializers.IntegerField(
        source="published_number", allow_null=True, help_text="Number of the live version."
    )
    newest_draft = serializers.IntegerField(
        allow_null=True, help_text="Number of the newest draft, or null."
    )
    created_at = serializers.DateTimeField()


class PromptVersionSerializer(serializers.Serializer[Any]):
    """One numbered text; once published it never changes."""

    number = serializers.IntegerField()
    status = serializers.ChoiceField(PromptVersion.Status.choices)
    notes = serializers.CharField()
    num_tokens = serializers.IntegerField(help_text="Of the text as written, in o200k tokens.")
    created_at = serializers.DateTimeField()
    published_at = serializers.DateTimeField(allow_null=True)


class PromptVersionDetailSerializer(PromptVersionSerializer):
    source = serializers.CharField(help_text="The template as written.")  # type: ignore[assignment]
    template = serializers.CharField(help_text="The whole, with its blocks filled in.")
    variants = serializers.DictField(
        child=serializers.CharField(),
        help_text="What tasks of other types are told instead, by `task_type`.",
    )
    variables = serializers.ListField(
        child=serializers.DictField(), help_text="Declared variables, those of blocks included."
    )


class PromptPartSerializer(serializers.Serializer[Any]):
    """A stretch of the composed text."""

    kind = serializers.CharField(
        help_text="`own` for the author's words, `routing` for Orkesta's, else the block's kind."
    )
    name = serializers.CharField(help_text="Slug of the block; empty for the author's words.")
    version = serializers.IntegerField(allow_null=True)
    num_tokens = serializers.IntegerField()
    why = serializers.CharField(help_text="What the block is for.")
    task_type = serializers.CharField(
        help_text="Of task instructions: the type of the tasks that are told them. Else empty."
    )


class RateSerializer(serializers.Serializer[Any]):
    """A rate and how sure one can be of it: at 95 %, it lies between `low` and `high`."""

    rate = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    num_trials = serializers.IntegerField(source="trials")


class VersionOutcomesSerializer(serializers.Serializer[Any]):
    """How a version did in the last 30 days."""

    num_tasks = serializers.IntegerField(help_text="Ended tasks that were run under it.")
    success = RateSerializer(help_text="Rated answers that were found helpful.")
    failure = RateSerializer(help_text="Tasks that failed, or that the fallback agent answered.")
    handover = RateSerializer(help_text="Tasks that another agent or a person had to take up.")


class PromptLabelSerializer(serializers.Serializer[Any]):
    """A name that points to one version."""

    name = serializers.CharField()
    version = serializers.IntegerField(source="version.number")
    moved_at = serializers.DateTimeField()


class LabelBodySerializer(Body):
    version = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, help_text="Number of the version to point to."
    )


class DraftSerializer(Body):
    """The text of a new draft."""

    source = Text(max_length=32_768, help_text="The template.")  # type: ignore[assignment]
    notes = OptionalText(max_length=500, help_text="What is new in it.")


class RenderSerializer(Body):
    """What the template is filled with; what is not given is filled with samples."""

    variables = OptionalObject(
        help_text="`agent`, `tenant`, `user`, `context`, and what the prompt declares."
    )
    task_type = OptionalText(max_length=50, help_text="Type of the task; empty: the prompt's.")


class RenderedSerializer(serializers.Serializer[Any]):
    text = serializers.CharField()
    num_tokens = serializers.IntegerField()
    is_exact = serializers.BooleanField(help_text="False when the tokens were estimated.")
