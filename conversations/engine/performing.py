"""How actions are done: asking the supervisor, calling a model, changing the agent."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any, Final

from conversations.engine.actions import CallModel, HandOff
from conversations.engine.answer_stream import AnswerStream
from conversations.engine.briefing import brief
from conversations.engine.loading import TaskInput
from conversations.engine.offering import Reading, offered
from conversations.engine.state import StepRecord, TaskState
from conversations.errors import TimeExhausted
from conversations.states import StepKind, StepStatus
from orkesta.database import in_thread
from orkesta.errors import OrkestaError
from routing.errors import AgentNotReady, LLMBadAnswer, NoAgent
from routing.gateway import Gateway
from routing.llm.types import Completion, FailedTarget, LLMRequest
from routing.snapshot import AgentSnapshot, PromptSnapshot
from routing.supervisor import Decision, Question, decide

#: Turns of the conversation that the supervisor is told of.
TURNS_FOR_SUPERVISOR: Final = 10


@dataclass(frozen=True, slots=True)
class Performer:
    """Does the actions of one task."""

    task: TaskInput
    gateway: Gateway

    async def route(self, state: TaskState) -> StepRecord:
        """Decide who answers. A failure is a failed step, not an exception."""
        started = perf_counter()
        first = self.task.turns_before(TURNS_FOR_SUPERVISOR)
        question = Question(
            text=self.task.text,
            history=[
                {"role": said.role, "content": said.content}
                for said in self.task.history
                if said.turn >= first
            ],
            asked_for=self.task.asked_for,
            active_agent=self.task.active_agent,
            asked_at=self.task.asked_at,
            context=self.task.context,
            session=self.task.session_state(),
        )
        number = state.num_steps + 1
        try:
            decision = await decide(self.task.snapshot, question, self.gateway)
        except OrkestaError as exc:
            return failed(StepKind.ROUTE, number, "", exc, started)
        return StepRecord(
            number=number,
            kind=StepKind.ROUTE,
            status=StepStatus.SUCCEEDED,
            agent_slug=decision.agent_slug,
            reason=decision.reason,
            input={
                "message": self.task.text[:2000],
                "active_agent": self.task.active_agent,
                "session": asdict(question.session),
            },
            output=self._routed(decision),
            llm=decision.completions[-1].model if decision.completions else "",
            input_tokens=sum(c.usage.input_tokens for c in decision.completions),
            output_tokens=sum(c.usage.output_tokens for c in decision.completions),
            duration_ms=since(started),
        )

    def _routed(self, decision: Decision) -> dict[str, Any]:
        """What the rest of the task goes by, the pinned prompt version included."""
        snapshot = self.task.snapshot
        agent = snapshot.agents.get(decision.agent_slug)
        return {
            "source": decision.source,
            "intent": decision.intent,
            "confidence": decision.confidence,
            "response": decision.response or None,
            **_pinned(self._current(agent) if agent else None),
            **_asked_for(self.task),
            "config_version": snapshot.config_version,
            "fallback": snapshot.fallback_slug or "",
            **({} if agent is None else _bounds(agent)),
            "trace": dict(decision.trace),
        }

    async def call_model(
        self, action: CallModel, state: TaskState, stream: AnswerStream
    ) -> StepRecord:
        """Let the agent answer, piece by piece into `stream`. A failure is a failed step."""
        started = perf_counter()
        number, prompt = state.num_steps + 1, None
        try:
            agent = self._agent(action.agent_slug)
            prompt = await self._prompt(agent, state)
            request = LLMRequest(
                messages=brief(self.task, agent, prompt, state),
                tools=offered(agent, self.task.snapshot, state.had),
                temperature=agent.temperature,
                max_output_tokens=agent.max_tokens_per_step,
            )
            async with in_time(state):
                completion = await self._stream(agent, request, stream)
        except OrkestaError as exc:
            step = failed(StepKind.MODEL, number, action.agent_slug, exc, started, stream.text)
            return replace(step, prompt_version_id=prompt.version_id if prompt else None)
        output: dict[str, Any] = {
            "text": stream.text,
            "finish_reason": completion.finish_reason,
            "endpoint": completion.endpoint,
            **_failed_targets(completion.failed),
        }
        if state.has_more_parts and not completion.tool_calls:
            output["is_interim"] = True
        if completion.tool_calls:
            reading = Reading(agent, self.task.snapshot, state.had, number)
            output |= {"tool_calls": reading.read(completion.tool_calls), **_pinned(prompt)}
        return StepRecord(
            number=number,
            kind=StepKind.MODEL,
            status=StepStatus.SUCCEEDED,
            agent_slug=agent.slug,
            reason=action.reason,
            input={
                "prompt_version": prompt.label,
                "messages": request.messages,
                **_asked_for(self.task),
            },
            output=output,
            prompt_version_id=prompt.version_id,
            llm=completion.model,
            input_tokens=completion.usage.input_tokens,
            output_tokens=completion.usage.output_tokens,
            first_token_ms=completion.first_token_ms,
            duration_ms=since(started),
        )

    async def hand_off(self, action: HandOff, state: TaskState) -> StepRecord:
        """Let the other agent have the task. One that is not there any more is a failed step."""
        started = perf_counter()
        number, call = state.num_steps + 1, action.call
        by, to, reason = state.agent_slug or "", call.arguments["agent"], call.arguments["reason"]
        given = {"call_id": call.id, "by": by, "agent": to, "reason": reason}
        try:
            agent = self._agent(to)
            prompt = None if agent.webhook else await self._prompt(agent, TaskState())
        except OrkestaError as exc:
            return failed(StepKind.HANDOFF, number, by, exc, started, given=given)
        return StepRecord(
            number=number,
            kind=StepKind.HANDOFF,
            status=StepStatus.SUCCEEDED,
            agent_slug=to,
            reason=f"«{by}»: {reason}",
            input=given,
            output=_pinned(prompt),
            duration_ms=since(started),
        )

    def _agent(self, slug: str) -> AgentSnapshot:
        agent = self.task.snapshot.agents.get(slug)
        if agent is None:
            raise NoAgent(f"There is no active agent «{slug}» any more.")
        return agent

    def _current(self, agent: AgentSnapshot) -> PromptSnapshot | None:
        return agent.prompt_in(self.task.session_id, self.task.prompt_label)

    async def _prompt(self, agent: AgentSnapshot, state: TaskState) -> PromptSnapshot:
        pinned = state.pinned_version_id if agent.slug == state.agent_slug else None
        prompt = self._current(agent)
        if pinned is not None and (prompt is None or prompt.version_id != pinned):
            prompt = await in_thread(self.task.snapshot.prompt_for, agent, pinned)
        if prompt is None:
            raise AgentNotReady(f"Agent «{agent.slug}» has no published prompt.")
        return prompt

    async def _stream(
        self, agent: AgentSnapshot, request: LLMRequest, stream: AnswerStream
    ) -> Completion:
        if agent.target is None:
            raise AgentNotReady(f"Agent «{agent.slug}» has no usable LLM endpoint.")
        async with self.gateway.guarded_agent(agent.target, agent.slug):
            async for piece in self.gateway.stream(agent.target, request):
                if isinstance(piece, Completion):
                    await stream.close()
                    if not stream.text.strip() and not piece.tool_calls:
                        raise LLMBadAnswer("The language model answered with nothing.")
                    return piece
                await stream.push(piece)
            raise LLMBadAnswer("The language model's answer has no end.")


@asynccontextmanager
async def in_time(state: TaskState) -> AsyncIterator[None]:
    """Cut off what takes longer than the task has left. Raises TimeExhausted."""
    limit = state.limits.max_seconds
    # A little more, so that what was cut off has used up all of it by any clock.
    left = limit - state.milliseconds / 1000 + 0.01 if limit else None
    try:
        async with asyncio.timeout(left) as bound:
            yield
    except TimeoutError as exc:
        if not bound.expired():
            raise
        raise TimeExhausted(f"The task took longer than {limit:g} s.") from exc


def interrupted(
    kind: StepKind, number: int, agent_slug: str, text: str, started: float
) -> StepRecord:
    """The record of an answer that was stopped half-way by a person."""
    return StepRecord(
        number=number,
        kind=kind,
        status=StepStatus.FAILED,
        agent_slug=agent_slug,
        reason="Stopped half-way.",
        output={"code": "cancelled", "detail": "Somebody stopped it.", "text": text},
        duration_ms=since(started),
    )


def failed(
    kind: StepKind,
    number: int,
    agent_slug: str,
    error: OrkestaError,
    started: float,
    text: str = "",
    *,
    given: Mapping[str, Any] | None = None,
) -> StepRecord:
    """A step that came to nothing; `given` is its input."""
    output: Mapping[str, Any] = {
        "code": error.code,
        "detail": error.message[:1000],
        **_failed_targets(error.details.get("failed", ())),
    }
    return StepRecord(
        number=number,
        kind=kind,
        status=StepStatus.FAILED,
        agent_slug=agent_slug,
        reason=error.message,
        input=given or {},
        output={**output, "text": text} if text else output,
        duration_ms=since(started),
    )


def since(started: float) -> float:
    """Milliseconds."""
    return (perf_counter() - started) * 1000


def _failed_targets(failed: Sequence[FailedTarget]) -> dict[str, Any]:
    """The LLM endpoints that were asked in vain, and how their breakers stood."""
    return {"llm_failed": [asdict(one) for one in failed]} if failed else {}


def _pinned(prompt: PromptSnapshot | None) -> dict[str, Any]:
    return {
        "prompt_version_id": str(prompt.version_id) if prompt else None,
        "prompt_version": prompt.label if prompt else None,
    }


def _asked_for(task: TaskInput) -> dict[str, Any]:
    """What has agents told something else than usual, where the task has it."""
    found = {"prompt_label": task.prompt_label, "task_type": task.task_type}
    return {name: value for name, value in found.items() if value}


def _bounds(agent: AgentSnapshot) -> dict[str, Any]:
    return {
        "max_steps": agent.max_steps,
        "max_task_tokens": agent.max_task_tokens,
        "max_task_seconds": agent.max_task_seconds,
        "history_turns": agent.history_turns,
    }
