"""What a scenario found, as a table for people and as JSON for machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

Value = float | int | str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: who, and the figures by column. A missing figure shows as a dash."""

    who: str
    figures: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario: its rows, what is aimed at, and whatever failed."""

    scenario: str
    title: str
    rows: Sequence[Row]
    goal: str = ""
    failures: Sequence[str] = field(default_factory=tuple)


def as_table(result: Result) -> str:
    """A Markdown table with the goal below it."""
    columns = list(dict.fromkeys(name for row in result.rows for name in row.figures))
    lines = [["", *columns]]
    lines += [[row.who, *(_text(row.figures.get(c)) for c in columns)] for row in result.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns) + 1)]
    shown = [_line(line, widths) for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    parts = [f"## {result.scenario}. {result.title}", "", shown[0], rule, *shown[1:]]
    if result.goal:
        parts += ["", f"Goal: {result.goal}"]
    parts += [f"FAILED: {failure}" for failure in result.failures]
    return "\n".join(parts) + "\n"


def as_json(results: Sequence[Result]) -> str:
    """All results on one line."""
    return orjson.dumps(results).decode()


def summed_up(failures: Sequence[str], *, at_most: int = 5) -> tuple[str, ...]:
    """Each different failure once, the most frequent first, with how often it came."""
    counts: dict[str, int] = {}
    for failure in failures:
        counts[failure] = counts.get(failure, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: -item[1])[:at_most]
    return tuple(f"{count} × {failure}" for failure, count in ranked)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = cells
    padded = [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))]
    return "| " + " | ".join(padded) + " |"


def _text(value: Value | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else value
