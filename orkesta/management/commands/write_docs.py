"""`manage.py write_docs`: the generated pages of docs/."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orkesta.reference import pages


class Command(BaseCommand):
    help = "Write docs/settings.md and docs/errors.md from the code (make docs)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="Only compare; fail when stale.")

    def handle(self, *args: Any, **options: Any) -> None:
        stale = [
            path for path, text in pages().items() if not path.exists() or path.read_text() != text
        ]
        if options["check"]:
            if stale:
                names = ", ".join(path.name for path in stale)
                raise CommandError(f"Out of date: {names}. Run `make docs`.")
            return
        for path in stale:
            path.write_text(pages()[path])
            self.stdout.write(f"Wrote {path.name}.")
