"""What a turn knows of its tenant: frozen values, shared by all turns of one version."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any
from uuid import UUID

from prompts.experiments import takes_part
from prompts.models import PromptVersion
from routing.example_vectors import Meanings
from routing.llm.types import LLMTarget
from routing.rules import Rule
from routing.snapshot.prompts import Challenger, PromptSnapshot, read_prompt
from routing.tools.values import ToolSnapshot
from routing.webhook_agents import WebhookTarget


@dataclass(frozen=True, slots=True)
class AgentSnapshot:
    slug: str
    name: str
    description: str
    intents: tuple[str, ...]
    prompt: PromptSnapshot | None
    target: LLMTarget | None
    temperature: float | None
    max_tokens_per_step: int
    max_steps: int
    timeout_seconds: float
    tools: tuple[ToolSnapshot, ...] = ()
    max_task_tokens: int = 0
    max_task_seconds: float = 0.0
    history_turns: int = 10
    may_ask_human: bool = False
    answer_hours: float | None = None
    may_hand_off: bool = False
    failure_answer: str | None = None
    webhook: WebhookTarget | None = None
    instructions: str = ""
    #: What the servers of its tools say, as approved and quoted.
    server_words: str = ""
    challenger: Challenger | None = None
    #: Versions by the labels that point to them.
    labelled: Mapping[str, PromptSnapshot] = field(default_factory=dict)

    def prompt_in(self, session_id: UUID, label: str = "") -> PromptSnapshot | None:
        """What the agent is told in that session: the published version, or the challenger. With a
        label, the version that carries it, or else the published one.
        """
        if label:
            return self.labelled.get(label, self.prompt)
        rival = self.challenger
        if rival and takes_part(rival.experiment_id, session_id, rival.share):
            return rival.prompt
        return self.prompt


@dataclass(frozen=True, slots=True)
class TenantSnapshot:
    """Everything a turn needs to know of its tenant."""

    tenant_id: UUID
    slug: str
    name: str
    config_version: int
    business_context: str
    agents: Mapping[str, AgentSnapshot]
    rules: tuple[Rule, ...]
    fallback_slug: str | None
    supervisor_target: LLMTarget | None
    zone: tzinfo = UTC
    polite_answer: str = ""
    meanings: Meanings | None = None
    _pinned: dict[UUID, PromptSnapshot | None] = field(
        default_factory=dict, compare=False, repr=False
    )

    def prompt_for(
        self, agent: AgentSnapshot, pinned_version_id: UUID | None
    ) -> PromptSnapshot | None:
        """The agent's prompt, or the older version that a running task pinned.

        Reads the database when the pinned version is no longer the published one.
        """
        current = agent.prompt
        if pinned_version_id is None or (current and current.version_id == pinned_version_id):
            return current
        if pinned_version_id not in self._pinned:
            version = (
                PromptVersion.objects.select_related("prompt").filter(pk=pinned_version_id).first()
            )
            if version is None:
                return current
            self._pinned[pinned_version_id] = read_prompt(version)
        return self._pinned[pinned_version_id]

    def failure_answer(self, agent_slug: str | None) -> str:
        """What the customer is told when nobody can answer: the words of the agent that has the
        task, those of the fallback agent, or Orkesta's own. Empty where an error is wanted instead,
        and where there is no agent to speak.
        """
        for slug in (agent_slug, self.fallback_slug):
            agent = self.agents.get(slug) if slug else None
            if agent is not None and agent.failure_answer is not None:
                return agent.failure_answer.strip()
        return self.polite_answer if self.agents else ""


def template_variables(
    snapshot: TenantSnapshot, agent: AgentSnapshot, *, user_name: str, context: Mapping[str, Any]
) -> dict[str, Any]:
    """What a prompt may speak of: plain data only."""
    return {
        "agent": {"slug": agent.slug, "name": agent.name, "description": agent.description},
        "tenant": {
            "slug": snapshot.slug,
            "name": snapshot.name,
            "business_context": snapshot.business_context,
        },
        "user": {"name": user_name},
        "context": dict(context),
    }
