import re
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from orkesta.env import PROJECT_ROOT, VARIABLES

KNOWN = {variable.name for variable in VARIABLES}
#: Of the containers, not of ours.
OF_IMAGES = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "SITE_ADDRESS"}
OF_PYTHON = re.compile(r"^(PATH|PYTHON\w+|PIP_\w+)$")
DOCKERFILE = (PROJECT_ROOT / "Dockerfile").read_text()
COMPOSE_TEXT = (PROJECT_ROOT / "compose.yaml").read_text()
EXAMPLE = (PROJECT_ROOT / "deploy" / "env.production.example").read_text()
GUIDE = (PROJECT_ROOT / "docs" / "production.md").read_text()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
    return found


def ours(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    return {name: one for name, one in compose["services"].items() if "build" in one}


def test_the_composition_runs_every_kind_of_process(compose: dict[str, Any]) -> None:
    assert set(ours(compose)) == {"migrate", "web", "worker", "scheduler"}
    assert {"postgres", "valkey", "proxy"} <= set(compose["services"])
    for name, service in ours(compose).items():
        waited_for = service["depends_on"]
        assert set(waited_for) <= set(compose["services"]), name
        assert {"postgres", "valkey"} <= set(waited_for), name
    for name, service in compose["services"].items():
        named = [volume.split(":")[0] for volume in service.get("volumes", [])]
        local = {volume for volume in named if volume.startswith("./")}
        assert all((PROJECT_ROOT / volume).exists() for volume in local), name
        assert set(named) - local <= set(compose["volumes"]), name


@pytest.mark.parametrize("text", [DOCKERFILE, COMPOSE_TEXT, EXAMPLE, GUIDE])
def test_every_command_that_is_named_exists(text: str) -> None:
    named = set(re.findall(r"manage\.py[\", ]+([a-z_]+)", text))
    assert named <= set(get_commands())


def test_every_variable_that_is_set_is_read(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        known = KNOWN if "build" in service else OF_IMAGES
        assert set(service.get("environment", {})) <= known, name
    in_example = set(re.findall(r"^([A-Z_]+)=", EXAMPLE, re.MULTILINE))
    assert in_example <= KNOWN | OF_IMAGES
    in_image = set(
        re.findall(r"(?:^ENV |^    |^RUN )(?:PATH=\S+ )?([A-Z_]{4,})=", DOCKERFILE, re.M)
    )
    assert {name for name in in_image if not OF_PYTHON.match(name)} <= KNOWN
    in_guide = set(re.findall(r"`(ORCHESTRATOR_[A-Z_]+|DATABASE_URL|REDIS_URL)`", GUIDE))
    assert in_guide
    assert in_guide <= KNOWN


def test_every_secret_is_asked_for(compose: dict[str, Any]) -> None:
    for name in ("SECRET_KEY", "ENCRYPTION_KEYS", "KEY_PEPPERS"):
        assert f"\nORCHESTRATOR_{name}=\n" in EXAMPLE, "an example must hold no secret"
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", COMPOSE_TEXT))
    assert asked == {"POSTGRES_PASSWORD"}


def test_the_image_is_not_run_by_root_and_tells_how_it_is() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER orkesta$", last, re.MULTILINE)
    assert "/health'" in last.partition("HEALTHCHECK")[2]
    assert last.index("USER orkesta") < last.index('CMD ["uvicorn"')
    copied = re.findall(r"^COPY (?!--)(\S+)", DOCKERFILE, re.MULTILINE)
    assert all((PROJECT_ROOT / name).exists() for name in copied)


def test_secrets_and_data_do_not_get_into_the_image() -> None:
    left_out = (PROJECT_ROOT / ".dockerignore").read_text().split()
    assert {".env", ".env.*", ".git", "var"} <= set(left_out)
    assert ".env.*" in (PROJECT_ROOT / ".gitignore").read_text().split()


def test_workers_get_the_time_they_need_to_drain(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker"]
    drain = float(worker["command"][worker["command"].index("--drain-seconds") + 1])
    assert float(worker["stop_grace_period"].rstrip("s")) > drain
