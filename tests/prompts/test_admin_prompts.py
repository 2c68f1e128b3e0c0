import re
from typing import Any

import pytest
from django.http import HttpResponse

from prompts.models import Prompt, PromptVersion
from prompts.services import publish_version, save_draft
from tenants.models import Membership
from tenants.scope import tenant_scope
from tests.admin import XSS, Desk, desk_of
from tests.cast import House, make_member

FORM = {
    "name": "Ventas",
    "slug": "ventas",
    "kind": "prompt",
    "task_type": "conversation",
    "description": "",
    "source": "Eres {{ agent.name }}.",
}


def prompt_of(house: House) -> Prompt:
    return house.agents["sales"].prompt


def versions_of(house: House) -> dict[int, PromptVersion]:
    with tenant_scope(house.id):
        return {row.number: row for row in prompt_of(house).versions.select_related("author")}


def draft_of(house: House, source: str = "Un borrador.") -> PromptVersion:
    with tenant_scope(house.id):
        return save_draft(prompt=prompt_of(house), source=source, notes="first try")


def text(response: HttpResponse) -> str:
    return response.content.decode()


def test_a_new_prompt_comes_with_its_first_version(acme: House) -> None:
    response = desk_of(acme).post("prompts_prompt_add", **FORM, publish_now="on")
    assert response.status_code == 302
    with tenant_scope(acme.id):
        version = PromptVersion.objects.get(prompt__slug="ventas")
    assert (version.number, version.status) == (1, "published")
    assert version.author == acme.owner


def test_a_new_prompt_may_stay_a_draft(acme: House) -> None:
    desk_of(acme).post("prompts_prompt_add", **FORM)
    with tenant_scope(acme.id):
        assert PromptVersion.objects.get(prompt__slug="ventas").status == "draft"


def test_a_mistake_is_said_with_its_place(acme: House) -> None:
    source = "Hola\n{{ customer }}"
    response = desk_of(acme).post("prompts_prompt_add", **FORM | {"source": source})
    errors = response.context["adminform"].form.errors["source"]
    assert errors == ["Line 2, column 4: The variable 'customer' is not declared."]
    with tenant_scope(acme.id):
        assert not Prompt.objects.filter(slug="ventas").exists()


def test_the_page_lists_the_versions_with_their_verbs(acme: House) -> None:
    draft_of(acme)
    page = text(desk_of(acme).get("prompts_prompt_change", prompt_of(acme).pk))
    assert "v2" in page
    assert "first try" in page
    for verb in ("Publish", "Edit", "New draft from it"):
        assert verb in page
    new, old = versions_of(acme)[2], versions_of(acme)[1]
    assert re.findall(r"([0-9a-f-]{36})/compare/([0-9a-f-]{36})/", page) == [
        (str(new.pk), str(old.pk))
    ], "each version is compared with the one before it, and the first with none"


def test_a_draft_is_written_saved_and_published(acme: House) -> None:
    desk, draft = desk_of(acme), draft_of(acme)
    ids = (draft.prompt_id, draft.pk)
    assert "Un borrador." in text(desk.get("prompts_version_edit", *ids))
    desk.post("prompts_version_edit", *ids, source="Otra vez.\r\nDos.", notes="again")
    assert versions_of(acme)[2].source == "Otra vez.\nDos."
    assert versions_of(acme)[2].author == acme.owner
    desk.post("prompts_version_edit", *ids, source="Listo.", notes="done", _publish="1")
    found = versions_of(acme)
    assert (found[2].source, found[2].status, found[1].status) == ("Listo.", "published", "retired")
    assert "v2 is live" in text(desk.get("prompts_prompt_change", draft.prompt_id))


def test_a_broken_draft_is_neither_saved_nor_published(acme: House) -> None:
    desk, draft = desk_of(acme), draft_of(acme)
    broken = {"source": "{{ oops", "_publish": "1"}
    response = desk.post("prompts_version_edit", draft.prompt_id, draft.pk, **broken)
    assert response.status_code == 200
    assert "Line 1" in text(response)
    assert "{{ oops" in text(response), "what was typed is still there"
    assert (versions_of(acme)[2].source, versions_of(acme)[2].status) == ("Un borrador.", "draft")


def test_a_published_text_is_read_only_and_can_be_taken_further(acme: House) -> None:
    desk, first = desk_of(acme), versions_of(acme)[1]
    ids = (first.prompt_id, first.pk)
    page = text(desk.get("prompts_version_edit", *ids))
    assert "readonly" in page
    assert "Save draft" not in page
    response = desk.post("prompts_version_edit", *ids, source="Changed.")
    assert "This version was published" in text(response)
    response = desk.post("prompts_version_copy", *ids)
    copy = versions_of(acme)[2]
    assert response["Location"].endswith(f"/versions/{copy.pk}/")
    assert (copy.source, copy.notes, copy.status) == (first.source, "From v1", "draft")


def test_rolling_back_and_discarding(acme: House) -> None:
    desk, first, draft = desk_of(acme), versions_of(acme)[1], draft_of(acme)
    with tenant_scope(acme.id):
        publish_version(version=draft)
    assert "Roll back to it" in text(desk.get("prompts_prompt_change", first.prompt_id))
    desk.post("prompts_version_publish", first.prompt_id, first.pk)
    assert versions_of(acme)[1].status == "published"
    desk.post("prompts_version_discard", first.prompt_id, draft.pk)
    assert versions_of(acme)[2].status == "retired", "what was published once stays"
    other = draft_of(acme)
    desk.post("prompts_version_discard", first.prompt_id, other.pk)
    assert set(versions_of(acme)) == {1, 2}


def test_verbs_are_posts(acme: House) -> None:
    desk, draft = desk_of(acme), draft_of(acme)
    for verb in ("copy", "publish", "discard", "preview"):
        assert desk.get(f"prompts_version_{verb}", draft.prompt_id, draft.pk).status_code == 405
    assert versions_of(acme)[2].status == "draft"


def test_the_preview_shows_what_the_agent_will_be_told(acme: House) -> None:
    desk, draft = desk_of(acme), draft_of(acme)
    source = "Eres {{ agent.name }} de {{ tenant.name }}."
    page = text(desk.post("prompts_version_preview", draft.prompt_id, draft.pk, source=source))
    assert "Eres Sales de Acme." in page
    assert "tokens" in page
    broken = {"source": "a\n{% for %}"}
    page = text(desk.post("prompts_version_preview", draft.prompt_id, draft.pk, **broken))
    assert "Line 2" in page
    assert versions_of(acme)[2].source == "Un borrador."


@pytest.mark.parametrize("source", ["{{ '%0999999d'|format(1) }}", "{% for a in b %}" * 40, "\x00"])
def test_the_preview_survives_anything(acme: House, source: str) -> None:
    draft = draft_of(acme)
    response = desk_of(acme).post(
        "prompts_version_preview", draft.prompt_id, draft.pk, source=source
    )
    assert response.status_code == 200


def test_changes_stand_side_by_side(acme: House) -> None:
    first = versions_of(acme)[1]
    lines = "".join(f"Regla {number}.\n" for number in range(30))
    with tenant_scope(acme.id):
        old = save_draft(prompt=first.prompt, source=lines + "Habla claro.")
        new = save_draft(prompt=first.prompt, source=lines + "Habla claro y breve.")
    page = text(desk_of(acme).get("prompts_version_compare", first.prompt_id, new.pk, old.pk))
    assert "<mark>claro y breve.</mark>" in page
    assert "27 lines unchanged" in page
    page = text(desk_of(acme).get("prompts_version_compare", first.prompt_id, new.pk, new.pk))
    assert "The texts are the same." in page


def test_no_page_of_a_version_runs_what_is_written_in_it(acme: House) -> None:
    desk, first, draft = desk_of(acme), versions_of(acme)[1], draft_of(acme, XSS)
    ids = (draft.prompt_id, draft.pk)
    pages = [
        desk.get("prompts_version_edit", *ids),
        desk.get("prompts_version_compare", *ids, first.pk),
        desk.post("prompts_version_preview", *ids, source=XSS),
        desk.post("prompts_version_edit", *ids, source=XSS + "{{", notes=XSS),
    ]
    for page in pages:
        assert "&lt;script&gt;alert" in text(page)
        assert "<script>alert" not in text(page)
        assert "<img src=x" not in text(page)


def test_a_viewer_reads_no_prompts(acme: House) -> None:
    viewer = make_member(acme.tenant, "viewer", Membership.Role.VIEWER)
    desk, draft = Desk(viewer, acme.tenant), draft_of(acme)
    ids = (draft.prompt_id, draft.pk)
    answers: list[Any] = [desk.get("prompts_version_edit", *ids)]
    answers += [
        desk.post(f"prompts_version_{verb}", *ids, source="x")
        for verb in ("edit", "copy", "publish", "discard", "preview")
    ]
    assert {response.status_code for response in answers} == {403}
    assert versions_of(acme)[2].status == "draft"
