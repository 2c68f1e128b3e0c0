from typing import Any

import pytest

from tests.callers import NO_SUCH_ID, Caller, assert_problem
from tests.conversations.stored import num_rows

SEND = "/api/v1/chat/send"
UTF16 = '{"message": "hola"}'.encode("utf-16")

BODIES: dict[str, tuple[bytes, int, str]] = {
    "not JSON": (b"hola", 400, "malformed_json"),
    "cut off": (b'{"message": "ho', 400, "malformed_json"),
    "two documents": (b'{"message": "a"} {"message": "b"}', 400, "malformed_json"),
    "a trailing comma": (b'{"message": "a",}', 400, "malformed_json"),
    "NaN": (b'{"message": "a", "context": {"x": NaN}}', 400, "malformed_json"),
    "Infinity": (b'{"message": "a", "context": {"x": -Infinity}}', 400, "malformed_json"),
    "too large a number": (b'{"message": "a", "context": {"x": 1e999}}', 400, "malformed_json"),
    "a form": (b"message=hola", 400, "malformed_json"),
    "NUL in a value": (b'{"message": "a\\u0000b"}', 400, "invalid_encoding"),
    "NUL in a key": (b'{"message": "a", "context": {"\\u0000": 1}}', 400, "invalid_encoding"),
    "NUL deep down": (b'{"context": {"x": [{"y": "\\u0000"}]}}', 400, "invalid_encoding"),
    "a raw NUL": (b'{"message": "a\x00b"}', 400, "invalid_encoding"),
    "a lone high surrogate": (b'{"message": "\\ud800"}', 400, "invalid_encoding"),
    "a lone low surrogate": (b'{"message": "\\udc00 x"}', 400, "invalid_encoding"),
    "two high surrogates": (b'{"message": "\\ud800\\ud800"}', 400, "invalid_encoding"),
    "a surrogate in a key": (b'{"message": "a", "\\udfff": 1}', 400, "invalid_encoding"),
    "a surrogate in UTF-8": (b'{"message": "\xed\xa0\x80"}', 400, "invalid_encoding"),
    "Latin-1": ('{"message": "niño"}'.encode("latin-1"), 400, "invalid_encoding"),
    "UTF-16": (UTF16, 400, "invalid_encoding"),
    "65 levels": (b'{"context": {"x": ' + b"[" * 63 + b"]" * 63 + b"}}", 400, "too_deep"),
    "3,000 levels": (b'{"x": ' + b'{"a":' * 3000 + b"1" + b"}" * 3001, 400, "too_deep"),
    "100,000 levels": (b"[" * 100_000 + b"]" * 100_000, 400, "too_deep"),
    "a list": (b'[{"message": "a"}]', 422, "validation_failed"),
    "a text": (b'"hola"', 422, "validation_failed"),
    "null": (b"null", 422, "validation_failed"),
    "nothing": (b"", 422, "validation_failed"),
    "blanks": (b" \r\n ", 422, "validation_failed"),
    "1 MB": (b'{"message": "' + b"x" * 1_000_000 + b'"}', 413, "body_too_large"),
    "1 MB of nothing": (b" " * 1_000_001, 413, "body_too_large"),
}  # fmt: skip

VALUES: dict[str, tuple[dict[str, Any], int, str, str | None]] = {
    "no message": ({"message": None}, 422, "validation_failed", "/message"),
    "empty": ({"message": ""}, 422, "message_empty", None),
    "blank": ({"message": " \n\t "}, 422, "message_empty", None),
    "too long": ({"message": "x" * 32_001}, 422, "message_too_long", None),
    "a number": ({"message": 5}, 422, "validation_failed", "/message"),
    "a boolean": ({"message": True}, 422, "validation_failed", "/message"),
    "a list": ({"message": ["a"]}, 422, "validation_failed", "/message"),
    "an object": ({"message": {"text": "a"}}, 422, "validation_failed", "/message"),
    "a malformed session": ({"session_id": "abc"}, 422, "validation_failed", "/session_id"),
    "a numeric session": ({"session_id": 7}, 422, "validation_failed", "/session_id"),
    "a session in a list": ({"session_id": [NO_SUCH_ID]}, 422, "validation_failed", "/session_id"),
    "a huge session": ({"session_id": "a" * 500_000}, 422, "validation_failed", "/session_id"),
    "an unknown session": ({"session_id": NO_SUCH_ID}, 404, "not_found", None),
    "an unknown agent": ({"agent": "nadie"}, 422, "unknown_agent", "/agent"),
    "an agent in a list": ({"agent": ["desk"]}, 422, "validation_failed", "/agent"),
    "a long agent": ({"agent": "a" * 64}, 422, "validation_failed", "/agent"),
    "a context of text": ({"context": "x"}, 422, "validation_failed", "/context"),
    "a context in a list": ({"context": []}, 422, "validation_failed", "/context"),
    "a huge context": ({"context": {"a": "x" * 64_000}}, 422, "validation_failed", "/context"),
    "a stream of words": ({"stream": "maybe"}, 422, "validation_failed", "/stream"),
    "a stream in a list": ({"stream": []}, 422, "validation_failed", "/stream"),
    "a user of text": ({"user": "Rosa"}, 422, "validation_failed", "/user"),
    "a user in a list": ({"user": [1]}, 422, "validation_failed", "/user"),
    "a user's id in a list": ({"user": {"id": []}}, 422, "validation_failed", "/user/id"),
    "a user's long name": ({"user": {"name": "n" * 201}}, 422, "validation_failed", "/user/name"),
    "metadata of text": ({"metadata": "x"}, 422, "validation_failed", "/metadata"),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", [SEND, "/api/v1/chat/status", "/api/v1/chat/cancel"])
def test_a_body_that_cannot_be_read_changes_nothing(acme_api: Caller, path: str, name: str) -> None:
    body, status, code = BODIES[name]
    before = num_rows()
    assert_problem(acme_api.post(path, body), status, code)
    assert num_rows() == before


@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_makes_no_sense_changes_nothing(acme_api: Caller, name: str) -> None:
    values, status, code, pointer = VALUES[name]
    before = num_rows()
    body = assert_problem(acme_api.post(SEND, {"message": "hola"} | values), status, code)
    pointers = [fault["pointer"] for fault in body.get("errors", [])]
    assert pointers == ([pointer] if pointer else [])
    assert len(str(body)) < 2000
    assert num_rows() == before


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=utf-8", 202),
        ('application/json; charset="UTF8"', 202),
        ("Application/JSON", 202),
        ("application/json; charset=foo", 415),
        ("application/json; charset=latin-1", 415),
        ("application/json; charset=" + "x" * 5000, 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("multipart/form-data", 415),
        ("text/plain", 415),
        ("", 415),
        ("nonsense", 415),
        (";;;=", 415),
    ],
)
def test_only_json_in_utf8_is_read(acme_api: Caller, content_type: str, status: int) -> None:
    before = num_rows()
    response = acme_api.post(SEND, {"message": "hola"}, **{"Content-Type": content_type})
    if status == 202:
        assert response.status_code == 202
        return
    assert_problem(response, 415, "unsupported_media")
    assert num_rows() == before


def test_a_byte_order_mark_is_no_reason_to_refuse(acme_api: Caller) -> None:
    assert acme_api.post(SEND, b'\xef\xbb\xbf{"message": "hola"}').status_code == 202


def test_what_only_looks_bad_is_taken(acme_api: Caller) -> None:
    body = rb'{"message": "the escape \\u0000 in words, and \ud83d\ude00"}'
    assert acme_api.post(SEND, body).status_code == 202
    deep = b'{"message": "a", "context": {"x": ' + b"[" * 62 + b"]" * 62 + b"}}"
    assert acme_api.post(SEND, deep).status_code == 202
    wide = {"message": "a", "context": {"rows": [[], {}] * 500}}
    assert acme_api.post(SEND, wide).status_code == 202


def test_several_mistakes_are_told_at_once(acme_api: Caller) -> None:
    body = assert_problem(
        acme_api.post(SEND, {"session_id": 1, "user": {"id": {}, "name": []}}),
        422,
        "validation_failed",
    )
    pointers = {fault["pointer"] for fault in body["errors"]}
    assert pointers == {"/message", "/session_id", "/user/id", "/user/name"}


@pytest.mark.parametrize(
    "query",
    [
        *(f"tasks?{query}" for query in (
            "x=%00", "status=%00", "limit=%00", "cursor=%00", "%00=1", "session_id=abc",
            "status=done", "status=completed&status=x", "limit=0", "limit=101", "limit=-1",
            "limit=1e1", "limit=NaN", "limit=%D9%A3", "limit=99999999999999999999",
            "cursor=abc", "cursor=%ED%A0%80", "cursor=%F0%9F%98%80",
            "cursor=aaaaaaaaaaaaaaaaaaaaaaa", "tenant=rival&tenant_id=1",
            "id__gt=0&order_by=x&session__tenant=1", "a=1&" * 2000,
        )),
        *(f"sessions/{NO_SUCH_ID}/{query}" for query in (
            "events?after=x", "events?after=-1", "events?after=" + "9" * 40, "messages?cursor=%ff",
        )),
        "sessions?user=%00", "sessions?user=%ED%A0%80", "sessions?status=[]", "sessions?format=xml",
        "sessions/abc", "sessions/%00", "sessions/%ED%A0%80", "agents?limit=x",
        "agents?cursor=" + "A" * 9000, "nothing/here", "tasks/../../admin", "%2e%2e/%2e%2e", "",
    ],
)  # fmt: skip
def test_no_address_makes_the_server_fail(acme_api: Caller, query: str) -> None:
    response = acme_api.get(f"/api/v1/{query}")
    assert response.status_code in {200, 400, 404, 422}
    if response.status_code != 200:
        assert_problem(response, response.status_code, response.json()["code"])


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_refused(acme_api: Caller, method: str) -> None:
    response = acme_api.request(method, SEND)
    assert_problem(response, 405, "method_not_allowed")
    assert response["Allow"] == "POST"


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*", "nonsense", "*/*"])
def test_the_answer_is_json_whatever_is_accepted(acme_api: Caller, accept: str) -> None:
    assert acme_api.get("/api/v1/tasks", Accept=accept)["Content-Type"] == "application/json"
    assert_problem(acme_api.get("/api/v1/nothing", Accept=accept), 404, "not_found")


def test_a_head_request_is_answered_like_a_get(acme_api: Caller) -> None:
    response = acme_api.request("HEAD", "/api/v1/tasks")
    assert (response.status_code, response.content) == (200, b"")
