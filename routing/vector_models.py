"""What examples of routing rules mean, as an embedding model tells it."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orkesta.ids import uuid7
from tenants.scope import TenantModel


class ExampleVector(TenantModel):
    """The vector of one text by one model at one address; the digest is of all three, so that it
    is another one as soon as any of them changes. Written by `routing.example_vectors`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    digest = models.CharField(_("digest"), max_length=64)
    llm = models.CharField(_("LLM"), max_length=100)
    #: 32-bit floats, the low byte first, of length 1.
    vector = models.BinaryField(_("vector"))
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("vector of an example")
        verbose_name_plural = _("vectors of examples")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "digest"], name="example_vector_once")
        ]

    def __str__(self) -> str:
        return f"{self.llm} {self.digest[:12]}"
