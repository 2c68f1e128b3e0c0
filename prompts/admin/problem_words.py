"""What is wrong with a template, in the language of the page.

The API says it in English; here the same sentences are found again, with what stands in them.
"""

import re
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

_WORDS: Final[list[tuple[str, Any]]] = [
    (r"The variable (?P<name>'.*') is not declared\.", _("The variable %(name)s is not declared.")),
    (
        r"There is no published block called (?P<name>'.*')\.",
        _("There is no published block called %(name)s."),
    ),
    (r"A block cannot hold other blocks\.", _("A block cannot hold other blocks.")),
    (
        r"There is no filter (?P<name>'.*') in prompts\.",
        _("There is no filter %(name)s in prompts."),
    ),
    (r"There is no test (?P<name>'.*') in prompts\.", _("There is no test %(name)s in prompts.")),
    (r"(?P<what>.*) is not available in prompts\.", _("Not available in prompts: %(what)s.")),
    (
        r"Nothing can be called here but range\(\) and \.items\(\)\.",
        _("Nothing can be called here but range() and .items()."),
    ),
    (
        r"Names that begin with _ are not available in prompts\.",
        _("Names that begin with _ are not available in prompts."),
    ),
    (
        r"The name (?P<name>'.*') cannot be used here\.",
        _("The name %(name)s cannot be used here."),
    ),
    (
        r"The template is longer than (?P<size>\d+) KB\.",
        _("The template is longer than %(size)s KB."),
    ),
    (r"The template has too many parts\.", _("The template has too many parts.")),
    (r"The expression is nested too deeply\.", _("The expression is nested too deeply.")),
    (
        r"Loops can be nested (?P<depth>\d+) deep at most\.",
        _("Loops can be nested %(depth)s deep at most."),
    ),
    (
        r"expected token (?P<wanted>'.*'), got (?P<found>'.*')",
        _("Here %(wanted)s was expected, not %(found)s."),
    ),
    (r"unexpected (?P<found>'.*')", _("%(found)s does not belong here.")),
    (r"[Uu]nexpected end of template.*", _("The text ends before a {{ or a {% is closed.")),
    (
        r"Encountered unknown tag '(?P<name>\w*)'\..*",
        _("There is no {%% %(name)s %%}; it may be left over from another one."),
    ),
]
_KNOWN: Final = [(re.compile(pattern, re.DOTALL), words) for pattern, words in _WORDS]


def in_words(message: str) -> str:
    """`message` in the language of the page; as it is when it is none of those we know."""
    for pattern, words in _KNOWN:
        found = pattern.fullmatch(message)
        if found:
            return str(words) % found.groupdict() if found.groupdict() else str(words)
    return message
