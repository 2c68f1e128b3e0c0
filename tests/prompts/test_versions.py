import pytest
from django.db import IntegrityError, transaction

from prompts.errors import TemplateInvalid, UnknownVariable, VersionNotDraft
from prompts.models import Prompt, PromptVersion
from prompts.selectors import find_version, list_prompts, list_unpublished_drafts, list_versions
from prompts.services import discard_draft, edit_draft, publish_version, save_draft
from tenants.scope import tenant_scope
from tests.cast import House

Status = PromptVersion.Status
pytestmark = pytest.mark.usefixtures("in_acme")


@pytest.fixture
def in_acme(acme: House):  # type: ignore[no-untyped-def]
    with tenant_scope(acme.id):
        yield


@pytest.fixture
def prompt(acme: House) -> Prompt:
    return acme.agents["sales"].prompt


def statuses(prompt: Prompt) -> dict[int, str]:
    return dict(prompt.versions.values_list("number", "status"))


def test_a_draft_takes_the_next_number(acme: House, prompt: Prompt) -> None:
    draft = save_draft(prompt=prompt, source="Sé breve.", notes="shorter", author=acme.owner)
    assert (draft.number, draft.status, draft.notes) == (2, Status.DRAFT, "shorter")
    assert draft.author == acme.owner
    assert draft.num_tokens == 3
    assert save_draft(prompt=prompt, source="Otra.").number == 3


def test_publishing_retires_the_published_one_and_tells_the_workers(
    acme: House, prompt: Prompt
) -> None:
    before = acme.tenant.config_version
    draft = save_draft(prompt=prompt, source="Nuevo.")
    acme.tenant.refresh_from_db()
    assert acme.tenant.config_version == before, "a draft concerns nobody yet"
    publish_version(version=draft)
    acme.tenant.refresh_from_db()
    assert acme.tenant.config_version == before + 1
    assert statuses(prompt) == {1: Status.RETIRED, 2: Status.PUBLISHED}
    assert draft.published_at is not None


def test_publishing_the_published_one_changes_nothing(acme: House, prompt: Prompt) -> None:
    version = prompt.versions.get()
    before = acme.tenant.config_version
    publish_version(version=version)
    acme.tenant.refresh_from_db()
    assert acme.tenant.config_version == before


def test_rolling_back_is_publishing_an_older_one(prompt: Prompt) -> None:
    first = prompt.versions.get()
    publish_version(version=save_draft(prompt=prompt, source="Nuevo."))
    publish_version(version=first)
    assert statuses(prompt) == {1: Status.PUBLISHED, 2: Status.RETIRED}


def test_a_draft_is_edited_in_place(prompt: Prompt) -> None:
    draft = save_draft(prompt=prompt, source="Uno.")
    edit_draft(version=draft, source="Uno, dos, tres, cuatro.", notes="longer")
    draft.refresh_from_db()
    assert (draft.number, draft.source, draft.notes) == (2, "Uno, dos, tres, cuatro.", "longer")
    assert draft.num_tokens > 5


@pytest.mark.parametrize("source", ["{{ open", "{% include 'x' %}", "{{ ''.__class__ }}"])
def test_a_text_that_cannot_run_is_not_saved(prompt: Prompt, source: str) -> None:
    with pytest.raises(TemplateInvalid):
        save_draft(prompt=prompt, source=source)
    draft = save_draft(prompt=prompt, source="Bien.")
    with pytest.raises(TemplateInvalid):
        edit_draft(version=draft, source=source)
    draft.refresh_from_db()
    assert draft.source == "Bien."


def test_a_text_may_use_what_it_is_given_and_nothing_else(prompt: Prompt) -> None:
    save_draft(prompt=prompt, source="{{ agent.name }} {{ tenant.name }} {{ user.name }}")
    with pytest.raises(UnknownVariable) as caught:
        save_draft(prompt=prompt, source="Hola\n{{ customer.name }}")
    assert (caught.value.line, caught.value.column) == (2, 4)


def test_what_was_published_is_neither_edited_nor_discarded(prompt: Prompt) -> None:
    version = prompt.versions.get()
    with pytest.raises(VersionNotDraft):
        edit_draft(version=version, source="Otra cosa.")
    with pytest.raises(VersionNotDraft):
        discard_draft(version=version)
    draft = save_draft(prompt=prompt, source="Borrador.")
    discard_draft(version=draft)
    assert statuses(prompt) == {1: Status.PUBLISHED}


@pytest.mark.parametrize("change", [{"source": "x"}, {"number": 9}, {"status": Status.DRAFT}])
def test_the_database_keeps_what_was_published(prompt: Prompt, change: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        prompt.versions.filter(number=1).update(**change)
    draft = save_draft(prompt=prompt, source="Borrador.")
    assert prompt.versions.filter(pk=draft.pk).update(**change | {"number": 9}) == 1


def test_the_database_lets_one_version_be_published(prompt: Prompt) -> None:
    draft = save_draft(prompt=prompt, source="Borrador.")
    with pytest.raises(IntegrityError), transaction.atomic():
        prompt.versions.filter(pk=draft.pk).update(status=Status.PUBLISHED)


def test_lists_say_what_is_live_and_what_waits(prompt: Prompt) -> None:
    assert list(list_unpublished_drafts()) == []
    draft = save_draft(prompt=prompt, source="Borrador.")
    row = list_prompts().get(pk=prompt.pk)
    assert (row.published_number, row.newest_draft) == (1, 2)
    assert list(list_unpublished_drafts()) == [prompt]
    assert [version.number for version in list_versions(prompt.pk)] == [2, 1]
    publish_version(version=draft)
    assert list(list_unpublished_drafts()) == []


def test_a_version_is_found_under_its_own_prompt_only(acme: House, prompt: Prompt) -> None:
    version = prompt.versions.get()
    assert find_version(prompt.pk, version.pk) == version
    assert find_version(acme.agents["desk"].prompt_id, version.pk) is None
