"""Which MCP server is meant."""

from dataclasses import dataclass
from uuid import UUID

from orkesta.crypto import Secret


@dataclass(frozen=True, slots=True)
class McpTarget:
    """A tenant's server, as its row says. The same row edited is another target."""

    tenant_id: UUID
    server_id: UUID
    name: str
    slug: str
    url: str
    command: tuple[str, ...]
    secret_header: str
    secret: Secret
    timeout_seconds: float

    @property
    def breaker_name(self) -> str:
        return f"mcp:{self.slug}"
