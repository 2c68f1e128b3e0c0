"""The cast: the rows that tests speak of. Owners are always named: no second tenant by accident."""

from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser

from conversations.models import Session
from prompts.models import Prompt, PromptVersion
from routing.models import Agent, LLMEndpoint, RoutingRule
from tenants.models import Membership, Tenant, Tier
from tenants.scope import tenant_scope


def make_tier(**values: Any) -> Tier:
    values = {"slug": "standard", "name": "Standard", "requests_per_minute": None} | values
    return Tier.objects.get_or_create(slug=values.pop("slug"), defaults=values)[0]


@dataclass
class House:
    """A tenant with its staff and a working set-up: an endpoint, two agents, a rule."""

    tenant: Tenant
    owner: AbstractBaseUser
    endpoint: LLMEndpoint
    agents: dict[str, Agent] = field(default_factory=dict)
    rules: list[RoutingRule] = field(default_factory=list)

    @property
    def id(self) -> Any:
        return self.tenant.id


def make_tenant(slug: str, **values: Any) -> Tenant:
    values = {"name": slug.title(), "tier": make_tier()} | values
    return Tenant.objects.create(slug=slug, **values)


def make_member(tenant: Tenant, name: str, role: str = Membership.Role.OWNER) -> AbstractBaseUser:
    user = get_user_model().objects.create_user(name, password="pass", is_staff=True)
    with tenant_scope(tenant.id):
        Membership.objects.create(user=user, role=role)
    return user


def make_agent(
    tenant: Tenant, slug: str, source: str = "You are {{ agent.name }}.", **values: Any
) -> Agent:
    with tenant_scope(tenant.id):
        prompt = Prompt.objects.create(slug=slug, name=slug.title())
        PromptVersion.objects.create(
            prompt=prompt, number=1, source=source, status=PromptVersion.Status.PUBLISHED
        )
        # Most tests want to see what went wrong, and not what a customer is told of it.
        usual = {"description": f"Answers about {slug}.", "failure_answer": ""}
        values = {"name": slug.title(), **usual} | values
        return Agent.objects.create(slug=slug, prompt=prompt, **values)


def make_rule(tenant: Tenant, agent: Agent, keywords: list[str], **values: Any) -> RoutingRule:
    with tenant_scope(tenant.id):
        position = RoutingRule.objects.count()
        values = {
            "name": f"rule {position}",
            "position": position,
            "condition": {"any": keywords},
        } | values
        return RoutingRule.objects.create(agent=agent, **values)


def make_house(slug: str) -> House:
    tenant = make_tenant(slug)
    with tenant_scope(tenant.id):
        endpoint = LLMEndpoint.objects.create(name="Offline", is_default=True)
    house = House(tenant, make_member(tenant, f"owner-{slug}"), endpoint)
    house.agents["desk"] = make_agent(tenant, "desk", is_fallback=True)
    house.agents["sales"] = make_agent(tenant, "sales")
    house.rules.append(make_rule(tenant, house.agents["sales"], ["price", "precio"]))
    return house


def make_session(tenant: Tenant, **values: Any) -> Session:
    with tenant_scope(tenant.id):
        return Session.objects.create(**values)
