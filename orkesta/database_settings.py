"""How the database is reached: SQLite in a file, or PostgreSQL."""

from pathlib import Path
from typing import Any, Final

import dj_database_url

#: WAL lets readers work beside the one writer; IMMEDIATE takes the write lock at BEGIN, where
#: waiting is possible, instead of failing in the middle ("database is locked").
_SQLITE: Final = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
#: A machine that vanished without a word is noticed within seconds, not after the system's 15
#: minutes. Whatever DATABASE_URL says of these goes before.
_POSTGRESQL: Final = {
    "connect_timeout": 2,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    # Runs of a statement before PostgreSQL keeps its plan (`prepared_cursor` alone asks it to).
    "prepare_threshold": 3,
}


def database_settings(url: str, *, root: Path) -> dict[str, Any]:
    """The entry of DATABASES for a DATABASE_URL; files of SQLite lie below `root`."""
    found: dict[str, Any] = dict(dj_database_url.parse(url))
    if found["ENGINE"] == "django.db.backends.sqlite3":
        return found | {
            "ENGINE": "orkesta.sqlite",
            "NAME": str(root / found["NAME"]),
            "OPTIONS": dict(_SQLITE),
            "CONN_MAX_AGE": None,
            "TEST": {"NAME": str(root / "var" / "test.sqlite3")},
        }
    return found | {
        "ENGINE": "orkesta.postgresql",
        "OPTIONS": {**_POSTGRESQL, **found.get("OPTIONS", {})},
        # Each of a few long-lived threads keeps its own (`orkesta.postgresql`).
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }
