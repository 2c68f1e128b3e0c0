import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from orkesta.single_process import DatabaseInUse, sole_process

HOLDER = """
import fcntl, sys, time
lock = open(sys.argv[1], "a+")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def database(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "new" / "shop.sqlite3"
    settings.IS_SQLITE = True
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", str(path))
    return path


def test_a_second_process_is_refused_and_told_which_one_is_first(database: Path) -> None:
    with sole_process():
        with pytest.raises(DatabaseInUse) as refusal, sole_process():
            pass
        assert f"pid {os.getpid()}" in str(refusal.value)
        assert str(database) in str(refusal.value)


def test_the_file_is_free_again_afterwards(database: Path) -> None:
    for _ in range(2):
        with sole_process():
            assert Path(f"{database}.lock").read_text() == str(os.getpid())


def test_kill_9_leaves_nothing_stale_behind(database: Path) -> None:
    database.parent.mkdir()
    lock = f"{database}.lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, lock], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DatabaseInUse), sole_process():
            pass
        holder.kill()
        holder.wait()
    with sole_process():
        pass


def test_a_database_server_serves_any_number(database: Path, settings: Settings) -> None:
    settings.IS_SQLITE = False
    with sole_process(), sole_process():
        assert not Path(f"{database}.lock").exists()
