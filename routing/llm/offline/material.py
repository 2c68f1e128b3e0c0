"""What a message holds that could fill a form: numbers, codes, addresses, products, names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final

from routing.llm.offline.catalogue import Mention
from routing.llm.offline.conversation import Conversation
from routing.llm.offline.quantities import numbers_in, pieces_of
from routing.llm.offline.vocabulary import FILLERS
from routing.llm.offline.words import words

MAX_NOUNS: Final = 6

_QUOTED = re.compile(r"«([^»]+)»|“([^”]+)”|\"([^\"]+)\"|(?<!\w)'([^']+)'(?!\w)")
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_PHONE = re.compile(r"(?<!\w)\+?\d[\d ().-]{6,18}\d(?!\w)")
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}/\d{1,2}/\d{2,4}\b")
_CODE = re.compile(r"\b[A-Za-z]{2,10}-?\d[\w-]{1,20}\b|\b[A-Z]{2,}(?:-[A-Z0-9]+)+\b|\b\d{3,}\b")
_URL = re.compile(r"https?://\S+")
_NAME = re.compile(
    r"\b(?:soy|me llamo|mi nombre es|my name is|i am|i'm)\s+((?:[A-ZÁÉÍÓÚÑ][\wáéíóúñ]+\s?){1,3})",
    re.IGNORECASE,
)
_PROPER = re.compile(r"(?<=[\w,;] )[A-ZÁÉÍÓÚÑ][a-záéíóúñ]+(?: [A-ZÁÉÍÓÚÑ][a-záéíóúñ]+)*")
_PLACE = re.compile(
    r"\b(?:calle|av\.?|avenida|blvd\.?|colonia|col\.|street|st\.|road|avenue)\s[^.;\n?!]{3,80}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Material:
    """The last message of a conversation, taken apart; nothing is looked for before it is asked."""

    talk: Conversation

    @property
    def text(self) -> str:
        return self.talk.last_text

    @cached_property
    def mentions(self) -> Sequence[Mention]:
        """Products of this message, or those spoken of before it."""
        return self.talk.catalogue.mentions(self.text) or self.talk.basket_before

    @cached_property
    def quoted(self) -> list[str]:
        return [next(filter(None, found)) for found in _QUOTED.findall(self.text)]

    @cached_property
    def quantities(self) -> list[Decimal]:
        """How many of something, as opposed to numbers that name or measure."""
        counted = [p.quantity for p in pieces_of(self.text) if p.is_explicit and p.quantity]
        known = [m.quantity for m in self.mentions if m.quantity is not None]
        return counted or known

    @cached_property
    def numbers(self) -> list[Decimal]:
        return numbers_in(self.text)

    @cached_property
    def nouns(self) -> str:
        """The words that carry matter, as somebody would type them into a search box."""
        kept = [w for w in words(self.text) if w not in FILLERS and not w.isdigit()]
        return " ".join(kept[:MAX_NOUNS])

    @property
    def email(self) -> str:
        return _first(_EMAIL, self.text)

    @property
    def phone(self) -> str:
        return _first(_PHONE, self.text)

    @property
    def date(self) -> str:
        return _first(_DATE, self.text)

    @property
    def code(self) -> str:
        return _first(_CODE, self.text)

    @property
    def url(self) -> str:
        return _first(_URL, self.text)

    @property
    def place(self) -> str:
        return _first(_PLACE, self.text)

    @property
    def proper_name(self) -> str:
        """Capitalised words inside a sentence: a city, a brand."""
        return _first(_PROPER, self.text)

    @property
    def name(self) -> str:
        found = _NAME.search(self.text)
        return found.group(1).strip() if found else ""


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found.group().strip() if found else ""
