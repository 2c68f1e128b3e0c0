"""The loop that sums usage and warns of budgets; however many run, each record counts once."""

from typing import Final

from conversations.triggers.loop import TableLoop
from orkesta.database import in_thread
from tenants.scope import in_tenant
from tenants.usage.alerts import warn_of_budget
from tenants.usage.rollup import BATCH, find_uncounted, roll_up

EVERY_SECONDS: Final = 30.0


class UsageTicker(TableLoop):
    """Twice a minute; at once again while there is much to count."""

    def __init__(self) -> None:
        super().__init__()
        self._next_at = self._loop.time()

    async def run_once(self) -> bool:
        if self._loop.time() < self._next_at:
            return False
        is_much = False
        for tenant_id in await in_thread(find_uncounted):
            num = await in_tenant(tenant_id, roll_up)
            await in_tenant(tenant_id, warn_of_budget, tenant_id)
            is_much = is_much or num == BATCH
        if not is_much:
            self._next_at = self._loop.time() + EVERY_SECONDS
        return is_much
