"""Receipts, price reductions and prices through the project's own jobs, against the sandbox."""

import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from otto_pipelines.sandbox.generator import make_order
from otto_pipelines.sandbox.http_server import Answer, Request
from otto_pipelines.sandbox.model import Discount
from resources.operations.database import OperationsDatabase
from tests.flows.test_money_outbound import REDUCE, sent_order, states

Rows = Callable[..., list[dict[str, Any]]]
RECEIPTS = ("receipts", "receipt_lines", "receipt_modifications", "quarantine")
# When and where a row was last read may differ between two ways to the same state.
_OURS = {"recorded_at", "page_ref", "first_seen_at", "last_seen_at", "evidence_ref"}


def content(shop: Any, *, with_times: bool = False) -> dict[str, list[dict[str, Any]]]:
    return {
        table: [
            {name: value for name, value in row.items() if with_times or name not in _OURS}
            for row in shop.table(table)
        ]
        for table in RECEIPTS
    }


def sync_receipts(shop: Any, **options: Any) -> Any:
    """Read what was created since the last time, as the schedule does."""
    day = shop.clock.now().date().isoformat()
    changes = {"ops": {"otto_receipts": {"config": {"mode": "changes"}}}}
    return shop.run("sync_receipts", partition_key=day, config=changes, **options)


def backfill(shop: Any, first: str, last: str) -> Any:
    tags = {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }
    return shop.run("sync_receipts", only=["otto_receipts"], tags=tags)


def three_days(shop: Any) -> None:
    """A purchase a day; on the last one a unit of the first comes back."""
    orders = []
    for _ in range(3):
        orders.append(sent_order(shop, 2))
        sync_receipts(shop, only=["otto_receipts"])
        shop.advance(days=1)
    with shop.world.turn() as world:
        world.market.mark_returned(orders[0], orders[0].items[0], by_marketplace=True)
        world.money.reductions.ask(orders[1], orders[1].items[0], 100)
    shop.advance(hours=2)
    sync_receipts(shop, only=["otto_receipts"])


def test_receipts_read_by_day_are_those_read_by_changes_and_a_repeat_changes_nothing(
    open_shop: Any, sqlite_db: Any, sqlite_template: Path, tmp_path: Path
) -> None:
    shop = open_shop(sqlite_db)
    three_days(shop)
    by_changes = content(shop)
    assert len(by_changes["receipts"]) >= 4

    path = tmp_path / "backfilled.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    shop.db = OperationsDatabase(f"sqlite:///{path}")
    shop.assemble()
    backfill(shop, "2026-06-08", "2026-06-11")
    assert content(shop) == by_changes
    before = content(shop, with_times=True)
    shop.advance(hours=1)
    backfill(shop, "2026-06-08", "2026-06-10")
    assert content(shop, with_times=True) == before
    shop.db.close()


def spoil(shop: Any, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """The next list of receipts arrives with this change."""
    wire = shop.sandbox.otto_wire
    app: Callable[[Request], Answer] = wire._app

    def once(request: Request) -> Answer:
        answer = app(request)
        if (request.method, request.path) != ("GET", "/v3/receipts"):
            return answer
        wire._app = app
        body = json.loads(answer.body)
        change(body["resources"])
        return Answer(answer.status, json.dumps(body).encode(), headers=answer.headers)

    wire._app = once


def test_a_bad_receipt_waits_in_quarantine_and_the_others_are_stored(
    shop: Any, failing_rows: Rows
) -> None:
    for _ in range(2):
        sent_order(shop)

    def wrong(receipts: list[dict[str, Any]]) -> None:
        receipts[0]["lineItems"]["itemPositions"][0]["unitPrice"]["gross"]["amount"] = "19.955"

    spoil(shop, wrong)
    result = sync_receipts(shop)
    [row] = failing_rows(result, "whole_cents", "otto_receipts")
    assert (row["value"], row["owner"]) == ("19.955", "finance")
    assert len(shop.table("receipts")) == 1
    again = sync_receipts(shop)
    assert failing_rows(again, "whole_cents", "otto_receipts") == []
    assert len(shop.table("receipts")) == 2


def test_a_changed_interface_stops_the_run_and_is_read_again_from_the_same_day(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.money_reading.FEWEST_BAD_FOR_BREAK", 1)
    sent_order(shop)

    def renamed(receipts: list[dict[str, Any]]) -> None:
        for receipt in receipts:
            receipt["number"] = receipt.pop("receiptNumber")

    spoil(shop, renamed)
    assert not sync_receipts(shop, must_succeed=False).success
    assert shop.table("receipts") == []
    assert "otto_receipts" not in {row["source"] for row in shop.table("watermarks")}
    sync_receipts(shop)
    assert len(shop.table("receipts")) == 1


PRICE_CHECKS = (
    "receipt_charges_buyer_price",
    "unit_charged_once",
    "receipt_vat_rate_known",
    "receipt_lines_make_total",
    "receipt_delivery_fee_once",
)


def test_what_a_receipt_charges_wrongly_fails_its_own_rule(shop: Any, failing_rows: Rows) -> None:
    good, bad = sent_order(shop, 2), sent_order(shop)
    result = sync_receipts(shop)
    assert [rows for name in PRICE_CHECKS if (rows := failing_rows(result, name))] == []

    def dearer(receipts: list[dict[str, Any]]) -> None:
        [receipt] = [r for r in receipts if r["salesOrderId"] == bad.order_id]
        [line] = receipt["lineItems"]["itemPositions"]
        cents = round(100 * float(line["unitPrice"]["gross"]["amount"])) + 100
        price = {"amount": f"{cents // 100}.{cents % 100:02d}", "currency": "EUR"}
        line["unitPrice"]["gross"] = line["positionSum"]["gross"] = price
        line["priceModifications"] = []
        for group in line["priceToPayPerPositionItems"]:
            group["priceToPay"]["gross"] = price

    spoil(shop, dearer)
    result = sync_receipts(shop)
    found = {name: failing_rows(result, name) for name in PRICE_CHECKS}
    [row] = found.pop("receipt_charges_buyer_price")
    assert row["sales_order_id"] == bad.order_id != good.order_id
    assert found.pop("receipt_lines_make_total")[0]["receipt_number"] == row["receipt_number"]
    assert not any(found.values())


def discounted_order(shop: Any) -> Any:
    """A PROCESSABLE order of two units with 3.00 off on the whole of it."""
    with shop.world.turn() as world:
        order = make_order(random.Random(5), world.sim.now, 2)
        ids = tuple(item.item_id for item in order.items)
        order.discounts = [Discount("d1", "Aktion", 300, ids)]
        world.market.add(order)
        world.market.release(order)
    return order


def prices(shop: Any) -> list[int]:
    return [row["buyer_price_cents"] for row in shop.table("position_items")]


def test_a_receipt_settles_an_ambiguous_discount_for_good(
    open_shop: Any, sqlite_db: Any, failing_rows: Rows
) -> None:
    # OTTO's discounts come on top; this seller's model takes them as included.
    shop = open_shop(sqlite_db, orders={"discount_reading": "included"})
    order = discounted_order(shop)
    shop.sync_orders()
    shop.dispatch(order)
    shop.sync_shipments()
    shop.advance(minutes=10)
    shop.sync_orders()
    imported = prices(shop)
    assert [row["discount_reading"] for row in shop.table("orders")] == ["ambiguous"]

    result = sync_receipts(shop)
    assert failing_rows(result, "receipt_charges_buyer_price") == []
    settled = prices(shop)
    assert sum(settled) == sum(imported) - 300
    charged = {
        row["position_item_id"]: row["amount_cents"]
        for row in shop.table("receipt_lines")
        if row["kind"] == "item"
    }
    items = shop.table("position_items")
    assert {row["position_item_id"]: row["buyer_price_cents"] for row in items} == charged
    kept = shop.table("settled_prices")
    assert [row["imported_price_cents"] for row in kept] == imported
    assert [row["discount_reading"] for row in shop.table("orders")] == ["on_top"]

    shop.advance(days=1)
    shop.run("reconcile")
    with shop.finance.read() as con:
        kinds = con.execute("SELECT kind FROM reconciliation.breaks WHERE area = 'prices'")
        assert kinds.fetchall() == [("price_mismatch",)] * 2

    with shop.world.turn() as world:
        world.market.mark_returned(order, order.items[0], by_marketplace=True)
    shop.sync_orders()
    statuses = {row["fulfilment_status"] for row in shop.table("position_items")}
    assert statuses == {"RETURNED", "SENT"}
    assert prices(shop) == settled
    assert [row["discount_reading"] for row in shop.table("orders")] == ["on_top"]


def reduce(shop: Any, order: Any, amount: str, request_id: str = "", **options: Any) -> Any:
    wanted = {
        "sales_order_id": order.order_id,
        "position_item_id": order.items[0].item_id,
        "amount": amount,
        "reason": "scratched",
        "requested_by": "Eva",
        "request_id": request_id,
    }
    config = {"ops": {"otto_price_reduction_requests": {"config": {"reductions": [wanted]}}}}
    return shop.run("reduce_prices", config=config, **options)


def test_a_reduction_is_initiated_processed_and_paid_back(shop: Any, failing_rows: Rows) -> None:
    order = sent_order(shop)
    reduce(shop, order, "2.50", "q1")
    reduce(shop, order, "2.50", "q1")
    assert [row["status"] for row in shop.table("price_reductions")] == ["INITIATED"]
    assert states(shop, "otto_price_reduction") == ["sent"]
    shop.advance(days=1)
    shop.make_due()
    result = sync_receipts(shop)
    assert states(shop, "otto_price_reduction") == ["confirmed"]
    [reduction] = shop.table("price_reductions")
    assert (reduction["status"], reduction["amount_cents"]) == ("PROCESSED", 250)
    [line] = [row for row in shop.table("receipt_lines") if row["kind"] == "item_partial_refund"]
    assert (line["receipt_number"], line["amount_cents"]) == (reduction["receipt_number"], 250)
    assert len(shop.sandbox.otto_wire.posts(REDUCE)) == 1
    assert failing_rows(result, "reductions_below_price") == []
    assert failing_rows(result, "reductions_accepted_by_otto") == []


def test_a_reduction_that_otto_rejects_is_a_failed_check(shop: Any, failing_rows: Rows) -> None:
    order = sent_order(shop)
    with shop.world.turn() as world:
        left = world.money.billing.remaining_cents(order, order.items[0])
        world.money.reductions.ask(order, order.items[0], left - 50)
    reduce(shop, order, "2.50")
    shop.advance(days=1)
    # The reduction is claimed first, and its rejection is believed the next time.
    for _ in range(2):
        shop.make_due()
        result = shop.run("reduce_prices")
    [row] = failing_rows(result, "reductions_accepted_by_otto")
    assert "OTTO rejected the reduction" in row["reason"]
    assert {row["amount_cents"]: row["status"] for row in shop.table("price_reductions")} == {
        left - 50: "PROCESSED",
        250: "REJECTED",
    }


@pytest.mark.parametrize(
    ("amount", "says"),
    [("9999.00", "below what is left"), ("2,50", "write it like 5.00"), ("0.00", "above zero")],
)
def test_a_reduction_that_is_not_possible_is_refused_in_words(
    shop: Any, amount: str, says: str
) -> None:
    order = sent_order(shop)
    result = reduce(shop, order, amount, must_succeed=False)
    [failure] = [e for e in result.all_node_events if e.is_step_failure]
    assert says in failure.event_specific_data.error_display_string
    assert shop.table("price_reduction_requests") == shop.outbox("otto_price_reduction") == []


def test_prices_and_states_of_products_are_read_and_judged(shop: Any, failing_rows: Rows) -> None:
    result = shop.run("sync_prices")
    products = shop.table("products")
    assert len(products) == len(shop.world.goods.at_otto)
    for rule in ("product_price_positive", "sale_below_standard_price", "sale_has_its_period"):
        assert failing_rows(result, rule) == []
    hidden = {row["sku"] for row in failing_rows(result, "products_shown_in_shop")}
    assert hidden == {
        row["sku"]
        for row in products
        if row["active"] and row["marketplace_status"] == "RESTRICTED"
    }
    recorded = {row["recorded_at"] for row in products}
    shop.advance(hours=1)
    shop.run("sync_prices")
    assert {row["recorded_at"] for row in shop.table("products")} == recorded


def test_a_wrong_price_in_the_warehouse_fails_before_the_parcel_leaves(
    shop: Any, failing_rows: Rows
) -> None:
    order = shop.new_order()
    shop.sync_orders()
    with shop.world.turn() as world:
        [line] = world.warehouse.orders[order.order_id].lines.values()
        line.unit_price_cents += 1
    shop.advance(hours=2)
    result = shop.run("reconcile", only=["wms_order_audit"])
    [row] = failing_rows(result, "wms_price_within_tolerance")
    assert (row["sales_order_id"], row["owner"]) == (order.order_id, "warehouse")


def test_receipts_of_the_days_before_are_read_again(shop: Any) -> None:
    first: datetime = shop.clock.now()
    sync_receipts(shop)
    shop.advance(days=3)
    sync_receipts(shop)
    asked = [r for r in shop.sandbox.otto_wire.requests if r.path == "/v3/receipts"]
    overlap = timedelta(days=shop.model.money.receipts_overlap_days)
    assert dict(asked[-1].query)["from"] == (first - overlap).date().isoformat()
