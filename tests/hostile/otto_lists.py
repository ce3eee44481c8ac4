"""OTTO's lists: mutated pages through the real client and the real imports into SQLite.

Belongs here: which list is imported by what, and what its stored rows must say. What is common to
all lists stands in `judging`.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from assets import money_import, order_import
from resources.operations.database import OperationsDatabase
from resources.otto.errors import OttoError
from resources.otto.orders import OrdersQuery
from resources.otto.receipts import ReceiptsQuery
from resources.otto.rows import RowsPage
from tests.hostile.corpus import corpus
from tests.hostile.judging import (
    Case,
    Document,
    Known,
    Rows,
    Shape,
    Shelf,
    cents,
    demand,
    demand_equal,
    open_quarantine,
)
from tests.hostile.wire import Clients

NOW = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)
_LINKS = {"links": [{"rel": "self", "href": "/here"}]}


@dataclass(frozen=True)
class OttoList:
    """One list of OTTO."""

    name: str
    path: str
    shape: Shape
    key: Callable[[Document], object]
    tables: Mapping[str, str]
    pages: Callable[[Clients], Iterable[Any]]
    store: Callable[[list[Any], OperationsDatabase, Clients], int]
    """Imports pages; returns how many rows it read."""
    exact: Callable[[Document, Rows], None]
    """Fails where stored rows of a document say something else than it does."""
    known: Known = field(default_factory=Known)

    def case(self, rng: random.Random, number: int) -> Case:
        """One page of the list."""
        return self.shape.case(corpus()[self.name], rng, number)

    def sound(self) -> Case:
        """All rows of the corpus."""
        return self.shape.sound(corpus()[self.name])

    def run(self, cases: Sequence[Case], db: OperationsDatabase, clients: Clients) -> None:
        """Import all cases, and judge what became of each."""
        received: list[tuple[Case, list[Any]]] = []
        for case in cases:
            clients.wire.show(case.body, case.headers)
            try:
                pages = list(self.pages(clients))
            except OttoError as error:
                demand(case.row is None, f"one row cost its whole page: {error}")
                demand(self.path in str(error) and len(str(error)) < 1_000, f"unclear: {error}")
                case.verdict = "refused"
                continue
            if case.elements is not None:
                rows = [row for page in pages for row in (*_rows(page), *page.unreadable)]
                demand_equal(len(rows), len(case.elements), "rows of the page")
            received.append((case, pages))
        self._store([page for _, pages in received for page in pages], db, clients)
        shelf, quarantine = Shelf(db, self.tables), open_quarantine(db)
        if not self.known:
            self.known.learn(cases[0], shelf, self.key)
            return
        claims = Counter(
            str(self.key(row))
            for case, _ in received
            for row in case.elements or ()
            if isinstance(row, dict)
        )
        for case, _ in received:
            self.judge(case, shelf, quarantine, claims)

    def _store(self, pages: list[Any], db: OperationsDatabase, clients: Clients) -> None:
        rows = sum(len(_rows(page)) + len(page.unreadable) for page in pages)
        demand_equal(self.store(pages, db, clients), rows, "rows that an import counts")

    def judge(self, case: Case, shelf: Shelf, quarantine: Rows, claims: Mapping[str, int]) -> None:
        """Each row is stored as it was sent, or in quarantine with a reason.

        `claims` counts how many rows bear a key: of several, nobody can say which one is right.
        """
        case.verdict = "accepted"
        self.known.compare(case, shelf, self.key, claims)
        first = next(iter(self.tables))
        for element in case.elements or ():
            key = self.key(element) if isinstance(element, dict) else None
            if isinstance(key, str) and claims[key] > 1:
                continue
            stored = shelf.of(key) if isinstance(key, str) else {first: []}
            if stored[first]:
                self.exact(element, stored)
            else:
                # What is no JSON may stand in a field that nobody reads: the row is stored then.
                unread = element is None and any(case.tag in one for one in shelf.rows[first])
                demand(
                    unread or any(_is_of(other, key, case.tag) for other in quarantine),
                    f"{key!r:.80} is neither stored nor in quarantine",
                )
                case.verdict = "quarantined"


def _rows(page: Any) -> list[Any]:
    return page.orders if hasattr(page, "orders") else page.rows


def _is_of(business_key: str, key: object, tag: str) -> bool:
    if business_key.startswith("unknown-") or tag in business_key:
        return True
    return isinstance(key, str) and key in {business_key, *business_key.split("/")}


def _given(row: Document, name: str) -> Any:
    """What stands in a field that may be missing; the word null says as much as null itself."""
    value = row.get(name)
    return None if isinstance(value, str) and value.lower() == "null" else value


# Orders


def _store_orders(pages: list[Any], db: OperationsDatabase, clients: Clients) -> int:
    done = order_import.import_orders(pages, db, clients.model, NOW)
    counted = done.new + done.changed + done.unchanged + done.quarantined_orders + done.superseded
    demand_equal(counted, done.orders_read, "orders that an import counts")
    return done.orders_read


def _exact_order(order: Document, stored: Rows) -> None:
    items = order["positionItems"]
    demand_equal(len(stored["position_items"]), len(items), "items")
    [head] = stored["orders"]
    discounts = [
        cents(given["discountAmount"]) for given in _given(order, "initialDiscounts") or ()
    ]
    charged = _given(order, "initialDeliveryFees") or ()
    fees = [cents(fee["deliveryFeeAmount"]) for fee in charged]
    demand_equal(head["order_discount_cents"], sum(discounts), "order discounts")
    demand_equal(head["delivery_fee_cents"], sum(fees), "delivery fees")
    demand(2000 <= head["ordered_at"].year < 2101, "a date beyond any calendar")
    address = _given(order, "deliveryAddress")
    if address:
        kept = msgspec.json.decode(head["delivery_address"])
        demand_equal(kept["lastName"], address.get("lastName", ""), "name")
    by_id = {item["positionItemId"]: item for item in items}
    for row in stored["position_items"]:
        sent = by_id[row["position_item_id"]]
        gross, reduced = sent["itemValueGrossPrice"], _given(sent, "itemValueReducedGrossPrice")
        demand_equal(row["gross_cents"], cents(gross), "gross price")
        demand_equal(row["reduced_cents"], cents(reduced) if reduced else None, "reduced price")
        demand_equal({gross["currency"], row["currency"]}, {"EUR"}, "currency")
        demand_equal(row["sku"], sent["product"]["sku"], "SKU")
        demand_equal(row["fulfilment_status"], sent["fulfillmentStatus"], "status")
        demand_equal(Decimal(row["vat_rate"]), Decimal(sent["product"]["vatRate"]), "VAT rate")
        shown = row["gross_cents"] if row["reduced_cents"] is None else row["reduced_cents"]
        share = row["order_discount_share_cents"]
        demand(row["buyer_price_cents"] in {shown, shown - share}, "buyer's price out of nowhere")
    shares = sum(row["order_discount_share_cents"] for row in stored["position_items"])
    demand_equal(shares, sum(discounts), "shares of discounts")


# Money


def _store_by(work: Callable[..., money_import.MoneyImport]) -> Callable[..., int]:
    def store(pages: list[Any], db: OperationsDatabase, clients: Clients) -> int:
        # All in one page: a transaction for each would take most of the campaign's time.
        rows = [row for page in pages for row in page.rows]
        unreadable = [row for page in pages for row in page.unreadable]
        return work([RowsPage(1, rows, unreadable)], db, NOW).rows_read

    return store


def _exact_receipt(receipt: Document, stored: Rows) -> None:
    [head] = stored["receipts"]
    stated = _given(receipt, "totalsGrossAmount")
    if stated:
        demand_equal(head["gross_cents"], abs(cents(stated)), "gross amount")
        demand_equal(stated["currency"], "EUR", "currency")
    due = _given(receipt, "amountDue")
    if due:
        demand_equal(head["amount_due_cents"], abs(cents(due)), "amount due")
    demand_equal(head["sales_order_id"], receipt["salesOrderId"], "order")
    lines: dict[object, Document] = {
        line["position_item_id"]: line for line in stored["receipt_lines"] if line["kind"] == "item"
    }
    units = 0
    for position in receipt["lineItems"]["itemPositions"]:
        for item in position["positionItemIds"]:
            units += 1
            unit = abs(cents(position["unitPrice"]["gross"]))
            demand_equal(lines[item]["unit_price_cents"], unit, "unit price")
            demand_equal(lines[item]["sku"], position.get("sku"), "SKU")
        for paid in _given(position, "priceToPayPerPositionItems") or ():
            demand(cents(paid["priceToPay"]["gross"]) is not None, "an inexact price is stored")
    demand_equal(len(lines), units, "units on the receipt")


def _exact_return(item: Document, stored: Rows) -> None:
    [row] = stored["otto_returns"]
    demand_equal(row["sales_order_id"], item["salesOrderId"], "order")
    demand_equal(row["status"], item["status"].upper(), "status")


def _exact_shipment(shipment: Document, stored: Rows) -> None:
    [row] = stored["return_shipments"]
    demand_equal(row["tracking_number"], shipment["trackingKey"]["trackingNumber"], "number")
    named = {
        (item["salesOrderId"], item["salesOrderPositionItemId"])
        for item in shipment["returnPositionItems"]
    }
    items = stored["return_shipment_items"]
    demand_equal({(i["sales_order_id"], i["position_item_id"]) for i in items}, named, "items")


def _exact_reductions(unit: Document, stored: Rows) -> None:
    rows = stored["price_reductions"]
    sent = sorted(cents(each["priceReduction"]) for each in unit["priceReductions"])
    demand_equal(sorted(row["amount_cents"] for row in rows), sent, "reductions")
    total = _given(unit, "totalPriceReduction")
    demand_equal({r["total_cents"] for r in rows}, {cents(total) if total else None}, "total")


def _exact_prices(prices: Document, stored: Rows) -> None:
    [row] = stored["products"]
    demand_equal(row["standard_price_cents"], cents(prices["standardPrice"]), "standard price")
    demand_equal(prices["standardPrice"]["currency"], "EUR", "currency")
    sale = _given(prices, "sale")
    demand_equal(row["sale_price_cents"], cents(sale["salePrice"]) if sale else None, "sale price")


def _exact_active(status: Document, stored: Rows) -> None:
    told = status["active"]
    meant = told if isinstance(told, bool) else str(told).lower() in {"true", "1"}
    demand_equal(stored["products"][0]["active"], meant, "active")


def _exact_marketplace(status: Document, stored: Rows) -> None:
    demand_equal(stored["products"][0]["marketplace_status"], status["status"], "status")


def _field(name: str) -> Callable[[Document], object]:
    return lambda row: row.get(name)


_OF_ORDER = frozenset({"salesOrderId", "positionItemId", "positionItemIds"})
_OF_SKU = frozenset({"sku"})

OTTO_LISTS = (
    OttoList(
        "orders",
        "/v4/orders",
        Shape("resources", _OF_ORDER, _LINKS),
        _field("salesOrderId"),
        {"orders": "sales_order_id", "position_items": "sales_order_id"},
        lambda clients: clients.otto.order_pages(OrdersQuery()),
        _store_orders,
        _exact_order,
    ),
    OttoList(
        "receipts",
        "/v3/receipts",
        Shape("resources", _OF_ORDER | {"receiptNumber"}, _LINKS),
        _field("receiptNumber"),
        {"receipts": "receipt_number", "receipt_lines": "receipt_number"},
        lambda clients: clients.otto.receipts.pages(ReceiptsQuery()),
        _store_by(money_import.import_receipts),
        _exact_receipt,
    ),
    OttoList(
        "returns",
        "/v3/returns",
        Shape("positionItems", _OF_ORDER, _LINKS),
        _field("positionItemId"),
        {"otto_returns": "position_item_id"},
        lambda clients: clients.otto.returns.pages(),
        _store_by(money_import.import_returns),
        _exact_return,
    ),
    OttoList(
        "return_shipments",
        "/v1/return-shipments",
        Shape("resources", frozenset({"returnShipmentId"}), _LINKS),
        _field("returnShipmentId"),
        {"return_shipments": "return_shipment_id", "return_shipment_items": "return_shipment_id"},
        lambda clients: clients.otto.returns.shipments(NOW),
        _store_by(money_import.import_return_shipments),
        _exact_shipment,
    ),
    OttoList(
        "reductions",
        "/v1/price-reductions",
        Shape("results", _OF_ORDER, _LINKS),
        _field("positionItemId"),
        {"price_reductions": "position_item_id"},
        lambda clients: clients.otto.price_reductions.pages(),
        _store_by(money_import.import_reductions),
        _exact_reductions,
    ),
    OttoList(
        "prices",
        "/v5/products/prices",
        Shape("variationPrices", _OF_SKU, _LINKS),
        _field("sku"),
        {"products": "sku"},
        lambda clients: clients.otto.products.prices(),
        _store_by(money_import.import_prices),
        _exact_prices,
    ),
    OttoList(
        "active",
        "/v5/products/active-status",
        Shape("status", _OF_SKU, _LINKS),
        _field("sku"),
        {"products": "sku"},
        lambda clients: clients.otto.products.active_status(),
        _store_by(money_import.import_active_status),
        _exact_active,
    ),
    OttoList(
        "marketplace",
        "/v5/products/marketplace-status",
        Shape("marketPlaceStatus", _OF_SKU, _LINKS),
        _field("sku"),
        {"products": "sku"},
        lambda clients: clients.otto.products.marketplace_status(),
        _store_by(money_import.import_marketplace_status),
        _exact_marketplace,
    ),
)
