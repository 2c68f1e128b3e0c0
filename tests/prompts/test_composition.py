from collections.abc import Iterator
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from prompts.composition import compose
from prompts.errors import LabelReserved, PromptVersionNotFound, UnknownBlock, UnknownVariable
from prompts.fixed import FIXED_BLOCKS
from prompts.models import Prompt, PromptVersion
from prompts.selectors import get_labelled, list_users_of
from prompts.services import (
    publish_version,
    remove_label,
    save_draft,
    set_label,
    spread_block,
)
from tenants.scope import tenant_scope
from tests.cast import House
from tests.engine import apost, ask_fake_llm, open_worker, run_until_idle, story_of
from tests.fakes.llm_server import says

OURS = FIXED_BLOCKS["orkesta:conduct"]


@pytest.fixture
def prompt(acme: House) -> Iterator[Prompt]:
    with tenant_scope(acme.id):
        yield acme.agents["sales"].prompt


def make_block(slug: str, source: str, **values: Any) -> Prompt:
    values = {"name": slug.title(), "kind": Prompt.Kind.PERSONALITY, **values}
    block = Prompt.objects.create(slug=slug, **values)
    publish_version(version=save_draft(prompt=block, source=source))
    return block


def test_blocks_take_the_place_of_their_names(prompt: Prompt) -> None:
    make_block("tone", "Habla de tú.", description="Our voice")
    composition = compose("Eres Ana.\n[[tone]]\n[[orkesta:conduct]]\nFin.", prompt=prompt)
    assert composition.report.is_valid
    assert composition.text == f"Eres Ana.\nHabla de tú.\n{OURS.text}\nFin."
    parts = [(part.kind, part.name, part.version, part.why) for part in composition.parts]
    assert parts == [
        ("own", "", None, ""),
        ("personality", "tone", 1, "Our voice"),
        ("routing", "orkesta:conduct", OURS.version, OURS.why),
        ("own", "", None, ""),
    ]
    assert sum(part.num_tokens for part in composition.parts) > 60


@pytest.mark.parametrize("text", ["x [[tone]]", "[[tone]] x", " [[tone]]", "[[Tone]]", "[tone]"])
def test_only_a_line_of_its_own_names_a_block(prompt: Prompt, text: str) -> None:
    composition = compose(text, prompt=prompt)
    assert composition.is_plain
    assert composition.text == text


def test_a_block_that_is_not_there_is_refused_with_its_line(prompt: Prompt) -> None:
    Prompt.objects.create(slug="unpublished", name="U", kind=Prompt.Kind.INSTRUCTIONS)
    for name in ("nowhere", "unpublished", "desk"):
        with pytest.raises(UnknownBlock) as caught:
            save_draft(prompt=prompt, source=f"Hola\n\n[[{name}]]")
        assert caught.value.line == 3


def test_a_block_holds_no_blocks(prompt: Prompt) -> None:
    make_block("tone", "Habla de tú.")
    other = Prompt.objects.create(slug="other", name="O", kind=Prompt.Kind.PERSONALITY)
    with pytest.raises(UnknownBlock):
        save_draft(prompt=other, source="[[tone]]")


def test_a_version_is_frozen_with_the_blocks_it_was_published_with(prompt: Prompt) -> None:
    block = make_block("tone", "Uno.")
    version = publish_version(version=save_draft(prompt=prompt, source="[[tone]]"))
    publish_version(version=save_draft(prompt=block, source="Dos."))
    version.refresh_from_db()
    assert version.template == "Uno."
    newer = publish_version(version=save_draft(prompt=prompt, source="[[tone]]\nMás."))
    assert newer.template == "Dos.\nMás."
    publish_version(version=version)
    version.refresh_from_db()
    assert version.template == "Uno.", "rolling back brings the old words back, all of them"


def test_a_draft_takes_its_blocks_as_they_are_when_it_is_published(prompt: Prompt) -> None:
    block = make_block("tone", "Uno.")
    draft = save_draft(prompt=prompt, source="[[tone]]")
    publish_version(version=save_draft(prompt=block, source="Dos."))
    assert publish_version(version=draft).template == "Dos."
    assert [part.block.number for part in draft.parts.all()] == [2]


def test_a_block_is_spread_to_whoever_is_live_with_an_older_one(
    acme: House, prompt: Prompt
) -> None:
    block = make_block("tone", "Uno.")
    desk = acme.agents["desk"].prompt
    for each in (prompt, desk):
        publish_version(version=save_draft(prompt=each, source=f"[[tone]]\n{each.slug}"))
    newest = publish_version(version=save_draft(prompt=block, source="Dos."))
    publish_version(version=save_draft(prompt=desk, source="[[tone]]\nalready"))
    made = spread_block(block=block)
    assert [(version.prompt, version.template) for version in made] == [(prompt, "Dos.\nsales")]
    assert made[0].notes == f"[[tone]] v{newest.number}"
    assert spread_block(block=block) == []
    assert {version.prompt for version in list_users_of(block)} == {prompt, desk}


def test_a_block_in_use_cannot_be_deleted(prompt: Prompt) -> None:
    block = make_block("tone", "Uno.")
    save_draft(prompt=prompt, source="[[tone]]")
    with pytest.raises(ProtectedError), transaction.atomic():
        block.delete()


def test_declared_variables_may_be_used_and_blocks_bring_theirs(prompt: Prompt) -> None:
    declared = [{"name": "branch", "type": "string", "default": "Centro"}]
    make_block("where", "Sucursal {{ branch }}.", variables=declared)
    prompt.variables = [{"name": "discount", "type": "number", "required": True}]
    prompt.save()
    version = save_draft(prompt=prompt, source="[[where]]\nDescuento: {{ discount }}")
    assert [spec["name"] for spec in version.variables] == ["discount", "branch"]
    with pytest.raises(UnknownVariable) as caught:
        save_draft(prompt=prompt, source="[[where]]\n{{ rebate }}")
    assert (caught.value.line, caught.value.column) == (2, 4)
    prompt.variables = [{"name": "branch", "type": "number"}]
    prompt.save()
    report = compose("[[where]]", prompt=prompt).report
    assert [(p.line, p.code) for p in report.problems] == [(1, "template_variables_invalid")]


def test_the_whole_may_not_be_larger_than_a_text_may_be(prompt: Prompt) -> None:
    make_block("long", "x" * 20_000)
    report = compose("[[long]]\n[[long]]", prompt=prompt).report
    assert "longer than 32 KB" in report.problems[0].message


@pytest.mark.parametrize("change", [{"composed": "x"}, {"variables": [{"name": "x"}]}])
def test_the_database_keeps_what_was_composed(prompt: Prompt, change: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        PromptVersion.objects.filter(prompt=prompt, number=1).update(**change)


def test_labels_point_to_a_version_and_can_be_moved(prompt: Prompt) -> None:
    first, second = prompt.versions.get(), save_draft(prompt=prompt, source="Dos.")
    set_label(prompt=prompt, name="staging", version=first)
    set_label(prompt=prompt, name="staging", version=second)
    assert get_labelled(prompt, "staging") == second
    assert prompt.labels.count() == 1
    assert get_labelled(prompt, "production") == first
    remove_label(prompt=prompt, name="staging")
    with pytest.raises(PromptVersionNotFound):
        remove_label(prompt=prompt, name="staging")
    with pytest.raises(LabelReserved):
        set_label(prompt=prompt, name="production", version=first)


@pytest.fixture
def shop(acme: House) -> House:
    """Its sales prompt is composed of blocks and takes a variable."""
    ask_fake_llm(acme)
    prompt = acme.agents["sales"].prompt
    with tenant_scope(acme.id):
        declared = [{"name": "branch", "type": "string", "default": "Centro"}]
        make_block("where", "Sucursal {{ branch }}.", variables=declared)
        publish_version(version=save_draft(prompt=prompt, source="Eres Ana.\n[[where]]"))
    return acme


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("context", "told"),
    [({}, "Eres Ana.\nSucursal Centro."), ({"branch": "Norte"}, "Eres Ana.\nSucursal Norte.")],
)
async def test_an_agent_is_told_the_whole_with_its_variables(
    shop: House, context: dict[str, Any], told: str
) -> None:
    async with open_worker(says("ok")) as (worker, fake):
        await apost(shop, "price", context=context)
        await run_until_idle(worker)
    assert fake.calls[0].body["messages"][0]["content"] == told


@pytest.mark.django_db(transaction=True)
async def test_a_variable_of_another_type_fails_the_agent_and_another_one_answers(
    shop: House,
) -> None:
    async with open_worker(says("ok")) as (worker, _):
        posted = await apost(shop, "price", context={"branch": 7})
        await run_until_idle(worker)
    story = await story_of(shop, posted.task.id)
    assert [step.output.get("code") for step in story.steps] == [None, "template_failed", None]
    assert story.answer == "ok"
