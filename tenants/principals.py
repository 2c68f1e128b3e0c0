"""Who is asking: what a credential stands for once it has been checked."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Scope(StrEnum):
    """What an API key may be allowed to do. A key has no right that is not listed in its row."""

    CHAT_WRITE = "chat:write"
    TASKS_READ = "tasks:read"
    TASKS_WRITE = "tasks:write"
    TASKS_CONTROL = "tasks:control"
    AGENTS_READ = "agents:read"
    AGENTS_WRITE = "agents:write"
    PROMPTS_READ = "prompts:read"
    PROMPTS_WRITE = "prompts:write"
    KEYS_MANAGE = "keys:manage"
    SCHEDULES_MANAGE = "schedules:manage"
    WEBHOOKS_MANAGE = "webhooks:manage"
    USAGE_READ = "usage:read"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller and the one tenant it speaks for."""

    tenant_id: UUID
    tenant_slug: str
    key_id: UUID | None
    key_name: str
    scopes: frozenset[str]
    is_authenticated: bool = True

    def may(self, scope: str) -> bool:
        return scope in self.scopes
