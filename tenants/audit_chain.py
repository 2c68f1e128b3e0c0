"""The seals of the audit log: whoever changes, adds or takes away an entry breaks the chain.

Each entry holds `<pepper>.<HMAC>`: over its log, the seal before it and what it says, under a
pepper of `ORCHESTRATOR_KEY_PEPPERS`, which is not in the database. What a chain cannot show is that
its newest entries are gone: `check_audit` prints how each log ends, to be kept elsewhere.
"""

import hashlib
import hmac
import ipaddress
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from django.conf import settings

from tenants.audit_models import AuditRow
from tenants.keys import fingerprint

_PURPOSE: Final = "orkesta audit chain 1"
_COLUMNS: Final = (
    "seq",
    "actor_kind",
    "actor_id",
    "actor_name",
    "action",
    "object_type",
    "object_id",
    "object_name",
    "changes",
    "reason",
    "request_id",
)


class Fault(StrEnum):
    MISSING = "missing"
    """Entries before this one are not there."""
    ALTERED = "altered"
    """It, or what was before it, is not what was written."""
    UNSEALED = "unsealed"
    """It has no seal, although those before it do."""
    UNKNOWN_PEPPER = "unknown_pepper"
    """It cannot be checked: its pepper is not configured any more."""


@dataclass(frozen=True, slots=True)
class Break:
    seq: int
    fault: Fault


def sealed(entry: AuditRow, log: str, before: str) -> str:
    """The seal of `entry` in the log of this name, after the entry whose seal is `before`."""
    return _seal(entry, log, before, settings.ORKESTA_KEY_PEPPERS[-1])


def find_breaks(entries: Iterable[AuditRow], log: str) -> Iterator[Break]:
    """What is wrong with a log, whose entries come in their order, from the first on. Entries from
    before there were seals have none; they can only be the first ones.
    """
    peppers = {fingerprint(pepper): pepper for pepper in settings.ORKESTA_KEY_PEPPERS}
    number, before = 0, ""
    for entry in entries:
        if entry.seq != number + 1:
            yield Break(entry.seq, Fault.MISSING)
        elif (fault := _fault(entry, log, before, peppers)) is not None:
            yield Break(entry.seq, fault)
        number, before = entry.seq, entry.chain


def _fault(entry: AuditRow, log: str, before: str, peppers: dict[str, str]) -> Fault | None:
    if not entry.chain:
        return Fault.UNSEALED if before else None
    pepper = peppers.get(entry.chain.partition(".")[0])
    if pepper is None:
        return Fault.UNKNOWN_PEPPER
    expected = _seal(entry, log, before, pepper)
    return None if hmac.compare_digest(expected, entry.chain) else Fault.ALTERED


def _seal(entry: AuditRow, log: str, before: str, pepper: str) -> str:
    said = {name: _plain(getattr(entry, name)) for name in _COLUMNS}
    said["at"] = int(entry.at.timestamp() * 1_000_000)
    said["address"] = str(ipaddress.ip_address(entry.address)) if entry.address else ""
    text = json.dumps([_PURPOSE, log, before, said], sort_keys=True)
    found = hmac.new(pepper.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"{fingerprint(pepper)}.{found}"


def _plain(value: Any) -> Any:
    """Numbers as floats: a database may give 1 back where 1.0 was stored."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else value
