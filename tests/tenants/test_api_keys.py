import re
import secrets

import pytest

from tenants.keys import (
    ALPHABET,
    PATTERN,
    checksum,
    digest,
    fingerprint,
    is_genuine,
    kid_of,
    make_key,
)


@pytest.mark.parametrize(("is_live", "start"), [(True, "ork_live_"), (False, "ork_test_")])
def test_a_key_has_the_form_that_secret_scanners_know(is_live: bool, start: str) -> None:
    new = make_key(is_live=is_live)
    assert new.plain.startswith(start)
    assert len(new.plain) == 60
    assert PATTERN.fullmatch(new.plain)
    assert kid_of(new.plain) == new.kid
    assert new.hint == new.plain[-4:]


def test_keys_do_not_repeat_and_do_not_show_themselves() -> None:
    keys = [make_key(is_live=True) for _ in range(100)]
    assert len({key.plain for key in keys}) == len({key.kid for key in keys}) == 100
    assert keys[0].plain not in repr(keys[0])


def test_the_checksum_is_crc32_in_base62() -> None:
    # The check value of CRC-32/ISO-HDLC in every catalogue of CRCs.
    number = 0
    for letter in checksum("123456789"):
        number = number * 62 + ALPHABET.index(letter)
    assert number == 0xCBF43926
    assert checksum("") == "000000"


def test_any_single_typing_error_is_told_without_the_database() -> None:
    plain = make_key(is_live=True).plain
    for place in range(len(plain)):
        for letter in ("a", "Z", "0", "_"):
            garbled = plain[:place] + letter + plain[place + 1 :]
            assert garbled == plain or kid_of(garbled) is None


def test_random_strings_of_the_right_form_do_not_pass() -> None:
    for _ in range(2000):
        text = "".join(secrets.choice(ALPHABET) for _ in range(50))
        assert kid_of(f"ork_live_{text[:12]}_{text[12:]}") is None


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "ork_",
        "ork_live__",
        "sk-123",
        "ork_live_" + "a" * 51,
        "ork_live_ñ" + "a" * 50,
        "\0" * 60,
    ],
)
def test_what_is_no_key_has_no_kid(raw: str) -> None:
    assert kid_of(raw) is None
    assert kid_of(make_key(is_live=True).plain + raw + "\n") is None


def test_a_digest_needs_the_pepper_it_was_made_with() -> None:
    plain = make_key(is_live=True).plain
    stored = digest(plain, "old")
    assert re.fullmatch(r"[0-9a-f]{64}", stored)

    def check(peppers: list[str]) -> bool:
        return is_genuine(
            plain, stored=stored, pepper_fingerprint=fingerprint("old"), peppers=peppers
        )

    assert check(["old"])
    assert check(["old", "new"])
    assert not check(["new"])
