"""`manage.py demo_access`: how to enter the demo tenants."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.demo.access import OPERATOR, find_access, password_of
from conversations.demo.content import SLUGS


class Command(BaseCommand):
    help = "Show the login and the API key of the demo tenants."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", choices=SLUGS, help="One of them; without it, all.")
        parser.add_argument(
            "--operator", action="store_true", help="The superuser of a development machine."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["operator"]:
            self.stdout.write(f"Admin   user {OPERATOR}   password {password_of(OPERATOR)}")
            return
        for slug in [options["tenant"]] if options["tenant"] else SLUGS:
            access = find_access(slug)
            if access is None:
                raise CommandError(
                    f"There is no demo tenant «{slug}» here: run `manage.py seed_demo`."
                )
            self.stdout.write(f"Tenant  {access.tenant}")
            self.stdout.write(f"Admin   user {access.username}   password {access.password}")
            self.stdout.write(f"API key {access.api_key}")
