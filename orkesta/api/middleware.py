"""Keeps the promise that programs never get an error that is a page made for people."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from orkesta.api.problems import CONTENT_TYPE, problem_response
from orkesta.errors import (
    BodyTooLarge,
    Forbidden,
    InternalError,
    Malformed,
    MethodNotAllowed,
    NotFound,
    OrkestaError,
    Unavailable,
)

API_DOORS: Final = ("/api/", "/ws/", "/hooks/")

_BY_STATUS: Final[dict[int, type[OrkestaError]]] = {
    error.http_status: error
    for error in (Forbidden, NotFound, MethodNotAllowed, BodyTooLarge, Unavailable)
}


def is_api(request: HttpRequest) -> bool:
    """Whether programs, not people, are the callers of this address."""
    return request.path.startswith(API_DOORS)


class ProblemMiddleware:
    """Turns what escapes DRF into problems: exceptions of plain views and of rendering, and the
    HTML that Django or another middleware answered with (a refused host, a malformed request).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if is_api(request) and response.status_code >= 400 and _is_page(response):
            return _with_headers_of(response, problem_response(_told_by(response), request))
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return problem_response(exception, request) if is_api(request) else None


def _told_by(page: HttpResponseBase) -> OrkestaError:
    kind = _BY_STATUS.get(page.status_code)
    if kind is not None:
        return kind()
    if page.status_code >= 500:
        return InternalError()
    return Malformed("The request is not acceptable: its host, address or headers are at fault.")


def _is_page(response: HttpResponseBase) -> bool:
    if isinstance(response, StreamingHttpResponse):
        return False
    return response.headers.get("Content-Type", CONTENT_TYPE).startswith("text/")


def _with_headers_of(page: HttpResponseBase, answer: HttpResponse) -> HttpResponse:
    """What the other middleware had to say (CORS, Allow) holds for the problem too."""
    for name, value in page.headers.items():
        if name not in {"Content-Type", "Content-Length"}:
            answer.headers.setdefault(name, value)
    return answer
