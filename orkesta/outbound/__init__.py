"""Requests to addresses that tenants choose, which must not reach what tenants cannot.

A tenant types the address of a tool, a webhook, an MCP server or an LLM, and this process calls
it from inside the operator's network. `check_url` judges the text when it is saved; `open_client`
and `fetch` judge every address when it is dialled. In production an egress proxy is a second wall.
"""

from orkesta.outbound.client import OutboundResponse, fetch, open_client
from orkesta.outbound.configured import configured_policy, own_server_allowed
from orkesta.outbound.errors import (
    OutboundBlocked,
    OutboundTimeout,
    OutboundTooLarge,
    OutboundUnreachable,
    OutboundUnreadable,
    OutboundUnsendable,
    UrlNotAllowed,
    outbound_error,
)
from orkesta.outbound.policy import OutboundPolicy, check_url
from orkesta.outbound.quick_pool import quick_transport
from orkesta.outbound.transport import OutboundTransport

__all__ = [
    "OutboundBlocked",
    "OutboundPolicy",
    "OutboundResponse",
    "OutboundTimeout",
    "OutboundTooLarge",
    "OutboundTransport",
    "OutboundUnreachable",
    "OutboundUnreadable",
    "OutboundUnsendable",
    "UrlNotAllowed",
    "check_url",
    "configured_policy",
    "fetch",
    "open_client",
    "outbound_error",
    "own_server_allowed",
    "quick_transport",
]
