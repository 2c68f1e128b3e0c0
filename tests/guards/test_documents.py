import re
import tomllib

from conversations.live_event import EventType
from orkesta import env
from orkesta.env import PROJECT_ROOT
from orkesta.reference import error_types, pages

DOCS = PROJECT_ROOT / "docs"
MAX_DECISION_WORDS = 400


def test_generated_pages_are_up_to_date() -> None:
    stale = [path.name for path, text in pages().items() if path.read_text() != text]
    assert stale == [], "run `make docs`"


def test_every_setting_is_documented() -> None:
    text = (DOCS / "settings.md").read_text()
    assert [v.name for v in env.VARIABLES if f"`{v.name}`" not in text] == []


def test_no_secret_has_a_default_that_could_be_printed() -> None:
    secrets = [variable for variable in env.VARIABLES if variable.is_secret]
    assert [v.name for v in secrets if v.default and v.name != "DATABASE_URL"] == []


def test_every_error_has_a_code_of_its_own_that_is_documented() -> None:
    kinds = error_types()
    codes = [kind.code for kind in kinds]
    twice = {code for code in codes if codes.count(code) > 1}
    assert twice == set()
    text = (DOCS / "errors.md").read_text()
    assert [code for code in codes if f'<a id="{code}"></a>`{code}`' not in text] == []


def test_every_error_says_what_it_is() -> None:
    for kind in error_types():
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", kind.code), kind
        assert 400 <= kind.http_status <= 599, kind
        meaning = (vars(kind).get("__doc__") or "").strip()
        assert meaning.splitlines()[:1], kind
        assert meaning.splitlines()[0].endswith("."), kind


def test_every_live_event_is_documented() -> None:
    text = (DOCS / "live-events.md").read_text()
    assert [kind.value for kind in EventType if f"`{kind.value}`" not in text] == []


def test_decisions_are_numbered_without_gaps_and_short() -> None:
    decisions = sorted((DOCS / "adr").glob("[0-9]*.md"))
    numbers = [int(path.name[:4]) for path in decisions]
    assert numbers == list(range(1, len(decisions) + 1))
    for path in decisions:
        assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name)
        assert path.read_text().startswith(f"# {int(path.name[:4])}. ")
        assert len(path.read_text().split()) <= MAX_DECISION_WORDS, path.name


def test_the_changelog_begins_with_what_is_coming_or_with_this_version() -> None:
    version = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## (.+)$", (PROJECT_ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] in {"Unreleased", version}


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(PROJECT_ROOT)}: {target}"
        for page in [*PROJECT_ROOT.glob("*.md"), *DOCS.rglob("*.md")]
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []
