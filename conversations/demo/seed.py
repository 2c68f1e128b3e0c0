"""Writes the demo tenants: once, and then only what keeps their doors open."""

from contextlib import ExitStack
from dataclasses import asdict

from django.conf import settings
from django.db import transaction

from conversations.demo.access import OPERATOR, ensure_access, ensure_user
from conversations.demo.content import SLUGS, DemoAgent, DemoContent, read_content
from conversations.demo.dialogues import hold_dialogues
from conversations.demo.endpoint import follow_environment, plant_offline_endpoint
from conversations.demo.shop import shop_running
from conversations.demo.tools import follow_shop, plant_tools
from conversations.triggers.schedules import create_schedule
from prompts.models import Prompt
from prompts.services import publish_version, save_draft
from routing.models import Agent, RoutingRule
from tenants.models import Tenant, Tier
from tenants.scope import tenant_scope
from tenants.services import touch_configuration


def seed_demo(*, has_dialogues: bool = True, shop_url: str | None = None) -> list[str]:
    """Have both demo tenants; the slugs of those that were new.

    What exists is kept as people left it, deletions included: a second run writes only a login or
    a key that no longer works, and follows OPENAI_API_KEY and the MCP server at `shop_url`. Without
    an address (None) that server is started for as long as the dialogues of a new tenant take.
    """
    contents = [read_content(slug) for slug in SLUGS]
    known = set(Tenant.objects.filter(slug__in=SLUGS).values_list("slug", flat=True))
    with ExitStack() as stack:
        if shop_url is None and has_dialogues and known < set(SLUGS):
            shop_url = stack.enter_context(shop_running())
        new = [c.slug for c in contents if _seed(c, has_dialogues=has_dialogues, shop_url=shop_url)]
    if settings.DEBUG:
        ensure_user(OPERATOR, is_superuser=True)
    return new


def _seed(content: DemoContent, *, has_dialogues: bool, shop_url: str | None) -> bool:
    tenant = Tenant.objects.filter(slug=content.slug).first()
    is_new = tenant is None
    if tenant is None:
        tenant = _plant(content)
    if content.server is not None and shop_url:
        with tenant_scope(tenant.id), transaction.atomic():
            follow_shop(tenant, content.server.slug, shop_url)
    if is_new and has_dialogues:
        hold_dialogues(tenant, content.dialogues)
    with tenant_scope(tenant.id), transaction.atomic():
        ensure_access(tenant, content.owner)
        follow_environment(tenant)
    return is_new


@transaction.atomic
def _plant(content: DemoContent) -> Tenant:
    """All of a tenant's configuration, or nothing of it."""
    # Enough for whoever tries what the installation can bear.
    limits = {"name": "Demo", "requests_per_minute": 100_000}
    tier, _ = Tier.objects.get_or_create(slug="demo", defaults=limits)
    tenant = Tenant.objects.create(
        slug=content.slug,
        name=content.name,
        tier=tier,
        time_zone=content.time_zone,
        business_context=content.business_context,
    )
    with tenant_scope(tenant.id):
        plant_offline_endpoint()
        agents = {agent.slug: _plant_agent(agent) for agent in content.agents}
        plant_tools(content, agents)
        for position, rule in enumerate(content.rules, start=1):
            row = RoutingRule(
                name=rule.name,
                position=position * 10,
                kind=rule.kind,
                condition=rule.condition,
                intent=rule.intent,
                agent=agents[rule.agent],
            )
            row.clean()
            row.save()
        for schedule in content.schedules:
            create_schedule(tenant_id=tenant.id, values=asdict(schedule))
        touch_configuration(tenant.id)
    tenant.refresh_from_db()
    return tenant


def _plant_agent(agent: DemoAgent) -> Agent:
    prompt = Prompt.objects.create(slug=agent.slug, name=agent.name)
    publish_version(version=save_draft(prompt=prompt, source=agent.prompt, notes="Demo"))
    return Agent.objects.create(
        slug=agent.slug,
        name=agent.name,
        description=agent.description,
        intents=list(agent.intents),
        prompt=prompt,
        is_fallback=agent.is_fallback,
    )
