import logging
from typing import Any

import pytest
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, connection
from django.http import Http404, HttpResponse
from django.test import Client, RequestFactory, override_settings
from rest_framework import exceptions as drf

from orkesta.api.middleware import ProblemMiddleware
from orkesta.api.problems import invalid, problem_response
from orkesta.errors import BodyTooLarge, RateLimited, Unavailable
from orkesta.middleware import RequestIdMiddleware
from tenants.scope import ScopeError
from tests.callers import Caller, assert_problem
from tests.cast import House

FAILURES: list[tuple[BaseException, int, str]] = [
    (drf.ValidationError({"a": ["bad"]}), 422, "validation_failed"),
    (ValidationError("bad"), 422, "validation_failed"),
    (ValidationError({"slug": ["bad", "worse"]}), 422, "validation_failed"),
    (drf.NotFound(), 404, "not_found"),
    (Http404("no such secret"), 404, "not_found"),
    (drf.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
    (drf.NotAcceptable(), 406, "not_acceptable"),
    (drf.UnsupportedMediaType("x/y"), 415, "unsupported_media"),
    (drf.ParseError(), 400, "malformed_json"),
    (drf.NotAuthenticated(), 401, "unauthenticated"),
    (drf.AuthenticationFailed(), 401, "unauthenticated"),
    (drf.PermissionDenied(), 403, "forbidden"),
    (PermissionDenied("a secret"), 403, "forbidden"),
    (drf.Throttled(wait=3), 429, "rate_limited"),
    (RequestDataTooBig(), 413, "body_too_large"),
    (SuspiciousOperation("a secret"), 400, "malformed"),
    (OperationalError("a secret"), 503, "db_unavailable"),
    (InterfaceError("a secret"), 503, "db_unavailable"),
    (DataError("a secret"), 422, "validation_failed"),
    (RecursionError(), 400, "too_deep"),
    (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "a secret"), 400, "invalid_encoding"),
    (BodyTooLarge(), 413, "body_too_large"),
    (IntegrityError("a secret"), 500, "internal_error"),
    (ScopeError("a secret"), 500, "internal_error"),
    (KeyError("a secret"), 500, "internal_error"),
    (drf.APIException("a secret"), 500, "internal_error"),
]


def answer(exc: BaseException | HttpResponse, path: str = "/api/v1/x") -> Any:
    """What a client sees when a view raises `exc`, or answers with it."""

    def view(request: Any) -> HttpResponse:
        if isinstance(exc, HttpResponse):
            return exc
        return problem_response(exc, request)

    response: Any = RequestIdMiddleware(ProblemMiddleware(view))(RequestFactory().get(path))  # type: ignore[arg-type]
    response.text = response.content.decode()
    response.json = lambda: __import__("json").loads(response.text)
    return response


@pytest.mark.parametrize(("exc", "status", "code"), FAILURES, ids=lambda value: str(value)[:40])
def test_every_failure_is_a_problem_and_tells_no_secret(
    exc: BaseException, status: int, code: str
) -> None:
    response = answer(exc)
    body = assert_problem(response, status, code)
    assert "secret" not in response.text
    assert body["instance"] == "/api/v1/x"


def test_our_own_failures_are_logged_with_their_trace(caplog: pytest.LogCaptureFixture) -> None:
    answer(KeyError("why"))
    assert caplog.records[-1].levelno == logging.ERROR
    assert caplog.records[-1].exc_info
    answer(ScopeError())
    assert caplog.records[-1].levelno == logging.CRITICAL


@pytest.mark.parametrize(
    ("exc", "seconds"),
    [
        (RateLimited(retry_after=0.2), "1"),
        (RateLimited(retry_after=7.1), "8"),
        (Unavailable(), None),
        (OperationalError(), "2"),
        (drf.Throttled(wait=3), "3"),
    ],
)
def test_it_says_when_to_come_back(exc: BaseException, seconds: str | None) -> None:
    assert answer(exc).headers.get("Retry-After") == seconds


def test_pointers_lead_to_the_values() -> None:
    fault = {"message": "no", "code": "x"}
    nested = {"a/b": {"~c": [fault]}, "rows": [{}, {"n": [fault]}]}
    pointers = [told["pointer"] for told in invalid(nested).details["errors"]]
    assert pointers == ["/a~1b/~0c", "/rows/1/n"]
    query = invalid({"limit": [fault]}, prefix="?")
    assert query.details["errors"][0]["pointer"] == "?limit"
    whole = invalid({"non_field_errors": [fault]})
    assert whole.details["errors"][0]["pointer"] == ""


def test_a_field_called_message_is_no_leaf() -> None:
    fault = {"message": "no", "code": "x"}
    found = invalid({"message": [fault], "code": [fault]})
    assert [told["pointer"] for told in found.details["errors"]] == ["/message", "/code"]


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "malformed"), (403, "forbidden"), (404, "not_found"), (405, "method_not_allowed"),
     (413, "body_too_large"), (418, "malformed"), (500, "internal_error"), (503, "unavailable"),
     (505, "internal_error")],
)  # fmt: skip
def test_pages_made_for_people_become_problems_under_api(status: int, code: str) -> None:
    page = HttpResponse("<h1>Oh</h1>", status=status, headers={"Allow": "GET"})
    response = answer(page)
    assert "<h1>" not in response.text
    assert response.json()["code"] == code
    assert response["Allow"] == "GET"
    assert answer(page, "/admin/x").text == "<h1>Oh</h1>"


@pytest.mark.parametrize("debug", [True, False])
def test_no_error_under_api_is_a_page(acme_api: Caller, debug: bool) -> None:
    with override_settings(DEBUG=debug):
        assert_problem(acme_api.get("/api/v1/nothing"), 404, "not_found")
        assert_problem(acme_api.get("/api/"), 404, "not_found")
        assert_problem(acme_api.get("/ws/acme/nothing"), 404, "not_found")
        response = acme_api.get("/api/v1/tasks", Host="evil.example")
        assert_problem(response, 400, "malformed")
        assert_problem(acme_api.post("/api/v1/nothing"), 404, "not_found")


def test_an_unknown_address_is_not_told_to_who_has_no_key() -> None:
    for path in ("/api/v1/nothing", "/api/v1/tasks", "/api/v2/", "/api/schemas/"):
        assert_problem(Caller(None).get(path), 401, "key_missing")


@pytest.mark.parametrize("failing", ["SELECT", "INSERT", "UPDATE", "SAVEPOINT"])
def test_a_database_that_goes_away_is_503_with_a_time_to_come_back(
    acme_api: Caller, failing: str
) -> None:
    def gone(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(failing):
            raise OperationalError("server closed the connection")
        return execute(sql, *rest)

    with connection.execute_wrapper(gone):
        response = acme_api.post("/api/v1/chat/send", {"message": "hola"})
    body = assert_problem(response, 503, "db_unavailable")
    assert body["retryable"] is True
    assert response["Retry-After"] == "2"


def test_the_callers_request_id_is_kept(acme_api: Caller) -> None:
    response = acme_api.get("/api/v1/nothing", **{"X-Request-ID": "order-12345"})
    assert assert_problem(response, 404, "not_found")["request_id"] == "order-12345"


def test_texts_are_english_whatever_the_browser_speaks(acme: House, acme_api: Caller) -> None:
    response = acme_api.post("/api/v1/chat/send", **{"Accept-Language": "es-MX,es"})
    assert "required" in assert_problem(response, 422, "validation_failed")["detail"]
    assert response["Content-Language"] == "en"


def test_people_still_get_pages() -> None:
    response = Client(raise_request_exception=False).get("/nothing")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")
