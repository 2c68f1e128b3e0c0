"""A house whose rules know what messages mean, by vectors that a scripted upstream tells."""

from collections.abc import Mapping
from typing import Any

from asgiref.sync import sync_to_async

from routing.embedding import Embedded, embed_examples
from routing.gateway import Gateway
from routing.models import ExampleVector, LLMEndpoint, RoutingRule
from tenants.scope import in_tenant, tenant_scope
from tenants.services import touch_configuration
from tests.cast import House, make_rule
from tests.fakes.embeddings import beside, embeds
from tests.fakes.llm_door import open_door
from tests.fakes.llm_server import FAKE_BASE_URL, Behaviour, says

#: Two things that people mean; a message between them is nearer to the first.
LOST, BILL = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
VECTORS: Mapping[str, tuple[float, ...]] = {
    "mi pedido": LOST,
    "quiero factura": BILL,
    "where is my parcel": (0.9, 0.1, 0.1),
    "algo": (0.5, 0.4, 0.7),
}
EMBEDS = embeds(VECTORS)


def let_it_embed(house: House, **values: Any) -> House:
    """Rules that ask what messages mean, and an endpoint that can tell."""
    examples = {"lost": ("mi pedido no llega", "sales"), "bill": ("quiero factura", "desk")}
    for name, (example, slug) in examples.items():
        make_rule(
            house.tenant,
            house.agents[slug],
            [],
            name=name,
            kind="examples",
            intent=name,
            condition={"examples": [example], "threshold": 0.9, "meaning": 0.8},
        )
    with tenant_scope(house.id):
        changes = {"base_url": FAKE_BASE_URL, "llm": "fake-1", "embedding_llm": "embedder-1"}
        LLMEndpoint.objects.update(**(changes | values))
        touch_configuration(house.id)
    return house


async def embed(house: House, behaviour: Behaviour = EMBEDS) -> tuple[Embedded, list[list[str]]]:
    """What came of it, and the texts that were asked about."""
    async with open_door(beside(behaviour, says("ok"))) as door:
        found = await embed_examples(house.id, Gateway(door.client))
        return found, [call.body["input"] for call in door.fake.calls]


async def vectors(house: House) -> list[ExampleVector]:
    return await in_tenant(house.id, lambda: list(ExampleVector.objects.order_by("id")))


async def change_rule(house: House, name: str, **values: Any) -> None:
    def change() -> None:
        with tenant_scope(house.id):
            RoutingRule.objects.filter(name=name).update(**values)
            touch_configuration(house.id)

    await sync_to_async(change)()


async def change_endpoint(house: House, **values: Any) -> None:
    def change() -> None:
        with tenant_scope(house.id):
            LLMEndpoint.objects.update(**values)
            touch_configuration(house.id)

    await sync_to_async(change)()
