"""`manage.py purge`: deletes what tiers keep no longer. Workers do it by themselves, hourly."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.services.retention import count_purgeable, forget_answers, purge_sessions
from conversations.triggers.retention import forget_old
from tenants.models import Tenant
from tenants.scope import tenant_scope


class Command(BaseCommand):
    help = "Delete sessions that are older than their tenant's tier keeps them, and other old rows."

    def add_arguments(self, parser: CommandParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--tenant", help="Slug of the tenant.")
        whose.add_argument("--all", action="store_true", help="All tenants, and what is nobody's.")
        parser.add_argument("--dry-run", action="store_true", help="Only count.")

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = Tenant.objects.order_by("slug")
        if options["tenant"]:
            tenants = tenants.filter(slug=options["tenant"])
            if not tenants:
                raise CommandError(f"There is no tenant «{options['tenant']}».")
        for tenant in tenants:
            with tenant_scope(tenant.id):
                self._purge(tenant, is_dry_run=options["dry_run"])
        if options["all"] and not options["dry_run"]:
            num = forget_answers() + forget_old()
            self.stdout.write(f"{num} old answers, runs, receipts and deliveries deleted")

    def _purge(self, tenant: Tenant, *, is_dry_run: bool) -> None:
        if is_dry_run:
            self.stdout.write(f"{tenant.slug}: {count_purgeable(tenant.id)} sessions to delete")
            return
        num = 0
        while deleted := purge_sessions(tenant.id):
            num += deleted
        self.stdout.write(f"{tenant.slug}: {num} sessions deleted")
