"""Our rows against a provider's export: where the two bills differ, day by day and LLM by LLM."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final, TextIO

from orkesta.errors import Invalid
from tenants.usage.money import to_dollars, to_nano
from tenants.usage_models import CallKind, UsageRecord

#: Names that providers give to the columns we need; compared in lower case.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "day": ("day", "date", "usage_date", "start_time", "usage_date_utc"),
    "llm": ("llm", "model", "model_name", "model_version", "sku"),
    "cost": ("cost", "amount", "cost_usd", "amount_value", "usd"),
}
OPTIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "input_tokens": ("input_tokens", "prompt_tokens", "n_context_tokens_total"),
    "output_tokens": ("output_tokens", "completion_tokens", "n_generated_tokens_total"),
}

Place = tuple[date, str]


@dataclass(frozen=True, slots=True)
class Bill:
    nano: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """A day and LLM on which the bills differ by more than the tolerance."""

    day: date
    llm: str
    ours: Bill
    theirs: Bill

    @property
    def dollars(self) -> Decimal:
        """Positive when they charge more than we counted."""
        return to_dollars(self.theirs.nano - self.ours.nano)


@dataclass(frozen=True, slots=True)
class Comparison:
    ours: Bill
    theirs: Bill
    differences: tuple[Difference, ...]


def read_export(file: TextIO) -> dict[Place, Bill]:
    """What the provider's CSV says. Raises Invalid, which names the line."""
    reader = csv.DictReader(file)
    heads = {name.strip().lower(): name for name in reader.fieldnames or []}
    found = {
        meaning: next((heads[name] for name in names if name in heads), None)
        for meaning, names in {**COLUMNS, **OPTIONAL}.items()
    }
    missing = [meaning for meaning in COLUMNS if found[meaning] is None]
    if missing:
        raise Invalid(f"The export has no column for: {', '.join(missing)}.")
    bills: defaultdict[Place, Bill] = defaultdict(Bill)
    for number, row in enumerate(reader, 2):
        try:
            place = (date.fromisoformat(row[found["day"] or ""][:10]), row[found["llm"] or ""])
            nano = to_nano(Decimal(row[found["cost"] or ""].strip().lstrip("$")))
            tokens = sum(int(row[column] or 0) for key in OPTIONAL if (column := found[key]))
        except (ValueError, ArithmeticError, TypeError, AttributeError) as exc:
            raise Invalid(f"Line {number} of the export cannot be read.") from exc
        known = bills[place]
        bills[place] = Bill(known.nano + nano, known.tokens + tokens)
    return dict(bills)


def read_ours(first: date, last: date, *, endpoint: str = "") -> dict[Place, Bill]:
    """What we counted, by the UTC day that providers bill by. Needs the tenant's scope."""
    rows = UsageRecord.objects.exclude(kind=CallKind.TOOL).filter(
        created_at__gte=datetime.combine(first, time.min, UTC),
        created_at__lt=datetime.combine(last + timedelta(days=1), time.min, UTC),
    )
    if endpoint:
        rows = rows.filter(endpoint=endpoint)
    bills: defaultdict[Place, Bill] = defaultdict(Bill)
    columns = ("created_at", "llm", "cost_nano", "input_tokens", "output_tokens")
    for at, llm, nano, asked, said in rows.values_list(*columns).iterator():
        known = bills[(at.date(), llm)]
        bills[(at.date(), llm)] = Bill(known.nano + nano, known.tokens + asked + said)
    return dict(bills)


def compare(
    ours: Mapping[Place, Bill], theirs: Mapping[Place, Bill], *, tolerance: Decimal
) -> Comparison:
    """The differences beyond `tolerance`, a share of the larger bill; the largest come first."""
    found = [
        Difference(*place, ours.get(place, Bill()), theirs.get(place, Bill()))
        for place in {*ours, *theirs}
    ]
    beyond = [item for item in found if _is_beyond(item, tolerance)]
    beyond.sort(key=lambda item: (-abs(item.dollars), item.day, item.llm))
    return Comparison(_sum(ours.values()), _sum(theirs.values()), tuple(beyond))


def _is_beyond(item: Difference, tolerance: Decimal) -> bool:
    gap = abs(item.theirs.nano - item.ours.nano)
    return gap > tolerance * max(item.ours.nano, item.theirs.nano)


def _sum(bills: Iterable[Bill]) -> Bill:
    bills = list(bills)
    return Bill(sum(bill.nano for bill in bills), sum(bill.tokens for bill in bills))
