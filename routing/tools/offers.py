"""What MCP servers offer, set against what was approved: imported, pinned, quarantined.

A tool is pinned by the hash of its name, description and parameters. When a server changes one of
them, agents lose the tool until a person has read the difference and approved it: a description is
an instruction to the model, and the server's owner may not be who they were.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from orkesta.deferred import deferred
from orkesta.errors import StateConflict
from routing.llm.storable import storable
from routing.server_models import MAX_DESCRIPTION_CHARS, McpServer
from routing.tool_models import Tool
from routing.tools.schema import SchemaInvalid, check_parameters, check_schema, hash_of
from routing.tools.server_words import compare_words
from routing.tools.storing import storable_data
from routing.tools.values import Recovery, Risk, ToolKind
from tenants.audit import record, record_new
from tenants.audit_models import AuditAction
from tenants.services import touch_configuration

if TYPE_CHECKING:
    import mcp_types
else:  # pydantic builds hundreds of models
    mcp_types = deferred("mcp_types")

MAX_NAME_CHARS: Final = 64
_UNNAMEABLE: Final = re.compile(r"[^a-zA-Z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool as its server describes it now, fit to be stored."""

    remote_name: str
    title: str
    description: str
    parameters: dict[str, Any]
    output_schema: dict[str, Any] | None
    risk: Risk
    recovery: Recovery

    @property
    def hash(self) -> str:
        return hash_of(self.remote_name, self.description, self.parameters)

    def stored(self) -> dict[str, Any]:
        """What is kept of a changed offer until somebody approves it."""
        return {
            "title": self.title,
            "description": self.description,
            "parameters": self.parameters,
            "output_schema": self.output_schema,
        }


@dataclass(slots=True)
class SyncReport:
    """What a sync found, by the names on the server; `refused` says why beside each."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    #: What the server says of itself waits for approval.
    has_new_words: bool = False


def read_offer(tool: "mcp_types.Tool") -> Offer:
    """Raises SchemaInvalid for a tool whose parameters or name cannot be used here."""
    name = storable(tool.name)
    parameters = storable_data(tool.input_schema)
    if not name or len(name) > 200 or not isinstance(parameters, dict):
        raise SchemaInvalid("The tool has no usable name or parameters.")
    check_parameters(parameters)
    hints = tool.annotations or mcp_types.ToolAnnotations()
    return Offer(
        remote_name=name,
        title=storable(tool.title or hints.title or "")[:100],
        description=storable(tool.description or "")[:MAX_DESCRIPTION_CHARS],
        parameters=parameters,
        output_schema=_usable(tool.output_schema),
        risk=_risk_of(hints),
        recovery=_recovery_of(hints),
    )


def _usable(schema: Any) -> dict[str, Any] | None:
    """An output schema, when it is one that can be checked here: without, anything goes."""
    clean = storable_data(schema)
    try:
        check_schema(clean)
    except SchemaInvalid:
        return None
    return clean if isinstance(clean, dict) else None


def _risk_of(hints: "mcp_types.ToolAnnotations") -> Risk:
    # Hints of a server that somebody chose to trust; the person who imports the tool sees them.
    if hints.read_only_hint:
        return Risk.READ
    return Risk.APPROVAL if hints.destructive_hint else Risk.WRITE


def _recovery_of(hints: "mcp_types.ToolAnnotations") -> Recovery:
    return Recovery.IDEMPOTENT if hints.read_only_hint or hints.idempotent_hint else Recovery.NEVER


@transaction.atomic
def apply_offers(
    *,
    server: McpServer,
    offered: Sequence["mcp_types.Tool"],
    words: str | None = None,
    activate_new: bool = False,
) -> SyncReport:
    """Bring the tools of `server` up to date with what it offers, and touch the configuration.

    New ones become rows, switched off unless `activate_new`; changed ones are quarantined with the
    new version beside the approved one; one that is back to its approved version leaves quarantine.
    So it goes with `words`, what the server says of itself; None means that nobody asked.
    """
    report = SyncReport()
    rows = {row.remote_name: row for row in server.tools.select_for_update()}
    for tool in offered:
        try:
            offer = read_offer(tool)
        except SchemaInvalid as exc:
            report.refused.append((storable(tool.name)[:200], exc.message))
            continue
        row = rows.pop(offer.remote_name, None)
        if row is None:
            _add(server, offer, is_active=activate_new)
            report.added.append(offer.remote_name)
        else:
            found = report.unchanged if _compare(row, offer) else report.changed
            found.append(offer.remote_name)
    for row in rows.values():
        Tool.objects.filter(pk=row.pk).update(is_missing=True)
        report.missing.append(row.remote_name)
    _note_sync(server, words, report)
    touch_configuration(server.tenant_id)
    return report


def _note_sync(server: McpServer, words: str | None, report: SyncReport) -> None:
    row = McpServer.objects.select_for_update().get(pk=server.pk)
    if words is not None:
        report.has_new_words = not compare_words(server=row, said=words)
    row.synced_at, row.sync_error = timezone.now(), ""
    row.save(update_fields=["synced_at", "sync_error", "offered_words", "do_words_wait"])
    server.synced_at, server.sync_error = row.synced_at, row.sync_error
    server.offered_words, server.do_words_wait = row.offered_words, row.do_words_wait


def _compare(row: Tool, offer: Offer) -> bool:
    """Whether `offer` is the approved version; the row is brought into quarantine if it is not."""
    is_same, was = offer.hash == row.pinned_hash, row.is_quarantined
    row.is_missing = False
    row.is_quarantined = not is_same
    row.offered = None if is_same else offer.stored()
    row.save(update_fields=["is_missing", "is_quarantined", "offered"])
    if row.is_quarantined != was:
        record(AuditAction.CHANGED, row, {"is_quarantined": (was, row.is_quarantined)})
    return is_same


def _add(server: McpServer, offer: Offer, *, is_active: bool) -> None:
    row = Tool.objects.create(
        name=_free_name(f"{server.slug}__{_UNNAMEABLE.sub('_', offer.remote_name)}"),
        title=offer.title,
        description=offer.description,
        kind=ToolKind.MCP,
        parameters=offer.parameters,
        output_schema=offer.output_schema,
        risk=offer.risk,
        recovery=offer.recovery,
        timeout_seconds=server.timeout_seconds,
        is_active=is_active,
        mcp_server=server,
        remote_name=offer.remote_name,
        pinned_hash=offer.hash,
    )
    record_new(row)


def _free_name(wanted: str) -> str:
    name, number = wanted[:MAX_NAME_CHARS], 1
    while Tool.objects.filter(name=name).exists():
        number += 1
        name = f"{wanted[: MAX_NAME_CHARS - 4]}_{number}"
    return name


@transaction.atomic
def quarantine_changed(tool_id: UUID, offer: Offer) -> None:
    """Take a tool from its agents because its server describes it otherwise now."""
    row = Tool.objects.select_for_update().filter(pk=tool_id).first()
    if row is None or row.is_quarantined or row.pinned_hash == offer.hash:
        return
    _compare(row, offer)
    touch_configuration(row.tenant_id)


@transaction.atomic
def approve_offer(*, tool: Tool) -> Tool:
    """Give agents the version that the server offers now. Raises StateConflict when none waits."""
    row = Tool.objects.select_for_update().get(pk=tool.pk)
    offered = row.offered
    if not row.is_quarantined or offered is None:
        raise StateConflict("This tool is not in quarantine.")
    row.title = row.title or offered["title"]
    row.description, row.parameters = offered["description"], offered["parameters"]
    row.output_schema = offered["output_schema"]
    row.pinned_hash = hash_of(row.remote_name, row.description, row.parameters)
    changes = {"description": (tool.description, row.description)}
    row.is_quarantined, row.offered = False, None
    row.save()
    record(AuditAction.APPROVED, row, changes)
    touch_configuration(row.tenant_id)
    return row


@transaction.atomic
def activate_tools(*, server: McpServer) -> int:
    """Switch on the tools of `server` that are off; gives how many."""
    rows = list(server.tools.select_for_update().filter(is_active=False))
    for row in rows:
        row.is_active = True
        row.save(update_fields=["is_active"])
        record(AuditAction.CHANGED, row, {"is_active": (False, True)})
    touch_configuration(server.tenant_id)
    return len(rows)
