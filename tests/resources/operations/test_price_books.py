"""Prices side by side: each query finds the rows that its rule has to judge, and no others."""

from datetime import timedelta
from typing import Any

from resources.operations import price_books
from resources.operations.bulk import upsert
from resources.operations.database import OperationsDatabase
from resources.operations.price_reductions import store_reductions
from resources.operations.products import store_active, store_marketplace_status, store_prices
from resources.operations.receipts import ReceiptRows, store_receipts
from resources.operations.schema import wms_order_lines
from tests.resources.operations.money_books import NOW, put_order

LONG_AGO = NOW - timedelta(days=90)
SINCE = NOW - timedelta(days=35)


def receipt(
    number: str, order: str, *lines: tuple[str, str | None, int], **head: Any
) -> ReceiptRows:
    """A receipt; a line is kind, unit and cents."""
    content = {
        "receipt_number": number, "receipt_type": "PURCHASE", "created_at": NOW,
        "sales_order_id": order, "order_number": order, "currency": "EUR",
        "gross_cents": sum(cents for _, _, cents in lines), "amount_due_cents": 0,
        "voucher_cents": 0, "refund_type": None, "partial_refund_type": None,
        "linked_receipt_number": None, "is_real": True, "fulfilled_at": None, "page_ref": "p",
        **head,
    }  # fmt: skip
    rows = [
        {
            "receipt_number": number, "line_no": line_no, "kind": kind, "sales_order_id": order,
            "position_item_id": item, "sku": "A", "unit_price_cents": cents,
            "amount_cents": cents, "tax_rate": "19", "net_cents": None, "tax_cents": None,
            "currency": "EUR",
        }
        for line_no, (kind, item, cents) in enumerate(lines, start=1)
    ]  # fmt: skip
    return ReceiptRows(content, rows, [])


def store(db: OperationsDatabase, *receipts: ReceiptRows) -> None:
    with db.write() as conn:
        store_receipts(conn, receipts, NOW)


def test_each_purchased_unit_stands_beside_its_price_with_all_its_purchases(
    operations_db: OperationsDatabase,
) -> None:
    put_order(operations_db, "o", {"i1": {}, "i2": {}})
    fee = ("delivery_cost", None, 395)
    store(
        operations_db,
        receipt("R1", "o", ("item", "i1", 1995), ("item", "i2", 1900), fee),
        receipt("R2", "o", ("item", "i1", 1995), created_at=LONG_AGO),
        receipt("R3", "unknown", ("item", "i1", 5)),
        receipt("E1", "o", ("item", "i1", 1995), receipt_type="REFUND"),
    )
    with operations_db.read() as conn:
        found = price_books.purchased_units(conn, SINCE)
    names = (
        "receipt_number",
        "position_item_id",
        "charged_cents",
        "buyer_price_cents",
        "purchases",
    )
    assert [tuple(row[name] for name in names) for row in found] == [
        ("R1", "i1", 1995, 1995, 2),
        ("R1", "i2", 1900, 1995, 1),
        ("R3", "i1", 5, None, 1),
    ]
    assert {type(row["charged_cents"]) for row in found} == {int}


def test_totals_and_fees_count_all_lines_of_purchases_and_nothing_of_refunds(
    operations_db: OperationsDatabase,
) -> None:
    put_order(operations_db, "o", {"i1": {}, "i2": {}}, delivery_fee_cents=395)
    put_order(operations_db, "old", {"i1": {}}, delivery_fee_cents=0)
    fee = ("delivery_cost", None, 395)
    store(
        operations_db,
        receipt("R0", "o", ("item", "i1", 1995), fee, created_at=LONG_AGO),
        receipt("R1", "o", ("item", "i2", 1995), fee, gross_cents=1890, voucher_cents=500),
        receipt("R2", "old", ("item", "i1", 1995), created_at=LONG_AGO),
        receipt("E1", "o", ("item", "i1", 1995), fee, receipt_type="REFUND"),
    )
    with operations_db.read() as conn:
        totals = price_books.receipt_totals(conn, SINCE)
        fees = price_books.delivery_fees(conn, SINCE)
    assert totals == [
        {
            "receipt_number": "R1", "sales_order_id": "o", "gross_cents": 1890,
            "voucher_cents": 500, "lines_cents": 2390,
        }
    ]  # fmt: skip
    assert fees == [{"sales_order_id": "o", "fee_cents": 395, "charged_cents": 790}]
    assert {type(row["charged_cents"]) for row in fees} == {int}


def reduction(
    item: str, cents: int, status: str, at: Any = NOW, sequence: int = 1
) -> dict[str, Any]:
    return {
        "sales_order_id": "o", "position_item_id": item, "created_at": at, "sequence": sequence,
        "amount_cents": cents, "currency": "EUR", "status": status, "receipt_number": None,
        "total_cents": None, "invoice_cents": None,
    }  # fmt: skip


def test_reductions_of_a_unit_are_summed_without_those_that_were_rejected(
    operations_db: OperationsDatabase,
) -> None:
    put_order(operations_db, "o", {"i1": {}, "i2": {}})
    rows = [
        reduction("i1", 100, "PROCESSED", LONG_AGO),
        reduction("i1", 200, "INITIATED"),
        reduction("i1", 400, "REJECTED", sequence=2),
        reduction("i2", 100, "PROCESSED", LONG_AGO),
        reduction("i9", 100, "PROCESSED"),
    ]
    with operations_db.write() as conn:
        store_reductions(conn, rows, NOW)
    with operations_db.read() as conn:
        found = price_books.reduced_units(conn, SINCE)
    assert [
        (row["position_item_id"], row["reduced_cents"], row["buyer_price_cents"]) for row in found
    ] == [("i1", 300, 1995), ("i9", 100, None)]


def test_products_show_their_prices_and_why_the_shop_hides_them(
    operations_db: OperationsDatabase,
) -> None:
    sale = {"sale_price_cents": 995, "sale_from": NOW, "sale_to": None}
    plain = {"sale_price_cents": None, "sale_from": None, "sale_to": None}
    skus = {"A": sale, "B": plain, "C": plain}
    status = {"status_errors": '[{"code":"800020"}]', "status_at": NOW}
    with operations_db.write() as conn:
        prices = [
            {"sku": sku, "standard_price_cents": 1995, "currency": "EUR", **own}
            for sku, own in skus.items()
        ]
        store_prices(conn, prices, NOW)
        store_active(conn, [{"sku": sku, "active": sku != "C"} for sku in skus], NOW)
        shop = {"A": "ONLINE", "B": "RESTRICTED", "C": "INACTIVE"}
        states = [{"sku": sku, "marketplace_status": word, **status} for sku, word in shop.items()]
        store_marketplace_status(conn, states, NOW)
    with operations_db.read() as conn:
        first, second, _ = price_books.offered_prices(conn)
        hidden = price_books.not_shown_in_shop(conn)
    assert (first["sale_from"], first["sale_to"]) == (int(NOW.timestamp()), None)
    assert (second["sale_from"], second["standard_price_cents"]) == (None, 1995)
    assert [row["sku"] for row in hidden] == ["B"]


def test_prices_of_the_warehouse_are_those_of_open_lines_in_the_orders_currency(
    operations_db: OperationsDatabase,
) -> None:
    put_order(operations_db, "o", {f"i{n}": {} for n in range(1, 5)})
    seen = [("i1", "ACCEPTED", 1990, "EUR"), ("i2", "SHIPPED", 1, "EUR"),
            ("i3", "ACCEPTED", 1990, "CHF"), ("i4", "ACCEPTED", None, None)]  # fmt: skip
    lines = [
        {
            **{column.name: None for column in wms_order_lines.c},
            "order_ref": "o", "line_id": item, "state": state, "price_seen_cents": cents,
            "currency_seen": currency, "quantity_shipped": 0, "recorded_at": NOW,
        }
        for item, state, cents, currency in seen
    ]  # fmt: skip
    with operations_db.write() as conn:
        upsert(conn, wms_order_lines, lines, ["order_ref", "line_id"])
    with operations_db.read() as conn:
        [row] = price_books.wms_prices(conn)
    assert (row["position_item_id"], row["wms_price_cents"], row["buyer_price_cents"]) == (
        "i1",
        1990,
        1995,
    )
