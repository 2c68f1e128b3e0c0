import re
from typing import NamedTuple

from orkesta.env import PROJECT_ROOT
from orkesta.failpoints import Failpoint


class Row(NamedTuple):
    number: str
    what: str
    holds: str
    failpoint: str
    tests: str


def rows() -> list[Row]:
    text = (PROJECT_ROOT / "docs/crashes.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| (\d+ .*) \|$", text, re.MULTILINE)
    return [Row(*line.split(" | ")) for line in lines]


def test_every_moment_is_named_with_what_proves_it() -> None:
    assert [row.number for row in rows()] == [str(number) for number in range(1, 27)]
    for row in rows():
        for path, name in re.findall(r"`(tests/\S+)::(\w+)`", row.tests):
            source = (PROJECT_ROOT / path).read_text(encoding="utf-8")
            assert f"def {name}(" in source, name
        assert "::" in row.tests or "no bus" in row.holds


def test_every_failpoint_is_at_a_moment_and_is_armed_by_a_test() -> None:
    named = {name.partition(":")[0] for row in rows() for name in re.findall("`(.+?)`", row[3])}
    assert named == set(Failpoint)
    tests = [*(PROJECT_ROOT / "tests/production").glob("test_*.py")]
    source = "".join(path.read_text(encoding="utf-8") for path in tests)
    assert [place for place in Failpoint if f"Failpoint.{place.name}" not in source] == []
