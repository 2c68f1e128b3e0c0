"""From which address a request comes, when reverse proxies stand between.

Each proxy appends whom it was called by to `X-Forwarded-For`. Whoever calls the first of them may
have written anything there, so only as many entries from the right are believed as there are
proxies of our own: ORCHESTRATOR_TRUSTED_PROXIES, 0 unless set.
"""

from ipaddress import IPv6Address, ip_address
from typing import Final

from django.conf import settings
from django.http import HttpRequest

#: Stands for whoever cannot be told apart: all of them are one caller.
UNKNOWN: Final = "0.0.0.0"  # noqa: S104 (compared with, never bound)


def client_address(request: HttpRequest) -> str:
    """Of an HTTP request; see `find_address`."""
    forwarded_for = request.headers.get("X-Forwarded-For", "")
    return find_address(request.META.get("REMOTE_ADDR") or "", forwarded_for=forwarded_for)


def find_address(connected: str, *, forwarded_for: str) -> str:
    """The address as text, never what a client made up, of a request on a connection from
    `connected`; an IPv4 address in the form of IPv6 is given as IPv4.
    """
    direct = _sound(connected)
    num_proxies = settings.ORKESTA_TRUSTED_PROXIES
    if num_proxies == 0:
        return direct or UNKNOWN
    told = [entry.strip() for entry in forwarded_for.split(",")]
    # Fewer entries than proxies: the request came past one of them.
    forwarded = _sound(told[-num_proxies]) if len(told) >= num_proxies else ""
    return forwarded or direct or UNKNOWN


def _sound(text: str) -> str:
    try:
        address = ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
