"""Names and routes for tests: a resolver that answers from a script, a dialler that only notes."""

import asyncio
from collections.abc import Iterable

import httpcore2


class ScriptedResolver:
    """Answers each look-up with the next of `answers`; the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class NotingDialler(httpcore2.AsyncNetworkBackend):
    """Notes where a connection would go. What is in `routes` is dialled for real, there; the rest
    is unreachable, and what is `silent` takes all the time it is given to be so.
    """

    def __init__(
        self, routes: dict[str, str] | None = None, *, silent: frozenset[str] = frozenset()
    ) -> None:
        self._routes = routes or {}
        self._silent = silent
        self._real = httpcore2.AnyIOBackend()
        self.dialled: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self.dialled.append(host)
        if host in self._silent:
            await asyncio.sleep(3600 if timeout is None else timeout)
            raise httpcore2.ConnectTimeout("silence")
        if host not in self._routes:
            raise httpcore2.ConnectError("no route")
        return await self._real.connect_tcp(self._routes[host], port, timeout=timeout)
