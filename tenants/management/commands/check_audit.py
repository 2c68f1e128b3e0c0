"""`manage.py check_audit`: whether anybody has tampered with the audit log."""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError

from tenants.audit_chain import find_breaks
from tenants.audit_models import AuditEntry, AuditRow, InstallationEntry
from tenants.commands import TenantCommand
from tenants.models import Tenant

#: More would only scroll the first ones away.
MAX_NAMED = 20


class Command(TenantCommand):
    help = (
        "Check the seals of the audit log, and print how each log ends. Keep that elsewhere: it"
        " shows later whether the newest entries are still there. Ends with 1 when a log is broken."
    )
    takes_all = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        self.num_broken = 0

    def handle_tenant(self, tenant: Tenant, **options: Any) -> None:
        self._check(AuditEntry.objects.order_by("seq"), tenant.slug, str(tenant.pk))

    def handle_rest(self, **options: Any) -> None:
        if options["all"]:
            entries = InstallationEntry.objects.order_by("seq")
            self._check(entries, "the installation", "installation")
        if self.num_broken:
            raise CommandError(f"{self.num_broken} logs are broken.")

    def _check(self, entries: Any, shown: str, log: str) -> None:
        breaks = list(find_breaks(_streamed(entries), log))
        last = entries.last()
        end = f"ends with {last.seq} {last.chain or 'unsealed'}" if last else "empty"
        self.stdout.write(f"{shown}: {'BROKEN' if breaks else 'intact'}, {end}")
        for each in breaks[:MAX_NAMED]:
            self.stdout.write(f"  entry {each.seq}: {each.fault}")
        self.num_broken += bool(breaks)


def _streamed(entries: Any) -> Iterable[AuditRow]:
    found: Iterable[AuditRow] = entries.iterator(chunk_size=1000)
    return found
