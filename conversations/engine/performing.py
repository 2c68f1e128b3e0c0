"""How each action is done: asking the supervisor, calling a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from conversations.engine.actions import CallModel
from conversations.engine.answer_stream import AnswerStream
from conversations.engine.loading import TaskInput
from conversations.engine.state import StepRecord, TaskState
from conversations.states import StepKind, StepStatus
from orkesta.database import in_thread
from orkesta.errors import OrkestaError
from routing.errors import AgentNotReady, LLMBadAnswer, NoAgent
from routing.gateway import Gateway
from routing.llm.types import Completion, LLMRequest
from routing.snapshot import AgentSnapshot, PromptSnapshot, template_variables
from routing.supervisor import Decision, Question, decide


@dataclass(frozen=True, slots=True)
class Performer:
    """Does the actions of one task."""

    task: TaskInput
    gateway: Gateway

    async def route(self, state: TaskState) -> StepRecord:
        """Decide who answers. A failure is a failed step, not an exception."""
        started = perf_counter()
        question = Question(
            text=self.task.text,
            history=self.task.history,
            asked_for=self.task.asked_for,
            active_agent=self.task.active_agent,
        )
        number = state.num_steps + 1
        try:
            decision = await decide(self.task.snapshot, question, self.gateway)
        except OrkestaError as exc:
            return _failed(StepKind.ROUTE, number, "", exc, started)
        return StepRecord(
            number=number,
            kind=StepKind.ROUTE,
            status=StepStatus.SUCCEEDED,
            agent_slug=decision.agent_slug,
            reason=decision.reason,
            input={"message": self.task.text[:2000], "active_agent": self.task.active_agent},
            output=self._routed(decision),
            llm=decision.completions[-1].model if decision.completions else "",
            input_tokens=sum(c.usage.input_tokens for c in decision.completions),
            output_tokens=sum(c.usage.output_tokens for c in decision.completions),
            duration_ms=_since(started),
        )

    def _routed(self, decision: Decision) -> dict[str, Any]:
        """What the rest of the task goes by, the pinned prompt version included."""
        snapshot = self.task.snapshot
        agent = snapshot.agents.get(decision.agent_slug)
        prompt = agent.prompt if agent else None
        return {
            "source": decision.source,
            "intent": decision.intent,
            "confidence": decision.confidence,
            "response": decision.response or None,
            "prompt_version_id": str(prompt.version_id) if prompt else None,
            "prompt_version": prompt.label if prompt else None,
            "config_version": snapshot.config_version,
            "fallback": snapshot.fallback_slug or "",
            "max_steps": agent.max_steps if agent else 10,
            "trace": dict(decision.trace),
        }

    async def call_model(
        self, action: CallModel, state: TaskState, stream: AnswerStream
    ) -> StepRecord:
        """Let the agent answer, piece by piece into `stream`. A failure is a failed step."""
        started = perf_counter()
        number = state.num_steps + 1
        try:
            agent = self._agent(action.agent_slug)
            prompt = await self._prompt(agent, state)
            messages = self._messages(agent, prompt)
            completion = await self._stream(agent, messages, stream)
        except OrkestaError as exc:
            return _failed(StepKind.MODEL, number, action.agent_slug, exc, started, stream.text)
        return StepRecord(
            number=number,
            kind=StepKind.MODEL,
            status=StepStatus.SUCCEEDED,
            agent_slug=agent.slug,
            reason=action.reason,
            input={"prompt_version": prompt.label, "messages": messages},
            output={"text": stream.text, "finish_reason": completion.finish_reason},
            llm=completion.model,
            input_tokens=completion.usage.input_tokens,
            output_tokens=completion.usage.output_tokens,
            first_token_ms=completion.first_token_ms,
            duration_ms=_since(started),
        )

    def _agent(self, slug: str) -> AgentSnapshot:
        agent = self.task.snapshot.agents.get(slug)
        if agent is None:
            raise NoAgent(f"There is no active agent «{slug}» any more.")
        return agent

    async def _prompt(self, agent: AgentSnapshot, state: TaskState) -> PromptSnapshot:
        pinned = state.pinned_version_id if agent.slug == state.agent_slug else None
        prompt = agent.prompt
        if pinned is not None and (prompt is None or prompt.version_id != pinned):
            prompt = await in_thread(self.task.snapshot.prompt_for, agent, pinned)
        if prompt is None:
            raise AgentNotReady(f"Agent «{agent.slug}» has no published prompt.")
        return prompt

    def _messages(self, agent: AgentSnapshot, prompt: PromptSnapshot) -> list[dict[str, Any]]:
        variables = template_variables(
            self.task.snapshot, agent, user_name=self.task.user_name, context=self.task.context
        )
        told = prompt.render(variables)
        about = self.task.snapshot.business_context
        if about and "tenant" not in prompt.template.variables:
            told = f"{told}\n\n{about}"
        history: list[dict[str, Any]] = [dict(message) for message in self.task.history]
        asked = {"role": "user", "content": self.task.text}
        return [{"role": "system", "content": told}, *history, asked]

    async def _stream(
        self, agent: AgentSnapshot, messages: list[dict[str, Any]], stream: AnswerStream
    ) -> Completion:
        if agent.target is None:
            raise AgentNotReady(f"Agent «{agent.slug}» has no usable LLM endpoint.")
        request = LLMRequest(
            messages=messages,
            temperature=agent.temperature,
            max_output_tokens=agent.max_tokens_per_step,
        )
        async for piece in self.gateway.stream(agent.target, request):
            if isinstance(piece, Completion):
                await stream.close()
                if not stream.text.strip():
                    raise LLMBadAnswer("The language model answered with nothing.")
                return piece
            await stream.push(piece)
        raise LLMBadAnswer("The language model's answer has no end.")


def interrupted(number: int, agent_slug: str, text: str, started: float) -> StepRecord:
    """The record of a model call that was stopped half-way by a person."""
    return StepRecord(
        number=number,
        kind=StepKind.MODEL,
        status=StepStatus.FAILED,
        agent_slug=agent_slug,
        reason="Stopped half-way.",
        output={"code": "cancelled", "detail": "Somebody stopped it.", "text": text},
        duration_ms=_since(started),
    )


def _failed(
    kind: StepKind,
    number: int,
    agent_slug: str,
    error: OrkestaError,
    started: float,
    text: str = "",
) -> StepRecord:
    output: Mapping[str, Any] = {"code": error.code, "detail": error.message[:1000]}
    return StepRecord(
        number=number,
        kind=kind,
        status=StepStatus.FAILED,
        agent_slug=agent_slug,
        reason=error.message,
        output={**output, "text": text} if text else output,
        duration_ms=_since(started),
    )


def _since(started: float) -> float:
    return (perf_counter() - started) * 1000
