"""Management commands: whose rows each touches, and what those of one tenant tell of another's."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.core.management.base import CommandParser

from orkesta.database import in_this_thread
from tenants.commands import TenantCommand
from tenants.isolation.canaries import make_tenant

OURS = ("tenants", "prompts", "routing", "conversations")
#: Commands that work on the whole installation, or run it.
OF_ALL_TENANTS = {
    "demo_access",
    "expire_sessions",
    "isolation_check",
    "roll_up_usage",
    "rotate_encryption_keys",
    "run_quarantine",
    "run_scheduler",
    "run_worker",
    "seed_demo",
    "serve",
}
BILL = "Date,Model,Input_Tokens,Output_Tokens,Cost_USD\n2026-11-20,gpt-5-mini,60,6,1.25\n"
#: What a command has to be given beside its tenant, as files of that content.
FILES = {"where": ("prompts.json", ""), "file": ("bill.csv", BILL)}


def commands() -> dict[str, Any]:
    return {
        name: load_command_class(app, name)
        for name, app in sorted(get_commands().items())
        if app in OURS
    }


def parser_of(name: str) -> CommandParser:
    parser: CommandParser = commands()[name].create_parser("manage.py", name)
    return parser


def test_every_command_says_whose_rows_it_touches() -> None:
    for name in commands():
        takes_a_tenant = any(action.dest == "tenant" for action in parser_of(name)._actions)
        assert takes_a_tenant or name in OF_ALL_TENANTS, f"{name}: of one tenant or of all?"


def arguments_of(name: str, folder: Path) -> list[str]:
    """What the command cannot do without. Raises KeyError for what nobody knows here."""
    given = []
    for action in parser_of(name)._actions:
        if action.required and action.dest != "tenant":
            file, content = FILES[action.dest]
            if content:
                (folder / file).write_text(content, encoding="utf-8")
            given += [*action.option_strings[-1:], str(folder / file)]
    return given


@pytest.mark.django_db
def test_a_command_of_one_tenant_tells_and_touches_nothing_of_another(
    tmp_path: Path, capfd: Any, caplog: Any
) -> None:
    ours, theirs = make_tenant("ours"), make_tenant("theirs")
    before, found = theirs.state(), set()
    of_one = [name for name, one in commands().items() if isinstance(one, TenantCommand)]
    assert len(of_one) > 4
    for name in of_one:
        arguments, said = arguments_of(name, tmp_path), ""
        try:
            with in_this_thread():
                call_command(name, *arguments, "--tenant", ours.tenant.slug)
        except CommandError as exc:
            said = str(exc)
        files = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
        told = "".join([said, *capfd.readouterr(), caplog.text, files])
        assert told, name
        assert theirs.found_in(told) == [], name
        assert theirs.state() == before, name
        found |= set(ours.found_in(told))
    # Otherwise this would have proved nothing.
    assert "prompts.PromptVersion" in found
