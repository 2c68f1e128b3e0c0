"""Answers under a version of a prompt that nobody is told yet: the agent, its LLM, another text.

Tools are not offered: trying a text out must not place orders.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from asgiref.sync import async_to_sync

from orkesta.errors import OrkestaError
from orkesta.outbound import configured_policy
from prompts.drafted import DraftAnswer, DraftQuestion
from prompts.errors import NobodyAnswers
from prompts.models import PromptVersion
from prompts.rendering import compile_template, parse_variables
from routing.gateway import Gateway
from routing.llm.client import LLMClient
from routing.llm.types import LLMRequest, LLMTarget
from routing.models import Agent
from routing.snapshot import AgentSnapshot, PromptSnapshot, TenantSnapshot, get_snapshot
from routing.telling import told

#: What is asked at once, and how long all of it may take: somebody waits for the page.
CONCURRENCY: Final = 4
SECONDS: Final = 60.0
_TOO_LATE: Final = DraftAnswer(failure="There was no answer in time.")


def answers_under(version: PromptVersion, questions: Sequence[DraftQuestion]) -> list[DraftAnswer]:
    """What the agent that is told the prompt would answer, were it told this version. Failures are
    answers too. Needs the tenant's scope; raises NobodyAnswers.
    """
    tenant = version.prompt.tenant
    snapshot = get_snapshot(tenant.pk, tenant.config_version)
    agent = _agent(snapshot, version)
    prompt = PromptSnapshot(
        version.pk,
        str(version),
        compile_template(version.template),
        parse_variables(version.variables),
    )
    answers = [_TOO_LATE] * len(questions)
    async_to_sync(_ask_all)(snapshot, agent, prompt, questions, answers)
    return answers


def _agent(snapshot: TenantSnapshot, version: PromptVersion) -> AgentSnapshot:
    rows = Agent.objects.filter(prompt=version.prompt_id, is_active=True).order_by("id")
    slugs = rows.values_list("slug", flat=True)
    agents = (snapshot.agents.get(slug) for slug in slugs)
    found = next((agent for agent in agents if agent and agent.target), None)
    if found is None:
        raise NobodyAnswers
    return found


async def _ask_all(
    snapshot: TenantSnapshot,
    agent: AgentSnapshot,
    prompt: PromptSnapshot,
    questions: Sequence[DraftQuestion],
    answers: list[DraftAnswer],
) -> None:
    """Put each answer into its place; after a while the rest is left as it is."""
    # A client of its own: the process's belongs to another event loop.
    client = LLMClient(policy=configured_policy())
    gateway, places = Gateway(client), asyncio.Semaphore(CONCURRENCY)

    async def ask(place: int, question: DraftQuestion) -> None:
        async with places:
            answers[place] = await _ask(gateway, snapshot, agent, prompt, question)

    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*(ask(*item) for item in enumerate(questions)))
    except TimeoutError:
        pass
    finally:
        await client.aclose()


async def _ask(
    gateway: Gateway,
    snapshot: TenantSnapshot,
    agent: AgentSnapshot,
    prompt: PromptSnapshot,
    question: DraftQuestion,
) -> DraftAnswer:
    try:
        system = told(snapshot, agent, prompt, user_name="", context=question.context)
        request = LLMRequest(
            messages=[
                {"role": "system", "content": system},
                {"role": "user", "content": question.text},
            ],
            temperature=agent.temperature,
            max_output_tokens=agent.max_tokens_per_step,
        )
        target: LLMTarget | None = agent.target
        if target is None:
            raise NobodyAnswers
        completion = await gateway.complete(target, request)
    except OrkestaError as exc:
        return DraftAnswer(failure=exc.message)
    usage = completion.usage
    return DraftAnswer(completion.text, usage.input_tokens, usage.output_tokens)
