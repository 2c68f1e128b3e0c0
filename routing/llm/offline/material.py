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
    """The last message of a conversation, taken apart; nothing is looked for before it is asked.

    `about` are the products it is about, where that is known; `said` is read instead of the
    message.
    """

    talk: Conversation
    about: tuple[Mention, ...] = ()
    said: str = ""

    @property
    def text(self) -> str:
        return self.said or self.talk.last_text

    @cached_property
    def mentions(self) -> Sequence[Mention]:
        """Products of this message, or those spoken of before it."""
        return self._named or self.talk.basket_before

    @property
    def is_named(self) -> bool:
        """True when the message itself names a product that is known."""
        return bool(self._named)

    @cached_property
    def _named(self) -> Sequence[Mention]:
        return self.about or self.talk.catalogue.mentions(self.text)

    @cached_property
    def quoted(self) -> list[str]:
        return [next(filter(None, found)) for found in _QUOTED.findall(self.text)]

    @cached_property
    def quantities(self) -> list[Decimal]:
        """How many of something, as opposed to numbers that name or measure."""
        known = [m.quantity for m in self.mentions if m.quantity is not None]
        if self.about:
            return known
        return [p.quantity for p in pieces_of(self.text) if p.is_explicit and p.quantity] or known

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
    def last_code(self) -> str:
        """The code, of no product, that the conversation brought up last: that of an order, say."""
        skus = {product.sku.casefold() for product in self.talk.catalogue.products}
        for turn in reversed(self.talk.turns):
            if turn.role in ("user", "assistant"):
                codes = [c for c in _CODE.findall(turn.text) if not c.isdigit()]
                codes = [code for code in codes if code.casefold() not in skus]
                if codes:
                    return str(codes[-1])
        return ""

    @property
    def url(self) -> str:
        return _first(_URL, self.text)

    @property
    def place(self) -> str:
        return _first(_PLACE, self.text)

    @property
    def proper_name(self) -> str:
        """Capitalised words inside a sentence: a city, a brand."""
        found = (match.group().strip() for match in _PROPER.finditer(self.text))
        return next((name for name in found if not FILLERS.issuperset(words(name))), "")

    @property
    def name(self) -> str:
        """Whom the message names, or whom the prompt says is served."""
        found = _NAME.search(self.text)
        if found is not None:
            return found.group(1).strip()
        # Where products are spoken of, what is capitalised may be one of them.
        return ("" if self.is_named else self.proper_name) or self.talk.briefing.customer


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found.group().strip() if found else ""
