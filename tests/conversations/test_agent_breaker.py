import pytest

from routing.breaker import BreakerRules
from routing.breaker_store import MemoryBreakerStore
from routing.errors import AgentCircuitOpen, CircuitOpen, LLMError, LLMRejected, LLMTimeout
from routing.gateway import Gateway
from routing.models import Agent
from routing.snapshot import forget_snapshots
from tenants.scope import tenant_scope
from tests.cast import House
from tests.engine import apost, ask_fake_llm, open_worker, run_until_idle, story_of
from tests.fakes.llm_door import TARGET, open_door
from tests.fakes.llm_server import says, status


@pytest.fixture
def hasty(transactional_db: None, acme: House) -> House:
    """Nobody tries again; `desk` is the fallback."""
    ask_fake_llm(acme)
    with tenant_scope(acme.id):
        Agent.objects.update(max_retries=0)
    forget_snapshots()
    return acme


async def test_an_agent_that_fails_is_left_alone_though_its_llm_is_well_with_others(
    hasty: House,
) -> None:
    turns = [status(500), says("I am the desk.")] * 5
    async with open_worker(*turns, says("I am the desk.")) as (worker, fake):
        for _ in range(6):
            posted = await apost(hasty, "price?")
            await run_until_idle(worker)
        assert len(fake.calls) == 11
    story = await story_of(hasty, posted.task.id)
    assert story.answer == "I am the desk."
    assert [step.output.get("code") for step in story.steps] == [None, "agent_circuit_open", None]


async def blame(gateway: Gateway, error: LLMError) -> None:
    with pytest.raises(type(error)):
        async with gateway.guarded_agent(TARGET, "sales"):
            raise error


async def test_what_says_nothing_of_an_agent_does_not_count_against_it() -> None:
    breakers = MemoryBreakerStore(rules=BreakerRules(failure_threshold=2))
    async with open_door() as door:
        gateway = Gateway(door.client, breakers=breakers)
        for error in (CircuitOpen(), LLMRejected(), LLMTimeout()) * 2:
            await blame(gateway, error)
        state = await breakers.read(TARGET.tenant_id, "agent:sales")
        assert state.failures == 1  # a timeout, and after it a refusal, which was an answer
        await blame(gateway, LLMTimeout())
        with pytest.raises(AgentCircuitOpen):
            async with gateway.guarded_agent(TARGET, "sales"):
                pytest.fail("it was let through")
