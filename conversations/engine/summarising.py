"""A session's rolling summary: what was said long ago, in a few words, for later turns."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Final

from conversations.engine.loading import Said, TaskInput
from conversations.engine.performing import failed, since
from conversations.engine.state import StepRecord, TaskState
from conversations.states import StepKind, StepStatus
from orkesta.errors import OrkestaError
from routing.errors import AgentNotReady, LLMBadAnswer, LLMTimeout
from routing.gateway import Gateway
from routing.llm.types import Completion, LLMRequest

MAX_SECONDS: Final = 20.0
MAX_TOKENS: Final = 400
MAX_CHARS: Final = 4000
MAX_MESSAGE_CHARS: Final = 2000
_ORDER: Final = (
    "You keep the notes of a conversation between a customer and a business. Extend the notes by"
    " what was said since: names, wishes, numbers, what was promised and what is open. Write at"
    " most 150 words, in the customer's language, and nothing but the notes."
)


async def summarise(task: TaskInput, state: TaskState, gateway: Gateway) -> StepRecord:
    """Put the older half of what was said since into the summary. A failure is a failed step that
    does no harm: it is tried again with the next turn.
    """
    started = perf_counter()
    number, slug = state.num_steps + 1, state.agent_slug or ""
    old = _older_half(task.history)
    try:
        completion = await _ask(task, slug, old, gateway)
    except OrkestaError as exc:
        return failed(StepKind.SUMMARY, number, slug, exc, started)
    return StepRecord(
        number=number,
        kind=StepKind.SUMMARY,
        status=StepStatus.SUCCEEDED,
        agent_slug=slug,
        input={"num_messages": len(old)},
        output={"text": completion.text[:MAX_CHARS], "up_to_turn": old[-1].turn},
        llm=completion.model,
        input_tokens=completion.usage.input_tokens,
        output_tokens=completion.usage.output_tokens,
        duration_ms=since(started),
    )


def _older_half(history: Sequence[Said]) -> list[Said]:
    turns = sorted({said.turn for said in history})
    old = set(turns[: max(1, len(turns) // 2)])
    return [said for said in history if said.turn in old]


async def _ask(task: TaskInput, slug: str, old: Sequence[Said], gateway: Gateway) -> Completion:
    agent = task.snapshot.agents.get(slug)
    target = (agent.target if agent else None) or task.snapshot.supervisor_target
    if target is None:
        raise AgentNotReady("There is no LLM endpoint to write a summary with.")
    lines = [f"{said.role}: {said.content[:MAX_MESSAGE_CHARS]}" for said in old]
    so_far = f"Notes so far:\n{task.summary}\n\n" if task.summary else ""
    request = LLMRequest(
        messages=[
            {"role": "system", "content": _ORDER},
            {"role": "user", "content": f"{so_far}Said since:\n" + "\n".join(lines)},
        ],
        temperature=0.0,
        max_output_tokens=MAX_TOKENS,
    )
    try:
        async with asyncio.timeout(MAX_SECONDS):
            completion = await gateway.complete(target, request)
    except TimeoutError as exc:
        raise LLMTimeout("The summary was not written in time.") from exc
    if not completion.text.strip():
        raise LLMBadAnswer("The summary is empty.")
    return completion
