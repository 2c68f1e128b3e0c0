"""The operator's policy for outgoing requests, as the settings give it."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from orkesta.outbound.policy import OutboundPolicy

_own_servers: set[str] = set()


def configured_policy() -> OutboundPolicy:
    """What tenants' addresses may lead to in this installation.

    Where private addresses are allowed (development), any port is: whoever runs a model on
    localhost runs it on a port of their own.
    """
    return OutboundPolicy(
        allow_private=settings.ORKESTA_ALLOW_PRIVATE_UPSTREAMS,
        any_port=settings.ORKESTA_ALLOW_PRIVATE_UPSTREAMS,
        allowed_hosts=frozenset(host.lower() for host in settings.ORKESTA_UPSTREAM_HOSTS)
        | _own_servers,
    )


@contextmanager
def own_server_allowed(address: str) -> Iterator[None]:
    """Let tools call `address` (`host:port`, of this machine), a server that this process started.

    It opens that one port while the block runs, in this process alone, whatever the settings say:
    the demo works without an operator who allows private addresses to every tenant.
    """
    _own_servers.add(address)
    try:
        yield
    finally:
        _own_servers.discard(address)
