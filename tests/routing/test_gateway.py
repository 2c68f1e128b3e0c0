import asyncio

import pytest

from routing.breaker import BreakerRules, BreakerStatus
from routing.breaker_store import MemoryBreakerStore
from routing.errors import CircuitOpen, LLMError, LLMRejected
from routing.gateway import Gateway, breaker_name
from routing.llm.retry import RetryPolicy
from tests.fakes.llm_door import HELLO, TARGET, Door, open_door
from tests.fakes.llm_server import hangs, says, status

ONCE = RetryPolicy(attempts=1)
HO = b'data: {"choices":[{"index":0,"delta":{"content":"Ho"}}]}\n\n'
QUICK_BREAKER = BreakerRules(failure_threshold=2, open_ms=50)


def gateway_of(door: Door) -> tuple[Gateway, MemoryBreakerStore]:
    breakers = MemoryBreakerStore(rules=QUICK_BREAKER)
    return Gateway(door.client, breakers=breakers), breakers


async def status_of(breakers: MemoryBreakerStore) -> BreakerStatus:
    return (await breakers.read(TARGET.tenant_id, breaker_name(TARGET))).status


async def fail(gateway: Gateway, error: type[LLMError] = LLMError) -> None:
    with pytest.raises(error):
        await gateway.complete(TARGET, HELLO)


async def test_it_stops_asking_an_endpoint_that_fails_again_and_again() -> None:
    async with open_door(status(500), retry=ONCE) as door:
        gateway, _ = gateway_of(door)
        for _ in range(2):
            await fail(gateway)
        await fail(gateway, CircuitOpen)
        assert len(door.fake.calls) == 2


async def test_it_tries_again_after_a_while_and_closes_on_success() -> None:
    async with open_door(status(500), status(500), says("hola"), retry=ONCE) as door:
        gateway, breakers = gateway_of(door)
        for _ in range(2):
            await fail(gateway)
        await asyncio.sleep(0.06)
        assert (await gateway.complete(TARGET, HELLO)).text == "hola"
        assert await status_of(breakers) is BreakerStatus.CLOSED


async def test_it_does_not_blame_an_endpoint_that_refuses_a_request() -> None:
    async with open_door(status(400), retry=ONCE) as door:
        gateway, breakers = gateway_of(door)
        for _ in range(5):
            await fail(gateway, LLMRejected)
        assert await status_of(breakers) is BreakerStatus.CLOSED


async def test_it_counts_a_stream_that_breaks() -> None:
    async with open_door(status(500), retry=ONCE) as door:
        gateway, breakers = gateway_of(door)
        for _ in range(2):
            with pytest.raises(LLMError):
                _ = [piece async for piece in gateway.stream(TARGET, HELLO)]
        assert await status_of(breakers) is BreakerStatus.OPEN


async def test_it_closes_the_upstream_call_when_nobody_listens_any_more() -> None:
    async with open_door(hangs(HO), retry=ONCE) as door:
        gateway, breakers = gateway_of(door)
        stream = gateway.stream(TARGET, HELLO)
        assert await anext(stream) == "Ho"
        await stream.aclose()
        async with asyncio.timeout(30):
            while not door.fake.calls[0].was_closed:
                await asyncio.sleep(0.01)
        assert await status_of(breakers) is BreakerStatus.CLOSED


async def test_it_keeps_the_breakers_of_tenants_apart() -> None:
    async with open_door(status(500), retry=ONCE) as door:
        gateway, breakers = gateway_of(door)
        for _ in range(2):
            await fail(gateway)
        other = await breakers.read("another tenant", breaker_name(TARGET))
        assert other.status is BreakerStatus.CLOSED
