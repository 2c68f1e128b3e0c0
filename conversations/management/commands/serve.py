"""`manage.py serve`: web server and worker in one process, for one machine."""

from contextlib import ExitStack
from typing import Any

from channels.routing import get_default_application
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from conversations.demo.greeting import ready_lines
from conversations.demo.shop import shop_running
from conversations.embedded import EmbeddedServer, ListenRefused
from orkesta.database import close_pool
from orkesta.single_process import DatabaseInUse, sole_process


class Command(BaseCommand):
    help = (
        "Serve the API, the WebSockets and the admin, and run the tasks, all in this process."
        " Ctrl-C ends it in order; pressed twice, at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        host, port = settings.ORKESTA_LISTEN
        parser.add_argument("--host", default=host, help="Address to listen on (HOST).")
        parser.add_argument("--port", default=port, type=int, help="Port to listen on (PORT).")
        parser.add_argument(
            "--demo",
            action="store_true",
            help="Migrate and write the demo tenants first, and run their MCP server, too.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        try:
            with sole_process(), ExitStack() as stack:
                shop_url = ""
                if options["demo"]:
                    call_command("migrate", verbosity=0)
                    shop_url = stack.enter_context(shop_running())
                    call_command("seed_demo", shop_url=shop_url)
                self._serve(host, port, shop_url)
        except DatabaseInUse as exc:
            raise CommandError(exc.message) from exc
        except ListenRefused as exc:
            raise CommandError(
                f"Cannot listen on {host} port {port}. {exc.message} Choose another with PORT=…"
            ) from exc
        finally:
            close_pool()

    def _serve(self, host: str, port: int, shop_url: str) -> None:
        self._refuse_old_schema()
        lines = ready_lines(host, port, shop_url=shop_url)
        # The loop takes over from here; this thread's connection would only lie idle.
        connection.close()

        def announce() -> None:
            self.stdout.write("\n".join(lines))
            self.stdout.flush()

        EmbeddedServer(get_default_application(), host=host, port=port, announce=announce).serve()

    def _refuse_old_schema(self) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise CommandError("The database is not up to date: run `manage.py migrate` first.")
