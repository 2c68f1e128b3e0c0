from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections

from prompts.models import Prompt, PromptVersion
from prompts.services import publish_version, save_draft
from tenants.audit_models import AuditEntry
from tenants.models import Tenant
from tenants.scope import tenant_scope
from tests.cast import House

pytestmark = pytest.mark.django_db(transaction=True)

NUM_THREADS, NUM_TIMES = 4, 5


def at_once(house: House, *acts: Callable[[], None]) -> None:
    """Each act in a thread of its own, begun together; what one raises is raised here."""
    barrier = Barrier(len(acts))

    def do(act: Callable[[], None]) -> None:
        try:
            barrier.wait(60)
            with tenant_scope(house.id):
                act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        for future in [pool.submit(do, act) for act in acts]:
            future.result()


def standing(house: House, prompt: Prompt) -> dict[str, list[int]]:
    """Numbers of versions, by status."""
    with tenant_scope(house.id):
        found: dict[str, list[int]] = {}
        for number, status in prompt.versions.order_by("number").values_list("number", "status"):
            found.setdefault(status, []).append(number)
        return found


def test_of_many_who_publish_at_once_one_is_the_last(acme: House) -> None:
    prompt = acme.agents["sales"].prompt
    before = Tenant.objects.get(pk=acme.id).config_version
    seen: list[int] = []

    def write_and_publish() -> None:
        for _ in range(NUM_TIMES):
            draft = save_draft(prompt=prompt, source="Sé breve.")
            publish_version(version=draft)
            seen.append(prompt.versions.filter(status="published").count())

    at_once(acme, *[write_and_publish] * NUM_THREADS)
    total = NUM_THREADS * NUM_TIMES
    found = standing(acme, prompt)
    assert set(seen) == {1}, "whoever looks sees exactly one"
    assert len(found["published"]) == 1
    assert sorted(found["published"] + found["retired"]) == list(range(1, total + 2))
    with tenant_scope(acme.id):
        assert AuditEntry.objects.filter(action="published").count() == total, "nothing is lost"
    assert Tenant.objects.get(pk=acme.id).config_version >= before + total


def test_rolling_back_while_others_publish_leaves_one(acme: House) -> None:
    prompt = acme.agents["sales"].prompt
    with tenant_scope(acme.id):
        first = prompt.versions.get()
        others = [save_draft(prompt=prompt, source=f"Regla {n}.") for n in range(2)]

    def go_back() -> None:
        for _ in range(NUM_TIMES):
            publish_version(version=PromptVersion.objects.get(pk=first.pk))

    def publishing(version: PromptVersion) -> Callable[[], None]:
        def publish() -> None:
            for _ in range(NUM_TIMES):
                publish_version(version=PromptVersion.objects.get(pk=version.pk))

        return publish

    at_once(acme, go_back, go_back, *map(publishing, others))
    found = standing(acme, prompt)
    assert (len(found["published"]), len(found["retired"])) == (1, 2)
    with tenant_scope(acme.id):
        texts = dict(prompt.versions.values_list("number", "source"))
        last = AuditEntry.objects.filter(action="published").order_by("-seq").first()
        live = prompt.versions.get(status="published")
    assert (texts[2], texts[3]) == ("Regla 0.", "Regla 1.")
    assert last is not None
    assert last.object_id == str(live.pk), "the last act is the one that holds"
