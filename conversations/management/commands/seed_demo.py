"""`manage.py seed_demo`: the demo tenants."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.demo.seed import seed_demo
from orkesta.database import close_pool
from orkesta.errors import OrkestaError


class Command(BaseCommand):
    help = (
        "Write the demo tenants «ferreteria» and «floreria», with their agents, rules and logins."
        " Running it again keeps what people changed."
    )

    #: Where the demo's MCP server listens, from `serve --demo`, which started it.
    stealth_options = ("shop_url",)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--without-conversations", action="store_true", help="Leave out what customers said."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.INSECURE_KEY in (settings.SECRET_KEY, *settings.ORKESTA_KEY_PEPPERS):
            raise CommandError(
                "Demo logins are derived from ORCHESTRATOR_SECRET_KEY, which is not set: anybody"
                " could derive them too. `python -m orkesta.env > .env` makes fresh secrets."
            )
        try:
            new = seed_demo(
                has_dialogues=not options["without_conversations"],
                shop_url=options.get("shop_url"),
            )
        except OrkestaError as exc:
            raise CommandError(exc.message) from exc
        finally:
            close_pool()
        self.stdout.write(f"Demo tenants: {', '.join(new) or 'nothing new'}.")
