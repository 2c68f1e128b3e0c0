"""`manage.py export_prompts`: a tenant's prompts as files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from prompts.portable import export_prompts, write_files
from tenants.commands import TenantCommand
from tenants.models import Tenant


class Command(TenantCommand):
    help = "Write a tenant's live prompts to a folder (two files each), or to one .json file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("where", type=Path, help="Folder, or a path that ends in .json.")

    def handle_tenant(self, tenant: Tenant, **options: Any) -> None:
        prompts = export_prompts()
        try:
            write_files(prompts, options["where"])
        except OSError as exc:
            raise CommandError(f"{options['where']} cannot be written: {exc.strerror}.") from exc
        self.stdout.write(f"{len(prompts)} prompts of {tenant.slug} are in {options['where']}.")
