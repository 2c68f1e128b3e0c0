import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from prompts.models import Prompt, PromptVersion
from prompts.services import publish_version, save_draft
from tenants.scope import tenant_scope
from tests.cast import House


def write(house: House, slug: str, source: str, **values: Any) -> None:
    with tenant_scope(house.id):
        prompt = Prompt.objects.filter(slug=slug).first()
        prompt = prompt or Prompt.objects.create(slug=slug, name=slug.title(), **values)
        publish_version(version=save_draft(prompt=prompt, source=source))


def live_texts(house: House) -> dict[str, str]:
    with tenant_scope(house.id):
        rows = PromptVersion.objects.filter(status=PromptVersion.Status.PUBLISHED)
        return {row.prompt.slug: row.template for row in rows.select_related("prompt")}


def run(command: str, *args: Any) -> None:
    call_command(command, *map(str, args), skip_checks=True, verbosity=0)


@pytest.fixture
def house(acme: House) -> House:
    write(
        acme, "tone", "Habla de tú, {{ city }}.", kind="personality", variables=[{"name": "city"}]
    )
    write(acme, "sales", "Eres Ana.\n[[tone]]")
    return acme


@pytest.mark.parametrize("where", ["prompts", "prompts.json"])
def test_prompts_move_to_another_tenant(
    house: House, rival: House, tmp_path: Path, where: str
) -> None:
    path = tmp_path / where
    run("export_prompts", "--tenant", "acme", path)
    run("import_prompts", "--tenant", "rival", path, "--publish")
    assert live_texts(rival) == live_texts(house)
    assert live_texts(rival)["sales"] == "Eres Ana.\nHabla de tú, {{ city }}."


def test_a_folder_can_live_in_git(house: House, tmp_path: Path) -> None:
    run("export_prompts", "--tenant", "acme", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{slug}.{kind}" for slug in ("desk", "sales", "tone") for kind in ("json", "md")
    ]
    assert (tmp_path / "sales.md").read_text() == "Eres Ana.\n[[tone]]"
    assert json.loads((tmp_path / "tone.json").read_text())["variables"] == [{"name": "city"}]


def test_only_what_differs_becomes_a_draft(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("export_prompts", "--tenant", "acme", tmp_path)
    (tmp_path / "sales.md").write_text("Eres Eva.")
    before = live_texts(house)
    capsys.readouterr()
    run("import_prompts", "--tenant", "acme", tmp_path)
    assert capsys.readouterr().out == "changed: sales\nunchanged: tone, desk\n"
    assert live_texts(house) == before
    with tenant_scope(house.id):
        assert PromptVersion.objects.get(prompt__slug="sales", status="draft").source == "Eres Eva."


def test_a_dry_run_writes_nothing(house: House, tmp_path: Path) -> None:
    run("export_prompts", "--tenant", "acme", tmp_path)
    (tmp_path / "sales.md").write_text("Eres Eva.")
    run("import_prompts", "--tenant", "acme", tmp_path, "--publish", "--dry-run")
    with tenant_scope(house.id):
        assert not PromptVersion.objects.filter(source="Eres Eva.").exists()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("sales.md", "[[nowhere]]", "no published block"),
        ("sales.md", "{{ 9**", "unexpected"),
        ("sales.json", "{", "not JSON"),
        ("sales.json", '{"format": 2}', "format"),
        ("sales.json", '{"format": 1, "slug": 7, "name": "S"}', "slug"),
        ("sales.json", '{"format": 1, "slug": "Not A Slug", "name": "S"}', "Not A Slug: "),
        ("sales.json", '{"format": 1, "slug": "sales", "name": "S", "x": 1}', "field"),
        ("tone.json", '{"format": 1, "slug": "tone", "name": "T"}', "cannot become"),
        ("tone.md", "Hola {{ who }}", "who"),
    ],
)
def test_a_bad_file_changes_nothing_and_says_why(
    house: House, tmp_path: Path, name: str, text: str, told: str
) -> None:
    run("export_prompts", "--tenant", "acme", tmp_path)
    (tmp_path / "desk.md").write_text("Otra cosa.")
    (tmp_path / name).write_text(text)
    before = live_texts(house)
    with pytest.raises(CommandError, match=told):
        run("import_prompts", "--tenant", "acme", tmp_path, "--publish")
    assert live_texts(house) == before


@pytest.mark.parametrize("command", ["export_prompts", "import_prompts"])
def test_the_tenant_and_the_place_must_be_there(house: House, tmp_path: Path, command: str) -> None:
    with pytest.raises(CommandError, match="no tenant"):
        run(command, "--tenant", "nobody", tmp_path)
    with pytest.raises(CommandError):
        run(command, "--tenant", "acme", tmp_path / "nowhere" / "x.json")
