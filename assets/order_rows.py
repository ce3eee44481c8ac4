"""OTTO orders as columns: of the operations database, and of the frames the contract judges.

Belongs here: the one translation of wire orders into cents, times, shares and deadlines. Nothing is
refused here: what cannot be translated becomes a null and a word that the contract finds. Chunks,
storing and quarantine do not belong here (`order_import`).

This is the hot path of the import. It works column by column over the orders of a page, because a
dict or an object for each row would cost more than what is computed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, chain
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pandas as pd

from assets.contracts.rules import RULES
from assets.order_values import (
    address_json,
    cents_of,
    currency_of,
    inexact_amount_of,
    missing_part,
    moment_of,
    rate_text,
    sum_of,
)
from assets.rules.deadlines import ship_by
from assets.rules.discounts import (
    OrderDiscount,
    PricedItem,
    Spread,
    spread_discounts,
)
from assets.rules.money import to_cents
from resources.operating_model import OperatingModel
from resources.operations.bulk import pick
from resources.otto.wire import (
    InitialDiscount,
    PartnerOrder,
    PositionItem,
)

Columns = dict[str, list[Any]]

_BERLIN = ZoneInfo("Europe/Berlin")
_ENCODER = msgspec.json.Encoder()
_CENT_COLUMNS = {
    "gross_cents",
    "reduced_cents",
    "item_discount_cents",
    "delivery_fee_cents",
    "order_discount_cents",
    "shares_cents",
}
_STORED_AS_JUDGED = (
    "sales_order_id",
    "position_item_id",
    "sku",
    "vat_rate",
    "currency",
    "gross_cents",
    "reduced_cents",
    "fulfilment_status",
)


class ReceivedOrder(NamedTuple):
    """An order with the reference of the page that holds it and its `payload_hash`."""

    order: PartnerOrder
    page_ref: str
    payload_hash: str


@dataclass(frozen=True, slots=True)
class OrderColumns:
    """Columns for `resources.operations`, and what the contract looks at, in the same order.

    Rows of orders that break the contract may hold nulls where the database takes none.
    """

    orders: Columns
    items: Columns
    order_facts: Columns
    item_facts: Columns

    @classmethod
    def joined(cls, parts: Sequence["OrderColumns"]) -> "OrderColumns":
        """All rows of `parts`, of which there is at least one."""
        return cls(
            _joined([part.orders for part in parts]),
            _joined([part.items for part in parts]),
            _joined([part.order_facts for part in parts]),
            _joined([part.item_facts for part in parts]),
        )

    def keep(self, rows: Sequence[int]) -> "OrderColumns":
        """Only the orders at `rows`, with their items."""
        counts = self.order_facts["item_count"]
        if len(rows) == len(counts):
            return self
        ends = list(accumulate(counts))
        items = [item for row in rows for item in range(ends[row] - counts[row], ends[row])]
        return OrderColumns(
            pick(self.orders, rows),
            pick(self.items, items),
            pick(self.order_facts, rows),
            pick(self.item_facts, items),
        )

    def orders_frame(self) -> pd.DataFrame:
        """The frame of `assets.contracts.orders`."""
        return _frame(self.order_facts)

    def lines_frame(self) -> pd.DataFrame:
        """The frame of `assets.contracts.order_lines`."""
        return _frame(self.item_facts)


class OrderTranslator:
    """Translates orders as one operating model says."""

    def __init__(self, model: OperatingModel) -> None:
        self._reading = model.orders.discount_reading
        self._warehouse = model.warehouse
        # The carrier is not chosen yet, so the slowest one for parcels sets the deadline.
        carriers = list(model.carriers.values())
        parcel = [carrier for carrier in carriers if carrier.kind == "parcel"] or carriers
        self._transit_days = max((carrier.transit_days for carrier in parcel), default=1)
        self._ship_by: dict[datetime | None, datetime | None] = {}
        # Part of every payload hash: after a correction of the operating model, or with a new
        # rule, re-imported orders differ from what we hold and are translated and judged again.
        judged_by = [sorted(model.vat_rates), *RULES]
        derivation = [self._reading, self._transit_days, self._warehouse.model_dump(mode="json")]
        self._hash = hashlib.sha256(msgspec.json.encode([derivation, judged_by]))
        self._encoded = bytearray()

    def payload_hash(self, order: PartnerOrder) -> str:
        """A hash of all that decides what the order is translated to and how it is judged."""
        _ENCODER.encode_into(order, self._encoded)
        content = self._hash.copy()
        content.update(self._encoded)
        return content.hexdigest()[:32]

    def columns(self, received: Sequence[ReceivedOrder]) -> OrderColumns:
        """Columns of orders, in their order."""
        orders = [entry.order for entry in received]
        items, item_facts = self._items(orders)
        charges = self._charges(orders, items)
        facts = {name: charges[name] for name in charges if name != "discount_reading"}
        facts |= _addresses(orders)
        facts["sales_order_id"] = [order.sales_order_id for order in orders]
        facts["item_count"] = [len(order.position_items) for order in orders]
        facts["unreadable_date"] = bad_dates = [""] * len(orders)

        ordered_at = _times("orderDate", [order.order_date for order in orders], bad_dates)
        modified = [order.last_modified_date for order in orders]
        changed = [order.order_lifecycle_information.lifecycle_change_date for order in orders]
        payments = [order.payment for order in orders]
        columns = {
            "sales_order_id": facts["sales_order_id"],
            "order_number": [order.order_number for order in orders],
            "ordered_at": ordered_at,
            "order_day": [at.astimezone(_BERLIN).date() if at else None for at in ordered_at],
            "last_modified_at": _times("lastModifiedDate", modified, bad_dates),
            "lifecycle_changed_at": _times("lifecycleChangeDate", changed, bad_dates),
            "payment_method": [paid.payment_method if paid else None for paid in payments],
            "delivery_address": [address_json(order.delivery_address) for order in orders],
            "delivery_fee_cents": charges["delivery_fee_cents"],
            "order_discount_cents": charges["order_discount_cents"],
            "discount_reading": charges["discount_reading"],
            "payload_hash": [entry.payload_hash for entry in received],
            "page_ref": [entry.page_ref for entry in received],
        }
        return OrderColumns(columns, items, facts, item_facts)

    def _items(self, orders: list[PartnerOrder]) -> tuple[Columns, Columns]:
        """The items of all orders, still without shares, and what the contract looks at."""
        items = [item for order in orders for item in order.position_items]
        products = [item.product for item in items]
        parcels = [item.tracking_info for item in items]
        facts = _prices(items)
        facts["sales_order_id"] = [
            order.sales_order_id for order in orders for _ in order.position_items
        ]
        facts["position_item_id"] = [item.position_item_id for item in items]
        facts["sku"] = [product.sku for product in products]
        facts["fulfilment_status"] = [item.fulfillment_status for item in items]
        facts["vat_rate"] = [rate_text(product.vat_rate) for product in products]
        facts["unreadable_date"] = bad_dates = [""] * len(items)

        gross, reduced = facts["gross_cents"], facts["reduced_cents"]
        price = [(g or 0) if r is None else r for g, r in zip(gross, reduced, strict=True)]
        promised = [item.expected_delivery_date for item in items]
        expected = _times("expectedDeliveryDate", promised, bad_dates)
        processable = [item.processable_date for item in items]
        sent = [item.sent_date for item in items]
        returned = [item.returned_date for item in items]
        cancelled = [item.cancellation_date for item in items]
        columns = {
            **{name: facts[name] for name in _STORED_AS_JUDGED},
            "title": [product.product_title for product in products],
            "ean": [product.ean for product in products],
            "article_number": [product.article_number for product in products],
            "item_discount_cents": [
                (g or 0) - p if given is None else given
                for g, p, given in zip(gross, price, facts["item_discount_cents"], strict=True)
            ],
            "order_discount_share_cents": [0] * len(items),
            "buyer_price_cents": price,
            "expected_delivery_at": expected,
            "processable_at": _times("processableDate", processable, bad_dates),
            "sent_at": _times("sentDate", sent, bad_dates),
            "returned_at": _times("returnedDate", returned, bad_dates),
            "cancelled_at": _times("cancellationDate", cancelled, bad_dates),
            "cancellation_reason": [item.cancellation_reason for item in items],
            "otto_carrier": [parcel.carrier if parcel else None for parcel in parcels],
            "otto_tracking_number": [
                parcel.tracking_number if parcel else None for parcel in parcels
            ],
            "ship_by_at": self._deadlines(expected),
        }
        return columns, facts

    def _charges(self, orders: list[PartnerOrder], items: Columns) -> Columns:
        """What orders charge and take off as a whole; puts the shares of discounts into `items`."""
        fees = [order.initial_delivery_fees or () for order in orders]
        amounts = [[fee.delivery_fee_amount for fee in of_order] for of_order in fees]
        entries = [
            [(fee.name, item) for fee in of_order for item in fee.position_item_ids or ("",)]
            for of_order in fees
        ]
        columns: Columns = {
            "delivery_fee_cents": [sum_of(of_order) for of_order in amounts],
            "fee_entries": [len(of_order) for of_order in entries],
            "distinct_fee_entries": [len(set(of_order)) for of_order in entries],
            "order_discount_cents": [0] * len(orders),
            "discount_reading": ["none"] * len(orders),
            "shares_cents": [0] * len(orders),
            "unknown_discount_item": [""] * len(orders),
            "excessive_discount": [""] * len(orders),
        }
        first = 0
        for row, order in enumerate(orders):
            beyond = first + len(order.position_items)
            if order.initial_discounts:
                discounts = self._discounts(order.initial_discounts, items, slice(first, beyond))
                for name, value in discounts.items():
                    columns[name][row] = value
                amounts[row] += [discount.discount_amount for discount in order.initial_discounts]
            first = beyond
        columns["currency"] = [currency_of(of_order) or "EUR" for of_order in amounts]
        columns["inexact_amount"] = [inexact_amount_of(of_order) for of_order in amounts]
        return columns

    def _discounts(
        self, discounts: Sequence[InitialDiscount], items: Columns, own: slice
    ) -> dict[str, Any]:
        """The discounts of the order whose items stand at `own`, by column of `_charges`."""
        cents = sum_of([discount.discount_amount for discount in discounts])
        if cents is None or None in items["gross_cents"][own]:
            return {"order_discount_cents": None}
        spread = self._spread(discounts, items, own)
        problem = spread.problem
        found = {"order_discount_cents": cents, "discount_reading": spread.reading}
        if problem is None:
            return {**found, "shares_cents": sum(share.share_cents for share in spread.shares)}
        words = {
            "discount_items_known": "unknown_discount_item",
            "discount_within_value": "excessive_discount",
        }
        return {**found, "shares_cents": None, words[problem.rule]: problem.shown}

    def _spread(self, discounts: Sequence[InitialDiscount], items: Columns, own: slice) -> Spread:
        """Spread the discounts of one order, and put the shares into `items`."""
        priced = map(
            PricedItem,
            items["position_item_id"][own],
            items["gross_cents"][own],
            items["reduced_cents"][own],
        )
        in_cents = [
            OrderDiscount(
                discount.discount_id,
                to_cents(discount.discount_amount.amount),
                tuple(discount.position_item_ids),
            )
            for discount in discounts
        ]
        spread = spread_discounts(list(priced), in_cents, self._reading)
        if spread.problem is None:
            items["order_discount_share_cents"][own] = [s.share_cents for s in spread.shares]
            items["buyer_price_cents"][own] = [s.buyer_price_cents for s in spread.shares]
        return spread

    def _deadlines(self, expected: list[datetime | None]) -> list[datetime | None]:
        """`ship_by` of a column, once per promise: a day's orders share a handful."""
        for promise in set(expected) - self._ship_by.keys():
            self._ship_by[promise] = ship_by(promise, self._transit_days, self._warehouse)
        return [self._ship_by[promise] for promise in expected]


def _joined(parts: list[Columns]) -> Columns:
    return {name: list(chain.from_iterable(part[name] for part in parts)) for name in parts[0]}


def _times(name: str, texts: Sequence[str | None], unreadable: list[str]) -> list[datetime | None]:
    """Moments of one column; what cannot be read is noted in its row of `unreadable`."""
    moments = [None if text is None else moment_of(text) for text in texts]
    for row, (text, moment) in enumerate(zip(texts, moments, strict=True)):
        if moment is None and text is not None:
            unreadable[row] = f"{name} {text}"
    return moments


def _prices(items: list[PositionItem]) -> Columns:
    """What items cost; an amount that is no whole number of cents spoils its item's other ones."""
    gross = [item.item_value_gross_price for item in items]
    reduced = [item.item_value_reduced_gross_price for item in items]
    discount = [item.item_value_discount for item in items]
    columns: Columns = {
        "gross_cents": [cents_of(amount.amount) for amount in gross],
        "reduced_cents": [cents_of(amount.amount) if amount else None for amount in reduced],
        "item_discount_cents": [cents_of(amount.amount) if amount else None for amount in discount],
        "currency": [],
        "inexact_amount": [],
    }
    for row, of_item in enumerate(zip(gross, reduced, discount, strict=True)):
        amounts = [amount for amount in of_item if amount]
        columns["currency"].append(currency_of(amounts))
        columns["inexact_amount"].append(inexact_amount_of(amounts))
        if columns["inexact_amount"][row]:
            for name in ("gross_cents", "reduced_cents", "item_discount_cents"):
                columns[name][row] = None
    return columns


def _addresses(orders: list[PartnerOrder]) -> Columns:
    """How many items may leave, and what is missing to deliver them."""
    processable = [
        [item.fulfillment_status for item in order.position_items].count("PROCESSABLE")
        for order in orders
    ]
    missing = [
        missing_part(order.delivery_address) if count else ""
        for order, count in zip(orders, processable, strict=True)
    ]
    return {"processable_items": processable, "missing_address_part": missing}


def _frame(columns: Columns) -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: pd.array(values, dtype="Int64") if name in _CENT_COLUMNS else values
            for name, values in columns.items()
        }
    )
