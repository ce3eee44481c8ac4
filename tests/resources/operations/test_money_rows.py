"""Receipts, returns, reductions and products: a repeat changes nothing, the newer row wins."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from resources.operations.database import OperationsDatabase
from resources.operations.held import Kept
from resources.operations.price_reductions import (
    ReductionRequest,
    record_request,
    reducible_item,
    store_reductions,
)
from resources.operations.products import store_active, store_marketplace_status, store_prices
from resources.operations.receipts import ReceiptRows, ambiguous_orders, store_receipts
from resources.operations.returns import (
    PERSON,
    DecisionIsFinal,
    ReturnDecision,
    decision_on,
    has_basis,
    record_decision,
    store_return_shipments,
    store_returns,
)
from resources.operations.settled_prices import SettledItem, keep_settled, settle_reading
from tests.resources.operations.money_books import NOW, put_order, table

LATER, EARLIER = NOW + timedelta(hours=1), NOW - timedelta(hours=1)


def document(number: str = "R1", *cents: int, order: str = "o", **head: Any) -> ReceiptRows:
    receipt = {
        "receipt_number": number, "receipt_type": "PURCHASE", "created_at": NOW,
        "sales_order_id": order, "order_number": order, "currency": "EUR",
        "gross_cents": sum(cents), "amount_due_cents": 0, "voucher_cents": 0,
        "refund_type": None, "partial_refund_type": None, "linked_receipt_number": None,
        "is_real": True, "fulfilled_at": None, "page_ref": "p1", **head,
    }  # fmt: skip
    lines = [
        {
            "receipt_number": number, "line_no": line_no, "kind": "item", "sales_order_id": order,
            "position_item_id": f"i{line_no}", "sku": "A", "unit_price_cents": amount,
            "amount_cents": amount, "tax_rate": "19", "net_cents": None, "tax_cents": None,
            "currency": "EUR",
        }
        for line_no, amount in enumerate(cents, start=1)
    ]  # fmt: skip
    discount = {
        "receipt_number": number, "line_no": 1, "sequence": 1,
        "modification_type": "PARTNER_DISCOUNT", "details_type": None, "reason": None,
        "amount_cents": 5,
    }  # fmt: skip
    return ReceiptRows(receipt, lines, [discount])


def stored(db: OperationsDatabase, now: datetime, *documents: ReceiptRows) -> Kept:
    with db.write() as conn:
        return store_receipts(conn, documents, now)


def test_a_receipt_that_comes_again_changes_nothing(operations_db: OperationsDatabase) -> None:
    assert stored(operations_db, NOW, document("R1", 100, 200), document("R2", 5)) == Kept(new=2)
    before = [table(operations_db, name) for name in ("receipts", "receipt_lines")]
    again = document("R1", 100, 200, page_ref="another page")
    assert stored(operations_db, LATER, again) == Kept(unchanged=1)
    assert [table(operations_db, name) for name in ("receipts", "receipt_lines")] == before


def test_a_receipt_that_differs_replaces_all_of_its_lines(
    operations_db: OperationsDatabase,
) -> None:
    stored(operations_db, NOW, document("R1", 100, 200), document("R2", 5))
    assert stored(operations_db, LATER, document("R1", 100)) == Kept(changed=1)
    lines = table(operations_db, "receipt_lines")
    assert [(row["receipt_number"], row["amount_cents"], row["recorded_at"]) for row in lines] == [
        ("R1", 100, LATER),
        ("R2", 5, NOW),
    ]
    assert [row["recorded_at"] for row in table(operations_db, "receipts")] == [LATER, NOW]
    assert len(table(operations_db, "receipt_modifications")) == 2


def test_an_ambiguous_order_is_settled_once_with_the_prices_given(
    operations_db: OperationsDatabase,
) -> None:
    put_order(operations_db, "o", {"i1": {}, "i2": {}}, discount_reading="ambiguous")
    put_order(operations_db, "clear", {"i1": {}}, discount_reading="on_top")
    stored(
        operations_db,
        NOW,
        document("R1", 1895, 1995),
        document("R2", 1995, order="clear"),
        document("E1", 1895, receipt_type="REFUND"),
    )
    with operations_db.read() as conn:
        [charged] = ambiguous_orders(conn)
    assert (charged.sales_order_id, charged.charged_cents) == ("o", {"i1": 1895, "i2": 1995})
    items = [SettledItem("i1", 100, 1895), SettledItem("i2", 0, 1995)]
    with operations_db.write() as conn:
        assert settle_reading(conn, "o", "on_top", items, LATER)
    with operations_db.write() as conn:
        assert not settle_reading(conn, "o", "included", items, LATER)
        assert ambiguous_orders(conn) == []
    prices = [row for row in table(operations_db, "position_items") if row["recorded_at"] == LATER]
    assert [(row["order_discount_share_cents"], row["buyer_price_cents"]) for row in prices] == [
        (100, 1895),
        (0, 1995),
    ]
    assert [row["discount_reading"] for row in table(operations_db, "orders")] == [
        "on_top",
        "on_top",
    ]


def test_what_receipts_settled_outlives_a_later_version_of_the_order(
    operations_db: OperationsDatabase,
) -> None:
    def put(order: str) -> None:
        unit = {"order_discount_share_cents": 100, "buyer_price_cents": 1895}
        put_order(operations_db, order, {"i1": unit}, discount_reading="ambiguous")

    put("o")
    put("open")
    with operations_db.write() as conn:
        settle_reading(conn, "o", "included", [SettledItem("i1", 100, 1995)], LATER)
    put("o")
    put("open")
    with operations_db.write() as conn:
        keep_settled(conn, ["o", "open"])
    prices = [row["buyer_price_cents"] for row in table(operations_db, "position_items")]
    readings = [row["discount_reading"] for row in table(operations_db, "orders")]
    assert (prices, readings) == ([1995, 1895], ["included", "ambiguous"])
    [kept] = table(operations_db, "settled_prices")
    assert (kept["imported_price_cents"], kept["buyer_price_cents"]) == (1895, 1995)


def returned(status: str, at: datetime, **columns: Any) -> dict[str, Any]:
    return {
        "sales_order_id": "o", "position_item_id": "i1", "status": status, "occurred_at": at,
        "condition": None, "reason": None, "tracking_carrier": None, "tracking_numbers": None,
        "otto_warehouse_id": None, "announced_at": None, "decided_at": None, **columns,
    }  # fmt: skip


def test_the_latest_status_of_a_return_wins_and_keeps_its_announcement(
    operations_db: OperationsDatabase,
) -> None:
    announced = returned("ANNOUNCED", EARLIER, announced_at=EARLIER, tracking_numbers='["7"]')
    accepted = returned("ACCEPTED", NOW, condition="B", decided_at=NOW)
    with operations_db.write() as conn:
        assert store_returns(conn, [announced], NOW) == Kept(new=1)
        assert store_returns(conn, [accepted, announced], LATER) == Kept(changed=1)
        assert store_returns(conn, [announced], LATER) == Kept(older=1)
        assert store_returns(conn, [accepted], LATER + timedelta(1)) == Kept(unchanged=1)
    [row] = table(operations_db, "otto_returns")
    assert (row["status"], row["condition"], row["announced_at"], row["tracking_numbers"]) == (
        "ACCEPTED",
        "B",
        EARLIER,
        '["7"]',
    )
    assert row["recorded_at"] == LATER


def test_a_return_parcel_moves_forward_only(operations_db: OperationsDatabase) -> None:
    def parcel(state: str, at: datetime) -> dict[str, Any]:
        return {
            "return_shipment_id": "p", "carrier": "DHL", "tracking_number": "7",
            "created_at": EARLIER, "state": state, "state_at": at,
        }  # fmt: skip

    item = {"return_shipment_id": "p", "sales_order_id": "o", "position_item_id": "i1"}
    with operations_db.write() as conn:
        store_return_shipments(conn, [parcel("DELIVERED", NOW)], [item], NOW)
        kept = store_return_shipments(conn, [parcel("ON_THE_WAY", EARLIER)], [item], LATER)
    assert kept == Kept(older=1)
    assert [row["state"] for row in table(operations_db, "return_shipments")] == ["DELIVERED"]
    assert [row["recorded_at"] for row in table(operations_db, "return_shipment_items")] == [NOW]


def decision(outcome: str = "ACCEPT", basis: str = PERSON, by: str = "Eva") -> ReturnDecision:
    return ReturnDecision(
        sales_order_id="o",
        position_item_id="i1",
        decision="ACCEPT" if outcome == "ACCEPT" else "REJECT",
        condition="A",
        reason="RETURN_RECEIVED" if outcome == "ACCEPT" else "ITEM_DAMAGED",
        basis=basis,
        decided_by=by,
        decided_at=NOW,
    )


def test_a_rejection_may_become_an_acceptance_but_never_the_other_way(
    operations_db: OperationsDatabase,
) -> None:
    with operations_db.write() as conn:
        assert record_decision(conn, decision("REJECT"), NOW)
        assert not record_decision(conn, decision("REJECT"), LATER)
        assert record_decision(conn, decision("ACCEPT"), LATER)
        with pytest.raises(DecisionIsFinal, match="refunds at once"):
            record_decision(conn, decision("REJECT"), LATER)
        assert decision_on(conn, "o", "i1") == decision("ACCEPT")
        assert decision_on(conn, "o", "i2") is None


def test_a_decision_rests_on_a_person_with_a_name_or_on_a_receipt(
    operations_db: OperationsDatabase,
) -> None:
    with operations_db.read() as conn:
        assert has_basis(conn, decision())
        assert not has_basis(conn, decision(by=" "))
        assert not has_basis(conn, decision(basis="RCV-1"))


def reduction(sequence: int = 1, cents: int = 500, status: str = "INITIATED") -> dict[str, Any]:
    return {
        "sales_order_id": "o", "position_item_id": "i1", "created_at": NOW, "sequence": sequence,
        "amount_cents": cents, "currency": "EUR", "status": status, "receipt_number": None,
        "total_cents": None, "invoice_cents": None,
    }  # fmt: skip


def test_two_equal_reductions_are_two_and_a_rejected_one_takes_nothing(
    operations_db: OperationsDatabase,
) -> None:
    put_order(operations_db, "o", {"i1": {}})
    rows = [reduction(1), reduction(2), reduction(3, status="REJECTED")]
    with operations_db.write() as conn:
        assert store_reductions(conn, rows, NOW) == Kept(new=3)
        processed = reduction(1, status="PROCESSED")
        assert store_reductions(conn, [processed, *rows[1:]], LATER) == Kept(changed=1, unchanged=2)
        item = reducible_item(conn, "o", "i1")
        assert item is not None
        assert (item.buyer_price_cents, item.reduced_cents) == (1995, 1000)
        assert reducible_item(conn, "o", "i9") is None


def test_a_request_is_written_once_and_its_id_stands_for_one_reduction(
    operations_db: OperationsDatabase,
) -> None:
    def request(cents: int) -> ReductionRequest:
        return ReductionRequest(
            request_id="q1", sales_order_id="o", position_item_id="i1", amount_cents=cents,
            currency="EUR", reason="scratched", requested_by="Eva", requested_at=NOW,
        )  # fmt: skip

    with operations_db.write() as conn:
        assert record_request(conn, request(500), NOW)
        assert not record_request(conn, request(500), LATER)
        with pytest.raises(ValueError, match="use a new id"):
            record_request(conn, request(600), LATER)
    [row] = table(operations_db, "price_reduction_requests")
    assert (row["amount_cents"], row["recorded_at"]) == (500, NOW)


def test_each_list_of_products_fills_its_own_columns(operations_db: OperationsDatabase) -> None:
    price = {
        "sku": "A", "standard_price_cents": 1995, "sale_price_cents": None, "sale_from": None,
        "sale_to": None, "currency": "EUR",
    }  # fmt: skip
    online = {
        "sku": "A", "marketplace_status": "ONLINE", "status_errors": None, "status_at": NOW,
    }  # fmt: skip
    with operations_db.write() as conn:
        assert store_prices(conn, [price], NOW) == Kept(new=1)
        assert store_active(conn, [{"sku": "A", "active": True}], NOW) == Kept(changed=1)
        assert store_marketplace_status(conn, [online], NOW) == Kept(changed=1)
        old = {**online, "marketplace_status": "PENDING", "status_at": EARLIER}
        assert store_marketplace_status(conn, [old], LATER) == Kept(older=1)
        assert store_prices(conn, [price], LATER) == Kept(unchanged=1)
    [row] = table(operations_db, "products")
    assert (row["standard_price_cents"], row["active"], row["marketplace_status"]) == (
        1995,
        True,
        "ONLINE",
    )
    assert row["recorded_at"] == NOW
