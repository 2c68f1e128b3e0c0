"""`manage.py reconcile_usage`: compares our usage with a provider's export."""

from argparse import ArgumentParser
from decimal import Decimal
from typing import Any

from django.core.management.base import CommandError

from orkesta.errors import Invalid
from tenants.commands import TenantCommand
from tenants.models import Tenant
from tenants.usage.money import to_cents
from tenants.usage.reconcile import compare, read_export, read_ours


class Command(TenantCommand):
    help = (
        "Compare what we counted with a provider's CSV (columns for day, LLM and cost in US"
        " dollars, tokens if it has them). Exits with 1 when they differ."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--file", required=True, help="The export.")
        parser.add_argument("--endpoint", default="", help="Only calls of this LLM endpoint.")
        parser.add_argument(
            "--tolerance",
            type=Decimal,
            default=Decimal("0.01"),
            help="Share by which the bills of a day may differ; 0.01, 1 %%, when missing.",
        )

    def handle_tenant(self, tenant: Tenant, **options: Any) -> None:
        try:
            with open(options["file"], encoding="utf-8-sig", newline="") as file:
                theirs = read_export(file)
        except (OSError, UnicodeError, Invalid) as exc:
            raise CommandError(str(exc)) from exc
        if not theirs:
            raise CommandError("The export has no lines.")
        days = sorted(day for day, _ in theirs)
        ours = read_ours(days[0], days[-1], endpoint=options["endpoint"])
        found = compare(ours, theirs, tolerance=options["tolerance"])
        for item in found.differences:
            self.stdout.write(
                f"{item.day}  {item.llm:30}  ours {to_cents(item.ours.nano):>10}"
                f"  theirs {to_cents(item.theirs.nano):>10}  difference {item.dollars:+.4f}"
            )
        self.stdout.write(
            f"{days[0]} to {days[-1]}: ours {to_cents(found.ours.nano)} USD,"
            f" {found.ours.tokens} tokens; theirs {to_cents(found.theirs.nano)} USD,"
            f" {found.theirs.tokens} tokens; {len(found.differences)} differences"
        )
        if found.differences:
            raise CommandError("The bills differ.")
