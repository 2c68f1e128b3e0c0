"""The data files of a demo tenant, read into values."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SLUGS: Final = ("ferreteria", "floreria")
#: Stands in a prompt for the text of `catalogue.txt`.
CATALOGUE: Final = "[[catalogue]]"
_FOLDER: Final = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class DemoAgent:
    slug: str
    name: str
    description: str
    intents: tuple[str, ...]
    prompt: str
    is_fallback: bool
    tools: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DemoServer:
    """An MCP server, and its tools as it lists them (`tools/list` of the protocol). Each call of
    those in `approvals` waits for a person.
    """

    slug: str
    name: str
    offered: tuple[Mapping[str, Any], ...]
    approvals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DemoSchedule:
    name: str
    cron: str
    agent: str
    message: str


@dataclass(frozen=True, slots=True)
class DemoRule:
    name: str
    kind: str
    condition: dict[str, Any]
    agent: str
    intent: str


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What one customer writes; the answers are the demo's own doing."""

    user_ref: str
    user_name: str
    messages: tuple[str, ...]
    is_closed: bool


@dataclass(frozen=True, slots=True)
class DemoContent:
    """Everything about one demo tenant that is not derived from a secret."""

    slug: str
    name: str
    time_zone: str
    owner: str
    business_context: str
    agents: tuple[DemoAgent, ...]
    rules: tuple[DemoRule, ...]
    dialogues: tuple[Dialogue, ...]
    server: DemoServer | None
    schedules: tuple[DemoSchedule, ...]


def read_content(slug: str) -> DemoContent:
    """The demo tenant called `slug`."""
    folder = _FOLDER / slug
    about = tomllib.loads(_text(folder / "tenant.toml"))
    dialogues = tomllib.loads(_text(folder / "dialogues.toml"))["dialogues"]
    return DemoContent(
        slug=slug,
        name=about["name"],
        time_zone=about["time_zone"],
        owner=about["owner"],
        business_context=_text(folder / "facts.txt").strip(),
        agents=tuple(_agent(folder, row) for row in about["agents"]),
        rules=tuple(DemoRule(**row) for row in about["rules"]),
        dialogues=tuple(_dialogue(row) for row in dialogues),
        server=_server(folder, about["mcp_server"]) if "mcp_server" in about else None,
        schedules=tuple(DemoSchedule(**row) for row in about.get("schedules", ())),
    )


def _agent(folder: Path, row: dict[str, Any]) -> DemoAgent:
    prompt = _text(folder / f"{row['slug']}.md")
    if CATALOGUE in prompt:
        prompt = prompt.replace(CATALOGUE, _text(folder / "catalogue.txt").strip())
    return DemoAgent(
        slug=row["slug"],
        name=row["name"],
        description=row["description"],
        intents=tuple(row["intents"]),
        prompt=prompt.strip(),
        is_fallback=row.get("is_fallback", False),
        tools=tuple(row.get("tools", ())),
    )


def _server(folder: Path, row: dict[str, Any]) -> DemoServer:
    offered = json.loads(_text(folder / "tools.json"))["tools"]
    return DemoServer(
        slug=row["slug"],
        name=row["name"],
        offered=tuple(offered),
        approvals=tuple(row.get("approvals", ())),
    )


def _dialogue(row: dict[str, Any]) -> Dialogue:
    return Dialogue(
        user_ref=row["user_ref"],
        user_name=row.get("user_name", ""),
        messages=tuple(row["messages"]),
        is_closed=row.get("is_closed", False),
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
