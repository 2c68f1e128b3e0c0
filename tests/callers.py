"""Callers of the HTTP API, as they are outside: a key, a path, bytes in, bytes out."""

import json
from collections.abc import Iterable
from typing import Any

from django.test import Client

from tenants.models import Tenant
from tenants.principals import Scope
from tenants.scope import tenant_scope
from tenants.services import issue_api_key

NO_SUCH_ID = "019aa33c-0000-7000-8000-000000000000"


def make_key(tenant: Tenant, scopes: Iterable[str] = tuple(Scope), **values: Any) -> str:
    with tenant_scope(tenant.id):
        return issue_api_key(tenant=tenant, name="test", scopes=scopes, **values)[1]


class Caller:
    """Somebody with an API key. Uncaught exceptions become the answers that users would get."""

    def __init__(self, key: str | None, **headers: str) -> None:
        self.key = key
        self.headers = headers
        self.client = Client(raise_request_exception=False)

    def request(self, method: str, path: str, data: Any = b"", **headers: str) -> Any:
        """`data` is sent as it is when it is bytes, else as JSON."""
        raw = data if isinstance(data, bytes) else json.dumps(data).encode()
        sent = {"Content-Type": "application/json"} | self.headers | headers
        if self.key is not None:
            sent.setdefault("Authorization", f"Bearer {self.key}")
        content_type = sent.pop("Content-Type")
        return self.client.generic(method, path, raw, content_type, headers=sent)

    def get(self, path: str, **headers: str) -> Any:
        return self.request("GET", path, **headers)

    def post(self, path: str, data: Any = b"", **headers: str) -> Any:
        return self.request("POST", path, data, **headers)


def assert_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """It is a problem of that kind, in the shape that every problem has."""
    assert response.status_code == status, response.content[:500]
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["code"] == code, body
    assert body["status"] == status
    assert body["type"].endswith(f"#{code}")
    assert body["request_id"] == response["X-Request-ID"]
    assert {"title", "detail", "retryable", "instance"} <= set(body)
    assert "Traceback" not in response.text
    return body
