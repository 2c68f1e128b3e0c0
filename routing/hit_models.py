"""How often routing rules decide."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from orkesta.ids import uuid7
from tenants.scope import TenantModel


class RuleDay(TenantModel):
    """How many messages a routing rule decided on in a day (UTC). Written by `routing.hits`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    rule = models.ForeignKey(
        "routing.RoutingRule", on_delete=models.CASCADE, related_name="days", verbose_name=_("rule")
    )
    day = models.DateField(_("day"))
    num_hits = models.PositiveBigIntegerField(_("hits"), default=0)

    class Meta:
        verbose_name = _("day of a rule")
        verbose_name_plural = _("days of rules")
        ordering = ["-day"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "rule", "day"], name="rule_day_once")
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.day}: {self.num_hits}"
