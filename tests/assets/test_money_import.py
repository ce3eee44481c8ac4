"""Pages about money: good rows are stored, a bad one waits in quarantine with its remedy."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from assets.contracts.money_rules import MONEY_RULES
from assets.discount_settlement import settle_discounts
from assets.money_import import (
    import_active_status,
    import_marketplace_status,
    import_prices,
    import_receipts,
    import_reductions,
    import_return_shipments,
    import_returns,
    store_wms_return_page,
)
from resources.operations import quarantine
from resources.operations.database import OperationsDatabase
from resources.operations.held import Kept
from resources.otto.errors import OttoPermanent
from resources.otto.price_reductions import ItemReductions
from resources.otto.products import ActiveStatus, MarketplaceStatus, SkuPrices
from resources.otto.receipts import Receipt
from resources.otto.returns import ReturnedItem, ReturnShipment
from resources.otto.rows import RowsPage, UnreadableRow
from resources.otto.wire import PartnerOrder
from resources.wms.port import Condition, Disposition, ReturnedLine, ReturnPage, ReturnReceipt
from tests.resources.operations.money_books import NOW, put_order, table
from tests.resources.otto.fake_otto import order_json
from tests.resources.otto.test_otto_receipts import receipt_json

T = TypeVar("T")
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def db(sqlite_template: Path, tmp_path: Path) -> Iterator[OperationsDatabase]:
    path = tmp_path / "operations.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    opened = OperationsDatabase(f"sqlite:///{path}")
    yield opened
    opened.close()


def rows(kind: type[T], *bodies: dict[str, Any]) -> list[T]:
    return [msgspec.convert(body, kind, strict=False) for body in bodies]


def pages(*contents: list[T]) -> Iterable[RowsPage[T]]:
    return [RowsPage(number, list(rows_), [], "ref") for number, rows_ in enumerate(contents, 1)]


def waiting(db: OperationsDatabase) -> list[tuple[str, str, str]]:
    with db.read() as conn:
        found = quarantine.open_rows(conn)
    return [(row["source"], row["business_key"], row["rule"]) for row in found]


def test_a_bad_receipt_costs_only_itself_and_leaves_quarantine_when_it_passes(
    db: OperationsDatabase,
) -> None:
    good, bad = receipt_json(1), receipt_json(2, receiptType="INVOICE", creationDate="soon")
    done = import_receipts(pages(rows(Receipt, good, bad)), db, NOW)
    assert (done.kept, done.rows_read, done.quarantined) == (Kept(new=1), 2, 1)
    assert done.flaws == {"known_value": 1, "date_readable": 1}
    assert waiting(db) == [
        ("otto_receipts", "R-DE-2", "date_readable"),
        ("otto_receipts", "R-DE-2", "known_value"),
    ]
    [row] = [r for r in open_rows(db) if r["rule"] == "known_value"]
    assert (row["shown"], row["evidence_ref"]) == ("INVOICE", "ref")
    assert (row["owner"], row["remedy"]) == (
        MONEY_RULES["known_value"].owner,
        MONEY_RULES["known_value"].remedy,
    )
    again = import_receipts(pages(rows(Receipt, good, receipt_json(2))), db, LATER)
    assert again.kept == Kept(new=1, unchanged=1)
    assert again.newest == datetime(2026, 11, 20, 15, 4, tzinfo=UTC)
    assert waiting(db) == []


def open_rows(db: OperationsDatabase) -> list[dict[str, Any]]:
    with db.read() as conn:
        return quarantine.open_rows(conn)


def test_a_row_that_nobody_could_read_waits_under_its_key_or_a_lasting_one(
    db: OperationsDatabase,
) -> None:
    unreadable = [UnreadableRow("R-DE-9", "row 1"), UnreadableRow(None, "row 2")]
    page: RowsPage[Receipt] = RowsPage(1, [], unreadable, "ref")
    for _ in range(2):
        done = import_receipts([page], db, NOW)
        assert (done.quarantined, done.flaws) == (2, {"row_readable": 2})
    assert len(waiting(db)) == 2
    assert ("otto_receipts", "R-DE-9", "row_readable") in waiting(db)


def returned(item: str, at: str, status: str = "ACCEPTED", **details: Any) -> dict[str, Any]:
    return {
        "positionItemId": item,
        "salesOrderId": "o",
        "status": status,
        "occurredTime": at,
        "details": details,
    }


def test_returns_are_read_until_everything_on_a_page_is_older_than_the_last_import(
    db: OperationsDatabase,
) -> None:
    days = [f"2026-11-{day:02d}T10:00:00Z" for day in (20, 19, 18, 17)]
    contents = [rows(ReturnedItem, returned(str(n), at)) for n, at in enumerate(days)]
    first = import_returns(pages(*contents), db, NOW)
    assert (first.pages, first.kept, first.newest) == (
        4,
        Kept(new=4),
        datetime(2026, 11, 20, 10, tzinfo=UTC),
    )
    known_until = datetime(2026, 11, 19, tzinfo=UTC)
    second = import_returns(pages(*contents), db, LATER, known_until)
    assert (second.pages, second.kept) == (3, Kept(unchanged=3))


def test_each_status_of_a_return_fills_its_columns(db: OperationsDatabase) -> None:
    key = {"carrier": "DHL", "trackingNumbers": ["1", "2"]}
    at = "2026-11-20T10:00:00.000+0000"
    bodies = [
        returned("a", at, "announced", returnTrackingKey=key),
        returned("b", at, "REJECTED", condition="E", reason="ITEM_DAMAGED"),
        returned("c", at, "MISDIRECTED", ottoWarehouseID="W"),
        returned("d", at, condition="F", reason="OVERDUE_CREDIT"),
        returned("e", at, "LOST"),
    ]
    done = import_returns(pages(rows(ReturnedItem, *bodies)), db, NOW)
    assert (done.kept, done.flaws) == (Kept(new=3), {"known_value": 2})
    found = table(db, "otto_returns")
    assert [(r["status"], r["tracking_numbers"], r["otto_warehouse_id"]) for r in found] == [
        ("ANNOUNCED", '["1","2"]', None),
        ("REJECTED", None, None),
        ("MISDIRECTED", None, "W"),
    ]
    assert [r["announced_at"] is None for r in found] == [False, True, True]
    assert [r["decided_at"] is None for r in found] == [True, False, True]


def test_the_state_of_a_return_parcel_is_its_latest_one(db: OperationsDatabase) -> None:
    def parcel(number: str, *states: tuple[str, int]) -> dict[str, Any]:
        return {
            "returnShipmentId": number,
            "createdAt": "2026-11-01T10:00:00Z",
            "trackingKey": {"carrier": "DHL", "trackingNumber": number},
            "returnPositionItems": [{"salesOrderId": "o", "salesOrderPositionItemId": "i"}],
            "states": [
                {"state": state, "occurredOn": f"2026-11-{day:02d}T10:00:00Z"}
                for state, day in states
            ],
        }

    told = rows(
        ReturnShipment,
        parcel("1", ("DELIVERED", 5), ("ON_THE_WAY", 3)),
        parcel("2"),
        parcel("3", ("EATEN", 2)),
    )
    assert import_return_shipments(pages(told), db, NOW).kept == Kept(new=2)
    found = table(db, "return_shipments")
    assert [(row["state"], row["state_at"].day) for row in found] == [
        ("DELIVERED", 5),
        ("ANNOUNCED", 1),
    ]
    assert len(table(db, "return_shipment_items")) == 2


def test_equal_reductions_are_counted_and_a_unit_is_judged_as_a_whole(
    db: OperationsDatabase,
) -> None:
    def reduction(cents: str, status: str = "INITIATED", at: str = "10:00:00") -> dict[str, Any]:
        return {
            "receiptNumber": "E1" if status == "PROCESSED" else None,
            "priceReduction": {"amount": cents, "currency": "EUR"},
            "creationDateTime": f"2026-11-20T{at}Z",
            "status": status,
        }

    def unit(item: str, *reductions: dict[str, Any]) -> dict[str, Any]:
        return {"salesOrderId": "o", "positionItemId": item, "priceReductions": reductions}

    first = unit("a", reduction("5.00", "PROCESSED"), reduction("5.00"), reduction("1.00"))
    bad = unit("b", reduction("1.00"), reduction("1.001"))
    done = import_reductions(pages(rows(ItemReductions, first, bad)), db, NOW)
    assert (done.kept, done.flaws) == (Kept(new=3), {"whole_cents": 1})
    found = table(db, "price_reductions")
    assert [(row["sequence"], row["amount_cents"], row["status"]) for row in found] == [
        (1, 100, "INITIATED"),
        (2, 500, "PROCESSED"),
        (3, 500, "INITIATED"),
    ]


def test_products_are_stored_list_by_list_and_a_wrong_price_waits(db: OperationsDatabase) -> None:
    def euro(amount: Any, currency: str = "EUR") -> dict[str, Any]:
        return {"amount": amount, "currency": currency}

    sale = {"salePrice": euro("9.99"), "startDate": "2026-11-01T00:00:00.000+01:00"}
    prices = rows(
        SkuPrices,
        {"sku": "A", "standardPrice": euro("19.95"), "sale": sale},
        {"sku": "B", "standardPrice": euro("19.951")},
        {"sku": "C", "standardPrice": euro("19.95", "PLN")},
        {"sku": " ", "standardPrice": euro("-1")},
    )
    done = import_prices(pages(prices), db, NOW)
    assert done.flaws == {"whole_cents": 1, "in_euro": 1, "key_present": 1, "not_negative": 1}
    assert done.quarantined == 3
    import_active_status(pages(rows(ActiveStatus, {"sku": "A", "active": False})), db, NOW)
    status = {"sku": "A", "status": "RESTRICTED", "errors": [{"code": "800020", "title": "t"}]}
    odd = {"sku": "A2", "status": "SLEEPING"}
    shop = import_marketplace_status(pages(rows(MarketplaceStatus, status, odd)), db, NOW)
    assert shop.flaws == {"known_value": 1}
    [row] = table(db, "products")
    assert (row["standard_price_cents"], row["sale_price_cents"], row["active"]) == (
        1995,
        999,
        False,
    )
    assert (row["marketplace_status"], row["sale_to"]) == ("RESTRICTED", None)
    assert "800020" in row["status_errors"]


def test_the_warehouses_page_is_stored_and_what_it_could_not_say_waits(
    db: OperationsDatabase,
) -> None:
    line = ReturnedLine(
        sku="A", quantity=2, condition=Condition.NEW, disposition=Disposition.RESTOCK
    )
    receipt = ReturnReceipt(receipt_id="R1", received_at=NOW, lines=(line,))
    page = ReturnPage(receipts=(receipt,), next_cursor="1", has_more=False, unreadable=("bad",))
    for expected in (Kept(new=1), Kept(unchanged=1)):
        with db.write() as conn:
            done = store_wms_return_page(conn, page, NOW)
        assert (done.kept, done.quarantined, done.newest) == (expected, 1, NOW)
    assert len(table(db, "wms_return_units")) == 2
    assert [(source, rule) for source, _, rule in waiting(db)] == [("wms_returns", "row_readable")]


def charged_order(db: OperationsDatabase, charged: str) -> PartnerOrder:
    """An ambiguous order of one unit at 17.95 with a discount of 2.00, and its receipt."""
    body = order_json(1)
    [item] = body["positionItems"]
    item["vatRate"] = 19
    discount = {
        "name": "d", "discountId": "d", "discountName": "d", "vatRate": 19,
        "discountAmount": {"amount": 2, "currency": "EUR"},
        "positionItemIds": [item["positionItemId"]],
    }  # fmt: skip
    order = msgspec.convert({**body, "initialDiscounts": [discount]}, PartnerOrder, strict=False)
    unit = order.position_items[0].position_item_id
    put_order(
        db, order.sales_order_id, {unit: {"buyer_price_cents": 1595}}, discount_reading="ambiguous"
    )
    receipt = receipt_json(1, salesOrderId=order.sales_order_id)
    [position] = receipt["lineItems"]["itemPositions"]
    position["positionItemIds"] = [unit]
    pay = {"taxType": "VAT", "taxRate": "19.0", "gross": {"amount": charged, "currency": "EUR"}}
    position["priceToPayPerPositionItems"] = [{"positionItemIds": [unit], "priceToPay": pay}]
    import_receipts(pages(rows(Receipt, receipt)), db, NOW)
    return order


@pytest.mark.parametrize(
    ("charged", "outcome", "cents"),
    [("15.95", "on_top", 1595), ("17.95", "included", 1795), ("16.00", "none", 1595)],
)
def test_a_receipt_settles_what_the_buyer_pays(
    db: OperationsDatabase, charged: str, outcome: str, cents: int
) -> None:
    order = charged_order(db, charged)
    assert settle_discounts(db, lambda _: order, LATER) == {outcome: 1}
    [row] = table(db, "position_items")
    assert row["buyer_price_cents"] == cents
    left = {"none": 1}.get(outcome)
    assert settle_discounts(db, lambda _: order, LATER) == ({"none": left} if left else {})


def test_an_order_that_otto_does_not_give_any_more_stays_open(db: OperationsDatabase) -> None:
    charged_order(db, "15.95")

    def gone(_: str) -> PartnerOrder:
        raise OttoPermanent("gone", status=404)

    assert settle_discounts(db, gone, LATER) == {"unreadable": 1}
    assert [row["discount_reading"] for row in table(db, "orders")] == ["ambiguous"]
