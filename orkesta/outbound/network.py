"""The ground under the transport: resolve a name, judge every address, dial a judged one."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from ipaddress import ip_address

import httpcore2

from orkesta.outbound.addresses import forbidden_class
from orkesta.outbound.errors import AddressBlocked
from orkesta.outbound.policy import OutboundPolicy

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

UNREACHABLE = "The address could not be reached."
MAX_DIALLED = 4
RESOLVER_THREADS = 16


@cache
def _resolver_threads() -> ThreadPoolExecutor:
    # getaddrinfo blocks and cannot be interrupted. In threads of its own, a tenant's dead name
    # server holds up other look-ups at worst, and never the process's other blocking work.
    return ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolver")


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of `host` by the system's resolver, in its order. Raises OSError."""
    found = await asyncio.get_running_loop().run_in_executor(
        _resolver_threads(), partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    )
    return [str(entry[4][0]) for entry in found]


class CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """A network on which only addresses that the policy allows can be dialled.

    The name is resolved once per connection, every address of the answer is judged, one forbidden
    address spoils them all, and the connection goes to a judged address, never to the name. So an
    answer that changes a moment later (DNS rebinding) changes nothing. httpcore2 takes the TLS
    server name and the Host header from the URL, so both still say the name.
    """

    def __init__(
        self,
        policy: OutboundPolicy,
        *,
        resolve: Resolve = system_resolve,
        dial: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        self._dial = dial or httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        try:
            async with asyncio.timeout_at(deadline):
                addresses = await self.judged_addresses(host, port)
        except TimeoutError as exc:
            raise httpcore2.ConnectTimeout(UNREACHABLE) from exc
        for left in range(len(addresses), 0, -1):
            # Each address gets its share of the time, or the first dead one would use it up.
            share = None if deadline is None else max(0.0, deadline - loop.time()) / left
            try:
                return await self._dial.connect_tcp(
                    addresses[-left], port, share, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if left == 1:
                    raise
        raise httpcore2.ConnectError(UNREACHABLE)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise AddressBlocked(UNREACHABLE)

    async def sleep(self, seconds: float) -> None:
        await self._dial.sleep(seconds)

    async def judged_addresses(self, host: str, port: int) -> list[str]:
        """The addresses of `host` to try, in order; raises `AddressBlocked` if one is forbidden."""
        addresses = await self._addresses(host, port)
        allow_private = self._policy.allows_private(host, port)
        for address in addresses:
            if forbidden_class(address, allow_private=allow_private) is not None:
                raise AddressBlocked(UNREACHABLE)
        return list(dict.fromkeys(addresses))[:MAX_DIALLED]

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass  # a name, and not an address already
        try:
            return await self._resolve(host, port)
        except (OSError, UnicodeError) as exc:
            raise httpcore2.ConnectError(UNREACHABLE) from exc
