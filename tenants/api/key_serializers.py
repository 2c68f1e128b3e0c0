"""API keys, as they come and go over HTTP."""

from typing import Any, Final

from rest_framework import serializers

from orkesta.api.fields import Body, Flag, OptionalNumber, Text
from tenants.models import ApiKey
from tenants.principals import Scope
from tenants.services import MAX_LISTED, MAX_OVERLAP, OVERLAP

#: A key that lives longer than this had better not expire.
MAX_DAYS: Final = 3650


class ApiKeyBodySerializer(Body):
    """A new key."""

    name = Text(max_length=100, help_text="What you call it: where it is used.")
    scopes = serializers.ListField(
        child=serializers.ChoiceField([scope.value for scope in Scope]),
        min_length=1,
        max_length=len(Scope),
        help_text="What it may do; only what the key that asks may do itself.",
    )
    expires_in_days = OptionalNumber(
        min_value=0,
        max_value=MAX_DAYS,
        help_text="0: it does not expire. Missing: as this installation has it, 90 unless set.",
    )
    is_live = Flag(default=True, help_text="`false` makes an `ork_test_…` key.")
    agents = serializers.ListField(
        child=Text(max_length=63),
        required=False,
        max_length=MAX_LISTED,
        help_text="Slugs of the only agents it may talk to; none means all.",
    )
    addresses = serializers.ListField(
        child=Text(max_length=50),
        required=False,
        max_length=MAX_LISTED,
        help_text="Networks, such as `203.0.113.0/24`, from which alone it works; none means all.",
    )


class RotationBodySerializer(Body):
    """How long the old key goes on working."""

    overlap_seconds = OptionalNumber(
        min_value=0,
        max_value=int(MAX_OVERLAP.total_seconds()),
        help_text=f"{int(OVERLAP.total_seconds())}, a day, when missing.",
    )


class LeakedKeyBodySerializer(Body):
    """A key that somebody found."""

    key = Text(max_length=200, help_text="The whole of it.")


class LeakReportSerializer(serializers.Serializer[Any]):
    """Always the same answer, whatever was sent."""

    received = serializers.BooleanField()


class ApiKeySerializer(serializers.Serializer[Any]):
    """A key, without its secret."""

    key_id = serializers.UUIDField(source="id")
    name = serializers.CharField()
    shown = serializers.CharField(help_text="Enough of the key to recognise it.")
    scopes = serializers.ListField(child=serializers.CharField())
    agents = serializers.ListField(child=serializers.CharField())
    addresses = serializers.ListField(child=serializers.CharField())
    is_usable = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    revoked_because = serializers.ChoiceField(ApiKey.RevokedBecause.choices, allow_blank=True)
    replaced_by = serializers.UUIDField(source="replaced_by_id", allow_null=True)
    last_used_at = serializers.DateTimeField(
        allow_null=True, help_text="Right to the minute, like the address."
    )
    last_used_address = serializers.CharField(allow_null=True)
    unusual_at = serializers.DateTimeField(
        allow_null=True, help_text="When its use was last out of the ordinary."
    )
    unusual_what = serializers.ChoiceField(ApiKey.Unusual.choices, allow_blank=True)


class NewApiKeySerializer(ApiKeySerializer):
    """The only answer that shows the key: keep it."""

    key = serializers.CharField()
