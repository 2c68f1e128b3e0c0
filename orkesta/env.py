"""Every environment variable that Orkesta reads, in one table.

`read()` parses them all at once: a bad value stops the start and every bad value is named with the
reason. `docs/settings.md` is made from the same table, and a guard keeps it so.

    python -m orkesta.env > .env      # fresh secrets for a development machine
"""

import secrets
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvValidationError, ValidationError, validate

PROJECT_ROOT = Path(__file__).resolve().parent.parent

Kind = Literal["str", "bool", "int", "float", "list"]


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: how it is parsed, what it defaults to, what it is for."""

    name: str
    kind: Kind
    default: Any
    help: str
    check: Callable[[Any], Any] | None = None
    is_secret: bool = False


def whole_commands(pieces: list[str]) -> list[str]:
    """The commands of a list that was cut at commas: one that stands in quotes belongs to its
    command.
    """
    found: list[str] = []
    cut = ""
    for piece in pieces:
        line = f"{cut},{piece}" if cut else piece
        try:
            shlex.split(line)
        except ValueError:
            cut = line
        else:
            found.append(line.strip())
            cut = ""
    return [*found, cut] if cut else found


def _commands(value: list[str]) -> None:
    for line in whole_commands(value):
        try:
            shlex.split(line)
        except ValueError as exc:
            raise ValidationError(f"{line!r} is no command: {exc}") from exc


def _between(low: float, high: float) -> Callable[[Any], Any]:
    return validate.Range(min=low, max=high)  # type: ignore[no-any-return]


def _time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValidationError("This is not a time zone of the IANA database.") from exc


def _address_of(*schemes: str) -> Callable[[str], None]:
    """An address of a server, which may be a secret and is not repeated."""

    def check(address: str) -> None:
        try:
            parts = urlsplit(address)
            is_sound = parts.scheme in schemes and (parts.scheme == "sqlite" or parts.port != 0)
        except ValueError:
            is_sound = False
        if not is_sound:
            raise ValidationError(f"This is not an address that begins with {_either(schemes)}.")

    return check


def _either(schemes: Sequence[str]) -> str:
    return " or ".join(f"{scheme}://" for scheme in schemes)


def _or_nothing(check: Callable[[str], None]) -> Callable[[str], None]:
    return lambda value: check(value) if value else None


_DATABASE = _address_of("postgres", "postgresql", "sqlite")
_REDIS = _or_nothing(_address_of("redis", "rediss", "unix"))

VARIABLES: tuple[Variable, ...] = (
    # --- identity and secrets
    Variable("ORCHESTRATOR_SECRET_KEY", "str", "", "Django's signing key.", is_secret=True),
    Variable("ORCHESTRATOR_ENCRYPTION_KEYS", "list", [], "Keys that seal tenants' secrets; the first seals, all open.", is_secret=True),
    Variable("ORCHESTRATOR_KEY_PEPPERS", "list", [], "Peppers of API key digests; the last digests, all verify.", is_secret=True),
    Variable("ORCHESTRATOR_DEBUG", "bool", False, "Development mode: debug pages, private LLM addresses allowed."),
    # --- where it listens
    Variable("HOST", "str", "127.0.0.1", "Address that `manage.py serve` binds."),
    Variable("PORT", "int", 8000, "Port that `manage.py serve` binds.", _between(1, 65535)),
    Variable("ORCHESTRATOR_ALLOWED_HOSTS", "list", ["127.0.0.1", "localhost", "[::1]"], "Host names served."),
    Variable("ORCHESTRATOR_ALLOWED_ORIGINS", "list", [], "Origins of browsers that may call the API and open WebSockets, such as https://shop.example; never `*`."),
    Variable("ORCHESTRATOR_TRUSTED_PROXIES", "int", 0, "Reverse proxies of yours that requests come through; so many entries of X-Forwarded-For, from the right, and X-Forwarded-Proto are believed.", _between(0, 10)),
    Variable("ORCHESTRATOR_HOOK_CALLS_PER_MINUTE", "int", 600, "Calls of one address to /hooks/ per minute.", _between(1, 1_000_000)),
    Variable("ORCHESTRATOR_LOGINS_PER_MINUTE", "int", 30, "Tries of one address to sign in to the admin per minute.", _between(1, 10_000)),
    Variable("ORCHESTRATOR_KEY_LIFETIME_DAYS", "int", 90, "Days after which new API keys expire unless whoever makes one says otherwise; 0: never.", _between(0, 3650)),
    Variable("ORCHESTRATOR_LEAK_REPORTS_PER_MINUTE", "int", 30, "Reports of leaked API keys of one address per minute.", _between(1, 10_000)),
    # --- storage
    Variable("DATABASE_URL", "str", "sqlite:///var/orkesta.sqlite3", "Database: SQLite (embedded) or postgres://… (production).", _DATABASE, is_secret=True),
    Variable("ORCHESTRATOR_DATABASE_THREADS", "int", 8, "Threads, and so connections, that asynchronous code uses for the database.", _between(1, 128)),
    Variable("ORCHESTRATOR_REQUEST_THREADS", "int", 8, "Threads, and so connections, that HTTP requests are answered in.", _between(1, 128)),
    Variable("REDIS_URL", "str", "", "Redis or Valkey; empty keeps live events, limits and breakers in the process.", _REDIS, is_secret=True),
    Variable("ORCHESTRATOR_REDIS_HOST", "str", "", "Host of Redis, when REDIS_URL is not given."),
    Variable("ORCHESTRATOR_REDIS_PORT", "int", 6379, "Port of Redis, when REDIS_URL is not given.", _between(1, 65535)),
    # --- WebSocket
    Variable("ORCHESTRATOR_WEBSOCKET_PING_INTERVAL", "float", 30.0, "Seconds between pings to a socket.", _between(0.05, 3600)),
    Variable("ORCHESTRATOR_WEBSOCKET_PING_TIMEOUT", "float", 10.0, "Seconds a socket has to answer a ping.", _between(0.05, 3600)),
    Variable("ORCHESTRATOR_MAX_WEBSOCKET_CONNECTIONS", "int", 1000, "Open sockets per process.", _between(1, 1_000_000)),
    # --- the engine
    Variable("ORCHESTRATOR_WORKER_SLEEP_SECONDS", "float", 1.0, "Seconds between two looks of a worker at the task table.", _between(0.01, 60)),
    Variable("ORCHESTRATOR_WORKER_CONCURRENCY", "int", 200, "Tasks that one worker runs at once.", _between(1, 10_000)),
    Variable("ORCHESTRATOR_LEASE_SECONDS", "float", 10.0, "Seconds a worker owns a task without renewing.", _between(0.2, 3600)),
    Variable("ORCHESTRATOR_LEASE_RENEW_SECONDS", "float", 3.0, "Seconds between renewals of a lease.", _between(0.05, 1200)),
    Variable("ORCHESTRATOR_DELTA_FRAME_MS", "int", 30, "Tokens after the first are coalesced into frames of this many milliseconds.", _between(0, 5000)),
    Variable("ORCHESTRATOR_DEBUG_FAILPOINTS", "bool", False, "Lets ORKESTA_FAILPOINT kill the process; for tests alone."),
    Variable("ORKESTA_FAILPOINT", "str", "", "`<name>:<n>`: die at the n-th time this failpoint is reached; `<name>:<n>:stop`: stand still (`orkesta.failpoints`)."),
    # --- conversations
    Variable("ORCHESTRATOR_MAX_REQUESTS_PER_SESSION", "int", 100, "Messages a session takes when its tier sets no limit of its own.", _between(1, 1_000_000)),
    Variable("ORCHESTRATOR_SESSION_TTL_HOURS", "float", 24.0, "Hours without a message after which a session expires.", _between(0.01, 87_600)),
    Variable("ORCHESTRATOR_INPUT_HOURS", "float", 24.0, "Hours a person has to answer a task's question or to approve a call, when the agent sets none of its own.", _between(0.0001, 720)),
    Variable("ORCHESTRATOR_MAX_BODY_BYTES", "int", 1_000_000, "Largest request body, in bytes.", _between(1_000, 100_000_000)),
    Variable("ORCHESTRATOR_MAX_MESSAGE_CHARS", "int", 32_000, "Longest message, in characters.", _between(1, 1_000_000)),
    # --- models
    Variable("OPENAI_API_KEY", "str", "", "Makes the demo tenants use a real LLM instead of the built-in offline model.", is_secret=True),
    Variable("OPENAI_BASE_URL", "str", "https://api.openai.com/v1", "OpenAI-compatible endpoint used with OPENAI_API_KEY."),
    Variable("OPENAI_MODEL", "str", "gpt-5-mini", "LLM asked at that endpoint."),
    Variable("ORCHESTRATOR_ALLOW_PRIVATE_UPSTREAMS", "bool", False, "Lets tenants' LLM endpoints and tools live on private addresses (Ollama on localhost)."),
    Variable("ORCHESTRATOR_UPSTREAM_HOSTS", "list", [], "Hosts on private addresses that tenants' LLM endpoints and tools may call all the same, as host or host:port, such as ollama.lan:11434."),
    Variable("ORCHESTRATOR_MCP_COMMANDS", "list", [], "Commands that tenants may choose as MCP servers, each with its arguments, such as python -m examples.ferreteria --stdio (an argument with a comma in quotes); they run on this machine as this process. None: MCP servers are addresses.", _commands),
    Variable("ORCHESTRATOR_OFFLINE_TOKEN_DELAY_MS", "int", 12, "Pause of the offline model between two tokens, so that streaming can be seen.", _between(0, 5000)),
    # --- limits and money
    Variable("ORCHESTRATOR_WEB_PROCESSES", "int", 1, "Processes that serve HTTP; while Redis is gone each lets its share of the rate limits through.", _between(1, 1000)),
    Variable("ORCHESTRATOR_ASSUMED_PRICE", "float", 10.0, "US dollars per million tokens assumed for LLMs whose price nobody knows; such usage is marked.", _between(0.01, 10_000)),
    # --- language, logs
    Variable("ORCHESTRATOR_LANGUAGE", "str", "es", "Language of the admin for users who chose none.", validate.OneOf(["es", "en"])),
    Variable("ORCHESTRATOR_TIME_ZONE", "str", "UTC", "Time zone of the admin for tenants that set none.", _time_zone),
    Variable("ORCHESTRATOR_LOG_LEVEL", "str", "INFO", "Level of the log.", validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"])),
    Variable("ORCHESTRATOR_LOG_FORMAT", "str", "console", "`console` for people, `json` for machines.", validate.OneOf(["console", "json"])),
)  # fmt: skip


def read() -> dict[str, Any]:
    """All variables by name. Raises ImproperlyConfigured that names every bad value and why."""
    env = Env(eager=False)
    env.read_env(PROJECT_ROOT / ".env", recurse=False)
    values = {}
    for variable in VARIABLES:
        options: dict[str, Any] = {"default": variable.default}
        if variable.check is not None:
            options["validate"] = variable.check
        values[variable.name] = getattr(env, variable.kind)(variable.name, **options)
    try:
        env.seal()
    except EnvValidationError as exc:
        reasons = "\n".join(
            f"  {name}: {'; '.join(map(str, problems))}"
            for name, problems in exc.error_messages.items()
        )
        raise ImproperlyConfigured(f"Bad values in the environment:\n{reasons}") from None
    return values


def fresh_secrets() -> str:
    """The contents of a development `.env`: new random secrets, debug on."""
    lines = [
        "# Made by `make run`. Keep it: the data in var/ is sealed with these keys.",
        f"ORCHESTRATOR_SECRET_KEY={secrets.token_urlsafe(48)}",
        f"ORCHESTRATOR_ENCRYPTION_KEYS={secrets.token_urlsafe(32)}",
        f"ORCHESTRATOR_KEY_PEPPERS={secrets.token_urlsafe(32)}",
        "ORCHESTRATOR_DEBUG=true",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(fresh_secrets())
