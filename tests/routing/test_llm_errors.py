from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import openai
import pytest

from orkesta.crypto import Secret
from orkesta.errors import Upstream, all_error_types
from routing.errors import LLMError, LLMRejected, LLMUnreachable
from routing.llm.translation import KINDS, kind_of, redact, retry_after_seconds, translate
from tests.fakes.llm_door import KEY, TARGET

REQUEST = httpx2.Request("POST", "https://llm.test/v1/chat/completions?key=canary")


def _below(root: type[Exception]) -> set[type[Exception]]:
    found = set()
    for child in root.__subclasses__():
        found |= {child} | _below(child)
    return found


EXPOSED = {
    value
    for value in (getattr(openai, name) for name in openai.__all__)
    if isinstance(value, type) and issubclass(value, openai.OpenAIError)
} - {openai.OpenAIError}
HTTP = _below(httpx2.HTTPError) - {httpx2.HTTPStatusError, httpx2.RequestError}


@pytest.mark.parametrize("vendor", sorted(EXPOSED, key=lambda c: c.__name__))
def test_every_exception_of_the_sdk_has_an_error_of_ours(vendor: type[Exception]) -> None:
    assert (set(vendor.__mro__) & KINDS.keys()) - {openai.OpenAIError}


@pytest.mark.parametrize("vendor", sorted(HTTP, key=lambda c: c.__name__))
def test_every_exception_of_the_http_client_has_an_error_of_ours(vendor: type[Exception]) -> None:
    assert (set(vendor.__mro__) & KINDS.keys()) - {httpx2.HTTPError}


def test_there_are_exceptions_to_walk() -> None:
    assert len(EXPOSED) >= 16
    assert len(HTTP) >= 15


def test_all_errors_of_the_door_are_upstream_errors_with_codes_of_their_own() -> None:
    kinds = all_error_types(LLMError)
    assert len({kind.code for kind in kinds}) == len(kinds) >= 7
    assert all(issubclass(kind, Upstream) for kind in kinds)
    assert [kind.code for kind in kinds if not kind.retryable] == [
        "llm_rejected",
        "llm_auth_failed",
    ]


def test_an_impossible_address_is_not_taken_for_a_lost_connection() -> None:
    lost, impossible = (openai.APIConnectionError(request=REQUEST) for _ in range(2))
    lost.__cause__ = httpx2.ConnectError("x")
    impossible.__cause__ = httpx2.UnsupportedProtocol("x")
    assert kind_of(lost) is LLMUnreachable
    assert kind_of(impossible) is LLMRejected


def test_the_providers_words_help_but_hold_no_secret() -> None:
    words = f"model 'gpt-9' does not exist for {KEY} (Bearer abc.def) see https://x.test/?key=1"
    body = {"message": words + " é" * 500, "code": KEY}
    response = httpx2.Response(404, request=REQUEST, headers={"x-request-id": KEY})
    error = translate(openai.NotFoundError("no", response=response, body=body), TARGET)
    assert "model 'gpt-9' does not exist" in error.message
    assert len(error.message) < 400
    for secret in (KEY, "abc.def", "x.test", "canary"):
        assert secret not in error.message + str(error.details)
    assert error.details["endpoint"] == "fake"
    assert error.details["host"] == "llm.test"


def test_the_key_itself_is_not_repeated_whatever_it_looks_like() -> None:
    target = replace(TARGET, api_key=Secret("mi perro 7"))
    assert "perro" not in redact("there is no account for mi perro 7 here", target)


@pytest.mark.parametrize(
    "words",
    [
        "Incorrect API key provided: sk-proj-abcdefgh********wxyz",
        "api_key=0123456789",
        "token: q8w7e6",
        "secret q8w7e6r5t4y3u2i1o0p9q8w7e6r5t4y3",
        "authorization q8w7e6",
    ],
)
def test_what_looks_like_a_key_is_not_repeated(words: str) -> None:
    shown = redact(words, TARGET)
    for secret in ("abcdefgh", "wxyz", "0123456789", "q8w7e6"):
        assert secret not in shown


def test_every_form_of_retry_after_is_read() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=30), usegmt=True)
    assert retry_after_seconds({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert retry_after_seconds({"retry-after": "2.5"}) == 2.5
    assert 28 < (retry_after_seconds({"retry-after": soon}) or 0) <= 30
    assert retry_after_seconds({"retry-after": past}) == 0
    for nonsense in ("", "soon", "-1", "nan", "inf", "Mon, 99 Foo 2026"):
        assert retry_after_seconds({"retry-after": nonsense}) is None
    assert retry_after_seconds({}) is None
