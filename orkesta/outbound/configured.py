"""The operator's policy for outgoing requests, as the settings give it."""

from django.conf import settings

from orkesta.outbound.policy import OutboundPolicy


def configured_policy() -> OutboundPolicy:
    """What tenants' addresses may lead to in this installation.

    Where private addresses are allowed (development), any port is: whoever runs a model on
    localhost runs it on a port of their own.
    """
    return OutboundPolicy(
        allow_private=settings.ORKESTA_ALLOW_PRIVATE_UPSTREAMS,
        any_port=settings.ORKESTA_ALLOW_PRIVATE_UPSTREAMS,
        allowed_hosts=frozenset(host.lower() for host in settings.ORKESTA_UPSTREAM_HOSTS),
    )
