"""What customer care reads of an order: equal to the warehouse's truth, in the file and live."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from assets.customer_care.lookup import OrderNotFound, look_up
from otto_pipelines.sandbox.stories import Story
from tests.flows.test_money_returns import announce, receive

ON_ITS_WAY = {"NEW", "ACCEPTED", "ALLOCATED", "PICKED"}
# What the warehouse's own books must say of a unit with this status; None: no such line.
TRUTH: dict[str, set[str | None]] = {
    "returned": {"SHIPPED"},
    "return_rejected": {"SHIPPED"},
    "return_misdirected": {"SHIPPED"},
    "return_received": {"SHIPPED"},
    "return_announced": {"SHIPPED"},
    "cancelled_but_shipped": {"SHIPPED"},
    "cancelled_not_stopped": {*ON_ITS_WAY, "SHORT"},
    "cancelled": {None, "CANCELLED", "SHORT"},
    "sent_without_parcel": {None, *ON_ITS_WAY, "SHORT", "CANCELLED"},
    "shipped": {"SHIPPED"},
    "shipped_number_held": {"SHIPPED"},
    "shipped_confirmation_stuck": {"SHIPPED"},
    "shipped_confirmation_on_its_way": {"SHIPPED"},
    "shipped_parcel_unknown": {"SHIPPED"},
    "not_released": {None},
    "backordered": {"SHORT"},
    "cannot_ship": {"SHORT", "CANCELLED"},
    "lost_by_warehouse": {None},
    "picked": {"PICKED"},
    "in_warehouse": {"ACCEPTED", "ALLOCATED"},
    "handover_stuck": {None},
    "handed_over": {"NEW"},
    "waits_for_other_items": {None},
    "on_its_way_to_warehouse": {None},
}


def statuses_live(shop: Any) -> dict[tuple[str, str], str]:
    """Status of every item, looked up order by order."""
    found = {}
    for order in shop.world.market.orders:
        for each in look_up(shop.db, shop.model, order, shop.clock.now()):
            for unit in each.units:
                found[order, unit.row.position_item_id] = unit.status.status
    return found


def statuses_in_file(shop: Any) -> dict[tuple[str, str], str]:
    with shop.finance.read() as con:
        rows = con.execute(
            "SELECT sales_order_id, position_item_id, status FROM reports.fulfilment_status"
        ).fetchall()
    found = {(order, item): status for order, item, status in rows}
    assert len(found) == len(rows)
    return found


def true_state(shop: Any, order: str, item: str) -> str | None:
    held = shop.world.warehouse.orders.get(order)
    return held.lines[item].state if held is not None and item in held.lines else None


def test_every_status_agrees_with_the_warehouse_through_all_stories(shop: Any) -> None:
    for story in (None, None, None, *Story):
        shop.new_order(lines=2, story=story)
    waiting = shop.new_order(announced=True)
    seen: set[str] = set()
    for hours in (0, 3, 5, 18, 30):
        shop.advance(hours=hours)
        shop.sync_orders()
        shop.sync_shipments()
        shop.run("reconcile")
        live = statuses_live(shop)
        assert {
            (order, item): (status, true_state(shop, order, item))
            for (order, item), status in live.items()
            if true_state(shop, order, item) not in TRUTH[status]
        } == {}
        assert statuses_in_file(shop) == live
        assert len(live) == sum(len(order.items) for order in shop.world.market.orders.values())
        seen |= set(live.values())
    assert live[waiting.order_id, waiting.items[0].item_id] == "not_released"
    assert {"in_warehouse", "shipped", "shipped_number_held", "cannot_ship"} <= seen


def test_a_return_is_followed_from_announcement_to_refund(shop: Any) -> None:
    order = shop.new_order()
    shop.sync_orders()
    shop.dispatch(order)
    shop.sync_shipments()
    shop.sync_orders()
    key = order.order_id, order.items[0].item_id
    seen = []
    steps: list[Callable[[], object]] = [
        list,
        lambda: announce(shop, order),
        lambda: receive(shop, order),
    ]
    for step in steps:
        step()
        shop.run("sync_returns", only=("otto_returns", "wms_returns"))
        shop.run("reconcile")
        assert statuses_in_file(shop) == statuses_live(shop)
        seen.append(statuses_live(shop)[key])
    shop.run("sync_returns")
    shop.run("sync_returns")
    seen.append(statuses_live(shop)[key])
    assert seen == ["shipped", "return_announced", "return_received", "returned"]


def test_an_order_is_found_by_either_number_with_parcel_link_and_exception(
    command: Callable[..., tuple[int, str]], shop: Any
) -> None:
    good, bad = shop.new_order(), shop.new_order(story=Story.TRACKING_MALFORMED)
    shop.sync_orders()
    [parcel], [held] = shop.dispatch(good), shop.dispatch(bad)
    shop.sync_shipments()
    shop.sync_orders()
    number = {row["sales_order_id"]: row["order_number"] for row in shop.table("orders")}
    code, said = command("order", number[good.order_id])
    assert code == 0
    assert said == command("order", good.order_id)[1]
    assert "shipped: " in said
    assert "link:     https://" in said
    assert parcel.number in said
    _, said = command("order", bad.order_id)
    assert "shipped_number_held: " in said
    assert "open exception" in said
    assert held.parcel_id in said
    assert "https://" not in said
    [found] = json.loads(command("order", bad.order_id, "--json")[1])
    assert found["units"][0]["escalate_to"] == "warehouse"
    assert [row["kind"] for row in found["exceptions"]] == ["parcel_parked"]


def test_nothing_of_the_buyer_is_shown(command: Callable[..., tuple[int, str]], shop: Any) -> None:
    order = shop.new_order()
    shop.sync_orders()
    address = json.loads(shop.table("orders")[0]["delivery_address"])
    said = command("order", order.order_id)[1] + command("order", order.order_id, "--json")[1]
    values = [value for value in address.values() if isinstance(value, str) and len(value) > 3]
    assert values
    assert [value for value in values if value in said] == []


def test_a_unit_past_its_ship_by_time_is_marked_late_until_it_leaves(
    command: Callable[..., tuple[int, str]], shop: Any
) -> None:
    order = shop.new_order(story=Story.STALLED)
    shop.sync_orders()
    shop.sync_shipments()
    assert "(late)" not in command("order", order.order_id)[1]
    shop.world.advance(shop.table("position_items")[0]["ship_by_at"])
    shop.advance(minutes=1)
    assert "(late)" in command("order", order.order_id)[1]
    shop.dispatch(order)
    shop.sync_shipments()
    assert "(late)" not in command("order", order.order_id)[1]


def test_an_unknown_number_is_refused_with_what_to_do(
    command: Callable[..., tuple[int, str]], shop: Any
) -> None:
    code, said = command("order", "4711-0815")
    assert code == 2
    assert "errors pull" in said
    with pytest.raises(OrderNotFound, match="4711-0815"):
        look_up(shop.db, shop.model, "4711-0815", shop.clock.now())
