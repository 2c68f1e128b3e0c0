"""Words that every endpoint's documentation uses."""

from functools import cache
from typing import Any, Final

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    inline_serializer,
)
from rest_framework import serializers

from orkesta.api.pages import DEFAULT_LIMIT, MAX_LIMIT
from orkesta.api.problems import CONTENT_TYPE
from orkesta.errors import DOCS_URL


class ScopedSchema(AutoSchema):
    """Adds to each operation the scope that a key needs for it."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        scope = getattr(self.view, "required_scopes", {}).get(self.method)
        if operation is not None and scope is not None:
            told = operation.get("description", "")
            operation["description"] = f"{told}\n\nNeeds the scope `{scope}`.".strip()
        return operation


class FaultSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField(
        help_text="JSON Pointer into the body, or `?name` for a query parameter."
    )
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """Every error has this shape (RFC 9457). `code` is stable; texts may change."""

    type = serializers.URLField(help_text="Where this kind of error is explained.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField(help_text="Also in the header `X-Request-ID`.")
    retryable = serializers.BooleanField(help_text="Whether the same request may succeed later.")
    retry_after = serializers.IntegerField(
        required=False, help_text="Seconds to wait, as in the header `Retry-After`."
    )
    instance = serializers.CharField(required=False)
    errors = FaultSerializer(many=True, required=False)  # type: ignore[assignment]


_MEANINGS: Final = {
    400: ("malformed_json", "The request could not be read."),
    401: ("key_invalid", "No API key, or one that is not valid (any more)."),
    403: ("scope_missing", "The key may not do this, or its tenant is suspended."),
    404: ("not_found", "There is no such thing in this tenant."),
    409: ("state_conflict", "The request does not fit the present state."),
    413: ("body_too_large", "The body is larger than allowed."),
    415: ("unsupported_media", "The body is not application/json in UTF-8."),
    422: ("validation_failed", "Some values are not acceptable; `errors` says which and why."),
    429: ("rate_limited", "Too many; `Retry-After` says when to come back, if that helps."),
    500: ("internal_error", "Our fault. It has been recorded under `request_id`."),
    503: ("db_unavailable", "Unavailable for the moment; try again after `Retry-After` seconds."),
}
_ALWAYS: Final = (401, 403, 429, 500, 503)
_OF_BODIES: Final = (400, 413, 415, 422)


def problems(*statuses: int, has_body: bool = False) -> dict[Any, OpenApiResponse]:
    """Responses for `extend_schema`: the problems named, and those that any endpoint may answer."""
    wanted = sorted({*statuses, *_ALWAYS, *(_OF_BODIES if has_body else ())})
    return {(status, CONTENT_TYPE): _problem(status) for status in wanted}


def _problem(status: int) -> OpenApiResponse:
    code, meaning = _MEANINGS[status]
    value = {
        "type": DOCS_URL + code,
        "title": meaning,
        "status": status,
        "detail": meaning,
        "code": code,
        "request_id": "019aa33c5b7c7d3fb04d2c0b5a8c1f10",
        "retryable": status in {429, 500, 503},
    }
    return OpenApiResponse(
        ProblemSerializer,
        description=meaning,
        examples=[OpenApiExample(code, value=value, media_type=CONTENT_TYPE)],
    )


PAGE_PARAMETERS: Final = [
    OpenApiParameter(
        "cursor",
        OpenApiTypes.STR,
        description="`next_cursor` of the page before. Opaque: do not build one yourself.",
    ),
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        description="Items per page.",
    ),
]


@cache
def page_of(kind: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """The serializer of a page of `kind`."""
    name = kind.__name__.removesuffix("Serializer") + "Page"
    return inline_serializer(  # type: ignore[no-any-return]
        name,
        fields={
            "items": kind(many=True),
            "next_cursor": serializers.CharField(allow_null=True),
            "has_more": serializers.BooleanField(),
        },
    )
