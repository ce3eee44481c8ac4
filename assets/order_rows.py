"""OTTO orders as rows: of the operations database, and of the frames the contract judges.

Belongs here: the one translation of a wire order into cents, times, shares and deadlines. Nothing
is refused here: what cannot be translated becomes a null and a word that the contract finds.
Chunks, storing and quarantine do not belong here (`order_import`).

This is the hot path of the import: columns are built as lists, and repeated texts are parsed once.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pandas as pd

from assets.contracts.order_lines import OrderLines
from assets.contracts.orders import Orders
from assets.rules.deadlines import ship_by
from assets.rules.discounts import OrderDiscount, PricedItem, Spread, spread_discounts
from assets.rules.money import InexactAmountError, to_cents
from resources.operating_model import OperatingModel
from resources.otto.wire import (
    Address,
    Amount,
    InitialDiscount,
    PartnerOrder,
    PositionItem,
    parse_time,
)

Row = dict[str, Any]

_BERLIN = ZoneInfo("Europe/Berlin")
_ENCODER = msgspec.json.Encoder()
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_CENT_COLUMNS = {
    "gross_cents",
    "reduced_cents",
    "item_discount_cents",
    "delivery_fee_cents",
    "order_discount_cents",
    "shares_cents",
}


@dataclass(slots=True)
class OrderRows:
    """Rows for `resources.operations`, and what the contract looks at, in the same order.

    Rows of orders that break the contract may hold nulls where the database takes none.
    """

    orders: list[Row] = field(default_factory=list)
    items: list[Row] = field(default_factory=list)
    order_facts: list[tuple[Any, ...]] = field(default_factory=list)
    item_facts: list[tuple[Any, ...]] = field(default_factory=list)

    def orders_frame(self) -> pd.DataFrame:
        """The frame of `assets.contracts.orders`."""
        return _frame(list(Orders.to_schema().columns), self.order_facts)

    def lines_frame(self) -> pd.DataFrame:
        """The frame of `assets.contracts.order_lines`."""
        return _frame(list(OrderLines.to_schema().columns), self.item_facts)


class OrderTranslator:
    """Translates orders as one operating model says."""

    def __init__(self, model: OperatingModel) -> None:
        self._reading = model.orders.discount_reading
        self._warehouse = model.warehouse
        # The carrier is not chosen yet, so the slowest one for parcels sets the deadline.
        carriers = list(model.carriers.values())
        parcel = [carrier for carrier in carriers if carrier.kind == "parcel"] or carriers
        self._transit_days = max((carrier.transit_days for carrier in parcel), default=1)
        self._ship_by: dict[str, datetime | None] = {}
        # Part of every payload hash: a corrected operating model makes re-imported orders differ.
        derivation = [self._reading, self._transit_days, self._warehouse.model_dump(mode="json")]
        self._hash = hashlib.sha256(msgspec.json.encode(derivation))

    def rows(self, orders: Iterable[tuple[PartnerOrder, str]]) -> OrderRows:
        """Rows of `orders`, each given with the reference of the page that holds it."""
        rows = OrderRows()
        for order, page_ref in orders:
            self._add(rows, order, page_ref)
        return rows

    def _add(self, rows: OrderRows, order: PartnerOrder, page_ref: str) -> None:
        first_item = len(rows.items)
        for item in order.position_items:
            row, facts = self._item(order.sales_order_id, item)
            rows.items.append(row)
            rows.item_facts.append(facts)
        items = rows.items[first_item:]
        notes = _Notes()
        discount_cents: int | None = 0
        spread: Spread | None = None
        if order.initial_discounts:
            discount_cents, spread = self._spread(order.initial_discounts, items, notes)
        fees = order.initial_delivery_fees or ()
        fee_cents = notes.sum_of(fee.delivery_fee_amount for fee in fees)
        fee_entries = [(fee.name, item) for fee in fees for item in fee.position_item_ids or ("",)]
        ordered_at = notes.time("orderDate", order.order_date)
        changed = order.order_lifecycle_information.lifecycle_change_date
        row = {
            "sales_order_id": order.sales_order_id,
            "order_number": order.order_number,
            "ordered_at": ordered_at,
            "order_day": ordered_at.astimezone(_BERLIN).date() if ordered_at else None,
            "last_modified_at": notes.time("lastModifiedDate", order.last_modified_date),
            "lifecycle_changed_at": notes.time("lifecycleChangeDate", changed),
            "payment_method": order.payment.payment_method if order.payment else None,
            "delivery_address": _json(order.delivery_address),
            "delivery_fee_cents": fee_cents,
            "order_discount_cents": discount_cents,
            "discount_reading": spread.reading if spread else "none",
            "payload_hash": self._payload_hash(order),
            "page_ref": page_ref,
        }
        rows.orders.append(row)
        problem = spread.problem if spread else None
        processable = sum(item["fulfilment_status"] == "PROCESSABLE" for item in items)
        rows.order_facts.append(
            (
                order.sales_order_id,
                len(items),
                processable,
                _missing_part(order.delivery_address) if processable else "",
                notes.currency or "EUR",
                fee_cents,
                len(fee_entries),
                len(set(fee_entries)),
                discount_cents,
                None if problem else sum(item["order_discount_share_cents"] for item in items),
                problem.shown if problem and problem.rule == "discount_items_known" else "",
                problem.shown if problem and problem.rule == "discount_within_value" else "",
                notes.inexact_amount,
                notes.unreadable_date,
            )
        )

    def _item(self, sales_order_id: str, item: PositionItem) -> tuple[Row, tuple[Any, ...]]:
        notes = _Notes()
        gross = notes.cents(item.item_value_gross_price)
        reduced = notes.cents(item.item_value_reduced_gross_price)
        discount = notes.cents(item.item_value_discount)
        if notes.inexact_amount or gross is None:
            gross = reduced = discount = None
        price = (gross or 0) if reduced is None else reduced
        product, tracking = item.product, item.tracking_info
        expected = notes.time("expectedDeliveryDate", item.expected_delivery_date)
        row = {
            "sales_order_id": sales_order_id,
            "position_item_id": item.position_item_id,
            "sku": product.sku,
            "title": product.product_title,
            "ean": product.ean,
            "article_number": product.article_number,
            "vat_rate": _rate(product.vat_rate),
            "currency": notes.currency,
            "gross_cents": gross,
            "reduced_cents": reduced,
            "item_discount_cents": (gross or 0) - price if discount is None else discount,
            "order_discount_share_cents": 0,
            "buyer_price_cents": price,
            "fulfilment_status": str(item.fulfillment_status),
            "expected_delivery_at": expected,
            "processable_at": notes.time("processableDate", item.processable_date),
            "sent_at": notes.time("sentDate", item.sent_date),
            "returned_at": notes.time("returnedDate", item.returned_date),
            "cancelled_at": notes.time("cancellationDate", item.cancellation_date),
            "cancellation_reason": item.cancellation_reason,
            "otto_carrier": tracking.carrier if tracking else None,
            "otto_tracking_number": tracking.tracking_number if tracking else None,
            "ship_by_at": self._deadline(item.expected_delivery_date, expected),
        }
        facts = (
            sales_order_id,
            item.position_item_id,
            row["sku"],
            row["fulfilment_status"],
            row["vat_rate"],
            row["currency"],
            gross,
            reduced,
            discount,
            notes.inexact_amount,
            notes.unreadable_date,
        )
        return row, facts

    def _spread(
        self, discounts: Sequence[InitialDiscount], items: list[Row], notes: "_Notes"
    ) -> tuple[int | None, Spread | None]:
        """The order-level discounts in cents, and their spread, which is put into `items`."""
        total = notes.sum_of(discount.discount_amount for discount in discounts)
        if total is None or any(item["gross_cents"] is None for item in items):
            return None, None
        spread = spread_discounts(
            [
                PricedItem(item["position_item_id"], item["gross_cents"], item["reduced_cents"])
                for item in items
            ],
            [
                OrderDiscount(
                    discount.discount_id,
                    to_cents(discount.discount_amount.amount),
                    tuple(discount.position_item_ids),
                )
                for discount in discounts
            ],
            self._reading,
        )
        if spread.problem is None:
            for item, share in zip(items, spread.shares, strict=True):
                item["order_discount_share_cents"] = share.share_cents
                item["buyer_price_cents"] = share.buyer_price_cents
        return total, spread

    def _deadline(self, text: str | None, expected: datetime | None) -> datetime | None:
        """`ship_by` once per distinct date; a day's orders share a handful of promises."""
        if text is None or expected is None:
            return None
        known = self._ship_by.get(text)
        if known is None:
            known = self._ship_by[text] = ship_by(expected, self._transit_days, self._warehouse)
        return known

    def _payload_hash(self, order: PartnerOrder) -> str:
        content = self._hash.copy()
        content.update(_ENCODER.encode(order))
        return content.hexdigest()[:32]


class _Notes:
    """What one row's amounts and dates show besides their values."""

    __slots__ = ("currency", "inexact_amount", "unreadable_date")

    def __init__(self) -> None:
        self.currency = ""
        self.inexact_amount = ""
        self.unreadable_date = ""

    def cents(self, amount: Amount | None) -> int | None:
        """Cents; null for no amount and for one that is no whole number of cents."""
        if amount is None:
            return None
        if amount.currency != self.currency:
            self.currency += f"+{amount.currency}" if self.currency else amount.currency
        cents = _cents(amount.amount)
        if cents is None:
            self.inexact_amount = str(amount.amount)
        return cents

    def sum_of(self, amounts: Iterable[Amount]) -> int | None:
        """The sum in cents; null if one of the amounts cannot be counted."""
        cents = [self.cents(amount) for amount in amounts]
        known = [amount for amount in cents if amount is not None]
        return sum(known) if len(known) == len(cents) else None

    def time(self, name: str, text: str | None) -> datetime | None:
        """Aware UTC; null for no date and for one that cannot be read."""
        if text is None:
            return None
        moment = moment_of(text)
        if moment is None:
            self.unreadable_date = f"{name} {text}"
        return moment


@lru_cache(maxsize=8_192)
def moment_of(text: str) -> datetime | None:
    """Aware UTC of one of OTTO's dates; null if unreadable or outside 2000 to 2100."""
    try:
        moment = parse_time(text)
    except ValueError:
        return None
    return moment if _EARLIEST <= moment < _LATEST else None


@lru_cache(maxsize=8_192)
def _cents(amount: Decimal) -> int | None:
    try:
        return to_cents(amount)
    except InexactAmountError:
        return None


@lru_cache(maxsize=1_024)
def _rate(rate: Decimal) -> str:
    """A percentage as the operating model writes it: 19.00 is "19"."""
    plausible = rate.is_finite() and -6 <= rate.adjusted() <= 6
    return format(rate.normalize(), "f") if plausible else str(rate)


def _missing_part(address: Address | None) -> str:
    """Name of the first part without which nobody can deliver; never a value."""
    if address is None:
        return "deliveryAddress"
    parts = {
        "lastName": (address.last_name or "") + (address.first_name or ""),
        "street": address.street,
        "zipCode": address.zip_code,
        "city": address.city,
        "countryCode": address.country_code,
    }
    return next((name for name, value in parts.items() if not (value or "").strip()), "")


def _json(address: Address | None) -> str | None:
    return None if address is None else _ENCODER.encode(address).decode()


def _frame(names: list[str], facts: list[tuple[Any, ...]]) -> pd.DataFrame:
    columns = zip(*facts, strict=True) if facts else ((),) * len(names)
    return pd.DataFrame(
        {
            name: pd.array(column, dtype="Int64") if name in _CENT_COLUMNS else list(column)
            for name, column in zip(names, columns, strict=True)
        }
    )
