from typing import Any

import pytest

from tests.callers import Caller

SHOP = "https://shop.example"


@pytest.fixture
def shop(settings: Any) -> str:
    settings.CORS_ALLOWED_ORIGINS = [SHOP]
    return SHOP


def preflight(origin: str, headers: str) -> Any:
    return Caller(None).request(
        "OPTIONS",
        "/api/v1/chat/send",
        **{
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": headers,
        },
    )


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "content-type", "last-event-id"])
def test_a_listed_origin_may_send_what_the_api_needs(shop: str, header: str) -> None:
    response = preflight(shop, header)
    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == shop
    assert header in response["Access-Control-Allow-Headers"].split(", ")


def test_a_listed_origin_may_read_answers_and_problems(shop: str, acme_api: Caller) -> None:
    for path in ("/api/v1/tasks", "/api/v1/nothing", "/api/v1/tasks?limit=x"):
        response = acme_api.get(path, Origin=shop)
        assert response["Access-Control-Allow-Origin"] == shop
        assert "retry-after" in response["Access-Control-Expose-Headers"]
    assert Caller(None).get("/api/v1/tasks", Origin=shop)["Access-Control-Allow-Origin"] == shop


@pytest.mark.parametrize("origin", ["https://evil.example", "null", SHOP + ".evil.example"])
def test_no_other_origin_may(shop: str, acme_api: Caller, origin: str) -> None:
    assert "Access-Control-Allow-Origin" not in preflight(origin, "x-api-key")
    assert "Access-Control-Allow-Origin" not in acme_api.get("/api/v1/tasks", Origin=origin)


def test_by_default_no_origin_may(acme_api: Caller) -> None:
    assert "Access-Control-Allow-Origin" not in acme_api.get("/api/v1/tasks", Origin=SHOP)
