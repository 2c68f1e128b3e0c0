"""`manage.py purge`: deletes what tiers keep no longer. Workers do it by themselves, hourly."""

from argparse import ArgumentParser
from typing import Any

from conversations.services.retention import (
    count_purgeable,
    forget_answers,
    forget_history,
    purge_sessions,
)
from conversations.triggers.retention import forget_old
from tenants.commands import TenantCommand
from tenants.models import Tenant
from tenants.usage.retention import purge_usage


class Command(TenantCommand):
    help = "Delete sessions that are older than their tenant's tier keeps them, and other old rows."

    takes_all = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="Only count.")

    def handle_tenant(self, tenant: Tenant, **options: Any) -> None:
        if options["dry_run"]:
            self.stdout.write(f"{tenant.slug}: {count_purgeable(tenant.id)} sessions to delete")
            return
        num = 0
        while deleted := purge_sessions(tenant.id):
            num += deleted
        self.stdout.write(f"{tenant.slug}: {num} sessions deleted")
        if num_versions := forget_history(tenant.id):
            self.stdout.write(f"{tenant.slug}: {num_versions} versions of configuration deleted")
        if num_calls := purge_usage(tenant.id):
            self.stdout.write(f"{tenant.slug}: {num_calls} usage records deleted")

    def handle_rest(self, **options: Any) -> None:
        if options["all"] and not options["dry_run"]:
            num = forget_answers() + forget_old()
            self.stdout.write(f"{num} old answers, runs, receipts and deliveries deleted")
