"""Who answers: agents. The room's other models are found here too."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orkesta.crypto import SealedTextField, Secret, seal, unseal
from orkesta.ids import uuid7
from prompts.models import Prompt
from routing.endpoint_models import LLMEndpoint
from routing.endpoints import validate_called_url
from routing.hit_models import RuleDay
from routing.rule_models import RoutingRule
from routing.server_models import McpServer
from routing.tool_models import AgentTool, Tool
from routing.vector_models import ExampleVector
from tenants.history import ConfigHistory
from tenants.models import validate_slug
from tenants.scope import TenantModel

__all__ = [
    "Agent",
    "AgentTool",
    "ExampleVector",
    "LLMEndpoint",
    "McpServer",
    "RoutingRule",
    "RuleDay",
    "Tool",
]


class Agent(TenantModel):
    """A specialist: what it is for, what it is told, and the LLM it speaks with."""

    class Kind(models.TextChoices):
        PROMPT = "prompt", _("Prompt agent: an LLM with a prompt")
        MCP = "mcp", _("MCP agent: an LLM with all tools of one MCP server")
        WEBHOOK = "webhook", _("Webhook agent: a program of yours")

    class WhileBusy(models.TextChoices):
        ENQUEUE = "enqueue", _("Answer afterwards")
        REJECT = "reject", _("Refuse the message")
        INTERRUPT = "interrupt", _("Stop and answer the new message")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.CharField(_("slug"), max_length=63, validators=[validate_slug])
    name = models.CharField(_("name"), max_length=100)
    description = models.TextField(
        _("what it is for"),
        max_length=2000,
        help_text=_("The supervisor reads this when no rule decides who answers."),
    )
    intents = models.JSONField(
        _("intents"), default=list, blank=True, help_text=_("Names of what it can be asked for.")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.PROMPT)
    prompt = models.ForeignKey(
        Prompt,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="agents",
        verbose_name=_("prompt"),
        help_text=_("A webhook agent needs none."),
    )
    mcp_server = models.ForeignKey(
        McpServer,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="agents",
        verbose_name=_("MCP server"),
        help_text=_("Of MCP agents only: all its tools are the agent's, as they come and go."),
    )
    webhook_url = models.CharField(
        _("webhook URL"),
        max_length=500,
        blank=True,
        validators=[validate_called_url],
        help_text=_("Asked by a signed POST: docs/webhook-agents.md. Of webhook agents only."),
    )
    sealed_webhook_secret = SealedTextField()
    llm_endpoint = models.ForeignKey(
        LLMEndpoint,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="agents",
        verbose_name=_("LLM endpoint"),
        help_text=_("Empty: the tenant's default."),
    )
    llm = models.CharField(
        _("LLM"), max_length=100, blank=True, help_text=_("Empty: the one of the endpoint.")
    )
    temperature = models.FloatField(
        _("temperature"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0), MaxValueValidator(2.0)],
    )
    max_tokens_per_step = models.PositiveIntegerField(
        _("tokens per step"), default=1000, validators=[MinValueValidator(1)]
    )
    max_steps = models.PositiveIntegerField(
        _("steps per task"), default=10, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    max_task_tokens = models.PositiveIntegerField(
        _("tokens per task"),
        default=100_000,
        help_text=_("Read and written, over all steps. 0: no limit."),
    )
    max_task_seconds = models.PositiveIntegerField(
        _("seconds per task"),
        default=600,
        help_text=_("Of work; waiting for a person does not count. 0: no limit."),
    )
    history_turns = models.PositiveSmallIntegerField(
        _("turns remembered"),
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(20)],
        help_text=_("What was said before them is told in a summary."),
    )
    may_ask_human = models.BooleanField(
        _("may ask a person"),
        default=False,
        help_text=_("It can put a question to the customer or to staff, and waits for the answer."),
    )
    answer_hours = models.FloatField(
        _("hours to answer"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.001), MaxValueValidator(720)],
        help_text=_(
            "For whoever it asks, or who has to approve a call. Empty: the installation's."
        ),
    )
    may_hand_off = models.BooleanField(
        _("may hand over"),
        default=False,
        help_text=_("It can let another agent take over the conversation."),
    )
    timeout_seconds = models.FloatField(
        _("timeout in seconds"),
        default=30.0,
        validators=[MinValueValidator(0.1), MaxValueValidator(3600)],
        help_text=_("Of one try: from the question to the last word of the answer."),
    )
    max_retries = models.PositiveSmallIntegerField(
        _("retries"),
        default=3,
        validators=[MaxValueValidator(5)],
        help_text=_("After 1, 2, 4 … seconds, as long as it has not said anything."),
    )
    failure_answer = models.TextField(  # noqa: DJ001 - null: nobody has decided; empty: no words
        _("answer when it fails"),
        null=True,
        blank=True,
        max_length=1000,
        help_text=_(
            "What the customer is told when neither it nor its fallbacks can answer. Empty: the"
            " task fails, and your front end gets the error."
        ),
    )
    while_busy = models.CharField(
        _("a message while busy"),
        max_length=10,
        choices=WhileBusy.choices,
        default=WhileBusy.ENQUEUE,
    )
    is_fallback = models.BooleanField(
        _("fallback"), default=False, help_text=_("Answers when nobody else was decided on.")
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    history = ConfigHistory(excluded={"created_at"})

    class Meta:
        verbose_name = _("agent")
        verbose_name_plural = _("agents")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "slug"], name="agent_slug_per_tenant"),
            models.UniqueConstraint(
                fields=["tenant"],
                condition=models.Q(is_fallback=True),
                name="agent_one_fallback_per_tenant",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        needs = {
            self.Kind.WEBHOOK: ("webhook_url",),
            self.Kind.MCP: ("prompt", "mcp_server"),
        }.get(self.Kind(self.kind), ("prompt",))
        missing = [name for name in needs if not getattr(self, name)]
        if missing:
            raise ValidationError(dict.fromkeys(missing, _("An agent of this kind needs it.")))

    def set_webhook_secret(self, plain: str) -> None:
        """Seal `plain` into this row, which the caller saves. An empty string removes it."""
        seal(self, "sealed_webhook_secret", plain)

    @property
    def webhook_secret(self) -> Secret:
        return unseal(self, "sealed_webhook_secret")
