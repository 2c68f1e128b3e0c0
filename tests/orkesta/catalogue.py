"""Reading catalogues of translations, and finding what the product says."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.utils.translation.template import templatize

from orkesta.env import PROJECT_ROOT

APPS = ("orkesta", "tenants", "prompts", "routing", "conversations")
GETTEXTS = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy"}
#: What `templatize` leaves of a template's tags: `_("…")`, ` gettext('…') `, ` ngettext('…', …) `.
IN_TEMPLATE = re.compile(r"""\b(?:_|gettext|ngettext)\((u?(?:'(?:\\.|[^'])*'|"(?:\\.|[^"])*"))""")


@dataclass
class Entry:
    """One message: its fields by keyword (`msgid`, `msgstr`, `msgstr[1]`…) and its flags."""

    flags: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def msgid(self) -> str:
        return self.texts["msgid"]

    @property
    def translations(self) -> list[str]:
        return [text for key, text in self.texts.items() if key.startswith("msgstr")]


def read_po(path: Path) -> list[Entry]:
    """The messages of a `.po` file, without its header."""
    entries = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        entry, key = Entry(), ""
        for line in block.splitlines():
            if line.startswith("#,"):
                entry.flags |= {flag.strip() for flag in line[2:].split(",")}
            elif line.startswith('"'):
                entry.texts[key] += ast.literal_eval(line)
            elif line.strip() and not line.startswith("#"):
                key, _, text = line.partition(" ")
                entry.texts[key] = ast.literal_eval(text)
        if entry.texts.get("msgid"):
            entries.append(entry)
    return entries


def said() -> Iterator[tuple[str, str]]:
    """Every text that is marked for translation, with where it stands."""
    for app in APPS:
        for path in (PROJECT_ROOT / app).rglob("*.py"):
            for text in _in_python(path.read_text(encoding="utf-8")):
                yield str(path.relative_to(PROJECT_ROOT)), text
    for path in (PROJECT_ROOT / "templates").rglob("*.html"):
        for found in IN_TEMPLATE.finditer(templatize(path.read_text(encoding="utf-8"))):
            yield str(path.relative_to(PROJECT_ROOT)), ast.literal_eval(found.group(1))


def _in_python(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            first = node.args[0] if node.args else None
            if node.func.id in GETTEXTS and isinstance(first, ast.Constant):
                yield str(first.value)
