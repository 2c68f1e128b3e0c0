"""Takes secrets out of what the process says of itself: those it knows, and what looks like one.

Every secret that is sealed or opened in this process is remembered for as long as there is room, so
that an error message of somebody else's library cannot repeat it in a log.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Final
from urllib.parse import urlsplit

HIDDEN: Final = "•••"
MAX_KNOWN: Final = 1000
#: Shorter ones would also be found in words, longer ones are documents.
MIN_CHARS: Final = 8
MAX_CHARS: Final = 512
PATTERN: Final = re.compile(
    r"ork_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{6,}"
    r"|wst_[\w-]{20,}"
    r"|whsec_[\w+/=-]{16,}"
    r"|\bsk-[\w-]{16,}"
    r"|(?<=[Bb]earer )[\w.~+/=-]{16,}"
    r"|(?<=://)[^\s/:@]*:[^\s/@]+(?=@)"
)


class KnownSecrets:
    """Values to take out, newest last. Bounded: the oldest is forgotten first."""

    def __init__(self, *, max_known: int = MAX_KNOWN) -> None:
        self._max_known = max_known
        self._values: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()

    def add(self, value: str) -> None:
        if not MIN_CHARS <= len(value) <= MAX_CHARS:
            return
        with self._lock:
            self._values[value] = None
            self._values.move_to_end(value)
            while len(self._values) > self._max_known:
                self._values.popitem(last=False)

    def redact(self, text: str) -> str:
        """`text` without any of them, and without what has the form of a secret."""
        with self._lock:
            found = [value for value in self._values if value in text]
        for value in sorted(found, key=len, reverse=True):
            text = text.replace(value, HIDDEN)
        return PATTERN.sub(HIDDEN, text)


known_secrets: Final = KnownSecrets()


def secrets_of_settings(values: Iterable[str], urls: Iterable[str]) -> None:
    """Remember the installation's own: these values, and the passwords in these addresses."""
    for value in values:
        known_secrets.add(value)
    for url in urls:
        known_secrets.add(urlsplit(url).password or "")
