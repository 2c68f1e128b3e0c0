"""`manage.py isolation_check`: whether one tenant can learn of, or touch, what is another's."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.isolation.check import Report, check_isolation


class Command(BaseCommand):
    help = (
        "Ask every address of the API and of the admin for the rows of a tenant, as another one."
        " Both are made for it and rolled back. Exits with 1 when one learned of the other."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        report = check_isolation()
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report), indent=2))
        else:
            self._write(report)
        if report.leaks:
            raise CommandError(f"{len(report.leaks)} leaks between tenants.")

    def _write(self, report: Report) -> None:
        for leak in report.leaks:
            self.stdout.write(f"LEAK ({leak.kind}) {leak.door}, {leak.visitor}: {leak.detail}")
        for door in report.unproved:
            self.stdout.write(f"Not proved, its own tenant saw nothing there: {door}")
        self.stdout.write(
            f"{report.num_doors} doors, {report.num_asked} requests: {len(report.leaks)} leaks."
        )
