"""Gives an agent of the bench tenant one tool for each way to recover, in the server's environment.

python -m tests.production.furnish --till http://127.0.0.1:9000
"""

import argparse
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orkesta.settings")
django.setup()

from bench.tenant import SLUG  # noqa: E402
from routing.models import Agent, AgentTool, Tool  # noqa: E402
from routing.tools.values import Recovery, Risk  # noqa: E402
from tenants.models import Tenant  # noqa: E402
from tenants.scope import tenant_scope  # noqa: E402
from tenants.services import touch_configuration  # noqa: E402


def furnish(till: str) -> None:
    """Make `charge_idempotent`, `charge_check` and `charge_never` for the agent `catalogo`."""
    tenant = Tenant.objects.get(slug=SLUG)
    with tenant_scope(tenant.id):
        agent = Agent.objects.get(slug="catalogo")
        for recovery in Recovery:
            tool = Tool.objects.create(
                name=f"charge_{recovery}",
                description="Charges the card.",
                method="POST",
                url=f"{till}/charge",
                status_url=f"{till}/calls/{{key}}" if recovery is Recovery.CHECK else "",
                risk=Risk.WRITE,
                recovery=recovery,
            )
            AgentTool.objects.create(agent=agent, tool=tool)
        touch_configuration(tenant.id)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--till", required=True, help="URL of the till")
    furnish(parser.parse_args().till)
