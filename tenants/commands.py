"""Management commands about one tenant."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orkesta.database import close_pool
from orkesta.errors import OrkestaError
from tenants.models import Tenant
from tenants.scope import tenant_scope


class TenantCommand(BaseCommand):
    """A command that works on the tenant named by `--tenant`, in its scope. What goes wrong as an
    OrkestaError is told as such, without a traceback.
    """

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG", help="Whose rows.")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options.pop("tenant")
        tenant = Tenant.objects.filter(slug=slug).first()
        if tenant is None:
            raise CommandError(f"There is no tenant «{slug}».")
        try:
            with tenant_scope(tenant.id):
                self.handle_tenant(tenant, **options)
        except OrkestaError as exc:
            raise CommandError(exc.message) from exc
        finally:
            close_pool()

    def handle_tenant(self, tenant: Tenant, **options: Any) -> None:
        """The work. Raises CommandError or OrkestaError."""
        raise NotImplementedError
