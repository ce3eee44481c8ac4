"""Orders whose discounts could be read in two ways, settled by what their receipts charge.

Belongs here: bringing an order and its receipts together. The rule stands in
`assets.rules.discounts`; reading receipts does not belong here (`money_import`).
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from assets.rules.discounts import OrderDiscount, PricedItem, Reading, settle
from assets.rules.money import InexactAmountError, to_cents
from resources.operations.database import OperationsDatabase
from resources.operations.receipts import ambiguous_orders
from resources.operations.settled_prices import SettledItem, settle_reading
from resources.otto.errors import OttoPermanent
from resources.otto.wire import Amount, PartnerOrder


def settle_discounts(
    db: OperationsDatabase, read_order: Callable[[str], PartnerOrder], now: datetime
) -> Counter[str]:
    """Settle what can be settled; returns outcome to count.

    Outcomes: `included` and `on_top` (fixed), `both` (the receipts so far fit both), `none` (they
    fit neither: a break for finance), `unreadable` (OTTO does not give the order any more).

    Args:
        db: the operations database.
        read_order: reads an order at OTTO, since we keep its discounts only in sum.
        now: business time, aware UTC.
    """
    counts: Counter[str] = Counter()
    with db.read() as conn:
        waiting = ambiguous_orders(conn)
    for charged in waiting:
        try:
            order = read_order(charged.sales_order_id)
            items, discounts = _priced(order), _discounts(order)
        except (OttoPermanent, InexactAmountError):
            counts["unreadable"] += 1
            continue
        found = settle(items, discounts, charged.charged_cents)
        counts[found.holds] += 1
        if found.holds in {"both", "none"}:
            continue
        reading: Reading = "included" if found.holds == "included" else "on_top"
        settled = [
            SettledItem(item.position_item_id, share.share_cents, share.buyer_price_cents)
            for item, share in zip(items, found.shares, strict=True)
        ]
        with db.write() as conn:
            settle_reading(conn, charged.sales_order_id, reading, settled, now)
    return counts


def _priced(order: PartnerOrder) -> list[PricedItem]:
    return [
        PricedItem(
            item.position_item_id,
            to_cents(item.item_value_gross_price.amount),
            _cents_or_none(item.item_value_reduced_gross_price),
        )
        for item in order.position_items
    ]


def _discounts(order: PartnerOrder) -> list[OrderDiscount]:
    return [
        OrderDiscount(
            discount.discount_id,
            to_cents(discount.discount_amount.amount),
            tuple(discount.position_item_ids),
        )
        for discount in order.initial_discounts or ()
    ]


def _cents_or_none(amount: Amount | None) -> int | None:
    return None if amount is None else to_cents(amount.amount)
