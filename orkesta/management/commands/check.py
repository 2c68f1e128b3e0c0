"""`manage.py check`: Django's own, which also says which set-up this is."""

from typing import Any

from django.core.management.commands import check

from orkesta.checks import describe_setup


class Command(check.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        found = describe_setup()
        self.stdout.write(f"({found.id}) {found.msg}")
        super().handle(*args, **options)
