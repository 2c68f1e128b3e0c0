import pytest

from tenants.keys import ALPHABET, kid_of, make_key


def test_a_key_is_known_by_its_form() -> None:
    key = make_key(is_live=True)
    assert kid_of(key.plain) == key.kid


@pytest.mark.parametrize("place", [10, 25, 40, 59])
def test_one_wrong_character_is_noticed_without_asking_the_database(place: int) -> None:
    plain = make_key(is_live=True).plain
    wrong = ALPHABET[(ALPHABET.index(plain[place]) + 1) % len(ALPHABET)]
    assert kid_of(plain[:place] + wrong + plain[place + 1 :]) is None
