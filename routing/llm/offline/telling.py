"""Orders, quotes and payment links that tools came back with, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from routing.llm.offline import offers
from routing.llm.offline.catalogue import Mention
from routing.llm.offline.conversation import Conversation
from routing.llm.offline.knowledge import (
    CURRENCY_KEYS,
    listed_in,
    price_of,
    value_of,
)
from routing.llm.offline.money import Price
from routing.llm.offline.offers import Bill
from routing.llm.offline.phrases import Phrases
from routing.llm.offline.results import fault_of, summary
from routing.llm.offline.tool_names import has_made
from routing.llm.offline.turns import Outcome
from routing.llm.offline.vocabulary import vocabulary

CODE_KEYS: Final = vocabulary("folio order_id order_number number numero pedido_id pedido id")
STATUS_KEYS: Final = vocabulary("estado status estatus")
SHIPPING_KEYS: Final = vocabulary("envio shipping delivery_fee flete")
TOTAL_KEYS: Final = vocabulary("total total_amount amount monto")


@dataclass(frozen=True, slots=True)
class Receipt:
    """Products with quantities that a tool answered; `code` is that of an order, or empty."""

    mentions: tuple[Mention, ...]
    bill: Bill
    code: str
    status: str
    is_made: bool


def told(talk: Conversation, said: Phrases) -> str:
    """What became of an order or a quote, with what went wrong after it; empty without either."""
    receipts = [r for outcome in talk.outcomes if (r := _receipt(outcome)) is not None]
    link = _link(talk.outcomes, said)
    if not receipts:
        return link
    faults = [outcome.text for outcome in talk.outcomes if fault_of(outcome.text)]
    parts = [_receipt_in_words(talk, receipts[-1], said), link]
    if faults:
        parts.append(summary(faults[-1:], said))
    return "\n".join(filter(None, parts))


def _receipt_in_words(talk: Conversation, receipt: Receipt, said: Phrases) -> str:
    if not receipt.code:
        others = {mention.product.sku: mention.others for mention in talk.basket}
        quoted = [
            replace(mention, others=others.get(mention.product.sku, ()))
            for mention in receipt.mentions
        ]
        return offers.offer(quoted, said, receipt.bill)
    opening = said.ordered if receipt.is_made else said.order_is
    lines = offers.order_lines(receipt.mentions, said, receipt.bill)
    return "\n".join([opening.format(code=receipt.code, status=receipt.status), *lines])


def _receipt(outcome: Outcome) -> Receipt | None:
    value = value_of(outcome.text)
    if not isinstance(value, Mapping) or fault_of(outcome.text):
        return None
    listed = [one for one in listed_in(value) if one.quantity is not None]
    if not listed:
        return None
    currency = str(_under(value, CURRENCY_KEYS) or "")
    return Receipt(
        mentions=tuple(Mention(one.product, one.quantity) for one in listed),
        bill=Bill(
            shipping=price_of(_under(value, SHIPPING_KEYS), currency),
            total=price_of(_under(value, TOTAL_KEYS), currency),
        ),
        code=str(_under(value, CODE_KEYS) or ""),
        status=str(_under(value, STATUS_KEYS) or ""),
        is_made=has_made(outcome.name),
    )


def _link(outcomes: Sequence[Outcome], said: Phrases) -> str:
    """Where to pay, when a tool said so."""
    for outcome in reversed(outcomes):
        value = value_of(outcome.text)
        if not isinstance(value, Mapping):
            continue
        url = next((v for v in value.values() if _is_url(v)), None)
        total: Price | None = price_of(
            _under(value, TOTAL_KEYS), str(_under(value, CURRENCY_KEYS) or "")
        )
        if url is not None and total is not None:
            return said.pay_here.format(total=total, url=url)
    return ""


def _under(value: Mapping[str, Any], keys: frozenset[str]) -> Any:
    return next((v for k, v in value.items() if str(k).casefold() in keys), None)


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("https://", "http://"))
