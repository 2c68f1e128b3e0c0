"""Sentences about products: prices, totals, what is left."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from routing.llm.offline.briefing import Fact, Product
from routing.llm.offline.catalogue import Mention
from routing.llm.offline.intents import has_cue
from routing.llm.offline.money import Price
from routing.llm.offline.phrases import Phrases

MAX_LISTED: Final = 8
#: Facts about these are the next step after an order is confirmed.
NEXT_STEPS: Final = ("pago", "pagos", "entrega", "envio", "payment", "delivery", "shipping")


@dataclass(frozen=True, slots=True)
class Bill:
    """What comes on top of the lines, and what it makes; None where nobody says so."""

    shipping: Price | None = None
    total: Price | None = None


def offer(mentions: Sequence[Mention], said: Phrases, bill: Bill = Bill()) -> str:
    """What the mentioned products cost: with a total and a question when quantities are known."""
    if any(mention.quantity is not None for mention in mentions):
        lines = order_lines(mentions, said, bill)
        return "\n".join([said.here_it_is, *lines, _closing(mentions, said)])
    if len(mentions) == 1:
        return _single(mentions[0], said)
    return choice([mention.product for mention in mentions], said)


def choice(products: Sequence[Product], said: Phrases) -> str:
    """What there is to choose from."""
    lines = [f"• {_priced(product, said)}" for product in products[:MAX_LISTED]]
    return "\n".join([said.we_have, *lines, said.how_many])


def confirmation(mentions: Sequence[Mention], facts: Sequence[Fact], said: Phrases) -> str:
    """A confirmed order and what comes next; asks for a quantity where none was said."""
    if not mentions:
        return said.nothing_to_confirm
    if all(mention.quantity is None for mention in mentions):
        return _single(mentions[0], said)
    steps = [f"• {fact.key}: {fact.text}" for fact in facts if has_cue(NEXT_STEPS, fact.key)]
    ending = [said.next_step, *steps] if steps else []
    return "\n".join([said.confirmed, *order_lines(mentions, said), *ending])


def listing(products: Sequence[Product], said: Phrases) -> str:
    """The first products of the catalogue, and how many more there are."""
    lines = [f"• {_priced(product, said)}" for product in products[:MAX_LISTED]]
    rest = len(products) - MAX_LISTED
    more = [said.and_more.format(count=rest)] if rest > 0 else []
    return "\n".join([said.listing, *lines, *more, said.ask])


def _single(mention: Mention, said: Phrases) -> str:
    sentences = [_priced(mention.product, said)]
    if mention.others:
        sentences.append(said.also.format(others=_named(mention.others)))
    if mention.product.stock != 0:
        sentences.append(said.how_many)
    return " ".join(sentences)


def _priced(product: Product, said: Phrases) -> str:
    sentence = said.priced.format(
        name=product.name,
        sku=product.sku,
        price=product.price,
        unit=product.unit or "1",
    )
    if product.stock is None:
        return sentence
    left = said.stocked.format(stock=product.stock) if product.stock else said.sold_out
    return f"{sentence} {left}"


def order_lines(mentions: Sequence[Mention], said: Phrases, bill: Bill = Bill()) -> list[str]:
    """A line for each product, and what they make together."""
    lines, amount = [], Decimal(0)
    writing: Price | None = None
    for mention in mentions:
        price = mention.product.price
        if price is None:
            continue
        quantity = mention.quantity or Decimal(1)
        amount += price.amount * quantity
        writing = writing or price
        counted = said.counted.format(
            quantity=number(quantity),
            name=mention.product.name,
            sku=mention.product.sku,
            price=price,
            total=price.times(quantity),
        )
        lines.append(f"• {counted}")
    if bill.shipping is not None and bill.shipping.amount:
        lines.append(said.shipping.format(price=bill.shipping))
    total = bill.total or (writing.with_amount(amount) if writing else None)
    return [*lines, said.total.format(total=total)] if total else lines


def _closing(mentions: Sequence[Mention], said: Phrases) -> str:
    shortages = [
        (said.short if mention.product.stock else said.none_left).format(
            name=mention.product.name, stock=mention.product.stock
        )
        for mention in mentions
        if mention.product.stock is not None
        and (mention.quantity or Decimal(1)) > mention.product.stock
    ]
    if shortages:
        sentence = f" {said.and_} ".join(shortages)
        return f"{sentence[0].upper()}{sentence[1:]}. {said.what_instead}"
    others = [other for mention in mentions for other in mention.others]
    if not others:
        return said.confirm
    return f"{said.also.format(others=_named(others))} {said.confirm}"


def _named(products: Sequence[Product]) -> str:
    return ", ".join(
        f"{product.name} ({', '.join(filter(None, [product.sku, str(product.price)]))})"
        for product in products
    )


def number(quantity: Decimal) -> str:
    """`quantity` without needless zeros: 10, 2.5."""
    return f"{quantity.normalize():f}"
