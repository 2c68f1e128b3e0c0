import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.callers import NO_SUCH_ID, Caller, assert_problem

TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["message", "session_id", "context", "agent", "stream", "user", "metadata", "task_id"]
FIELDS += ["kind", "input", "priority"]
BODIES = st.fixed_dictionaries(
    {}, optional={name: VALUES | st.sampled_from(["", "x", "desk", NO_SUCH_ID]) for name in FIELDS}
)
PATHS = st.sampled_from(["chat/send", "chat/status", "chat/cancel", "execute", "sessions"])
# The fixture stays, and with it the rows of earlier examples; none of them depends on those.
quick = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def assert_sane(response: Any) -> None:
    assert response.status_code < 500, response.content
    if response.status_code >= 400:
        assert_problem(response, response.status_code, response.json()["code"])


@quick
@given(path=PATHS, body=BODIES)
def test_no_object_makes_the_server_fail(acme_api: Caller, path: str, body: Any) -> None:
    raw = json.dumps(body).encode()
    assert_sane(acme_api.post(f"/api/v1/{path}", raw))


@quick
@given(
    path=PATHS, raw=st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode())
)
def test_no_body_makes_the_server_fail(acme_api: Caller, path: str, raw: bytes) -> None:
    assert_sane(acme_api.post(f"/api/v1/{path}", raw))


@quick
@given(
    path=st.sampled_from(["tasks", "sessions", "agents", f"sessions/{NO_SUCH_ID}/events"]),
    name=st.sampled_from(["limit", "cursor", "status", "session_id", "user", "after", "x"]),
    value=TEXTS,
)
def test_no_query_makes_the_server_fail(acme_api: Caller, path: str, name: str, value: str) -> None:
    response = acme_api.client.get(
        f"/api/v1/{path}",
        {name: value.encode("utf-8", "surrogatepass")},
        headers={"X-API-Key": str(acme_api.key)},
    )
    assert_sane(response)
