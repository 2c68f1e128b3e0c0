import gettext
import re
from pathlib import Path

import pytest
from django.utils import translation

from orkesta.env import PROJECT_ROOT
from tests.orkesta.catalogue import read_po, said

OURS = PROJECT_ROOT / "locale" / "es" / "LC_MESSAGES" / "django.po"
UNFOLD = PROJECT_ROOT / "locale" / "unfold" / "es" / "LC_MESSAGES" / "django.po"
PLACES = re.compile(r"%\(\w+\)(?:\.\d+)?[sdf]|%[sd]|%%|\{\w*\}")
both = pytest.mark.parametrize("catalogue", [OURS, UNFOLD], ids=["ours", "unfold"])


def test_everything_the_product_says_is_in_the_catalogue() -> None:
    known = {entry.msgid for entry in read_po(OURS)}
    missing = sorted({(text, where) for where, text in said() if text not in known})
    assert missing == [], "run `manage.py makemessages -l es --no-location` and translate"


@both
def test_everything_in_the_catalogue_is_translated(catalogue: Path) -> None:
    entries = read_po(catalogue)
    assert len(entries) > 100
    assert [entry.msgid for entry in entries if not all(entry.translations)] == []
    assert [entry.msgid for entry in entries if "fuzzy" in entry.flags] == []


@both
def test_translations_keep_the_places_for_values(catalogue: Path) -> None:
    for entry in read_po(catalogue):
        longest = entry.texts.get("msgid_plural", entry.msgid)
        for text in entry.translations:
            places = set(PLACES.findall(text))
            assert places <= set(PLACES.findall(longest)), entry.msgid
            assert places or "msgid_plural" in entry.texts or not PLACES.findall(longest), text


@both
def test_the_compiled_catalogue_is_the_written_one(catalogue: Path) -> None:
    with catalogue.with_suffix(".mo").open("rb") as compiled:
        found = gettext.GNUTranslations(compiled)
    for entry in read_po(catalogue):
        if "msgid_plural" in entry.texts:
            texts = [found.ngettext(entry.msgid, "", number) for number in (1, 2)]
        else:
            texts = [found.gettext(entry.msgid)]
        assert texts == entry.translations


def test_spanish_is_spoken_and_english_is_left_alone() -> None:
    with translation.override("es"):
        assert translation.gettext("Routing rules") == "Reglas de ruteo"
        assert translation.gettext("Type to search") == "Escribe para buscar"
        assert translation.ngettext("%d task cancelled.", "%d tasks cancelled.", 2) == (
            "%d tareas canceladas."
        )
    with translation.override("en"):
        assert translation.gettext("Routing rules") == "Routing rules"
