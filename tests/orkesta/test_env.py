import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from environs import Env

from orkesta import env


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Env, "read_env", lambda *args, **kwargs: None)
    for variable in env.VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)


def test_without_any_variable_the_defaults_hold() -> None:
    assert env.read() == {variable.name: variable.default for variable in env.VARIABLES}


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {
        "ORCHESTRATOR_DEBUG": "ture",
        "PORT": "70000",
        "ORCHESTRATOR_LEASE_SECONDS": "soon",
        "ORCHESTRATOR_LOG_FORMAT": "xml",
        "ORCHESTRATOR_TIME_ZONE": "America/Atlantis",
    }
    for name, value in bad.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured) as refusal:
        env.read()
    lines = str(refusal.value).splitlines()[1:]
    assert sorted(line.split(":")[0].strip() for line in lines) == sorted(bad)
    assert all(line.split(":", 1)[1].strip() for line in lines)


def test_commands_refuse_bad_values_in_words_and_without_a_traceback() -> None:
    values = {
        "DJANGO_SETTINGS_MODULE": "orkesta.settings",
        "PORT": "0",
        "ORCHESTRATOR_DEBUG": "ture",
    }
    process = subprocess.run(
        [sys.executable, env.PROJECT_ROOT / "manage.py", "check"],
        env=os.environ | values,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert process.stderr.startswith("Bad values in the environment:\n")
    assert "PORT: Must be" in process.stderr
    assert "ORCHESTRATOR_DEBUG: Not a valid boolean" in process.stderr
    assert "Traceback" not in process.stderr


def test_a_bad_secret_is_not_repeated_in_the_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://user:hunter2@db/orkesta")
    monkeypatch.setenv("PORT", "0")
    with pytest.raises(ImproperlyConfigured) as refusal:
        env.read()
    assert "hunter2" not in str(refusal.value)


NOT_OURS = [
    ("DATABASE_URL", "mysql://user:hunter2@db/orkesta"),
    ("DATABASE_URL", "postgres://user:hunter2@db:port/orkesta"),
    ("DATABASE_URL", "hunter2"),
    ("DATABASE_URL", ""),
    ("REDIS_URL", "http://:hunter2@cache:6379"),
    ("REDIS_URL", "cache:6379"),
    ("REDIS_URL", "redis://cache:0"),
]


@pytest.mark.parametrize(("name", "address"), NOT_OURS)
def test_a_server_that_it_cannot_use_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    monkeypatch.setenv(name, address)
    with pytest.raises(ImproperlyConfigured, match=f"{name}: This is not an address") as refusal:
        env.read()
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("zone", ["", "/etc/passwd", "../UTC", "Mars/Base", "America"])
def test_what_is_not_a_time_zone_is_refused(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("ORCHESTRATOR_TIME_ZONE", zone)
    with pytest.raises(ImproperlyConfigured, match="ORCHESTRATOR_TIME_ZONE"):
        env.read()


def test_lists_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_ALLOWED_ORIGINS", "https://a.example,http://localhost:3000")
    found = env.read()["ORCHESTRATOR_ALLOWED_ORIGINS"]
    assert found == ["https://a.example", "http://localhost:3000"]


def test_a_comma_in_quotes_belongs_to_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    given = "python -m shop '--only=a, b', node x.js"
    monkeypatch.setenv("ORCHESTRATOR_MCP_COMMANDS", given)
    found = env.whole_commands(env.read()["ORCHESTRATOR_MCP_COMMANDS"])
    assert found == ["python -m shop '--only=a, b'", "node x.js"]


def test_a_quote_that_does_not_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_MCP_COMMANDS", "python -m 'shop, node x.js")
    with pytest.raises(ImproperlyConfigured, match="is no command"):
        env.read()


def test_fresh_secrets_are_long_and_never_the_same() -> None:
    first, second = env.fresh_secrets(), env.fresh_secrets()
    assert first != second
    values = dict(line.split("=", 1) for line in first.splitlines() if "=" in line)
    assert values.pop("ORCHESTRATOR_DEBUG") == "true"
    assert all(len(value) >= 43 for value in values.values())


def test_every_variable_is_told_apart_and_explained() -> None:
    names = [variable.name for variable in env.VARIABLES]
    assert len(set(names)) == len(names)
    assert all(variable.help.endswith(".") for variable in env.VARIABLES)
