"""Gives the agents of the bench tenant tools, in the environment of the server under test.

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
    """Make `price`, which changes nothing, and `charge_idempotent`, `charge_check` and
    `charge_never`, one for each way to recover.
    """
    tenant = Tenant.objects.get(slug=SLUG)
    with tenant_scope(tenant.id):
        price = {"description": "Says the price.", "method": "GET", "url": f"{till}/price"}
        tools = [Tool.objects.create(name="price", risk=Risk.READ, **price)]
        tools += [_charging(till, recovery) for recovery in Recovery]
        for agent in Agent.objects.all():
            for tool in tools:
                AgentTool.objects.create(agent=agent, tool=tool)
        touch_configuration(tenant.id)


def _charging(till: str, recovery: Recovery) -> Tool:
    return Tool.objects.create(
        name=f"charge_{recovery}",
        description="Charges the card.",
        method="POST",
        url=f"{till}/charge",
        status_url=f"{till}/calls/{{key}}" if recovery is Recovery.CHECK else "",
        risk=Risk.WRITE,
        recovery=recovery,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--till", required=True, help="URL of the till")
    furnish(parser.parse_args().till)
