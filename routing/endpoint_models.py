"""Where LLMs are asked."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orkesta.crypto import SealedTextField, Secret, hint_of, seal, unseal
from orkesta.ids import uuid7
from routing.endpoints import (
    MAX_FALLBACKS,
    OFFLINE_URL,
    validate_endpoint_url,
)
from tenants.history import ConfigHistory
from tenants.scope import TenantModel


class LLMEndpoint(TenantModel):
    """An OpenAI-compatible address with its key and the LLM asked there."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=100)
    base_url = models.CharField(
        _("base URL"),
        max_length=500,
        default=OFFLINE_URL,
        validators=[validate_endpoint_url],
        help_text=_("Such as https://api.openai.com/v1; offline:// is the built-in model."),
    )
    llm = models.CharField(_("LLM"), max_length=100, default="orkesta-offline")
    embedding_llm = models.CharField(
        _("embedding model"),
        max_length=100,
        blank=True,
        help_text=_(
            "Tells rules with examples what a message means, such as text-embedding-3-small. One"
            " endpoint of a business has it. Empty: rules compare letters alone."
        ),
    )
    #: Until when a process that makes vectors with it has it to itself.
    embedding_claimed_until = models.DateTimeField(null=True, editable=False)
    sealed_api_key = SealedTextField()
    api_key_hint = models.CharField(_("key ends in"), max_length=4, blank=True, editable=False)
    timeout_seconds = models.FloatField(
        _("timeout in seconds"),
        default=30.0,
        validators=[MinValueValidator(0.1), MaxValueValidator(3600)],
    )
    is_default = models.BooleanField(
        _("default"),
        default=False,
        help_text=_("Used by agents that name no endpoint, and by the supervisor."),
    )
    fallback = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("fallback endpoint"),
        help_text=_("Asked when this one fails before it has said anything."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    history = ConfigHistory(excluded={"created_at", "embedding_claimed_until"})

    class Meta:
        verbose_name = _("LLM endpoint")
        verbose_name_plural = _("LLM endpoints")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="llm_endpoint_name_per_tenant"),
            models.UniqueConstraint(
                fields=["tenant"],
                condition=models.Q(is_default=True),
                name="llm_endpoint_one_default_per_tenant",
            ),
            models.UniqueConstraint(
                fields=["tenant"],
                condition=~models.Q(embedding_llm=""),
                name="llm_endpoint_one_embeds_per_tenant",
                violation_error_message=_("Another endpoint has an embedding model already."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        seen, row = {self.pk}, self.fallback
        while row is not None:
            if row.pk in seen:
                raise ValidationError({"fallback": _("That endpoint falls back to this one.")})
            if len(seen) > MAX_FALLBACKS:
                error = _("At most %(limit)d endpoints can stand in one after another.")
                params = {"limit": MAX_FALLBACKS}
                raise ValidationError({"fallback": ValidationError(error, params=params)})
            seen.add(row.pk)
            row = row.fallback

    def set_api_key(self, plain: str) -> None:
        """Seal `plain` into this row, which the caller saves. An empty string removes the key."""
        seal(self, "sealed_api_key", plain)
        self.api_key_hint = hint_of(plain)

    @property
    def api_key(self) -> Secret:
        return unseal(self, "sealed_api_key")
