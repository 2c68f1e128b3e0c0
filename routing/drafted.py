"""Answers under a version of a prompt that nobody is told yet: the agent, its LLM, another text."""

import asyncio
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from orkesta.errors import OrkestaError
from prompts.drafted import DraftAnswer, DraftQuestion
from prompts.errors import NobodyAnswers
from prompts.models import PromptVersion
from routing.gateway import Gateway
from routing.llm.types import LLMRequest
from routing.models import Agent
from routing.snapshot import AgentSnapshot, TenantSnapshot, get_snapshot
from routing.snapshot.prompts import compile_version
from routing.telling import told

#: How long one answer may take.
SECONDS: Final = 60.0


def draft_snapshot(version: PromptVersion) -> TenantSnapshot:
    """The tenant's configuration as it would be, were this version published. Needs its scope.
    Raises what compiling the text does.
    """
    tenant = version.prompt.tenant
    snapshot = get_snapshot(tenant.pk, tenant.config_version)
    prompt = compile_version(version)
    told_it = set(_slugs(version))
    agents = {
        slug: replace(agent, prompt=prompt, challenger=None) if slug in told_it else agent
        for slug, agent in snapshot.agents.items()
    }
    return replace(snapshot, agents=MappingProxyType(agents), _pinned={})


def drafted_agent(version: PromptVersion, snapshot: TenantSnapshot) -> AgentSnapshot:
    """The first agent that is told the prompt and has an LLM. Raises NobodyAnswers."""
    agents = (snapshot.agents.get(slug) for slug in _slugs(version))
    found = next((agent for agent in agents if agent and agent.target), None)
    if found is None:
        raise NobodyAnswers
    return found


def _slugs(version: PromptVersion) -> list[str]:
    rows = Agent.objects.filter(prompt=version.prompt_id, is_active=True).order_by("id")
    return list(rows.values_list("slug", flat=True))


async def answer_under(
    snapshot: TenantSnapshot, agent: AgentSnapshot, question: DraftQuestion, gateway: Gateway
) -> DraftAnswer:
    """What the agent answers as the snapshot has it. A failure is an answer, too. Tools are not
    offered: trying a text out must not place orders.
    """
    if agent.target is None or agent.prompt is None:
        raise NobodyAnswers
    try:
        system = told(snapshot, agent, agent.prompt, user_name="", context=question.context)
        request = LLMRequest(
            messages=[
                {"role": "system", "content": system},
                {"role": "user", "content": question.text},
            ],
            temperature=agent.temperature,
            max_output_tokens=agent.max_tokens_per_step,
        )
        async with asyncio.timeout(SECONDS):
            completion = await gateway.complete(agent.target, request)
    except OrkestaError as exc:
        return DraftAnswer(failure=exc.message)
    except TimeoutError:
        return DraftAnswer(failure="There was no answer in time.")
    usage = completion.usage
    return DraftAnswer(completion.text, usage.input_tokens, usage.output_tokens)
