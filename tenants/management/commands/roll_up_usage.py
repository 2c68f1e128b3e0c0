"""`manage.py roll_up_usage`: sums usage by day. Workers do it by themselves, twice a minute."""

from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from tenants.models import Tenant
from tenants.scope import tenant_scope
from tenants.usage.alerts import warn_of_budget
from tenants.usage.rollup import rebuild, roll_up


class Command(BaseCommand):
    help = "Add usage that no day's sum holds yet to the sums, or make the sums anew."

    def add_arguments(self, parser: CommandParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--tenant", help="Slug of the tenant.")
        whose.add_argument("--all", action="store_true", help="All tenants.")
        parser.add_argument(
            "--rebuild", type=int, metavar="DAYS", help="Make the sums of so many days anew."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = Tenant.objects.order_by("slug")
        if options["tenant"]:
            tenants = tenants.filter(slug=options["tenant"])
            if not tenants:
                raise CommandError(f"There is no tenant «{options['tenant']}».")
        for tenant in tenants:
            with tenant_scope(tenant.id):
                if options["rebuild"]:
                    # A day more at the end: somewhere it is tomorrow already.
                    last: date = timezone.now().date() + timedelta(days=1)
                    num = rebuild(last - timedelta(days=options["rebuild"]), last)
                    self.stdout.write(f"{tenant.slug}: {num} sums made anew")
                    continue
                num = 0
                while counted := roll_up():
                    num += counted
                warn_of_budget(tenant.id)
                self.stdout.write(f"{tenant.slug}: {num} records counted")
