"""What `manage.py check` says before a user has to: each finding has an id and a hint.

Every command runs these first; an error refuses the start. `check --deploy` adds what only matters
where other people reach the installation.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

#: SQLite before this may corrupt a database in WAL mode that several connections write
#: (the "WAL-reset" bug, fixed in 3.51.3). One process, one writer at a time keeps clear of it.
SOUND_SQLITE: Final = (3, 51, 3)
MIN_SECRET_CHARS: Final = 32
ANY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 (compared with, never bound)

SETUPS: Final = {
    True: "Set-up: embedded. One process, SQLite, everything shared lives in memory.",
    False: "Set-up: production. PostgreSQL and Redis, any number of web servers and workers.",
}

Findings = list[CheckMessage]
Check = Callable[..., Findings]


def register_checks() -> None:
    """Tell Django about the checks of this module; called once, when the apps are ready."""
    for check in _of_security():
        register(check, Tags.security)
    for check in _of_parts():
        register(check, Tags.compatibility)
    register(check_sqlite_version, Tags.compatibility, deploy=True)


def _of_security() -> list[Check]:
    return [check_secrets, check_hosts, check_origins]


def _of_parts() -> list[Check]:
    return [check_database, check_parts, check_lease]


def refuse_unsound_settings() -> None:
    """What commands do before they start, for servers that are started without one.

    Raises ImproperlyConfigured, which names each error.
    """
    found = [message for check in (*_of_security(), *_of_parts()) for message in check(None)]
    errors = [f"({one.id}) {one.msg} {one.hint}" for one in found if one.is_serious()]
    if errors:
        raise ImproperlyConfigured("\n".join(errors))


def check_secrets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Findings:
    """E001: no secret of its own. W001: a secret too short to be one. W002: one used twice."""
    secrets = {
        "ORCHESTRATOR_SECRET_KEY": [settings.SECRET_KEY],
        "ORCHESTRATOR_ENCRYPTION_KEYS": settings.ORKESTA_ENCRYPTION_KEYS,
        "ORCHESTRATOR_KEY_PEPPERS": settings.ORKESTA_KEY_PEPPERS,
    }
    hint = "`python -m orkesta.env` prints fresh ones; keep them as long as the data."
    found: Findings = []
    for name, values in secrets.items():
        if settings.INSECURE_KEY in values:
            if not settings.DEBUG:
                message = f"{name} is not set: what it protects could be forged or read."
                found.append(Error(message, hint=hint, id="orkesta.E001"))
        elif min(map(len, values)) < MIN_SECRET_CHARS:
            message = f"{name} is shorter than {MIN_SECRET_CHARS} characters."
            found.append(Warning(message, hint=hint, id="orkesta.W001"))
    own = [value for values in secrets.values() for value in set(values) - {settings.INSECURE_KEY}]
    if len(set(own)) < len(own):
        message = "One secret serves two purposes: a leak of one is then a leak of both."
        found.append(Warning(message, hint=hint, id="orkesta.W002"))
    return found


def check_hosts(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Findings:
    """E002: every host name is accepted. W003: the address listened on is not accepted."""
    hosts: list[str] = settings.ALLOWED_HOSTS
    if "*" in hosts:
        hint = "List the names that clients use: ORCHESTRATOR_ALLOWED_HOSTS=chat.shop.example"
        return [Error("ORCHESTRATOR_ALLOWED_HOSTS holds `*`.", hint=hint, id="orkesta.E002")]
    listen = settings.ORKESTA_LISTEN[0]
    if listen in ANY_ADDRESS or listen in {host.strip("[]") for host in hosts}:
        return []
    message = f"HOST is {listen}, but requests to http://{listen} will be refused."
    hint = f"Add {listen} to ORCHESTRATOR_ALLOWED_HOSTS."
    return [Warning(message, hint=hint, id="orkesta.W003")]


def check_origins(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Findings:
    """E003: something that is not an origin (RFC 6454: scheme, host, perhaps a port)."""
    message = "{!r} in ORCHESTRATOR_ALLOWED_ORIGINS is not an origin."
    hint = "Write each as https://shop.example, without a path; `*` is never allowed."
    return [
        Error(message.format(origin), hint=hint, id="orkesta.E003")
        for origin in settings.ALLOWED_ORIGINS
        if not _is_origin(origin)
    ]


def check_lease(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Findings:
    """E004: a lease that ends before it is renewed. W004: one that a single delay would lose."""
    lease, renew = settings.ORKESTA_LEASE_SECONDS, settings.ORKESTA_LEASE_RENEW_SECONDS
    hint = "Let ORCHESTRATOR_LEASE_RENEW_SECONDS be a third of ORCHESTRATOR_LEASE_SECONDS."
    if renew >= lease:
        message = (
            f"A lease of {lease:g} s renewed every {renew:g} s always ends: tasks would run twice."
        )
        return [Error(message, hint=hint, id="orkesta.E004")]
    if renew > lease / 2:
        message = f"A lease of {lease:g} s renewed every {renew:g} s is lost by one late renewal."
        return [Warning(message, hint=hint, id="orkesta.W004")]
    return []


def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Findings:
    """E005: SQLite transactions that take the write lock late fail with "database is locked"."""
    if not settings.IS_SQLITE:
        return []
    mode = settings.DATABASES["default"].get("OPTIONS", {}).get("transaction_mode")
    if mode == "IMMEDIATE":
        return []
    message = f"SQLite runs with transaction_mode {mode!r} instead of 'IMMEDIATE'."
    hint = "Leave DATABASES as orkesta.settings makes it from DATABASE_URL."
    return [Error(message, hint=hint, id="orkesta.E005")]


def check_parts(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Findings:
    """E006, E007: half of one set-up and half of the other, which would lose live events or share
    a database that is not made for it. Only pointed out (W006, W007) when debugging.
    """
    if settings.IS_SQLITE and settings.REDIS_URL:
        message = (
            "Redis is configured, but the database is SQLite, which one process alone may use."
        )
        hint = "Set DATABASE_URL to PostgreSQL for several processes, or leave Redis out for one."
        return [_half(message, hint=hint, number=6)]
    if not settings.IS_SQLITE and _has_memory_only():
        message = (
            "PostgreSQL is for several processes, but live events and limits stay inside each."
        )
        hint = "Set REDIS_URL; a single process needs neither and runs on SQLite."
        return [_half(message, hint=hint, number=7)]
    return []


def describe_setup() -> Info:
    """I001: which set-up this is. Said by `manage.py check` alone."""
    return Info(SETUPS[bool(settings.IS_SQLITE)], id="orkesta.I001")


def _has_memory_only() -> bool:
    layer = settings.CHANNEL_LAYERS["default"]["BACKEND"]
    return not settings.REDIS_URL or layer == "channels.layers.InMemoryChannelLayer"


def _half(message: str, *, hint: str, number: int) -> CheckMessage:
    if settings.DEBUG:
        return Warning(message, hint=hint, id=f"orkesta.W{number:03}")
    return Error(message, hint=hint, id=f"orkesta.E{number:03}")


def check_sqlite_version(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Findings:
    """W008 (`check --deploy`): a SQLite with a known bug in the journal mode used here."""
    if not settings.IS_SQLITE or sqlite3.sqlite_version_info >= SOUND_SQLITE:
        return []
    message = f"SQLite {sqlite3.sqlite_version} may damage a database that several processes write."
    hint = "One `manage.py serve` is safe; for anything larger use PostgreSQL."
    return [Warning(message, hint=hint, id="orkesta.W008")]


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_sound_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_bare = not any((parts.path, parts.query, parts.fragment, parts.username, parts.password))
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and is_bare and has_sound_port
