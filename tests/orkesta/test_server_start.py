import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import run_server
from tests.serving import Installation, free_port

SECRETS = {
    "ORCHESTRATOR_DEBUG": "false",
    "ORCHESTRATOR_SECRET_KEY": "a" * 40,
    "ORCHESTRATOR_ENCRYPTION_KEYS": "b" * 40,
    "ORCHESTRATOR_KEY_PEPPERS": "c" * 40,
}
POSTGRES = "postgres://nobody@127.0.0.1:1/nowhere"


def start(installation: Installation) -> "subprocess.CompletedProcess[str]":
    command = ["-m", "uvicorn", "--port", str(free_port()), "orkesta.asgi:application"]
    return subprocess.run(
        [sys.executable, *command],
        env=installation.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("settings", "finding"),
    [
        ({"DATABASE_URL": POSTGRES}, "orkesta.E007"),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "orkesta.E006"),
    ],
)
def test_half_of_a_set_up_does_not_serve(
    tmp_path: Path, settings: dict[str, str], finding: str
) -> None:
    ended = start(Installation(tmp_path / "shop.sqlite3", settings=SECRETS | settings))
    assert ended.returncode != 0
    assert finding in ended.stderr


def test_a_second_server_on_one_sqlite_file_does_not_serve(tmp_path: Path) -> None:
    shop = Installation(tmp_path / "shop.sqlite3")
    with run_server("uvicorn", shop):
        ended = start(shop)
    assert ended.returncode != 0
    assert "already serves" in ended.stderr
