"""The clock of schedules and of people's time to answer. Any number may run: whatever is due
happens once.
"""

import logging
from typing import Final
from uuid import UUID

from conversations.services.inputs import expire_input, find_expired
from conversations.services.retention import (
    expire_session,
    find_ended_sessions,
    forget_answers,
    forget_history,
    purge_sessions,
)
from conversations.triggers import schedules
from conversations.triggers.loop import TableLoop
from conversations.triggers.retention import forget_old
from orkesta.database import in_thread
from prompts.experiments import find_running, take_back_if_worse
from tenants.key_expiry import find_expiring, tell_of_expiry
from tenants.models import Tenant
from tenants.scope import in_tenant
from tenants.usage.retention import purge_usage

logger = logging.getLogger(__name__)

FORGET_EVERY_SECONDS: Final = 3600.0
JUDGE_EVERY_SECONDS: Final = 60.0


class ScheduleTicker(TableLoop):
    """Fires what is due, ends tasks that nobody answered in time and sessions whose time is over,
    takes back what experiments have shown to be worse, tells of keys that are about to expire, and
    once an hour forgets what is long past.
    """

    def __init__(self) -> None:
        super().__init__()
        self._forgot_at = self._loop.time()
        self._judge_at = self._loop.time()

    async def run_once(self) -> bool:
        for tenant_id, request_id in await in_thread(find_expired):
            await in_tenant(tenant_id, expire_input, request_id)
        due = await in_thread(schedules.find_due)
        num_fired = 0
        for found in due:
            run = await in_tenant(found.tenant_id, schedules.fire, found.schedule_id)
            num_fired += run is not None
        if self._loop.time() >= self._judge_at:
            self._judge_at = self._loop.time() + JUDGE_EVERY_SECONDS
            await _each_minute()
        if self._loop.time() - self._forgot_at >= FORGET_EVERY_SECONDS:
            self._forgot_at = self._loop.time()
            await _each_hour()
        return num_fired == schedules.BATCH


async def _each_minute() -> None:
    for tenant_id, experiment_id in await in_thread(find_running):
        await in_tenant(tenant_id, take_back_if_worse, experiment_id)
    for tenant_id, key_id in await in_thread(find_expiring):
        await in_tenant(tenant_id, tell_of_expiry, key_id)
    for tenant_id, session_id in await in_thread(find_ended_sessions):
        await in_tenant(tenant_id, expire_session, session_id)


async def _each_hour() -> None:
    await in_thread(forget_old)
    await in_thread(forget_answers)
    for tenant_id in await in_thread(_tenants):
        await in_tenant(tenant_id, purge_sessions, tenant_id)
        await in_tenant(tenant_id, purge_usage, tenant_id)
        await in_tenant(tenant_id, forget_history, tenant_id)


def _tenants() -> list[UUID]:
    return list(Tenant.objects.values_list("pk", flat=True))
