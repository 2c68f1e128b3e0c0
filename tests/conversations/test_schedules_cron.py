from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from conversations.triggers import cron
from conversations.triggers.cron import explain, latest_due, next_due, validate_cron

MADRID, MEXICO = "Europe/Madrid", "America/Mexico_City"


def due_times(expression: str, zone: str, after: str, count: int) -> list[str]:
    at, found = datetime.fromisoformat(after), []
    for _ in range(count):
        at = next_due(expression, zone, after=at)
        found.append(f"{at.astimezone(ZoneInfo(zone)):%d %H:%M%z}")
    return found


# In Madrid clocks went forward on 29 March 2026 at 02:00, and back on 25 October at 03:00.
@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("30 2 * * *", "2026-03-28T23:00+01:00", ["29 03:00+0200", "30 02:30+0200"]),
        ("30 2 * * *", "2026-10-24T23:00+02:00", ["25 02:30+0200", "26 02:30+0100"]),
        ("0 * * * *", "2026-03-29T01:00+01:00", ["29 03:00+0200", "29 04:00+0200"]),
        (
            "0 * * * *",
            "2026-10-25T01:00+02:00",
            ["25 02:00+0200", "25 02:00+0100", "25 03:00+0100"],
        ),
        ("0,30 2 * * *", "2026-03-29T00:00+01:00", ["29 03:00+0200", "30 02:00+0200"]),
        # Asked in the second of the two hours that the clock shows as two.
        ("30 2 * * *", "2026-10-25T02:10+01:00", ["26 02:30+0100"]),
        ("30 2 * * *", "2026-10-25T02:31+02:00", ["26 02:30+0100"]),
    ],
)
def test_it_keeps_to_the_wall_clock_of_madrid(
    expression: str, after: str, expected: list[str]
) -> None:
    assert due_times(expression, MADRID, after, len(expected)) == expected


def test_mexico_city_changes_no_clocks() -> None:
    for month in ("03-28", "04-04", "10-24", "10-31"):
        [at] = due_times("30 2 * * *", MEXICO, f"2026-{month}T12:00-06:00", 1)
        assert at.endswith("02:30-0600")


def test_nothing_is_due_twice_or_left_out_in_a_year() -> None:
    at, days = datetime(2026, 1, 1, tzinfo=UTC), []
    for _ in range(365):
        at = next_due("30 2 * * *", MADRID, after=at)
        days.append(at.astimezone(ZoneInfo(MADRID)).date())
    assert days == [days[0] + timedelta(days=n) for n in range(365)]


def test_it_counts_what_was_missed() -> None:
    first = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
    due = latest_due("0 * * * *", "UTC", first=first, now=first + timedelta(hours=5, minutes=9))
    assert (due.at, due.num_skipped) == (first + timedelta(hours=5), 5)
    assert latest_due("0 * * * *", "UTC", first=first, now=first).num_skipped == 0


def test_it_does_not_count_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cron, "MAX_COUNTED", 100)
    first = datetime(2021, 5, 1, tzinfo=UTC)
    now = datetime(2026, 5, 1, 0, 0, 30, tzinfo=UTC)
    due = latest_due("* * * * *", MADRID, first=first, now=now)
    assert (due.at, due.num_skipped) == (now.replace(second=0), 100)


def test_it_says_in_words_when() -> None:
    assert explain("0 9 * * MON-FRI") == "At 09:00 on Monday through Friday"


NO_TIMES = [
    "", "x", "* * * *", "* * * * * *", "60 * * * *", "0 0 30 2 *", "*/0 * * * *", "@daily",
    "٣ * * * *",
]  # fmt: skip


@pytest.mark.parametrize("expression", NO_TIMES)
def test_it_refuses_what_is_no_time(expression: str) -> None:
    with pytest.raises(ValidationError):
        validate_cron(expression)


FIELD = st.text("0123456789*/,-#LWMONFRIJA", min_size=1, max_size=6) | st.sampled_from(
    ["*", "0", "*/7", "1-5", "L", "LW", "MON#2", "5L", "29", "2"]
)


@given(st.lists(FIELD, min_size=5, max_size=5).map(" ".join))
def test_whatever_it_accepts_it_can_plan_and_explain(expression: str) -> None:
    try:
        validate_cron(expression)
    except ValidationError:
        return
    now = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert next_due(expression, MADRID, after=now) > now
    assert explain(expression)
