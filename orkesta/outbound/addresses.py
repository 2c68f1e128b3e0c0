"""Which IP addresses may be called, as one table of those that may not.

The standard library's `is_private` and `is_global` let 15 to 17 of 33 loopback and metadata forms
through, so the classes are listed here, from the IANA special-purpose registries for IPv4 and
IPv6 (RFC 6890 and its updates) and the metadata addresses that cloud vendors document.

The first class of the table that holds an address decides. An operator can open the classes
marked `openable` (`OutboundPolicy`); the others stay shut for everybody.
"""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class AddressClass:
    """Networks that share a reason for not being called."""

    name: str
    networks: tuple[Network, ...]
    openable: bool = False


def _shut(name: str, *networks: str) -> AddressClass:
    return AddressClass(name, tuple(ip_network(text) for text in networks))


def _openable(name: str, *networks: str) -> AddressClass:
    return AddressClass(name, tuple(ip_network(text) for text in networks), openable=True)


CLASSES: tuple[AddressClass, ...] = (
    # Metadata comes first: some of these lie inside classes that an operator can open.
    _shut(
        "metadata",
        "168.63.129.16/32",  # Azure's wire server: a public address that every guest can reach
        "100.100.100.200/32",  # Alibaba, inside carrier-grade NAT space
        "192.0.0.192/32",  # Oracle, the older form
        "fd00:ec2::/32",  # Amazon: instance metadata, DNS, time, pod identity
        "fd20:ce::/32",  # Google
        "fd00:42::42/128",  # Scaleway
        "fd00:a9fe:a9fe::/48",  # OpenStack and others: 169.254.169.254 spelt in hexadecimal
    ),
    _openable("loopback", "127.0.0.0/8", "::1/128"),
    _openable("private", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    _openable("unique local", "fc00::/7"),
    _openable("carrier-grade NAT", "100.64.0.0/10"),
    # 169.254.169.254 and its kin (ECS 170.2, EKS 170.23, Tencent 0.23, Scaleway 42.42) live here.
    _shut("link-local", "169.254.0.0/16", "fe80::/10"),
    _shut("this network", "0.0.0.0/8"),
    _shut("IETF assignments", "192.0.0.0/24"),
    _shut("documentation", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    _shut("anycast sinks", "192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24"),
    _shut("6to4 relay", "192.88.99.0/24"),
    _shut("benchmarking", "198.18.0.0/15"),
    _shut("multicast", "224.0.0.0/4", "ff00::/8"),
    _shut("reserved", "240.0.0.0/4"),  # with the broadcast address
    # Of these Teredo, ORCHID, AMT, benchmarking and drone identities are the best known.
    _shut("IPv6 protocol assignments", "2001::/23"),
    _shut("IPv6 documentation", "2001:db8::/32", "3fff::/20"),
    _shut("6to4", "2002::/16"),
    _shut("AS112", "2620:4f:8000::/48"),
    _shut("6bone", "3ffe::/16"),
    # Global unicast is 2000::/3 and nothing else: unspecified, IPv4-compatible, local-use NAT64,
    # discard-only, SRv6 identifiers and site-local all fall into the rest.
    _shut("not global unicast", "::/3", "4000::/2", "8000::/1"),
)

NAT64 = IPv6Network("64:ff9b::/96")
# An interface identifier of this form carries an IPv4 address in its last 32 bits (ISATAP,
# RFC 5214 §6.1): a router that speaks it would deliver to that address.
ISATAP_IDENTIFIERS = frozenset({0x0000_5EFE, 0x0200_5EFE})


def _seen_through(address: Address) -> Address:
    """The address that a packet ends at: IPv4 inside IPv4-mapped (RFC 4291) or NAT64 (RFC 6052)."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address


def _is_isatap(address: Address) -> bool:
    return isinstance(address, IPv6Address) and (
        (int(address) >> 32) & 0xFFFF_FFFF in ISATAP_IDENTIFIERS
    )


@lru_cache(maxsize=4096)
def forbidden_class(text: str, *, allow_private: bool) -> str | None:
    """The name of the class that keeps the address `text` from being called; None when it may be.

    `allow_private` opens the classes marked so. Raises ValueError when `text` is not an address in
    its ordinary notation; an IPv6 zone (`fe80::1%eth0`) always belongs to one link and is refused.
    """
    address = _seen_through(ip_address(text))
    if getattr(address, "scope_id", None) is not None:
        return "zoned"
    if _is_isatap(address):
        return "ISATAP"
    for kind in CLASSES:
        if any(address in network for network in kind.networks):
            return None if kind.openable and allow_private else kind.name
    return None
