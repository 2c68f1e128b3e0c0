"""People at the admin, and something for them to look at."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from conversations.models import Message, Session, Step, Task
from tenants.admin_scope import FORM_FIELD
from tenants.models import Tenant
from tenants.scope import tenant_scope
from tenants.usage_models import UsageRecord
from tests.cast import House

#: Text that would run if any page forgot to escape it.
XSS = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>"


class Desk:
    """A browser somebody signed in with; forms it posts were shown under `tenant`."""

    def __init__(self, user: AbstractBaseUser, tenant: Tenant | None = None) -> None:
        self.client = Client(headers={"Accept-Language": "en"})
        self.client.cookies["django_language"] = "en"
        self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        self.tenant = tenant

    def get(self, page: str, /, *args: Any, **query: Any) -> HttpResponse:
        return self.client.get(reverse(f"admin:{page}", args=args), query)

    def post(self, page: str, /, *args: Any, **data: Any) -> HttpResponse:
        data.setdefault(FORM_FIELD, str(self.tenant.id) if self.tenant else "")
        return self.client.post(reverse(f"admin:{page}", args=args), data)

    def enter(self, tenant: Tenant | None) -> HttpResponse:
        """Go to another tenant, in another tab: this one's forms stay what they were."""
        return self.post("tenants_tenant_switch", tenant=str(tenant.id) if tenant else "")


def desk_of(house: House) -> Desk:
    """The owner of the house at the admin."""
    return Desk(house.owner, house.tenant)


def make_superuser(name: str = "root") -> AbstractBaseUser:
    return get_user_model().objects.create_superuser(name, password="pass")


def superuser_in(house: House) -> Desk:
    desk = Desk(make_superuser())
    desk.enter(house.tenant)
    desk.tenant = house.tenant
    return desk


def make_turn(
    tenant: Tenant, question: str = "hola", answer: str = "buenas", **session_values: Any
) -> Task:
    """A session with one question and its answer, as the engine would have left them."""
    with tenant_scope(tenant.id):
        values = {"user_name": "Lucía", "user_ref": "c-1", "last_seq": 3} | session_values
        session = Session.objects.create(**values)
        task = Task.objects.create(session=session, seq=2, turn=1, status="completed", num_steps=2)
        for seq, role, text in ((1, "user", question), (3, "assistant", answer)):
            Message.objects.create(
                session=session,
                task=task,
                seq=seq,
                turn=1,
                role=role,
                content=text,
                agent_slug="sales" if role == "assistant" else "",
            )
        Step.objects.create(
            task=task, number=1, kind="route", attempt=1, agent_slug="sales", reason="rule «price»"
        )
        Step.objects.create(
            task=task,
            number=2,
            kind="model",
            attempt=1,
            agent_slug="sales",
            llm="orkesta-offline",
            input={"messages": [{"role": "user", "content": question}]},
            output={"text": answer},
            input_tokens=30,
            output_tokens=12,
            duration_ms=420.0,
        )
        UsageRecord.objects.create(
            kind="llm",
            task_id=task.id,
            session_id=session.id,
            agent_slug="sales",
            llm="orkesta-offline",
            input_tokens=30,
            output_tokens=12,
            price_source="built_in",
            duration_ms=420.0,
            day=timezone.localdate(),
        )
        return task
