"""`manage.py import_prompts`: prompts from files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.db import transaction

from prompts.portable import import_prompts, read_files
from tenants.commands import TenantCommand
from tenants.models import Tenant


class Command(TenantCommand):
    help = (
        "Take in prompts that export_prompts wrote: all of them or none. Texts that differ become"
        " new drafts; nothing that was published is lost."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("where", type=Path, help="Folder, or a path that ends in .json.")
        parser.add_argument("--publish", action="store_true", help="Publish what is new, too.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would change; change nothing."
        )

    def handle_tenant(self, tenant: Tenant, **options: Any) -> None:
        prompts = read_files(options["where"])
        with transaction.atomic():
            done = import_prompts(prompts, publish=options["publish"])
            if options["dry_run"]:
                transaction.set_rollback(True)
        for words in ("created", "changed", "unchanged"):
            slugs = getattr(done, words)
            if slugs:
                self.stdout.write(f"{words}: {', '.join(slugs)}")
        if options["dry_run"]:
            self.stdout.write("Nothing was written.")
