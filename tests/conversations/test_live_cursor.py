from uuid import UUID, uuid4

import pytest

from conversations.cursor import (
    Draft,
    Frame,
    Want,
    WatchState,
    advance,
    parse_cursor,
    replay,
    resume,
)
from conversations.live_event import LiveEvent
from conversations.partial import PartialText
from orkesta.errors import MalformedCursor
from tests.conversations.live_story import NOW, SESSION, TASK, ephemeral, fact

MESSAGE = UUID(int=7)


def delta(offset: int, text: str, *, seq: int = 0, stream: str = "1.2") -> LiveEvent:
    data = {"message_id": str(MESSAGE), "stream": stream, "offset": offset, "text": text}
    return ephemeral("message.delta", data, seq=seq)


def shown(frames: tuple[Frame, ...]) -> list[tuple[str, object]]:
    return [(f.event.type, f.event.data.get("text")) for f in frames]


def test_a_cursor_says_where_its_client_stands() -> None:
    state = WatchState(41, Draft(str(MESSAGE), (2, 13)).grown("año 🎉"))
    assert parse_cursor(state.cursor) == state
    assert parse_cursor("7") == WatchState(7)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "x",
        "-1",
        "1~",
        "1~2~3~4",
        "1.5",
        "9" * 19,
        " 1",
        "1\n",
        "١",
        "1~dd5b0f95-3916-4fe1-b96e-bf19ae776f96~1~5~00000000",
    ],
)
def test_a_cursor_nobody_issued_is_malformed(raw: str) -> None:
    with pytest.raises(MalformedCursor):
        parse_cursor(raw)


def test_the_next_durable_event_is_told_and_an_old_one_is_not() -> None:
    state, frames, want = advance(WatchState(4), fact(5))
    assert (state.seq, frames[0].cursor, want) == (5, "5", Want.NOTHING)
    assert advance(state, fact(5)) == (state, (), Want.NOTHING)


def test_a_gap_asks_for_the_log() -> None:
    assert advance(WatchState(4), fact(6)).want is Want.CATCH_UP
    assert advance(WatchState(4), delta(0, "a", seq=5)).want is Want.CATCH_UP


def test_the_log_may_have_been_purged() -> None:
    assert replay(WatchState(4), fact(90)).state.seq == 90


def test_the_cursor_of_a_delta_counts_characters_not_bytes() -> None:
    first = advance(WatchState(3), delta(0, "año ", seq=3))
    second = advance(first.state, delta(4, "🎉!", seq=3))
    assert second.frames[0].cursor.split("~")[3] == "6"


def test_a_delta_that_comes_twice_is_told_once() -> None:
    state = advance(WatchState(3), delta(0, "hola", seq=3)).state
    assert advance(state, delta(0, "hola", seq=3)) == (state, (), Want.NOTHING)
    assert shown(advance(state, delta(2, "la qué", seq=3)).frames) == [("message.delta", " qué")]


def test_a_missing_piece_is_read_from_the_text_so_far() -> None:
    state = advance(WatchState(3), delta(0, "ho", seq=3)).state
    assert advance(state, delta(4, "!", seq=3)).want is Want.PARTIAL
    partial = PartialText(MESSAGE, "1.2", "hola!")
    told = resume(state, partial, session_id=SESSION, task_id=TASK, at=NOW)
    assert shown(told.frames) == [("message.delta", "la!")]
    assert advance(told.state, delta(4, "!", seq=3)).frames == ()


def test_another_run_of_the_text_starts_anew_even_when_its_reset_was_lost() -> None:
    state = advance(WatchState(3), delta(0, "ho", seq=3)).state
    told = advance(state, delta(0, "Buenas", seq=3, stream="2.2"))
    assert shown(told.frames) == [("message.reset", None), ("message.delta", "Buenas")]
    late = advance(told.state, delta(2, "la", seq=3, stream="1.2"))
    assert late.frames == ()


def test_a_client_in_the_middle_gets_the_tail_before_the_answer() -> None:
    state = advance(WatchState(3), delta(0, "ho", seq=3)).state
    state = parse_cursor(state.cursor)
    answer = fact(4, "chat.response", message_id=str(MESSAGE), content="hola!")
    told = replay(state, answer)
    assert shown(told.frames) == [("message.delta", "la!"), ("chat.response", None)]
    assert told.state.cursor == "4"


def test_a_tail_is_not_added_to_another_text() -> None:
    state = advance(WatchState(3), delta(0, "Buenas", seq=3)).state
    answer = fact(4, "chat.response", message_id=str(MESSAGE), content="hola!")
    frames = advance(state, answer).frames
    assert shown(frames) == [
        ("message.reset", None),
        ("message.delta", "hola!"),
        ("chat.response", None),
    ]


def test_a_delta_that_comes_after_its_answer_is_not_told() -> None:
    answer = fact(4, "chat.response", message_id=str(MESSAGE), content="hola!")
    state = advance(WatchState(3), answer).state
    assert advance(state, delta(0, "hola!", seq=3)).frames == ()
    assert advance(WatchState(4), delta(0, "hola!", seq=3)).want is Want.PARTIAL


def test_a_watcher_of_one_task_passes_over_the_others() -> None:
    state = WatchState(3, only_task=uuid4())
    told = advance(state, fact(4))
    assert (told.state.seq, told.frames) == (4, ())
    assert advance(told.state, delta(0, "x", seq=4)).frames == ()


def test_a_step_is_announced_once_and_never_after_its_record() -> None:
    started = ephemeral("step.started", {"number": 2, "kind": "model", "agent": "desk"}, seq=3)
    first = advance(WatchState(3), started)
    assert len(first.frames) == 1
    assert advance(first.state, started).frames == ()
    recorded = advance(WatchState(3), fact(4, "step.recorded", number=2)).state
    assert advance(recorded, started).frames == ()
