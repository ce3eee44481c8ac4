"""OTTO's receipts: what buyers were charged and given back.

Belongs here: the records of a receipt as far as money is concerned, and how receipts are asked for.
The buyer's data on a receipt is never read; it stays in the raw page, which retention erases. What
a receipt means for an order does not belong here (`assets.receipt_rows`).
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import quote

import msgspec

from resources.otto.evidence import EvidenceStore
from resources.otto.exchange import Call
from resources.otto.rows import Listing, RowsPage, Walk
from resources.otto.transport import Transport
from resources.otto.wire import Amount

LARGEST_PAGE = 128
TYPES = ("PURCHASE", "REFUND", "PARTIAL_REFUND")
_PATH = "/v3/receipts"


class _Received(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What all parts of a receipt share."""


class Price(_Received, frozen=True, kw_only=True):
    """An amount with its tax; `tax_rate` is per cent."""

    tax_type: str
    tax_rate: Decimal
    gross: Amount
    net: Amount | None = None
    tax: Amount | None = None


class ModificationDetails(_Received, frozen=True, kw_only=True):
    """Who gives a modification, and why."""

    type: str | None = None
    reason: str | None = None


class PriceModification(_Received, frozen=True, kw_only=True):
    """A discount or compensation on a line."""

    price_modification_type: str
    price_modification_amount: Price
    details: ModificationDetails | None = None


class PriceToPay(_Received, frozen=True, kw_only=True):
    """What the buyer pays for each of these units."""

    position_item_ids: list[str]
    price_to_pay: Price


class ItemPosition(_Received, frozen=True, kw_only=True):
    """Equal units on one line."""

    position_item_ids: list[str]
    quantity: int
    unit_price: Price
    position_sum: Price
    sku: str | None = None
    price_to_pay_per_position_items: list[PriceToPay] | None = None
    price_modifications: list[PriceModification] | None = None


class ItemPartialRefund(_Received, frozen=True, kw_only=True):
    """A part of the price given back for these units."""

    position_item_ids: list[str]
    partial_refund_amount: Price
    sku: str | None = None


class ServicePosition(_Received, frozen=True, kw_only=True):
    """A service sold with the goods, such as disposal."""

    position_sum: Price
    unit_price: Price
    service_type: str | None = None
    price_modifications: list[PriceModification] | None = None


class ServicePartialRefund(_Received, frozen=True, kw_only=True):
    """A part of a service's price given back."""

    partial_refund_amount: Price
    service_type: str | None = None


class DeliveryCost(_Received, frozen=True, kw_only=True):
    """A delivery fee."""

    delivery_cost_type: str
    unit_price: Price
    position_sum: Price
    price_modifications: list[PriceModification] | None = None


class DeliveryFeePartialRefund(_Received, frozen=True, kw_only=True):
    """A part of the delivery fee given back. OTTO does not document its fields beyond the name."""

    partial_refund_amount: Price | None = None
    position_sum: Price | None = None


class LineItems(_Received, frozen=True, kw_only=True):
    """All lines of a receipt by kind."""

    item_positions: list[ItemPosition]
    item_partial_refund_positions: list[ItemPartialRefund]
    service_positions: list[ServicePosition]
    service_partial_refund_positions: list[ServicePartialRefund]
    delivery_costs: list[DeliveryCost]
    delivery_fee_partial_refund_positions: list[DeliveryFeePartialRefund]


class TotalsReduction(_Received, frozen=True, kw_only=True):
    """What was paid otherwise, such as by voucher."""

    type: str
    gross: Amount


class Receipt(_Received, frozen=True, kw_only=True):
    """A receipt without buyer and addresses; types stay text, since OTTO may add some."""

    receipt_number: str
    receipt_type: str
    creation_date: str
    sales_order_id: str
    order_number: str
    line_items: LineItems
    is_real_receipt: bool
    amount_due: Amount | None = None
    fulfillment_date: str | None = None
    linked_receipt_number: str | None = None
    refund_type: str | None = None
    partial_refund_type: str | None = None
    totals: list[Price] | None = None
    totals_gross_amount: Amount | None = None
    totals_reductions: list[TotalsReduction] | None = None


@dataclass(frozen=True, kw_only=True)
class ReceiptsQuery:
    """Which receipts; days are those of creation in UTC, both inclusive."""

    from_day: date | None = None
    to_day: date | None = None
    sales_order_id: str | None = None
    types: tuple[str, ...] = TYPES
    limit: int = LARGEST_PAGE

    def params(self) -> tuple[tuple[str, str], ...]:
        """Return the query of the first page."""
        # Without types OTTO may answer with some kinds only.
        days = (("from", self.from_day), ("to", self.to_day))
        order = () if self.sales_order_id is None else (("salesOrderId", self.sales_order_id),)
        return (
            ("receiptTypes", ",".join(self.types)),
            *((name, day.isoformat()) for name, day in days if day is not None),
            *order,
            ("limit", str(self.limit)),
        )


_LIST = Listing(_PATH, "resources", "next", Receipt, ("receiptNumber",))


class Receipts:
    """OTTO's operations for receipts. Each method may raise an `OttoError`."""

    def __init__(self, transport: Transport, walk: Walk, evidence: EvidenceStore) -> None:
        self._transport = transport
        self._walk = walk
        self._evidence = evidence

    def pages(self, query: ReceiptsQuery) -> Iterator[RowsPage[Receipt]]:
        """Yield all pages, newest receipts first; each page is kept as evidence."""
        started = datetime.now(UTC)
        run = f"{started:%H%M%S}-{secrets.token_hex(4)}"

        def keep(number: int, body: bytes) -> str:
            return self._evidence.keep("receipts", run, number, started, body)

        limit = (("limit", str(query.limit)),)
        return _LIST.pages(self._transport, self._walk, query.params(), limit, keep)

    def pdf(self, receipt_number: str) -> bytes:
        """Return a receipt as the buyer gets it. Personal data: it is not kept or logged here.

        Raises:
            OttoPermanent: OTTO knows no such receipt (status 404).
        """
        if not receipt_number.strip("."):
            raise ValueError(f"{receipt_number!r} is no receipt number")
        accept = (("Accept", "application/pdf"),)
        path = f"{_PATH}/{quote(receipt_number, safe='')}.pdf"
        return self._transport.request(Call("GET", path, repeatable=True, headers=accept), _pdf)


def _pdf(body: bytes) -> bytes:
    if not body.startswith(b"%PDF-"):
        raise msgspec.DecodeError("no PDF")
    return body
