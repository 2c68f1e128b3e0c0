"""Lists of networks (CIDR, RFC 4632), and the range that an address counts as. Pure."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

#: What one household or office usually has: addresses within it are no news.
RANGE_BITS: Final = {4: 24, 6: 48}


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Each as `192.0.2.0/24`, `2001:db8::/32` or one address. Raises ValueError, also for a network
    with bits set beyond its prefix: that is a typing error.
    """
    return tuple(ip_network(text.strip()) for text in texts)


def holds(networks: Iterable[Network], address: str) -> bool:
    """Whether one of them contains the address; what is no address is in none."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)


def range_of(address: str) -> str:
    """The /24 or /48 around the address; empty for what is no address."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    return str(ip_network((found, RANGE_BITS[found.version]), strict=False))
