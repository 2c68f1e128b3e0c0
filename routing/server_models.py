"""Servers of the Model Context Protocol, whose tools agents may have."""

from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orkesta.crypto import SealedTextField, Secret, hint_of, seal, unseal
from orkesta.ids import uuid7
from routing.endpoints import validate_called_url
from routing.tools.commands import SETTING, is_allowed
from tenants.history import ConfigHistory
from tenants.models import validate_slug
from tenants.scope import TenantModel

MAX_DESCRIPTION_CHARS: Final = 4000
#: How long a call of a tool may take.
TOOL_SECONDS: Final = [MinValueValidator(0.1), MaxValueValidator(300)]


class WordsState(models.TextChoices):
    """What has become of what a server says of itself."""

    NONE = "none", _("Nothing is told")
    APPROVED = "approved", _("Told to agents")
    WAITING = "waiting", _("Changed: waits for approval")


class McpServer(TenantModel):
    """A server of the Model Context Protocol. Its tools become `Tool` rows when it is synced."""

    class Transport(models.TextChoices):
        HTTP = "http", _("Streamable HTTP")
        STDIO = "stdio", _("A command on this machine")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.CharField(
        _("slug"),
        max_length=20,
        validators=[validate_slug],
        help_text=_("Names of its tools begin with it: shop__search."),
    )
    name = models.CharField(_("name"), max_length=100)
    transport = models.CharField(
        _("transport"), max_length=10, choices=Transport.choices, default=Transport.HTTP
    )
    url = models.CharField(_("URL"), max_length=500, blank=True, validators=[validate_called_url])
    command = models.JSONField(
        _("command"), default=list, blank=True, help_text=_("The program and its arguments.")
    )
    secret_header = models.CharField(
        _("header of the secret"), max_length=100, default="Authorization", blank=True
    )
    sealed_secret = SealedTextField()
    secret_hint = models.CharField(_("secret ends in"), max_length=4, blank=True, editable=False)
    timeout_seconds = models.FloatField(
        _("timeout in seconds"), default=20.0, validators=TOOL_SECONDS
    )
    instructions = models.TextField(
        _("instructions"),
        blank=True,
        max_length=MAX_DESCRIPTION_CHARS,
        help_text=_("What its MCP agents are told beside their prompt: how to use its tools."),
    )
    #: What the server says of itself: as a person approved it, and another text that waits for it.
    own_words = models.TextField(blank=True, editable=False)
    own_words_hash = models.CharField(max_length=64, blank=True, editable=False)
    offered_words = models.TextField(blank=True, editable=False)
    do_words_wait = models.BooleanField(default=False, editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    synced_at = models.DateTimeField(_("synced"), null=True, editable=False)
    sync_error = models.CharField(_("last error"), max_length=500, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    history = ConfigHistory(excluded={"synced_at", "sync_error", "created_at"})

    class Meta:
        verbose_name = _("MCP server")
        verbose_name_plural = _("MCP servers")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "slug"], name="mcp_server_slug_per_tenant")
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        is_command = self.transport == McpServer.Transport.STDIO
        if is_command and self.command and not is_allowed(self.command):
            error = _("The operator allows no such command: it would have to be in %(setting)s.")
            raise ValidationError(
                {"command": ValidationError(error, code="not_allowed", params={"setting": SETTING})}
            )

    @property
    def words_state(self) -> WordsState:
        """What has become of the server's own words."""
        if self.do_words_wait:
            return WordsState.WAITING
        return WordsState.APPROVED if self.own_words else WordsState.NONE

    def set_secret(self, plain: str) -> None:
        """Seal `plain` into this row, which the caller saves. An empty string removes it."""
        seal(self, "sealed_secret", plain)
        self.secret_hint = hint_of(plain)

    @property
    def secret(self) -> Secret:
        return unseal(self, "sealed_secret")
