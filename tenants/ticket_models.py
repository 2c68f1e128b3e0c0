"""Tickets for WebSockets, for as long as Redis cannot keep them."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.scope import TenantModel


class SocketTicket(TenantModel):
    """What a ticket stands for. Its id is the beginning of the ticket's digest."""

    id = models.UUIDField(primary_key=True, editable=False)
    grant = models.JSONField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("socket ticket")
        verbose_name_plural = _("socket tickets")

    def __str__(self) -> str:
        return str(self.id)
