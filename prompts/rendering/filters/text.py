"""Filters that make text out of a single value. Each takes the context first and pays first."""

import re
from html import escape as html_escape
from typing import Any

from prompts.rendering import limits
from prompts.rendering.context import (
    RenderContext,
    check_size,
    check_text,
    text_of,
    whole_number_of,
)
from prompts.rendering.operators import spend_search

_WORD = re.compile(r"[^\s({\[<-]+")


def upper(context: RenderContext, value: Any) -> str:
    """The text in capitals."""
    return _paid(context, value, 4).upper()


def lower(context: RenderContext, value: Any) -> str:
    """The text in small letters."""
    return _paid(context, value, 4).lower()


def capitalize(context: RenderContext, value: Any) -> str:
    """The first letter as a capital, the others small."""
    return _paid(context, value, 4).capitalize()


def title(context: RenderContext, value: Any) -> str:
    """Every word with a capital, the rest of it small."""
    text = _paid(context, value, 40)
    return _WORD.sub(lambda word: word[0][0].upper() + word[0][1:].lower(), text)


def trim(context: RenderContext, value: Any, chars: Any = None) -> str:
    """The text without whitespace, or without any of `chars` (32 at most), at its ends."""
    if chars is None:
        return _paid(context, value, 1).strip()
    # str.strip() looks every character up in `chars`, one by one.
    characters = text_of(chars)
    if len(characters) > limits.TRIM_CHARACTERS:
        raise ValueError(f"trim takes at most {limits.TRIM_CHARACTERS} characters")
    return _paid(context, value, 8).strip(characters)


def replace(context: RenderContext, value: Any, old: Any, new: Any, count: Any = -1) -> str:
    """The text with `old` replaced by `new`, the first `count` times or always."""
    text, before, after = text_of(value), text_of(old), text_of(new)
    limit = whole_number_of(count, -1, limits.TEXT_CHARACTERS)
    spend_search(context, text, before)
    spend_search(context, text, before)
    found = text.count(before)
    times = found if limit < 0 else min(found, limit)
    size = len(text) + times * (len(after) - len(before))
    check_size(size)
    context.spend(2 + times + max(size, 0) // 4)
    return text.replace(before, after, limit)


def truncate(
    context: RenderContext, value: Any, length: Any = 255, killwords: Any = False, end: Any = "..."
) -> str:
    """At most `length` characters, `end` included, cut at a space unless `killwords`."""
    text, ending = _paid(context, value, 1), text_of(end)
    size = whole_number_of(length, 1, limits.TEXT_CHARACTERS)
    if len(text) <= size:
        return text
    kept = text[: max(0, size - len(ending))]
    return (kept if killwords is True else kept.rsplit(" ", 1)[0]) + ending


def wordcount(context: RenderContext, value: Any) -> int:
    """How many words the text has."""
    return len(_paid(context, value, 8).split())


def escape(context: RenderContext, value: Any) -> str:
    """The text with & < > " ' written as entities, to be put between XML tags."""
    return check_text(html_escape(_paid(context, value, 8)))


def string(context: RenderContext, value: Any) -> str:
    """The value as text."""
    return _paid(context, value, 1)


def _paid(context: RenderContext, value: Any, times: int) -> str:
    text = text_of(value)
    context.spend_text(len(text) * times)
    return check_text(text)
