"""Orders that are not ready or no longer wanted, on either side, before and after the hand-over."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assets.outbound.wms_order import WmsOrderHandler, enqueue_orders
from otto_pipelines.sandbox.stories import Story


def open_breaks(shop: Any) -> list[tuple[str, str, str]]:
    with shop.finance.read() as con:
        return con.execute(
            "SELECT kind, sales_order_id, position_item_id FROM reconciliation.breaks "
            "WHERE status = 'open' ORDER BY ALL"
        ).fetchall()


def reconciled(shop: Any, **later: float) -> list[tuple[str, str, str]]:
    """Open breaks once both sides had their time."""
    shop.advance(**later)
    shop.sync_orders()
    shop.sync_shipments()
    shop.sync_orders()
    shop.run("reconcile")
    return open_breaks(shop)


def test_an_announced_order_is_never_sent(shop: Any) -> None:
    order = shop.new_order(lines=2, announced=True)
    shop.sync_orders()
    assert {row["fulfilment_status"] for row in shop.table("position_items")} == {"ANNOUNCED"}
    assert shop.sandbox.wms_wire.posts("/v1/orders/batch") == []
    assert shop.outbox("wms_order") == []
    with shop.world.turn() as world:
        world.market.release(order)
    shop.sync_orders()
    assert list(shop.world.warehouse.orders) == [order.order_id]


def test_an_order_cancelled_before_its_submission_is_dropped(shop: Any) -> None:
    order = shop.new_order()
    shop.sync_orders(only=["otto_orders"])
    assert enqueue_orders(shop.db, datetime.now(UTC)) == 1
    shop.cancel_at_otto(order)
    shop.sync_orders(only=["otto_orders"])
    handler = WmsOrderHandler(shop.db, shop.wms, shop.model, shop.clock)
    assert shop.deliver(handler) == {"dropped": 1}
    [row] = shop.outbox("wms_order")
    assert row["state"] == "ignored"
    assert "cancelled before it was sent" in row["reason"]
    assert shop.sandbox.wms_wire.posts("/v1/orders/batch") == []
    assert reconciled(shop, hours=12) == []


def test_only_the_items_that_are_still_wanted_are_submitted(shop: Any) -> None:
    order = shop.new_order(lines=3)
    shop.cancel_at_otto(order, order.items[:1])
    shop.sync_orders()
    held = shop.world.warehouse.orders[order.order_id]
    assert set(held.lines) == {item.item_id for item in order.items[1:]}


def test_an_item_cancelled_after_the_submission_is_cancelled_at_the_warehouse(
    any_shop: Any,
) -> None:
    order = any_shop.new_order(lines=2)
    any_shop.sync_orders()
    any_shop.cancel_at_otto(order, order.items[:1])
    for _ in range(2):
        any_shop.sync_orders()
    lines = any_shop.world.warehouse.orders[order.order_id].lines
    assert [lines[item.item_id].state for item in order.items] == ["CANCELLED", "NEW"]
    assert [row["state"] for row in any_shop.outbox("wms_cancellation")] == ["confirmed"]
    calls = any_shop.sandbox.wms_wire.posts(f"/v1/orders/{order.order_id}/cancellation")
    assert [call["line_ids"] for call in calls] == [[order.items[0].item_id]]


def test_a_lost_answer_to_a_cancellation_is_asked_again(shop: Any) -> None:
    order = shop.new_order()
    shop.sync_orders()
    shop.cancel_at_otto(order)
    shop.sandbox.wms_wire.lose("POST", f"/v1/orders/{order.order_id}/cancellation")
    shop.sync_orders()
    assert [row["state"] for row in shop.outbox("wms_cancellation")] == ["sent"]
    shop.make_due()
    shop.sync_orders()
    assert [row["state"] for row in shop.outbox("wms_cancellation")] == ["confirmed"]


def test_an_order_cancelled_after_packing_ends_in_a_break(
    shop: Any, failing_rows: Callable[..., Any]
) -> None:
    order = shop.new_order()
    shop.sync_orders()
    with shop.world.turn() as world:
        held = world.warehouse.orders[order.order_id]
        world.warehouse.accept(held)
        for line in held.lines.values():
            line.state, line.packed = "PICKED", True
    shop.cancel_at_otto(order)
    [row] = failing_rows(shop.sync_orders(), "cancellations_in_time")
    assert row["sales_order_id"] == order.order_id
    assert "too late" in row["reason"]
    item = order.items[0].item_id
    expected = [("cancelled_in_otto_open_in_wms", order.order_id, item)]
    assert reconciled(shop, hours=12) == expected
    assert shop.shipments() == []


def given_up_by_warehouse(shop: Any, how: str) -> Any:
    """An order of two units of which the warehouse will ship one."""
    order = shop.new_order(lines=2, story=Story.SHORT_PICKED if how == "short" else None)
    shop.sync_orders()
    with shop.world.turn() as world:
        held = world.warehouse.orders[order.order_id]
        world.warehouse.accept(held)
        first = order.items[0].item_id
        if how == "short":
            world.warehouse._pick_short(held, held.lines[first])
        else:
            world.warehouse.cancel(order.order_id, [first], "article damaged")
    return order


@pytest.mark.parametrize("how", ["short", "cancelled"])
def test_a_unit_that_the_warehouse_gave_up_is_cancelled_at_otto_and_confirmed_by_a_read(
    shop: Any, how: str
) -> None:
    order = given_up_by_warehouse(shop, how)
    shop.sync_shipments()
    item = order.items[0]
    [row] = shop.outbox("otto_cancellation")
    assert (row["business_key"], row["state"]) == (f"{order.order_id}:{item.item_id}", "sent")
    shop.sync_orders()
    assert shop.outbox("otto_cancellation")[0]["state"] == "sent", "OTTO has not acted yet"
    shop.advance(minutes=10)
    shop.sync_orders()
    assert shop.outbox("otto_cancellation")[0]["state"] == "confirmed"
    assert [i.status for i in order.items] == ["CANCELLED_BY_PARTNER", "PROCESSABLE"]
    shop.dispatch(order)
    shop.sync_shipments()
    assert [items for _, items in shop.shipments()] == [[order.items[1].item_id]]
    assert reconciled(shop, hours=12) == []


def test_a_backordered_unit_is_not_cancelled_at_otto(shop: Any) -> None:
    order = shop.new_order(lines=2, story=Story.BACKORDERED)
    shop.sync_orders()
    with shop.world.turn() as world:
        held = world.warehouse.orders[order.order_id]
        world.warehouse.accept(held)
        world.warehouse._pick_short(held, next(iter(held.lines.values())))
    shop.sync_shipments()
    assert shop.outbox("otto_cancellation") == []


def test_the_policy_can_keep_a_short_unit_open_at_otto(open_shop: Any, sqlite_db: Any) -> None:
    shop = open_shop(sqlite_db, short_pick={"cancel_at_otto": False})
    given_up_by_warehouse(shop, "short")
    shop.sync_shipments()
    assert shop.outbox("otto_cancellation") == []


def test_a_cancellation_that_otto_ignores_stays_unconfirmed_and_becomes_a_break(shop: Any) -> None:
    order = given_up_by_warehouse(shop, "cancelled")
    order.story = Story.CANCELLATION_IGNORED
    shop.sync_shipments()
    found = reconciled(shop, hours=12)
    assert found == [
        ("cancelled_in_wms_open_in_otto", order.order_id, order.items[0].item_id),
    ]
    assert shop.outbox("otto_cancellation")[0]["state"] == "sent"


def test_an_order_that_the_warehouse_lost_is_a_break(shop: Any, tmp_path: Path) -> None:
    order = shop.new_order(story=Story.ORDER_LOST)
    shop.sync_orders()
    found = reconciled(shop, hours=3)
    assert found == [("missing_in_wms", order.order_id, order.items[0].item_id)]
    assert (tmp_path / "finance.duckdb").exists()
