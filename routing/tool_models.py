"""What agents can do: tools, the MCP servers that offer some of them, and who may use which."""

from collections.abc import Callable
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orkesta.crypto import SealedTextField, Secret, hint_of, seal, unseal
from orkesta.errors import Invalid
from orkesta.ids import uuid7
from routing.server_models import MAX_DESCRIPTION_CHARS, TOOL_SECONDS, McpServer
from routing.tools.http_plan import HttpPlan, check_plan, read_places
from routing.tools.schema import check_parameters, check_schema
from routing.tools.values import Recovery, Risk, ToolKind
from tenants.history import ConfigHistory
from tenants.scope import TenantModel

KINDS: Final = [
    (ToolKind.BUILTIN.value, _("Built in")),
    (ToolKind.HTTP.value, _("HTTP request")),
    (ToolKind.MCP.value, _("MCP server")),
]
RISKS: Final = [
    (Risk.READ.value, _("Reads: changes nothing")),
    (Risk.WRITE.value, _("Writes: changes something")),
    (Risk.APPROVAL.value, _("Asks first: a person approves each call")),
]
RECOVERIES: Final = [
    (Recovery.IDEMPOTENT.value, _("Call again: the same key has no second effect")),
    (Recovery.CHECK.value, _("Ask what became of it")),
    (Recovery.NEVER.value, _("Leave it to a person")),
]

validate_tool_name = RegexValidator(
    r"\A[a-zA-Z0-9_-]{1,64}\Z", _("Use 1 to 64 letters, digits, hyphens and underscores.")
)


class ToolState(models.TextChoices):
    """What has become of a tool."""

    ACTIVE = "active", _("Active")
    INACTIVE = "inactive", _("Switched off")
    QUARANTINED = "quarantined", _("Changed: waits for approval")
    MISSING = "missing", _("Gone from its server")


def _object() -> dict[str, Any]:
    """The schema of a tool without arguments."""
    return {"type": "object", "properties": {}}


class Tool(TenantModel):
    """Something an agent's model can ask for: JSON in, JSON or text out."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(
        _("name"),
        max_length=64,
        validators=[validate_tool_name],
        help_text=_("What the model calls it by."),
    )
    title = models.CharField(_("title"), max_length=100, blank=True)
    description = models.TextField(
        _("description"),
        max_length=MAX_DESCRIPTION_CHARS,
        help_text=_("The model reads this to know when and how to use the tool."),
    )
    kind = models.CharField(_("kind"), max_length=10, choices=KINDS, default=ToolKind.HTTP)
    parameters = models.JSONField(
        _("parameters"), default=_object, help_text=_("JSON Schema of the arguments, an object.")
    )
    output_schema = models.JSONField(
        _("schema of the result"), null=True, blank=True, help_text=_("Empty: anything goes.")
    )
    risk = models.CharField(_("risk"), max_length=10, choices=RISKS, default=Risk.WRITE)
    recovery = models.CharField(
        _("after a crash"),
        max_length=10,
        choices=RECOVERIES,
        default=Recovery.NEVER,
        help_text=_("What may be done with a call whose outcome nobody knows."),
    )
    timeout_seconds = models.FloatField(
        _("timeout in seconds"), default=20.0, validators=TOOL_SECONDS
    )
    is_active = models.BooleanField(_("active"), default=True)

    builtin = models.CharField(_("built-in tool"), max_length=64, blank=True)

    method = models.CharField(_("method"), max_length=10, blank=True, default="GET")
    url = models.CharField(
        _("URL"),
        max_length=1000,
        blank=True,
        help_text=_("With arguments in braces: https://api.example.com/orders/{order}."),
    )
    places = models.JSONField(
        _("places of arguments"),
        default=dict,
        blank=True,
        help_text=_("Where arguments go that are not in the URL."),
    )
    body_format = models.CharField(_("body"), max_length=10, blank=True, default="json")
    headers = models.JSONField(_("headers"), default=dict, blank=True)
    status_url = models.CharField(
        _("status URL"),
        max_length=1000,
        blank=True,
        help_text=_("Asked what became of a call: {key} is its Idempotency-Key."),
    )
    secret_header = models.CharField(
        _("header of the secret"), max_length=100, default="Authorization", blank=True
    )
    sealed_secret = SealedTextField()
    secret_hint = models.CharField(_("secret ends in"), max_length=4, blank=True, editable=False)

    mcp_server = models.ForeignKey(
        McpServer,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="tools",
        verbose_name=_("MCP server"),
    )
    remote_name = models.CharField(_("name on the server"), max_length=200, blank=True)
    pinned_hash = models.CharField(_("approved version"), max_length=64, blank=True, editable=False)
    offered = models.JSONField(_("offered version"), null=True, blank=True, editable=False)
    is_quarantined = models.BooleanField(_("quarantined"), default=False, editable=False)
    is_missing = models.BooleanField(_("gone from the server"), default=False, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    history = ConfigHistory(excluded={"offered", "is_quarantined", "is_missing", "created_at"})

    class Meta:
        verbose_name = _("tool")
        verbose_name_plural = _("tools")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="tool_name_per_tenant"),
            models.UniqueConstraint(
                fields=["mcp_server", "remote_name"],
                condition=models.Q(mcp_server__isnull=False),
                name="tool_once_per_mcp_server",
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.name

    def set_secret(self, plain: str) -> None:
        """Seal `plain` into this row, which the caller saves. An empty string removes it."""
        seal(self, "sealed_secret", plain)
        self.secret_hint = hint_of(plain)

    @property
    def secret(self) -> Secret:
        return unseal(self, "sealed_secret")

    @property
    def state(self) -> ToolState:
        """Whether agents have it, and if not, why not."""
        if self.is_missing:
            return ToolState.MISSING
        if self.is_quarantined:
            return ToolState.QUARANTINED
        return ToolState.ACTIVE if self.is_active else ToolState.INACTIVE

    def clean(self) -> None:
        super().clean()
        _checked("parameters", check_parameters, self.parameters)
        if self.output_schema is not None:
            _checked("output_schema", check_schema, self.output_schema)
        if self.kind == ToolKind.HTTP:
            _checked("url", self._check_plan)
        if self.recovery == Recovery.CHECK and not (self.kind == ToolKind.HTTP and self.status_url):
            raise ValidationError(
                {"recovery": _("Only an HTTP tool with a status URL can be asked.")}
            )

    def _check_plan(self) -> None:
        check_plan(self.plan, self.parameters)

    @property
    def plan(self) -> HttpPlan:
        """What is sent where, for an HTTP tool; without its secret. Raises HttpPlanInvalid."""
        return HttpPlan(
            method=self.method,
            url=self.url,
            places=read_places(self.places),
            body_format=self.body_format,
            headers=self.headers,
            secret_header=self.secret_header,
            status_url=self.status_url,
        )


def _checked(field: str, check: Callable[..., None], *values: Any) -> None:
    try:
        check(*values)
    except Invalid as exc:
        raise ValidationError({field: exc.message}) from exc


class AgentTool(TenantModel):
    """An agent may use a tool."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent = models.ForeignKey(
        "routing.Agent",
        on_delete=models.CASCADE,
        related_name="agent_tools",
        verbose_name=_("agent"),
    )
    tool = models.ForeignKey(
        Tool, on_delete=models.CASCADE, related_name="agent_tools", verbose_name=_("tool")
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("tool of an agent")
        verbose_name_plural = _("tools of agents")
        constraints = [
            models.UniqueConstraint(fields=["agent", "tool"], name="agent_tool_once"),
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} {self.tool_id}"
