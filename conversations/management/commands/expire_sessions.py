"""`manage.py expire_sessions`: closes sessions whose time is over. Workers do it by themselves."""

from typing import Any

from django.core.management.base import BaseCommand

from conversations.services.retention import expire_session, find_ended_sessions
from tenants.scope import tenant_scope


class Command(BaseCommand):
    help = "Close the open sessions, of all tenants, whose time is over, and tell their watchers."

    def handle(self, *args: Any, **options: Any) -> None:
        num_expired = 0
        while ended := find_ended_sessions():
            num_before = num_expired
            for tenant_id, session_id in ended:
                with tenant_scope(tenant_id):
                    num_expired += expire_session(session_id)
            if num_expired == num_before:  # others are at it
                break
        self.stdout.write(f"{num_expired} sessions expired")
