"""Forms as a browser posts them: what a page holds, without anybody having touched it."""

from html.parser import HTMLParser
from typing import Any

_SILENT = {"submit", "button", "image", "file", "reset"}


class _Fields(HTMLParser):
    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.form_id = form_id
        self.values: dict[str, list[str]] = {}
        self._is_inside = False
        self._select = ""
        self._text: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_inside = has.get("id") == self.form_id
        name = has.get("name", "")
        if not self._is_inside or "disabled" in has:
            return
        if tag == "input" and name:
            self._input(name, has)
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in has:
            self.values.setdefault(self._select, []).append(has.get("value", ""))
        elif tag == "textarea":
            self._text = (name, [])

    def _input(self, name: str, has: dict[str, str]) -> None:
        kind = has.get("type", "text")
        is_unchecked = kind in {"checkbox", "radio"} and "checked" not in has
        if kind not in _SILENT and not is_unchecked:
            default = "on" if kind == "checkbox" else ""
            self.values.setdefault(name, []).append(has.get("value", default))

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        elif tag == "select":
            self._select = ""
        elif tag == "textarea" and self._text is not None:
            # A browser leaves out the first line break, which templates write before the text.
            self.values.setdefault(self._text[0], []).append("".join(self._text[1]).lstrip("\n"))
            self._text = None


def posted_by(page: Any, form_id: str) -> dict[str, list[str]]:
    """What pressing the button of the form with this id on the page would send."""
    fields = _Fields(form_id)
    fields.feed(page.content.decode())
    assert fields.values, f"there is no form {form_id}"
    return fields.values
