import os
import subprocess
import sys
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from orkesta.env import PROJECT_ROOT
from tests.callers import Caller
from tests.cast import House

PRODUCTION = {
    "ORCHESTRATOR_DEBUG": "false",
    "ORCHESTRATOR_SECRET_KEY": "pQ7-a-secret-key-for-the-test-with-plenty-of-Letters-0123456789",
    "ORCHESTRATOR_ENCRYPTION_KEYS": "an-encryption-key-for-the-test-of-deployment",
    "ORCHESTRATOR_KEY_PEPPERS": "a-pepper-for-the-test-of-deployment-and-no-other",
    "ORCHESTRATOR_ALLOWED_HOSTS": "chat.shop.example,127.0.0.1",
    "ORCHESTRATOR_ALLOWED_ORIGINS": "https://www.shop.example",
    "ORCHESTRATOR_TRUSTED_PROXIES": "1",
    "DATABASE_URL": "postgres://orkesta:orkesta@127.0.0.1:1/orkesta",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}  # fmt: skip


def test_the_settings_of_production_pass_every_check() -> None:
    found = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=PROJECT_ROOT,
        env=os.environ | PRODUCTION | {"DJANGO_SETTINGS_MODULE": "orkesta.settings"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 0, found.stderr
    assert "WARNING" not in found.stderr


def sign_in(password: str, **headers: str) -> Any:
    form = {"username": "owner-acme", "password": password}
    return Client(headers=headers).post(reverse("admin:login"), form)


def test_who_guesses_passwords_is_locked_out_alone(acme: House, settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT, settings.ORKESTA_TRUSTED_PROXIES = 3, 1
    guesser, owner = {"X-Forwarded-For": "198.51.100.9"}, {"X-Forwarded-For": "203.0.113.5"}
    assert sign_in("pass", **owner).status_code == 302
    for _ in range(3):
        refused = sign_in("wrong", **guesser)
    assert refused.status_code == 429
    assert sign_in("pass", **guesser).status_code == 429
    assert sign_in("pass", **owner).status_code == 302
    assert get_user_model().objects.filter(username="owner-acme", is_active=True).exists()


def test_cookies_are_of_this_host_over_tls_and_no_scripts(acme: House) -> None:
    cookies = sign_in("pass").cookies
    session = cookies["__Host-sessionid"]
    assert session["secure"]
    assert session["httponly"]
    assert session["samesite"] == "Lax"
    assert (session["path"], session["domain"]) == ("/", "")
    assert session["max-age"] == 8 * 3600


def test_signing_in_gives_a_new_session(acme: House) -> None:
    browser = Client()
    browser.cookies["__Host-sessionid"] = "chosen-by-somebody-else"
    browser.post(reverse("admin:login"), {"username": "owner-acme", "password": "pass"})
    assert browser.cookies["__Host-sessionid"].value != "chosen-by-somebody-else"


@pytest.mark.django_db
def test_tls_is_asked_for_where_there_is_tls(client: Client) -> None:
    assert "max-age=31536000" in client.get("/health", secure=True)["Strict-Transport-Security"]
    assert "Strict-Transport-Security" not in client.get("/health").headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "*"])
def test_no_page_of_others_may_read_answers(acme_api: Caller, origin: str) -> None:
    response = acme_api.get("/api/v1/tasks", Origin=origin)
    assert "Access-Control-Allow-Origin" not in response.headers
