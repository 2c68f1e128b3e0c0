"""`manage.py roll_up_usage`: sums usage by day. Workers do it by themselves, twice a minute."""

from argparse import ArgumentParser
from datetime import date, timedelta
from typing import Any

from django.utils import timezone

from tenants.commands import TenantCommand
from tenants.models import Tenant
from tenants.usage.alerts import warn_of_budget
from tenants.usage.rollup import rebuild, roll_up


class Command(TenantCommand):
    help = "Add usage that no day's sum holds yet to the sums, or make the sums anew."

    takes_all = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--rebuild", type=int, metavar="DAYS", help="Make the sums of so many days anew."
        )

    def handle_tenant(self, tenant: Tenant, **options: Any) -> None:
        if options["rebuild"]:
            # A day more at the end: somewhere it is tomorrow already.
            last: date = timezone.now().date() + timedelta(days=1)
            num = rebuild(last - timedelta(days=options["rebuild"]), last)
            self.stdout.write(f"{tenant.slug}: {num} sums made anew")
            return
        num = 0
        while counted := roll_up():
            num += counted
        warn_of_budget(tenant.id)
        self.stdout.write(f"{tenant.slug}: {num} records counted")
