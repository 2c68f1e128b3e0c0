"""The rules that decide who answers a message."""

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orkesta.ids import uuid7
from routing.rules import RuleInvalid, compile_condition, summary
from tenants.history import ConfigHistory
from tenants.scope import TenantModel


class RoutingRule(TenantModel):
    """A condition on the message; rules are tried in order and the first that matches decides."""

    class Kind(models.TextChoices):
        KEYWORD = "keyword", _("Keywords")
        EXAMPLES = "examples", _("Example messages")
        REGEX = "regex", _("Regular expression")
        INTENT = "intent", _("Intent")
        CONTEXT = "context", _("Value of the context")
        TIME = "time", _("Time of day")
        SESSION = "session", _("State of the conversation")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=100)
    position = models.PositiveIntegerField(_("position"), default=0, db_index=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.KEYWORD)
    condition = models.JSONField(
        _("condition"),
        default=dict,
        help_text=_("What each kind takes is described in docs/routing.md."),
    )
    intent = models.CharField(_("intent"), max_length=63, blank=True)
    agent = models.ForeignKey(
        "routing.Agent", on_delete=models.CASCADE, related_name="rules", verbose_name=_("agent")
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    history = ConfigHistory(excluded={"created_at"})

    class Meta:
        verbose_name = _("routing rule")
        verbose_name_plural = _("routing rules")
        ordering = ["position", "created_at"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="routing_rule_name_per_tenant")
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        try:
            compile_condition(self.kind, self.condition)
        except RuleInvalid as exc:
            raise ValidationError({"condition": str(exc)}) from exc

    @property
    def summary(self) -> str:
        """The condition in a few words, for lists."""
        return summary(self.kind, self.condition)
