"""What the offline model says, in both languages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from routing.llm.offline.language import Language


@dataclass(frozen=True, slots=True)
class Phrases:
    """Sentences with `{holes}`; the same holes in every language."""

    mark: str
    hello: str
    i_am: str
    bye: str
    can_help: str
    products_topic: str
    ask: str
    ask_by_intent: Mapping[str, str]
    priced: str
    stocked: str
    sold_out: str
    none_left: str
    short: str
    counted: str
    total: str
    here_it_is: str
    we_have: str
    also: str
    confirm: str
    how_many: str
    what_instead: str
    confirmed: str
    ordered: str
    order_is: str
    shipping: str
    pay_here: str
    next_step: str
    nothing_to_confirm: str
    declined: str
    not_found: str
    listing: str
    and_more: str
    no_person: str
    no_cancelling: str
    unknown: str
    puzzled: str
    tool_result: str
    tool_list: str
    tool_empty: str
    tool_error: str
    and_: str
    yes: str
    no: str


SPANISH: Final = Phrases(
    mark="(modelo sin conexión)",
    hello="¡Hola!",
    i_am="Soy {who}.",
    bye="¡Con gusto! Aquí estoy para lo que necesites.",
    can_help="Puedo ayudarte con {topics}.",
    products_topic="precios y existencias (por ejemplo: {examples})",
    ask="¿Qué necesitas?",
    ask_by_intent={
        "product": "Dime qué producto buscas y te doy precio y existencia.",
        "order": "Dime qué productos y qué cantidad necesitas, o el número de tu pedido.",
        "payment": "Dime el número de tu pedido o factura y qué necesitas: pagar, facturar o "
        "aclarar un cargo.",
    },
    priced="{name} ({sku}) cuesta {price} por {unit}.",
    stocked="Hay {stock} en existencia.",
    sold_out="Por ahora está agotado.",
    none_left="{name} está agotado por ahora",
    short="de {name} solo hay {stock} en existencia",
    counted="{quantity} × {name} ({sku}) a {price} = {total}",
    total="Total: {total}.",
    here_it_is="¡Claro! Esto sería:",
    we_have="Sí, esto es lo que manejamos:",
    also="También tengo: {others}.",
    confirm="¿Confirmas el pedido?",
    how_many="¿Qué cantidad necesitas?",
    what_instead="¿Lo dejamos en lo que hay, o prefieres otra cosa?",
    confirmed="¡Perfecto! Tomo nota de tu pedido:",
    ordered="¡Listo! Tu pedido {code} quedó registrado:",
    order_is="Pedido {code}: {status}.",
    shipping="Envío: {price}.",
    pay_here="Puedes pagar {total} aquí: {url}",
    next_step="Para lo que sigue:",
    nothing_to_confirm="¿Qué te gustaría confirmar? Dime el producto y la cantidad.",
    declined="De acuerdo, no hago ningún pedido. ¿Te ayudo con otra cosa?",
    not_found="No encuentro «{what}» en el catálogo.",
    listing="Esto es parte de lo que manejamos:",
    and_more="… y {count} más.",
    no_cancelling="Yo no puedo cancelar un pedido que ya quedó registrado.",
    no_person="Yo no puedo comunicarte con una persona desde aquí.",
    puzzled="Perdona, no te entendí.",
    unknown="De eso no tengo información.",
    tool_result="Esto es lo que encontré: {result}.",
    tool_list="Encontré {count} resultados:",
    tool_empty="No encontré resultados.",
    tool_error="No pude completarlo: {error}.",
    and_="y",
    yes="sí",
    no="no",
)
ENGLISH: Final = Phrases(
    mark="(offline model)",
    hello="Hello!",
    i_am="I am {who}.",
    bye="You're welcome! I'm here if you need anything else.",
    can_help="I can help you with {topics}.",
    products_topic="prices and stock (for example: {examples})",
    ask="What do you need?",
    ask_by_intent={
        "product": "Tell me which product you are looking for and I will give you price and stock.",
        "order": "Tell me which products and how many you need, or the number of your order.",
        "payment": "Tell me the number of your order or invoice and what you need: to pay, an "
        "invoice, or to clear up a charge.",
    },
    priced="{name} ({sku}) costs {price} per {unit}.",
    stocked="There are {stock} in stock.",
    sold_out="It is sold out for now.",
    none_left="{name} is sold out for now",
    short="there are only {stock} of {name} in stock",
    counted="{quantity} × {name} ({sku}) at {price} = {total}",
    total="Total: {total}.",
    here_it_is="Sure! That would be:",
    we_have="Yes, this is what we carry:",
    also="I also have: {others}.",
    confirm="Do you confirm the order?",
    how_many="How many do you need?",
    what_instead="Shall we make it what there is, or would you prefer something else?",
    confirmed="Great! I have noted your order:",
    ordered="Done! Your order {code} is placed:",
    order_is="Order {code}: {status}.",
    shipping="Delivery: {price}.",
    pay_here="You can pay {total} here: {url}",
    next_step="What comes next:",
    nothing_to_confirm="What would you like to confirm? Tell me the product and how many.",
    declined="All right, no order is made. Can I help you with anything else?",
    not_found="I cannot find “{what}” in the catalogue.",
    listing="This is part of what we carry:",
    and_more="… and {count} more.",
    no_cancelling="I cannot cancel an order that is already placed.",
    no_person="I cannot put you through to a person from here.",
    puzzled="Sorry, I did not understand that.",
    unknown="I have no information about that.",
    tool_result="This is what I found: {result}.",
    tool_list="I found {count} results:",
    tool_empty="I found no results.",
    tool_error="I could not complete it: {error}.",
    and_="and",
    yes="yes",
    no="no",
)
PHRASES: Final[Mapping[Language, Phrases]] = {"es": SPANISH, "en": ENGLISH}
