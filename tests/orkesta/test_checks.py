import sqlite3

import pytest
from django.conf import settings as live_settings
from django.core.checks import run_checks
from django.core.management import call_command
from pytest_django import Settings

STRONG = ["a" * 32, "b" * 32, "c" * 32]


@pytest.fixture(autouse=True)
def strong_secrets(settings: Settings) -> None:
    settings.SECRET_KEY = STRONG[0]
    settings.ORKESTA_ENCRYPTION_KEYS = [STRONG[1]]
    settings.ORKESTA_KEY_PEPPERS = [STRONG[2]]


def found(*, deploy: bool = False) -> list[str]:
    ids = [str(message.id) for message in run_checks(include_deployment_checks=deploy)]
    return [name for name in ids if name.startswith("orkesta.")]


def test_sound_settings_are_passed_in_silence() -> None:
    assert found() == []


@pytest.mark.parametrize("name", ["SECRET_KEY", "ORKESTA_ENCRYPTION_KEYS", "ORKESTA_KEY_PEPPERS"])
def test_a_missing_secret_refuses_the_start_unless_debugging(settings: Settings, name: str) -> None:
    insecure = settings.INSECURE_KEY
    setattr(settings, name, insecure if name == "SECRET_KEY" else [insecure])
    assert found() == ["orkesta.E001"]
    settings.DEBUG = True
    assert found() == []


def test_a_short_secret_is_pointed_out(settings: Settings) -> None:
    settings.ORKESTA_KEY_PEPPERS = [STRONG[2], "short"]
    assert found() == ["orkesta.W001"]


def test_a_secret_with_two_purposes_is_pointed_out(settings: Settings) -> None:
    settings.ORKESTA_KEY_PEPPERS = [STRONG[2], STRONG[0]]
    assert found() == ["orkesta.W002"]


def test_a_star_among_the_hosts_is_refused(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["shop.example", "*"]
    assert found() == ["orkesta.E002"]


@pytest.mark.parametrize(
    ("listen", "expected"),
    [("127.0.0.1", []), ("0.0.0.0", []), ("::1", []), ("192.0.2.7", ["orkesta.W003"])],
)
def test_listening_where_no_request_is_accepted_is_pointed_out(
    settings: Settings, listen: str, expected: list[str]
) -> None:
    settings.ALLOWED_HOSTS = ["127.0.0.1", "[::1]"]
    settings.ORKESTA_LISTEN = (listen, 8000)
    assert found() == expected


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "shop.example",
        "https://",
        "https://shop.example/",
        "https://u:p@shop.example",
        "http://shop.example:port",
        "ftp://shop.example",
    ],
)
def test_what_is_not_an_origin_is_refused(settings: Settings, origin: str) -> None:
    settings.ALLOWED_ORIGINS = ["https://shop.example", "http://localhost:3000", origin]
    assert found() == ["orkesta.E003"]


@pytest.mark.parametrize(
    ("lease", "renew", "expected"),
    [
        (10, 3, []),
        (10, 5, []),
        (10, 6, ["orkesta.W004"]),
        (10, 10, ["orkesta.E004"]),
        (3, 10, ["orkesta.E004"]),
    ],
)
def test_a_lease_must_be_renewed_well_before_it_ends(
    settings: Settings, lease: float, renew: float, expected: list[str]
) -> None:
    settings.ORKESTA_LEASE_SECONDS, settings.ORKESTA_LEASE_RENEW_SECONDS = lease, renew
    assert found() == expected


@pytest.mark.parametrize("options", [{}, {"transaction_mode": "DEFERRED"}])
def test_sqlite_must_take_the_write_lock_first(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, options: dict[str, str]
) -> None:
    settings.IS_SQLITE = True
    monkeypatch.setitem(settings.DATABASES["default"], "OPTIONS", options)
    assert found() == ["orkesta.E005"]


IN_MEMORY = "channels.layers.InMemoryChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
REDIS = "redis://127.0.0.1/0"


@pytest.mark.parametrize(
    ("is_sqlite", "redis", "layer", "expected"),
    [
        (True, "", IN_MEMORY, None),
        (False, REDIS, PUBSUB, None),
        (True, REDIS, PUBSUB, "006"),
        (False, "", IN_MEMORY, "007"),
        (False, REDIS, IN_MEMORY, "007"),
    ],
)
def test_half_a_production_set_up_is_refused_unless_debugging(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    is_sqlite: bool,
    redis: str,
    layer: str,
    expected: str | None,
) -> None:
    options = {"transaction_mode": "IMMEDIATE"}
    monkeypatch.setitem(settings.DATABASES["default"], "OPTIONS", options)
    settings.IS_SQLITE, settings.REDIS_URL = is_sqlite, redis
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": layer}}
    assert found() == ([f"orkesta.E{expected}"] if expected else [])
    settings.DEBUG = True
    assert found() == ([f"orkesta.W{expected}"] if expected else [])


@pytest.mark.parametrize(("is_sqlite", "name"), [(True, "embedded"), (False, "production")])
def test_the_command_says_which_set_up_this_is(
    settings: Settings, capsys: pytest.CaptureFixture[str], is_sqlite: bool, name: str
) -> None:
    settings.IS_SQLITE = is_sqlite
    settings.DEBUG = True
    # Of this app only: unfold marks the admin classes whose pages other tests have opened.
    call_command("check", "orkesta")
    assert f"(orkesta.I001) Set-up: {name}." in capsys.readouterr().out


def test_an_old_sqlite_is_named_before_deploying(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IS_SQLITE = True
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 2))
    assert "orkesta.W008" in found(deploy=True)
    assert "orkesta.W008" not in found()
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    assert "orkesta.W008" not in found(deploy=True)


def test_every_finding_has_a_hint(settings: Settings) -> None:
    settings.SECRET_KEY = live_settings.INSECURE_KEY
    settings.ALLOWED_HOSTS = ["*"]
    settings.ALLOWED_ORIGINS = ["*"]
    ours = [message for message in run_checks() if str(message.id).startswith("orkesta.")]
    assert len(ours) == 3
    assert all(message.hint for message in ours)
