from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.cast import House
from tests.tenants.usage.rows import use

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HEAD = "Date,Model,Input_Tokens,Output_Tokens,Cost_USD\n"


@pytest.fixture
def billed(acme: House, rival: House) -> House:
    use(acme.tenant, created_at=NOON, cost_nano=2_000_000_000)
    use(acme.tenant, created_at=NOON, cost_nano=1_000_000_000, endpoint="other", llm="x")
    use(rival.tenant, created_at=NOON, cost_nano=9_000_000_000)
    return acme


def reconcile(tmp_path: Path, text: str, capsys: Any, **options: Any) -> tuple[bool, str]:
    """Whether the bills agree, and what was said."""
    path = tmp_path / "export.csv"
    path.write_text(text)
    try:
        call_command("reconcile_usage", tenant="acme", file=str(path), **options)
    except CommandError as exc:
        return False, capsys.readouterr().out + str(exc)
    return True, capsys.readouterr().out


def test_bills_that_agree(billed: House, tmp_path: Path, capsys: Any) -> None:
    text = HEAD + "2026-11-20,gpt-5-mini,60,6,1.25\n2026-11-20,gpt-5-mini,40,4,$0.751\n"
    agree, said = reconcile(tmp_path, text + "2026-11-20,x,100,10,1.00\n", capsys)
    assert agree, said
    assert "ours 3.00 USD, 220 tokens; theirs 3.00 USD, 220 tokens; 0 differences" in said


def test_bills_that_differ(billed: House, tmp_path: Path, capsys: Any) -> None:
    text = HEAD + "2026-11-20,gpt-5-mini,100,10,2.50\n2026-11-19,gone,1,1,0.40\n"
    agree, said = reconcile(tmp_path, text, capsys)
    assert not agree
    lines = [line.split()[:2] for line in said.splitlines()[:3]]
    assert lines == [["2026-11-20", "x"], ["2026-11-20", "gpt-5-mini"], ["2026-11-19", "gone"]]
    assert "difference +0.5000" in said


def test_one_endpoint_alone(billed: House, tmp_path: Path, capsys: Any) -> None:
    text = HEAD + "2026-11-20,x,100,10,1.00\n"
    assert reconcile(tmp_path, text, capsys, endpoint="other")[0]


def test_a_tolerance(billed: House, tmp_path: Path, capsys: Any) -> None:
    text = HEAD + "2026-11-20,gpt-5-mini,100,10,2.10\n2026-11-20,x,1,1,1\n"
    assert not reconcile(tmp_path, text, capsys)[0]
    assert reconcile(tmp_path, text, capsys, tolerance=Decimal("0.05"))[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Date,Model\n2026-11-20,x\n", "no column for: cost"),
        (HEAD + "yesterday,x,1,1,1\n", "Line 2"),
        (HEAD + "2026-11-20,x,1,1,much\n", "Line 2"),
        (HEAD + "2026-11-20,x,1,1,Infinity\n", "Line 2"),
        (HEAD + "2026-11-20\n", "Line 2"),
        (HEAD, "no lines"),
        ("", "no column"),
    ],
)
def test_an_export_that_cannot_be_read(
    billed: House, tmp_path: Path, capsys: Any, text: str, reason: str
) -> None:
    agree, said = reconcile(tmp_path, text, capsys)
    assert not agree
    assert reason in said
