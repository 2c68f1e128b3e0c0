"""The view that every endpoint builds on."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ClassVar, TypeVar

from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer
from rest_framework.utils.mediatypes import media_type_matches
from rest_framework.views import APIView

from orkesta.api.fields import Body
from orkesta.api.pages import CursorPages
from orkesta.api.problems import invalid

S = TypeVar("S", bound=Serializer[Any])

METHODS = ("get", "post", "put", "patch", "delete")


class AlwaysJson(BaseContentNegotiation):
    """Answers JSON whatever `Accept` says: there is nothing to choose from."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        given = request.content_type
        return next((p for p in parsers if media_type_matches(str(p.media_type), given)), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class Endpoint(APIView):
    """One address of the API. `required_scopes` names the scope that each method needs; a method
    without one cannot even be defined, so nothing is open by accident.
    """

    required_scopes: ClassVar[Mapping[str, str]]
    #: The part of the product that a tier may leave out, when this is one.
    feature: ClassVar[str] = ""
    #: Whether `session_id` in the body names the session whose rate limit a call takes from.
    names_session_in_body: ClassVar[bool] = False
    content_negotiation_class = AlwaysJson
    http_method_names = [*METHODS, "head"]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        handled = {method.upper() for method in METHODS if hasattr(cls, method)}
        declared = set(getattr(cls, "required_scopes", ()))
        if handled != declared:
            raise TypeError(f"{cls.__name__} handles {handled} but declares {declared}.")

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        # DRF takes a body without Content-Length (`Transfer-Encoding: chunked`) for no body.
        if not request.META.get("CONTENT_LENGTH") and "Transfer-Encoding" in request.headers:
            request.META["CONTENT_LENGTH"] = str(len(request.body))
        return super().initialize_request(request, *args, **kwargs)


def read_body(
    kind: type[Body], request: Request, *, partial: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """The body as `kind` accepts it, and the names of the keys that have no meaning there; when
    `partial`, only the fields that are given.

    Raises Invalid, whose pointers lead into the body.
    """
    given = _validated(kind, request.data, prefix="/", partial=partial)
    return given, _reader(kind, partial=partial).ignored_in(request.data)


def without_missing(given: dict[str, Any]) -> dict[str, Any]:
    """A flag that is `null` or `""` is not given: what it is, or its default, stays."""
    return {name: value for name, value in given.items() if value is not None}


def read_query(kind: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """The query as `kind` accepts it; blank parameters count as absent. Raises Invalid."""
    given = {name: value for name, value in request.query_params.items() if value != ""}
    return _validated(kind, given, prefix="?")


@cache
def _reader(kind: type[S], *, partial: bool) -> S:
    """The one serializer of its kind that reads them all. Validating leaves nothing behind in it,
    and a new one for each request would copy every field: half of the time of reading a body.
    """
    return kind(partial=partial)


def _validated(
    kind: type[Serializer[Any]], data: Any, *, prefix: str, partial: bool = False
) -> dict[str, Any]:
    try:
        return dict(_reader(kind, partial=partial).run_validation(data))
    except ValidationError as exc:
        raise invalid(exc.get_full_details(), prefix=prefix) from exc


def answer_page(
    rows: QuerySet[Any],
    kind: type[BaseSerializer[Any]],
    request: Request,
    *,
    pages: type[CursorPages] = CursorPages,
) -> Response:
    """The page of `rows` that `?cursor=` and `?limit=` ask for. Raises Invalid, MalformedCursor."""
    page = pages()
    found = page.paginate_queryset(rows, request)
    return page.get_paginated_response(kind(found, many=True).data)
