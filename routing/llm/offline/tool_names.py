"""What the name of a tool says it does."""

from typing import Final

from routing.llm.offline.synonyms import ideas_in

QUOTE_IDEA: Final = ideas_in("cotizar")
CREATE_IDEA: Final = ideas_in("crear")
ORDER_IDEA: Final = ideas_in("pedido")
LINK_IDEA: Final = ideas_in("liga")


def ideas_of(name: str) -> frozenset[str]:
    """The ideas in the name of a tool, that of its server aside: `shop__search_products`."""
    return ideas_in(own_name(name))


def own_name(name: str) -> str:
    return name.rpartition("__")[2]


def has_made(name: str) -> bool:
    """True when the tool called `name` says it creates something."""
    return bool(CREATE_IDEA & ideas_of(name))


def is_handing_over(name: str) -> bool:
    """True for a tool that passes the conversation on: who answers was decided before this."""
    return name == "hand_off"
