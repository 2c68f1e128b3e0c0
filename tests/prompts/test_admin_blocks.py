from typing import Any

import pytest
from django.http import HttpResponse
from django.urls import reverse

from prompts.models import Prompt, PromptVersion
from prompts.services import publish_version, save_draft
from tenants.models import Membership
from tenants.scope import tenant_scope
from tests.admin import Desk, desk_of
from tests.cast import House, make_member

FORM = {
    "name": "Tone",
    "slug": "tone",
    "kind": "personality",
    "task_type": "conversation",
    "description": "Our voice",
}


def text(response: HttpResponse) -> str:
    return response.content.decode()


def make_block(house: House, source: str = "Uno.", slug: str = "tone") -> Prompt:
    with tenant_scope(house.id):
        kind = Prompt.Kind.PERSONALITY
        block = Prompt.objects.create(slug=slug, name=slug.title(), kind=kind, description="Voice")
        publish_version(version=save_draft(prompt=block, source=source))
    return block


def publish(prompt: Prompt, source: str) -> PromptVersion:
    with tenant_scope(prompt.tenant_id):
        return publish_version(version=save_draft(prompt=prompt, source=source))


def test_a_block_is_made_like_a_prompt(acme: House) -> None:
    response = desk_of(acme).post("prompts_prompt_add", **FORM, source="De tú.", publish_now="on")
    assert response.status_code == 302
    with tenant_scope(acme.id):
        block = Prompt.objects.get(slug="tone")
        assert (block.kind, block.versions.get().status) == ("personality", "published")


def test_a_new_block_that_names_blocks_is_told_so_beside_its_text(acme: House) -> None:
    make_block(acme, slug="voice")
    response = desk_of(acme).post(
        "prompts_prompt_add", **FORM, source="a\n[[voice]]", publish_now="on"
    )
    errors = response.context["adminform"].form.errors["source"]
    assert errors == ["Line 2, column 1: A block cannot hold other blocks."]
    prompt = FORM | {"kind": "prompt"}
    response = desk_of(acme).post("prompts_prompt_add", **prompt, source="a\n[[voice]]")
    assert response.status_code == 302


@pytest.mark.parametrize("kind", ["", "nonsense", "\x00"])
def test_a_kind_that_is_none_is_refused(acme: House, kind: str) -> None:
    asked = FORM | {"kind": kind, "source": "x"}
    response = desk_of(acme).post("prompts_prompt_add", **asked)
    assert response.status_code == 200
    assert "kind" in response.context["adminform"].form.errors


def test_a_kind_stays_what_it_is(acme: House) -> None:
    block = make_block(acme)
    changed = FORM | {"kind": "prompt", "task_type": "conversation"}
    desk_of(acme).post("prompts_prompt_change", block.pk, **changed)
    with tenant_scope(acme.id):
        block.refresh_from_db()
    assert (block.kind, block.description) == ("personality", "Our voice")


def test_the_list_can_be_narrowed_to_a_kind(acme: House) -> None:
    make_block(acme)
    listed = desk_of(acme).get("prompts_prompt_changelist", kind__exact="personality")
    assert [row.slug for row in listed.context["cl"].result_list] == ["tone"]


def test_no_agent_can_be_given_a_block(acme: House) -> None:
    make_block(acme)
    page = desk_of(acme).get("routing_agent_add")
    offered = page.context["adminform"].form.fields["prompt"].queryset
    assert {prompt.slug for prompt in offered} == {"desk", "sales"}


def test_a_block_says_where_it_is_used_and_is_spread_by_one_click(acme: House) -> None:
    block, prompt = make_block(acme), acme.agents["sales"].prompt
    desk = desk_of(acme)
    assert "[[tone]] on a line of its own" in text(desk.get("prompts_prompt_change", block.pk))
    publish(prompt, "[[tone]]")
    page = text(desk.get("prompts_prompt_change", block.pk))
    assert reverse("admin:prompts_prompt_change", args=[prompt.pk]) in page
    assert "anew" not in page, "it has the newest block"
    publish(block, "Dos.")
    page = text(desk.get("prompts_prompt_change", block.pk))
    assert "has an older version of the block" in page
    assert "Publish 1 prompt anew" in page
    desk.post("prompts_prompt_spread", block.pk)
    with tenant_scope(acme.id):
        live = prompt.versions.get(status="published")
    assert (live.template, live.author) == ("Dos.", acme.owner)
    assert "1 prompt was published anew" in text(desk.get("prompts_prompt_change", block.pk))


def test_a_block_that_cannot_be_spread_says_why(acme: House) -> None:
    block, gone = make_block(acme), make_block(acme, slug="gone")
    publish(acme.agents["sales"].prompt, "[[tone]]\n[[gone]]")
    publish(block, "Dos.")
    with tenant_scope(acme.id):
        gone.versions.update(status="retired")
    desk = desk_of(acme)
    desk.post("prompts_prompt_spread", block.pk)
    told = text(desk.get("prompts_prompt_change", block.pk))
    assert "There is no published block called" in told


def test_the_editor_lists_the_parts_with_what_each_costs(acme: House) -> None:
    make_block(acme)
    with tenant_scope(acme.id):
        draft = save_draft(prompt=acme.agents["sales"].prompt, source="Hola.\n[[tone]]")
    page = desk_of(acme).get("prompts_version_edit", draft.prompt_id, draft.pk)
    rows = [(str(row.kind), row.part.name, row.num_tokens) for row in page.context["parts"]]
    assert rows == [("Your text", "", 2), ("Block: personality", "tone", 2)]
    assert "Voice" in text(page)


def test_variables_are_told_apart_by_whether_they_are_declared_and_used(acme: House) -> None:
    prompt = acme.agents["sales"].prompt
    with tenant_scope(acme.id):
        prompt.variables = [{"name": "branch"}, {"name": "never"}]
        prompt.save()
        draft = save_draft(prompt=prompt, source="Hola.")
    source = "{{ branch }} {{ rebate }} {{ rebate }} {{ agent.name }}"
    page = desk_of(acme).post("prompts_version_preview", prompt.pk, draft.pk, source=source)
    assert page.context["undeclared"] == ["rebate"]
    assert page.context["unused"] == ["never"]


@pytest.mark.parametrize("verb", ["spread", "label", "unlabel"])
def test_verbs_of_a_prompt_are_posts_of_its_editors(acme: House, rival: House, verb: str) -> None:
    block: Any = make_block(acme)
    page = f"prompts_prompt_{verb}"
    assert desk_of(acme).get(page, block.pk).status_code == 405
    viewer = Desk(make_member(acme.tenant, "viewer", Membership.Role.VIEWER), acme.tenant)
    assert viewer.post(page, block.pk).status_code == 403
    assert desk_of(rival).post(page, block.pk).status_code == 404
