"""The form of an API key and its digest. Pure: no database, no clock.

A key is `ork_<live|test>_<kid:12>_<secret:32><crc:6>` in base62, 60 characters in all. The `kid` is
public and finds the row. The checksum (CRC-32 of everything before it) lets secret scanners and
this server tell a typing error from a key without asking the database. The secret holds 190 random
bits, so one keyed hash protects it as well as a slow one would, and cannot be used to burn CPU.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass
from typing import Final

ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
PATTERN: Final = re.compile(r"ork_(live|test)_([0-9A-Za-z]{12})_[0-9A-Za-z]{38}")
KID_LENGTH: Final = 12
SECRET_LENGTH: Final = 32
CHECKSUM_LENGTH: Final = 6
HINT_LENGTH: Final = 4


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at its birth: the only moment at which the whole of it is known."""

    plain: str
    kid: str

    @property
    def hint(self) -> str:
        return self.plain[-HINT_LENGTH:]

    def __repr__(self) -> str:
        return f"NewKey({self.kid})"


def make_key(*, is_live: bool) -> NewKey:
    """A new random key."""
    return key_from_parts(_random(KID_LENGTH), _random(SECRET_LENGTH), is_live=is_live)


def key_from_parts(kid: str, secret: str, *, is_live: bool) -> NewKey:
    """The key made of these: 12 and 32 base62 digits, which the caller made hard to guess."""
    body = f"ork_{'live' if is_live else 'test'}_{kid}_{secret}"
    return NewKey(body + checksum(body), kid)


def kid_of(raw: str) -> str | None:
    """The public part of a well-formed key; None when `raw` cannot be one."""
    found = PATTERN.fullmatch(raw)
    if found is None or not hmac.compare_digest(
        checksum(raw[:-CHECKSUM_LENGTH]), raw[-CHECKSUM_LENGTH:]
    ):
        return None
    return found.group(2)


def checksum(body: str) -> str:
    """CRC-32 of `body` as six base62 digits."""
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(CHECKSUM_LENGTH):
        number, rest = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[rest])
    return "".join(reversed(digits))


def digest(raw: str, pepper: str) -> str:
    """What is stored of a key: HMAC-SHA256 under `pepper`, in hexadecimal."""
    return hmac.new(pepper.encode(), raw.encode(), hashlib.sha256).hexdigest()


def fingerprint(pepper: str) -> str:
    """Names a pepper without telling it; stored beside each digest, so peppers can be changed."""
    return hashlib.sha256(b"orkesta pepper " + pepper.encode()).hexdigest()[:8]


def is_genuine(raw: str, *, stored: str, pepper_fingerprint: str, peppers: list[str]) -> bool:
    """Whether `raw` has the `stored` digest. It always costs one HMAC, even with nothing stored."""
    pepper = next((p for p in peppers if fingerprint(p) == pepper_fingerprint), peppers[-1])
    return hmac.compare_digest(digest(raw, pepper), stored)


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
