"""How an outgoing request fails, in our words.

* Invalid
  + UrlNotAllowed             url_not_allowed: said when an address is saved
* Upstream
  + OutboundUnreachable       outbound_unreachable
    - OutboundBlocked         the same code and text: nobody outside may tell the two apart
  + OutboundUnreadable        outbound_unreadable
  + OutboundTooLarge          outbound_too_large
  + OutboundUnsendable        outbound_unsendable
* UpstreamTimeout
  + OutboundTimeout           outbound_timeout

`AddressBlocked` and `ResponseTooLarge` are what the transport raises inside a vendor's client
(`openai`, `mcp`), which only knows httpx2's own tree; `outbound_error` turns that tree into ours.
"""

import httpx2

from orkesta.errors import Invalid, OrkestaError, Upstream, UpstreamTimeout


class UrlNotAllowed(Invalid):
    """That address may not be called from here."""

    code = "url_not_allowed"


class OutboundUnreachable(Upstream):
    """The address could not be reached."""

    code = "outbound_unreachable"


class OutboundBlocked(OutboundUnreachable):
    """The address could not be reached."""


class OutboundUnreadable(Upstream):
    """The address gave an answer that cannot be read."""

    code = "outbound_unreadable"


class OutboundTooLarge(Upstream):
    """The answer is larger than allowed."""

    code = "outbound_too_large"
    retryable = False


class OutboundUnsendable(Upstream):
    """The request cannot be sent as it is written: a header holds characters that HTTP forbids."""

    code = "outbound_unsendable"
    retryable = False


class OutboundTimeout(UpstreamTimeout):
    """The address did not answer in time."""

    code = "outbound_timeout"


class AddressBlocked(httpx2.ConnectError):
    """The policy forbids the address; to httpx2's users it is a connection that failed."""


class ResponseTooLarge(httpx2.ReadError):
    """The decompressed body passed the cap."""


_TRANSLATIONS: tuple[tuple[type[Exception], type[OrkestaError]], ...] = (
    (AddressBlocked, OutboundBlocked),
    (httpx2.InvalidURL, OutboundBlocked),
    (httpx2.UnsupportedProtocol, OutboundBlocked),
    (ResponseTooLarge, OutboundTooLarge),
    (httpx2.TimeoutException, OutboundTimeout),
    (httpx2.ConnectError, OutboundUnreachable),
    (httpx2.LocalProtocolError, OutboundUnsendable),
    (UnicodeError, OutboundUnsendable),
)


def outbound_error(exc: Exception) -> OrkestaError:
    """The error of ours for whatever httpx2 raised; the first line of the table that fits."""
    for theirs, ours in _TRANSLATIONS:
        if isinstance(exc, theirs):
            return ours()
    return OutboundUnreadable()
