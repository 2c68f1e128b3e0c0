"""Management commands about tenants' rows."""

from argparse import ArgumentParser
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError

from orkesta.database import close_pool
from orkesta.errors import OrkestaError
from tenants.models import Tenant
from tenants.scope import tenant_scope


class TenantCommand(BaseCommand):
    """A command that works on the tenant named by `--tenant`, in its scope, or with `--all`, where
    `takes_all`, on each in turn. What goes wrong as an OrkestaError is told as such, without a
    traceback.
    """

    takes_all: ClassVar[bool] = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--tenant", metavar="SLUG", help="Whose rows.")
        if self.takes_all:
            whose.add_argument("--all", action="store_true", help="Those of all tenants.")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options.pop("tenant")
        tenants = Tenant.objects.order_by("slug")
        if slug is not None:
            tenants = tenants.filter(slug=slug)
            if not tenants:
                raise CommandError(f"There is no tenant «{slug}».")
        try:
            for tenant in tenants:
                with tenant_scope(tenant.id):
                    self.handle_tenant(tenant, **options)
            self.handle_rest(**options)
        except OrkestaError as exc:
            raise CommandError(exc.message) from exc
        finally:
            close_pool()

    def handle_tenant(self, tenant: Tenant, **options: Any) -> None:
        """The work. Raises CommandError or OrkestaError."""
        raise NotImplementedError

    def handle_rest(self, **options: Any) -> None:
        """What comes after the tenants, in no scope."""
