"""`manage.py reconcile_usage`: compares our usage with a provider's export."""

from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orkesta.errors import Invalid
from tenants.models import Tenant
from tenants.scope import tenant_scope
from tenants.usage.money import to_cents
from tenants.usage.reconcile import compare, read_export, read_ours


class Command(BaseCommand):
    help = (
        "Compare what we counted with a provider's CSV (columns for day, LLM and cost in US"
        " dollars, tokens if it has them). Exits with 1 when they differ."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, help="Slug of the tenant.")
        parser.add_argument("--file", required=True, help="The export.")
        parser.add_argument("--endpoint", default="", help="Only calls of this LLM endpoint.")
        parser.add_argument(
            "--tolerance",
            type=Decimal,
            default=Decimal("0.01"),
            help="Share by which the bills of a day may differ; 0.01, 1 %%, when missing.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant «{options['tenant']}».")
        try:
            with open(options["file"], encoding="utf-8-sig", newline="") as file:
                theirs = read_export(file)
        except (OSError, UnicodeError, Invalid) as exc:
            raise CommandError(str(exc)) from exc
        if not theirs:
            raise CommandError("The export has no lines.")
        days = sorted(day for day, _ in theirs)
        with tenant_scope(tenant.id):
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
