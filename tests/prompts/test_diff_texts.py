import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts.diff import Segment, TextDiff, diff_texts
from prompts.tokens import count_tokens

KB32 = 32 * 1024


def sides(diff: TextDiff) -> tuple[str, str]:
    old = "".join(segment.text for segment in diff.segments if segment.op != "insert")
    new = "".join(segment.text for segment in diff.segments if segment.op != "delete")
    return old, new


def repeated(words: int, *, seed: int) -> str:
    rng = random.Random(seed)
    return " ".join(f"w{rng.randrange(words)}" for _ in range(12_000))[:KB32]


LARGE = {
    "the same but one word": ("a b " * 8_192, "a b " * 5_000 + "c " + "a b " * 3_191),
    "two words": (repeated(2, seed=1), repeated(2, seed=2)),
    "twenty words": (repeated(20, seed=1), repeated(20, seed=2)),
    "four hundred words": (repeated(400, seed=1), repeated(400, seed=2)),
    "all words": (repeated(5_000, seed=1), repeated(5_000, seed=2)),
    "every seventh word": (
        repeated(5_000, seed=1),
        " ".join("new" if n % 7 == 0 else w for n, w in enumerate(repeated(5_000, seed=1).split())),
    ),
    "backwards": (" ".join(map(str, range(6_500))), " ".join(map(str, range(6_500, 0, -1)))),
    "equal lines": ("a\n" * 16_384, "a\nb\n" * 8_192),
    "empty lines": ("\n" * KB32, "\n \n" * (KB32 // 3)),
    "one long word": ("a" * KB32, "b" * KB32),
    "halves swapped": ("a" * 10 + repeated(9, seed=1), repeated(9, seed=1) + "a" * 10),
}


@pytest.fixture(autouse=True)
def _vocabulary() -> None:
    count_tokens("load it before the clock runs")


def test_it_shows_what_changed_word_by_word() -> None:
    diff = diff_texts("You are Ana, be kind.\nBye.\n", "You are Luz, be very kind.\nBye.\n")
    assert diff.segments == (
        Segment("equal", "You are "),
        Segment("delete", "Ana, "),
        Segment("insert", "Luz, "),
        Segment("equal", "be "),
        Segment("insert", "very "),
        Segment("equal", "kind.\nBye.\n"),
    )
    assert diff.is_changed
    assert diff.new_tokens.count - diff.old_tokens.count == 1


def test_rows_number_the_lines_of_both_texts() -> None:
    diff = diff_texts("one\ntwo words\nthree\nfour\n", "one\ntwo kind words\nfour\nfive\n")
    assert [(row.op, row.old_number, row.new_number) for row in diff.rows] == [
        ("equal", 1, 1),
        ("delete", 2, None),
        ("delete", 3, None),
        ("insert", None, 2),
        ("equal", 4, 3),
        ("insert", None, 4),
    ]
    assert diff.rows[3].segments == (
        Segment("equal", "two "),
        Segment("insert", "kind "),
        Segment("equal", "words"),
    )


def test_equal_texts_have_no_changes() -> None:
    for text in ("", "a", "a\n\nb\n"):
        diff = diff_texts(text, text)
        assert not diff.is_changed
        assert diff.new_tokens == diff.old_tokens
        assert [row.op for row in diff.rows] == ["equal"] * len(text.splitlines())


def test_from_nothing_and_to_nothing() -> None:
    assert diff_texts("", "new\n").segments == (Segment("insert", "new\n"),)
    assert diff_texts("old", "").segments == (Segment("delete", "old"),)


def test_line_ends_of_other_systems_are_no_change() -> None:
    assert not diff_texts("a\r\nb\r\n", "a\nb\n").is_changed


def test_tokens_are_counted_for_the_model() -> None:
    assert diff_texts("a b", "a b c", model="gpt-5").new_tokens.is_exact
    assert not diff_texts("a b", "a b c", model="claude").new_tokens.is_exact


@pytest.mark.parametrize("name", LARGE)
def test_large_texts_are_compared_in_time(name: str) -> None:
    old, new = LARGE[name]
    started = time.thread_time()
    diff = diff_texts(old, new)
    assert time.thread_time() - started < 3
    assert sides(diff) == (old, new)


def test_a_large_edited_text_keeps_its_words() -> None:
    old, new = LARGE["every seventh word"]
    kept = sum(len(part.text) for part in diff_texts(old, new).segments if part.op == "equal")
    assert kept > 0.8 * len(new)


lines = st.lists(
    st.sampled_from(["a", "b", "the", "word", " ", "\n", "\t", "\f", "é"]), max_size=40
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(lines.map("".join), lines.map("".join))
def test_segments_and_rows_hold_both_texts(old: str, new: str) -> None:
    diff = diff_texts(old, new)
    assert sides(diff) == (old, new)
    assert all(segment.text for segment in diff.segments)
    assert diff.is_changed == (old != new)
    for text, op in ((old, "insert"), (new, "delete")):
        shown = ["".join(part.text for part in row.segments) for row in diff.rows if row.op != op]
        assert shown == text.removesuffix("\n").split("\n") if text else shown == []
    old_numbers = [row.old_number for row in diff.rows if row.old_number]
    new_numbers = [row.new_number for row in diff.rows if row.new_number]
    assert old_numbers == list(range(1, len(old_numbers) + 1))
    assert new_numbers == list(range(1, len(new_numbers) + 1))
