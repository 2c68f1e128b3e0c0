"""`manage.py embed_examples`: has the examples of routing rules embedded. Workers do it, too."""

from argparse import ArgumentParser
from typing import Any

from asgiref.sync import async_to_sync

from orkesta.outbound import configured_policy
from routing.embedding import Embedded, embed_examples, forget_all
from routing.gateway import Gateway
from routing.llm.client import LLMClient
from tenants.commands import TenantCommand
from tenants.models import Tenant


class Command(TenantCommand):
    help = (
        "Make the vectors of examples that have none, with the embedding model of the tenant, and"
        " forget those that no rule asks for. Workers do it by themselves when a rule is saved."
    )

    takes_all = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--anew", action="store_true", help="Make all of them anew, which costs all of them."
        )

    def handle_tenant(self, tenant: Tenant, **options: Any) -> None:
        if options["anew"]:
            forget_all()
        found = async_to_sync(_embed)(tenant)
        told = f"{found.num_made} made, {found.num_known} known, {found.num_forgotten} forgotten"
        also = "" if found.is_done else "; another process is about the rest"
        self.stdout.write(f"{tenant.slug}: {told}{also}")


async def _embed(tenant: Tenant) -> Embedded:
    # A client of its own: the process's belongs to another event loop.
    client = LLMClient(policy=configured_policy())
    try:
        return await embed_examples(tenant.pk, Gateway(client))
    finally:
        await client.aclose()
