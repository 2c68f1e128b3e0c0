"""Which commands may be MCP servers: those that the operator has written down, and no others.

A tenant chooses among them. Program and arguments have to be the same, word for word; nothing goes
through a shell.
"""

import shlex
from collections.abc import Sequence
from typing import Final

from django.conf import settings

SETTING: Final = "ORCHESTRATOR_MCP_COMMANDS"


def allowed_commands() -> list[tuple[str, ...]]:
    """Program and arguments of each allowed command."""
    return [tuple(shlex.split(line)) for line in settings.ORKESTA_MCP_COMMANDS if line.strip()]


def is_allowed(command: Sequence[str]) -> bool:
    return tuple(command) in allowed_commands()
