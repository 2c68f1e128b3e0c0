"""`manage.py rotate_encryption_keys`: the second step of replacing an encryption key."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orkesta.database import close_pool
from tenants.reseal import reseal_all

#: More would only scroll the first ones away.
MAX_NAMED = 20


class Command(BaseCommand):
    help = (
        "Seal every stored secret with the first key of ORCHESTRATOR_ENCRYPTION_KEYS. To replace a"
        " key: put the new one in front, restart everything, run this, then remove the old one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Count what would change; change nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = reseal_all(is_dry_run=options["dry_run"])
        finally:
            close_pool()
        verb = "to be sealed" if options["dry_run"] else "sealed"
        self.stdout.write(f"{done.renewed} secrets {verb} anew, {done.current} were current.")
        if done.unreadable:
            named = "\n".join(done.unreadable[:MAX_NAMED])
            raise CommandError(
                f"{len(done.unreadable)} secrets cannot be read with the keys that are configured;"
                f" keep their key, or enter them anew:\n{named}"
            )
