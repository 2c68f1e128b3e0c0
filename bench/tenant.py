"""Makes the bench tenant, in the environment of the server under test.

    python -m bench.tenant --llm http://127.0.0.1:9000/v1

Prints one JSON line: the tenant's slug and an API key. Four agents, ten rules, no limits.
"""

import argparse
import os

import django
import orjson

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orkesta.settings")
django.setup()

from prompts.models import Prompt, PromptVersion  # noqa: E402
from routing.models import Agent, LLMEndpoint, RoutingRule  # noqa: E402
from tenants.models import Tenant, Tier  # noqa: E402
from tenants.scope import tenant_scope  # noqa: E402
from tenants.services import issue_api_key  # noqa: E402

SLUG = "bench"
SCOPES = ["chat:write", "tasks:read", "tasks:write", "tasks:control"]
SCOPES += ["schedules:manage", "webhooks:manage", "prompts:read", "prompts:write"]
AGENTS = {
    "catalogo": "Busca productos, precios y existencias.",
    "pedidos": "Toma pedidos y dice en qué van.",
    "pagos": "Cobra, factura y resuelve dudas de pago.",
    "recepcion": "Saluda y atiende lo que nadie más atiende.",
}
RULES: list[tuple[str, str, dict[str, object]]] = [
    ("pedidos", "keyword", {"any": ["pedido", "orden", "envío"]}),
    ("pedidos", "keyword", {"any": ["comprar", "encargar", "apartar"]}),
    ("pedidos", "regex", {"pattern": r"\bpedido\s+#?\d+"}),
    ("pagos", "keyword", {"any": ["factura", "recibo", "nota de crédito"]}),
    ("pagos", "keyword", {"any": ["pagar", "tarjeta", "transferencia"]}),
    ("pagos", "regex", {"pattern": r"\bRFC\s+[A-Z]{3,4}\d{6}"}),
    ("recepcion", "keyword", {"any": ["horario", "dirección", "sucursal"]}),
    ("catalogo", "keyword", {"any": ["existencia", "inventario"]}),
    ("catalogo", "regex", {"pattern": r"\b\d+\s+(tubos?|tornillos?)\b"}),
    ("catalogo", "keyword", {"any": ["precio", "cotizar", "cuánto cuesta"]}),
]
PROMPT = """Eres {{ agent.name }} de {{ tenant.name }}. {{ agent.description }}
Responde en español, en pocas frases y con lo que sabes.
{% if user.name %}Hablas con {{ user.name }}.{% endif %}"""


def make_tenant(llm_url: str) -> dict[str, str]:
    """The slug of the bench tenant and the plain text of its API key."""
    tier = Tier.objects.create(
        slug="bench", name="Bench", requests_per_minute=10**9, requests_per_session=10**6
    )
    tenant = Tenant.objects.create(slug=SLUG, name="Ferretería Bench", tier=tier)
    with tenant_scope(tenant.id):
        LLMEndpoint.objects.create(name="Mock", base_url=llm_url, llm="bench", is_default=True)
        for slug, description in AGENTS.items():
            _make_agent(slug, description)
        for position, (slug, kind, condition) in enumerate(RULES):
            RoutingRule.objects.create(
                name=f"rule {position}",
                position=position,
                kind=kind,
                condition=condition,
                agent=Agent.objects.get(slug=slug),
            )
        _, key = issue_api_key(tenant=tenant, name="bench", scopes=SCOPES)
    return {"slug": SLUG, "key": key}


def _make_agent(slug: str, description: str) -> None:
    prompt = Prompt.objects.create(slug=slug, name=slug.title())
    PromptVersion.objects.create(
        prompt=prompt, number=1, source=PROMPT, status=PromptVersion.Status.PUBLISHED
    )
    Agent.objects.create(
        slug=slug,
        name=slug.title(),
        description=description,
        prompt=prompt,
        is_fallback=slug == "recepcion",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llm", required=True, help="base URL of the mock LLM")
    print(orjson.dumps(make_tenant(parser.parse_args().llm)).decode())
