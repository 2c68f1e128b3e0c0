import pytest

from conversations.demo.content import SLUGS, read_content
from prompts.services import check_source
from routing.rules import RoutableMessage, Rule, compile_condition, first_match


def rules_of(slug: str) -> list[Rule]:
    return [
        Rule(rule.name, rule.name, compile_condition(rule.kind, rule.condition), rule.agent)
        for rule in read_content(slug).rules
    ]


@pytest.mark.parametrize(
    ("message", "agent"),
    [
        ("¿Cuánto cuesta el tubo PVC de 1/2?", "catalogo"),
        ("precios del cemento", "catalogo"),
        ("¿A cómo la varilla?", "catalogo"),
        ("¿Hay TUB-034?", "catalogo"),
        ("¿tienen disponible el taladro?", "catalogo"),
        ("Necesito 10 tubos PVC", "pedidos"),
        ("quiero unos 5 bultos de cemento", "pedidos"),
        ("MÁNDAME veinte varillas de 3/8", "pedidos"),
        ("¿Cómo va mi pedido #10452?", "pedidos"),
        ("Me pueden cotizar una barda", "pedidos"),
        ("quiero comprar pintura", "pedidos"),
        ("oiga, todavía no me entregan mi material", "pedidos"),
        ("Necesito factura", "pagos"),
        ("mi RFC es XAXX010101000", "pagos"),
        ("¿aceptan tarjeta?", "pagos"),
        ("¿Qué plazo tengo para una devolución?", "pagos"),
        ("¿A qué hora abren los sábados?", "recepcion"),
        ("¿dónde están?", "recepcion"),
    ],
)
def test_a_rule_decides_what_is_plain(message: str, agent: str) -> None:
    match = first_match(rules_of("ferreteria"), RoutableMessage.of(message))
    assert match is not None
    assert match.rule.agent_slug == agent


@pytest.mark.parametrize(
    "message",
    [
        "Hola, buenos días",
        "¿Qué me recomiendas para pintar una recámara?",
        "La llave de la cocina gotea, ¿tienen repuesto?",
        "¿Me lo pueden llevar a Zapopan?",
        "Quiero hablar con una persona",
        "Ya hice el depósito, ¿qué sigue?",
    ],
)
def test_the_rest_is_left_to_the_supervisor(message: str) -> None:
    assert first_match(rules_of("ferreteria"), RoutableMessage.of(message)) is None


@pytest.mark.parametrize("slug", SLUGS)
def test_a_demo_tenant_fits_together(slug: str) -> None:
    content = read_content(slug)
    agents = {agent.slug for agent in content.agents}
    assert {rule.agent for rule in content.rules} <= agents
    assert sum(agent.is_fallback for agent in content.agents) == 1
    assert {rule.kind for rule in content.rules} >= {"keyword", "regex"}
    assert len({dialogue.user_ref for dialogue in content.dialogues}) == len(content.dialogues)
    for agent in content.agents:
        assert check_source(agent.prompt).errors == ()
        assert "[[" not in agent.prompt


def test_the_hardware_store_has_what_the_mission_asks_for() -> None:
    content = read_content("ferreteria")
    slugs = ["catalogo", "pedidos", "pagos", "recepcion", "cobranza", "inventario"]
    assert [agent.slug for agent in content.agents] == slugs
    assert {one.agent for one in content.schedules} == {"cobranza", "inventario"}
    assert next(agent.slug for agent in content.agents if agent.is_fallback) == "recepcion"
    assert len(content.rules) >= 8
    tools = {agent.slug: set(agent.tools) for agent in content.agents}
    assert {"buscar_productos", "cotizar"} <= tools["catalogo"]
    assert {"cotizar", "crear_pedido", "liga_de_pago"} <= tools["pedidos"]
    assert {"buscar_facturas", "liga_de_pago"} <= tools["pagos"]
    assert content.server is not None
    assert set().union(*tools.values()) <= {tool["name"] for tool in content.server.offered}
    assert all("$68" not in agent.prompt for agent in content.agents)
