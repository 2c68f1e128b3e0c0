"""Who is asking: what a credential stands for once it has been checked."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from tenants.errors import AgentNotAllowed


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
    #: Slugs of the only agents that it may talk to; none means all.
    agents: frozenset[str] = frozenset()

    def may(self, scope: str) -> bool:
        return scope in self.scopes

    def choose_agent(self, asked: str) -> str:
        """The agent that gets a message: the one `asked` for, or the only one that this caller may
        talk to; empty lets the rules choose. Raises AgentNotAllowed.
        """
        if not self.agents or asked in self.agents:
            return asked
        if asked or len(self.agents) > 1:
            allowed = ", ".join(sorted(self.agents))
            raise AgentNotAllowed(f"This API key may talk to these agents only: {allowed}.")
        return next(iter(self.agents))
