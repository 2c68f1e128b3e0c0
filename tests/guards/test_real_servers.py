import pytest

from orkesta.env import PROJECT_ROOT
from tests.services import unavailable

REFUSAL = OSError("no such wheel")


@pytest.mark.parametrize("value", ["true", "1"])
def test_in_ci_a_server_that_cannot_be_started_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CI", value)
    with pytest.raises(pytest.fail.Exception, match="PostgreSQL could not be started: OSError"):
        unavailable("PostgreSQL", REFUSAL)


def test_elsewhere_the_run_says_what_it_has_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="NOT TESTED: Valkey could not be started"):
        unavailable("Valkey", REFUSAL)


def test_what_ci_runs_says_that_it_is_ci() -> None:
    assert "\nexport CI=true\n" in (PROJECT_ROOT / ".ci" / "run").read_text()
