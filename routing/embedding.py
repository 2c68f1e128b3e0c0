"""Makes the vectors of examples: after a rule or a model was saved, for what has none yet.

What is missing follows from the rows alone, so nothing is lost when a process dies; and one process
at a time has it to do, so that nothing is paid for twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from routing.example_vectors import forget_others, read_vectors, store_vectors
from routing.gateway import Gateway
from routing.llm.embeddings import MAX_TEXTS, Embeddings
from routing.llm.types import LLMTarget
from routing.models import ExampleVector, LLMEndpoint
from routing.rules.meanings import wanted_texts
from routing.snapshot import embedding_target, read_rules
from tenants.scope import in_tenant, scopes_disabled
from tenants.services import touch_configuration

#: For so long a process has the work to itself. A batch, with its retries, takes less.
CLAIM_SECONDS: Final = 180.0


@dataclass(frozen=True, slots=True)
class Maker:
    """Who makes vectors for a tenant."""

    endpoint_id: UUID
    target: LLMTarget


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done for one tenant; `is_claimed` says that another process is about it."""

    maker: Maker | None = None
    missing: tuple[str, ...] = ()
    num_known: int = 0
    num_forgotten: int = 0
    is_claimed: bool = False


@dataclass(frozen=True, slots=True)
class Embedded:
    """What came of it; `is_done` is False when another process has yet to finish."""

    num_made: int
    num_known: int
    num_forgotten: int
    is_done: bool = True


def find_embedding_tenants() -> list[tuple[UUID, int]]:
    """Active tenants that have an embedding model, and the version of their configuration."""
    with scopes_disabled():
        rows = LLMEndpoint.objects.filter(is_active=True, tenant__is_active=True)
        found = rows.exclude(embedding_llm="").values_list("tenant_id", "tenant__config_version")
        return list(found)


async def embed_examples(tenant_id: UUID, gateway: Gateway) -> Embedded:
    """Make what is missing, and forget what is not asked for any more. Raises what
    `Gateway.embed` does; what was made until then is kept.
    """
    work = await in_tenant(tenant_id, take_work)
    maker = work.maker
    if maker is None or not work.missing or work.is_claimed:
        return Embedded(0, work.num_known, work.num_forgotten, not work.is_claimed)
    num_made = 0
    try:
        for start in range(0, len(work.missing), MAX_TEXTS):
            texts = work.missing[start : start + MAX_TEXTS]
            found = await gateway.embed(maker.target, texts)
            await in_tenant(tenant_id, _store, maker, texts, found)
            num_made += len(texts)
    finally:
        await in_tenant(tenant_id, _end, tenant_id, maker, has_made=num_made > 0)
    return Embedded(num_made, work.num_known, work.num_forgotten)


@transaction.atomic
def take_work() -> Work:
    """What is missing, claimed for this process where there is any. Needs the tenant's scope."""
    endpoint = LLMEndpoint.objects.filter(is_active=True).exclude(embedding_llm="").first()
    target = embedding_target(endpoint)
    texts = wanted_texts(read_rules()) if target is not None else ()
    num_forgotten = forget_others(target, texts)
    if target is None or endpoint is None:
        return Work(num_forgotten=num_forgotten)
    known = read_vectors(target, texts)
    missing = tuple(text for text in texts if text not in known)
    return Work(
        Maker(endpoint.pk, target),
        missing,
        len(known),
        num_forgotten,
        is_claimed=bool(missing) and not _claim(endpoint.pk),
    )


def forget_all() -> None:
    """Forget every vector of the tenant, so that all are made anew. Needs its scope."""
    ExampleVector.objects.all().delete()


def _claim(endpoint_id: UUID) -> bool:
    now = timezone.now()
    is_free = Q(embedding_claimed_until=None) | Q(embedding_claimed_until__lt=now)
    rows = LLMEndpoint.objects.filter(is_free, pk=endpoint_id)
    return bool(rows.update(embedding_claimed_until=now + timedelta(seconds=CLAIM_SECONDS)))


@transaction.atomic
def _store(maker: Maker, texts: Sequence[str], found: Embeddings) -> None:
    store_vectors(maker.target, dict(zip(texts, found.vectors, strict=True)))
    until = timezone.now() + timedelta(seconds=CLAIM_SECONDS)
    LLMEndpoint.objects.filter(pk=maker.endpoint_id).update(embedding_claimed_until=until)


@transaction.atomic
def _end(tenant_id: UUID, maker: Maker, *, has_made: bool) -> None:
    LLMEndpoint.objects.filter(pk=maker.endpoint_id).update(embedding_claimed_until=None)
    if has_made:
        touch_configuration(tenant_id)
