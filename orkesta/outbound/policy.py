"""What an operator lets tenants call, and the check of a URL against it.

The check here needs no network: it judges the text. What a name resolves to is judged when a
connection is made (`transport.py`), each time anew.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address

import httpx2

from orkesta.outbound.addresses import forbidden_class
from orkesta.outbound.errors import UrlNotAllowed

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL_CHARS = 2048

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")
# `2130706433`, `127.1` and `0x7f.1` are addresses to the C library (inet_aton), names to others.
_NUMBER = re.compile(r"(?:\d+|0x[0-9a-f]*)\Z")
# Names that never leave a site: RFC 6761, 6762, 8375 and ICANN's reservation of .internal.
_LOCAL_NAMES = ("localhost", "localdomain", "local", "internal", "home.arpa")


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """The operator's word on outgoing requests; the default is for tenants nobody knows.

    `allow_private` opens loopback, private, unique local and carrier-grade NAT addresses to every
    host. `extra_ports` are allowed beside 80 and 443; with `any_port`, all are. `allowed_hosts`
    opens private addresses to single hosts, written `host` or `host:port`, lower case; with a port,
    that port of that host is allowed too (`localhost:11434`). Metadata and link-local addresses
    stay shut whatever is set.
    """

    allow_private: bool = False
    extra_ports: frozenset[int] = frozenset()
    allowed_hosts: frozenset[str] = frozenset()
    any_port: bool = False

    def allows_private(self, host: str, port: int) -> bool:
        return self.allow_private or host in self.allowed_hosts or self._names(host, port)

    def allows_port(self, host: str, port: int) -> bool:
        is_listed = port in DEFAULT_PORTS.values() or port in self.extra_ports
        return self.any_port or is_listed or self._names(host, port)

    def _names(self, host: str, port: int) -> bool:
        bracketed = f"[{host}]" if ":" in host else host
        return f"{bracketed}:{port}" in self.allowed_hosts


def check_url(url: str, policy: OutboundPolicy) -> None:
    """Return when `url` may be saved as an address to call; otherwise raise `UrlNotAllowed`.

    Refused: other schemes than http and https, credentials in the URL, ports outside the policy,
    addresses outside it in whatever notation, names that only mean something on the local network.
    """
    if len(url) > MAX_URL_CHARS:
        raise UrlNotAllowed("The address is too long.")
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as exc:
        raise UrlNotAllowed("That is not a web address.") from exc
    check_parsed_url(parsed, policy)


def check_parsed_url(url: httpx2.URL, policy: OutboundPolicy) -> None:
    """`check_url` for a URL in the form in which the connection will use it."""
    if url.scheme not in DEFAULT_PORTS:
        raise UrlNotAllowed("Only http and https addresses are allowed.")
    if url.userinfo:
        raise UrlNotAllowed("An address may not hold a user name or password.")
    # raw_host is what goes to the resolver: punycode, lower case, no brackets.
    host = url.raw_host.decode("ascii")
    port = url.port or DEFAULT_PORTS[url.scheme]
    if url.port == 0 or not policy.allows_port(host, port):
        raise UrlNotAllowed("That port is not allowed.")
    _check_host(host, is_private_allowed=policy.allows_private(host, port))


def _check_host(host: str, *, is_private_allowed: bool) -> None:
    if ":" in host or _NUMBER.match(host.rsplit(".", 1)[-1]):
        _check_literal(host, is_private_allowed=is_private_allowed)
        return
    if not _HOST_NAME.match(host):
        raise UrlNotAllowed("That is not a host name.")
    is_local = "." not in host or any(
        host == name or host.endswith(f".{name}") for name in _LOCAL_NAMES
    )
    if is_local and not is_private_allowed:
        raise UrlNotAllowed


def _check_literal(host: str, *, is_private_allowed: bool) -> None:
    try:
        ip_address(host)
    except ValueError as exc:
        raise UrlNotAllowed("That is not a host name.") from exc
    if forbidden_class(host, allow_private=is_private_allowed) is not None:
        raise UrlNotAllowed
