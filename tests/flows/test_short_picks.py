"""Short-picks to their end: both policies, the last moment, what ships and what does not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assets import short_picks
from assets.outbound.otto_cancellation import OttoCancellationHandler, enqueue_cancellations
from assets.outbound.wms_backorder import WmsBackorderHandler, enqueue_stops
from assets.stock_figures import figure_of
from otto_pipelines.sandbox import warehouse
from otto_pipelines.sandbox.model import Discount
from otto_pipelines.sandbox.stories import Story
from resources.operations.availability import Basis, Lane, NewFigure, refresh_figures
from resources.operations.short_picks import OpenShort, ShortCounts, counts, open_shorts
from resources.operations.stock import store_levels
from resources.wms.port import StockPage

STOP, CANCEL = short_picks.KINDS


@pytest.fixture(autouse=True)
def _nothing_follows_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouse, "_BACKORDER_MINUTES", 100_000)


def short_order(shop: Any, *, backorder: bool, lines: int = 2, discount: int = 0) -> Any:
    """An order of which the warehouse does not find the first unit."""
    order = shop.new_order(lines=lines)
    if discount:
        ids = tuple(item.item_id for item in order.items)
        order.discounts = [Discount("d", "Aktion", discount, ids)]
        order.rendered = None
    shop.sync_orders()
    come_short(shop, order, backorder=backorder)
    return order


def come_short(shop: Any, order: Any, *, backorder: bool, place: int = 0) -> None:
    with shop.world.turn() as world:
        held = world.warehouse.orders[order.order_id]
        line = held.lines[order.items[place].item_id]
        world.warehouse.accept(held)
        world.warehouse._allocation.write_off(line, certain=True)
        world.warehouse._come_up_short(held, line, backorder=backorder)


def follow(shop: Any, order: Any) -> None:
    """The backordered unit comes in and leaves."""
    with shop.world.turn() as world:
        held = world.warehouse.orders[order.order_id]
        world.warehouse._ship_backorder(held, held.lines[order.items[0].item_id])


def to_ship_by(shop: Any, *, less_hours: float) -> None:
    ship_by = max(row["ship_by_at"] for row in shop.table("position_items"))
    shop.world.advance(ship_by - timedelta(hours=less_hours))


def states(shop: Any, kind: str) -> list[str]:
    return [row["state"] for row in shop.outbox(kind)]


def ends(shop: Any) -> ShortCounts:
    shop.sync_orders()
    with shop.db.read() as conn:
        return counts(conn)


def still_open(shop: Any) -> list[OpenShort]:
    with shop.db.read() as conn:
        return open_shorts(conn, STOP, CANCEL)


def next_steps(shop: Any) -> list[str]:
    rows = short_picks.open_rows(shop.db, shop.model.short_pick, shop.clock.now())
    return [row["next_step"] for row in rows]


def shipped_items(shop: Any) -> list[str]:
    return [item for _, items in shop.shipments() for item in items]


def test_a_unit_that_is_to_follow_is_awaited_and_ends_as_shipped(shop: Any) -> None:
    order = short_order(shop, backorder=True)
    shop.sync_shipments()
    assert next_steps(shop) == ["wait"]
    to_ship_by(shop, less_hours=2.1)
    shop.sync_shipments()
    assert (shop.outbox(STOP), shop.outbox(CANCEL)) == ([], [])
    assert ends(shop) == ShortCounts(shipped=0, cancelled=0, open=1)
    follow(shop, order)
    shop.sync_shipments()
    assert ends(shop) == ShortCounts(shipped=1, cancelled=0, open=0)
    assert sorted(shipped_items(shop)) == sorted(item.item_id for item in order.items)
    assert next_steps(shop) == []


def test_at_the_last_moment_a_unit_is_stopped_at_the_warehouse_and_then_cancelled_at_otto(
    any_shop: Any,
) -> None:
    shop = any_shop
    order = short_order(shop, backorder=True)
    to_ship_by(shop, less_hours=2)
    shop.sync_shipments()
    line = shop.world.warehouse.orders[order.order_id].lines[order.items[0].item_id]
    assert line.state == "CANCELLED"
    assert (states(shop, STOP), states(shop, CANCEL)) == (["confirmed"], ["sent"])
    assert ends(shop).open == 1, "202 is not done"
    shop.advance(minutes=10)
    assert ends(shop) == ShortCounts(shipped=0, cancelled=1, open=0)
    assert states(shop, CANCEL) == ["confirmed"]
    assert [item.status for item in order.items] == ["CANCELLED_BY_PARTNER", "SENT"]
    assert shipped_items(shop) == [order.items[1].item_id]


def test_by_policy_a_unit_that_is_to_follow_is_given_up_at_once(
    open_shop: Callable[..., Any], sqlite_db: Any
) -> None:
    shop = open_shop(sqlite_db, short_pick={"backorder": "cancel"})
    order = short_order(shop, backorder=True)
    shop.sync_shipments()
    assert (states(shop, STOP), states(shop, CANCEL)) == (["confirmed"], ["sent"])
    shop.advance(minutes=10)
    assert ends(shop).cancelled == 1
    assert [item.status for item in order.items] == ["CANCELLED_BY_PARTNER", "PROCESSABLE"]


def test_a_unit_that_can_not_be_stopped_any_more_is_not_cancelled_at_otto(shop: Any) -> None:
    order = short_order(shop, backorder=True)
    shop.judge()
    with shop.db.write() as conn:
        assert enqueue_stops(conn, still_open(shop), datetime.now(UTC)) == 1
    follow(shop, order)
    assert shop.deliver(WmsBackorderHandler(shop.db, shop.wms, shop.clock)) == {"confirmed": 1}
    assert "ships after all" in shop.outbox(STOP)[0]["result"]
    to_ship_by(shop, less_hours=0)
    assert next_steps(shop) == ["wait"], "its parcel is in the warehouse's feed"
    shop.sync_shipments()
    assert shop.outbox(CANCEL) == []
    assert ends(shop) == ShortCounts(shipped=1, cancelled=0, open=0)


def test_of_two_units_only_the_one_that_was_stopped_is_cancelled_at_otto(shop: Any) -> None:
    order = short_order(shop, backorder=True)
    come_short(shop, order, backorder=True, place=1)
    shop.judge()
    with shop.db.write() as conn:
        assert enqueue_stops(conn, still_open(shop), datetime.now(UTC)) == 2
    follow(shop, order)
    assert shop.deliver(WmsBackorderHandler(shop.db, shop.wms, shop.clock)) == {"confirmed": 2}
    assert len(shop.sandbox.wms_wire.posts(f"/v1/orders/{order.order_id}/cancellation")) == 1
    shop.sync_shipments()
    assert [row["business_key"] for row in shop.outbox(CANCEL)] == [
        f"{order.order_id}:{order.items[1].item_id}"
    ]
    assert shipped_items(shop) == [order.items[0].item_id]


def test_a_lost_answer_of_the_warehouse_is_asked_for_again(shop: Any) -> None:
    order = short_order(shop, backorder=True)
    to_ship_by(shop, less_hours=1)
    path = f"/v1/orders/{order.order_id}/cancellation"
    shop.sandbox.wms_wire.lose("POST", path)
    shop.sync_shipments()
    assert states(shop, STOP) == ["sent"]
    shop.make_due()
    shop.sync_shipments()
    assert (states(shop, STOP), states(shop, CANCEL)) == (["confirmed"], ["sent"])
    assert len(shop.sandbox.wms_wire.posts(path)) == 2


def test_a_stop_of_a_line_that_the_warehouse_does_not_know_is_a_visible_exception(
    shop: Any, failing_rows: Callable[..., Any]
) -> None:
    order = short_order(shop, backorder=True)
    shop.judge()
    to_ship_by(shop, less_hours=1)
    del shop.world.warehouse.orders[order.order_id]
    [row] = failing_rows(shop.sync_shipments(), "cancellations_accepted_by_otto")
    assert "no such line" in row["reason"]
    assert shop.outbox(CANCEL) == []
    assert next_steps(shop) == ["a person decides"]


def test_a_cancellation_that_otto_refuses_is_a_visible_exception(
    shop: Any, failing_rows: Callable[..., Any]
) -> None:
    order = short_order(shop, backorder=False)
    with shop.world.turn() as world:
        world._send_in_portal(order)
    [row] = failing_rows(shop.sync_shipments(), "cancellations_accepted_by_otto")
    assert (row["sales_order_id"], row["state"]) == (order.order_id, "failed")
    assert "OTTO says SENT" in row["reason"]
    assert next_steps(shop) == ["a person decides"]


def test_a_unit_that_left_before_its_cancellation_is_not_cancelled(shop: Any) -> None:
    order = short_order(shop, backorder=True)
    shop.judge()
    with shop.db.write() as conn:
        assert enqueue_cancellations(conn, still_open(shop), datetime.now(UTC)) == 1
    follow(shop, order)
    shop.judge()
    assert shop.deliver(OttoCancellationHandler(shop.db, shop.otto)) == {"dropped": 1}
    assert "shipped the unit after all" in shop.outbox(CANCEL)[0]["reason"]


def test_a_reason_can_leave_a_unit_to_a_person_and_the_check_warns(
    open_shop: Callable[..., Any], sqlite_db: Any, failing_rows: Callable[..., Any]
) -> None:
    shop = open_shop(sqlite_db, short_pick={"by_reason": {"out_of_stock": "person"}})
    order = short_order(shop, backorder=False)
    [row] = failing_rows(shop.sync_shipments(), "short_picks_open")
    assert (row["sales_order_id"], row["overdue"]) == (order.order_id, False)
    assert shop.outbox(CANCEL) == []


def test_with_the_switch_off_a_unit_past_its_ship_by_time_fails_the_check(
    open_shop: Callable[..., Any], sqlite_db: Any, failing_rows: Callable[..., Any]
) -> None:
    shop = open_shop(sqlite_db, short_pick={"cancel_at_otto": False})
    short_order(shop, backorder=True)
    assert failing_rows(shop.sync_shipments(), "short_picks_open") == []
    to_ship_by(shop, less_hours=-1)
    [row] = failing_rows(shop.sync_shipments(), "short_picks_open")
    assert (row["overdue"], row["next_step"]) == (True, "a person decides")
    assert (shop.outbox(STOP), shop.outbox(CANCEL)) == ([], [])


@pytest.mark.parametrize(
    ("backorder", "kind"), [(True, "late_shipment"), (False, "cancelled_in_wms_open_in_otto")]
)
def test_a_short_pick_that_nobody_settles_is_a_break(
    open_shop: Callable[..., Any], sqlite_db: Any, backorder: bool, kind: str
) -> None:
    shop = open_shop(sqlite_db, short_pick={"cancel_at_otto": False})
    order = short_order(shop, backorder=backorder)
    shop.sync_shipments()
    to_ship_by(shop, less_hours=-1)
    shop.sync_shipments()
    shop.sync_orders()
    shop.run("reconcile")
    with shop.finance.read() as con:
        breaks = con.execute(
            "SELECT kind, position_item_id FROM reconciliation.breaks "
            "WHERE status = 'open' AND sales_order_id = ?",
            [order.order_id],
        ).fetchall()
    assert breaks == [(kind, order.items[0].item_id)]


def test_a_buyer_who_cancels_while_waiting_ends_the_waiting_at_the_warehouse(shop: Any) -> None:
    order = short_order(shop, backorder=True)
    shop.sync_shipments()
    shop.cancel_at_otto(order, order.items[:1])
    assert ends(shop).cancelled == 1
    line = shop.world.warehouse.orders[order.order_id].lines[order.items[0].item_id]
    assert line.state == "CANCELLED"
    assert (shop.outbox(STOP), shop.outbox(CANCEL)) == ([], [])


@pytest.mark.parametrize("minutes_until_it_follows", [600, 100_000])
def test_every_short_pick_of_some_days_comes_to_its_end(
    shop: Any, monkeypatch: pytest.MonkeyPatch, minutes_until_it_follows: int
) -> None:
    monkeypatch.setattr(warehouse, "_BACKORDER_MINUTES", minutes_until_it_follows)
    for story in (Story.SHORT_PICKED, Story.BACKORDERED):
        for lines in (1, 2, 3):
            shop.new_order(lines=lines, story=story)
    for _ in range(6):
        shop.sync_orders()
        shop.sync_shipments()
        shop.advance(days=1)
    follows = minutes_until_it_follows == 600
    expected = ShortCounts(shipped=3 if follows else 0, cancelled=3 if follows else 6, open=0)
    assert ends(shop) == expected
    assert len(shop.world.ledger.shorts) == expected.shorts
    statuses = [item.status for o in shop.world.market.orders.values() for item in o.items]
    assert statuses.count("SENT") == len(statuses) - expected.cancelled


@pytest.mark.parametrize("discount", [0, 997])
def test_what_the_buyer_pays_for_the_other_units_stays_to_the_cent(
    shop: Any, discount: int
) -> None:
    order = short_order(shop, backorder=False, lines=3, discount=discount)
    before = {row["position_item_id"]: row["buyer_price_cents"] for row in prices(shop)}
    full = sum(item.reduced_cents for item in order.items)
    assert sum(before.values()) == full - discount
    shop.sync_shipments()
    shop.advance(minutes=10)
    assert ends(shop).cancelled == 1
    shop.dispatch(order)
    shop.sync_shipments()
    shop.sync_orders()
    assert [item.status for item in order.items] == ["CANCELLED_BY_PARTNER", "SENT", "SENT"]
    assert {row["position_item_id"]: row["buyer_price_cents"] for row in prices(shop)} == before


def prices(shop: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = shop.table("position_items")
    return rows


# The figure for OTTO


def figure(shop: Any, sku: str, page: StockPage | None = None) -> int:
    """The SKU's figure by these levels, or by what the warehouse tells now."""

    def compute(basis: Basis) -> NewFigure:
        found = figure_of(basis, shop.model)
        return NewFigure(basis.sku, found.quantity, found.terms(), Lane.MOVING)

    now = shop.clock.now()
    levels = (page or shop.wms.stock_snapshot([sku])).levels
    with shop.db.write() as conn:
        store_levels(conn, levels, now)
        refresh_figures(conn, [sku], shop.model.sku_map, compute, now)
    [row] = [row for row in shop.table("availability") if row["sku"] == sku]
    return int(row["quantity"])


@pytest.mark.parametrize("on_short", ["zero", "recount"])
def test_by_policy_a_level_from_before_the_short_pick_is_believed_or_not(
    open_shop: Callable[..., Any], sqlite_db: Any, on_short: str
) -> None:
    shop = open_shop(sqlite_db, short_pick={"on_short": on_short})
    order = shop.new_order(lines=1)
    sku = order.items[0].product.sku
    shop.sync_orders()
    receive(shop, sku)
    old = shop.wms.stock_snapshot([sku])
    assert figure(shop, sku, old) > 0
    shop.advance(minutes=1)
    come_short(shop, order, backorder=False)
    shop.judge()
    assert (figure(shop, sku, old) == 0) is (on_short == "zero")
    shop.advance(minutes=1)
    sell_out(shop, sku)
    receive(shop, sku)
    assert figure(shop, sku) == 1, "a newer level is believed"


def sell_out(shop: Any, sku: str) -> None:
    """A count of all shelves finds what is promised, and no more."""
    with shop.world.turn() as world:
        for level in world.warehouse.stock.levels(sku):
            world.warehouse.stock.count(sku, level.location, level.reserved)


def receive(shop: Any, sku: str) -> None:
    with shop.world.turn() as world:
        world.warehouse.stock.receive(sku, None, 1)


@pytest.mark.parametrize("backorder", [True, False])
def test_a_short_unit_takes_the_sku_off_and_a_restock_puts_it_back(
    shop: Any, backorder: bool
) -> None:
    order = shop.new_order(lines=1)
    sku = order.items[0].product.sku
    shop.sync_orders()
    with shop.world.turn() as world:
        world.warehouse.accept(world.warehouse.orders[order.order_id])
        elsewhere = [level.location for level in world.warehouse.stock.levels(sku)][1:]
        for location in elsewhere:
            world.warehouse.stock.count(sku, location, 0)
    come_short(shop, order, backorder=backorder)
    shop.sync_shipments()
    shop.advance(minutes=1)
    assert figure(shop, sku) == 0
    receive(shop, sku)
    # The first unit that comes in is promised to the buyer who waits.
    assert figure(shop, sku) == (0 if backorder else 1)
    receive(shop, sku)
    assert figure(shop, sku) == (1 if backorder else 2)
    if backorder:
        follow(shop, order)
        shop.sync_shipments()
        shop.advance(minutes=1)
        assert figure(shop, sku) == 1


def test_a_unit_that_is_given_up_gives_its_place_back(shop: Any) -> None:
    order = short_order(shop, backorder=True, lines=1)
    sku = order.items[0].product.sku
    to_ship_by(shop, less_hours=2)
    sell_out(shop, sku)
    assert figure(shop, sku) == 0
    receive(shop, sku)
    assert figure(shop, sku) == 0
    shop.sync_shipments()
    shop.advance(minutes=10)
    assert ends(shop).cancelled == 1
    assert figure(shop, sku) == shop.world.stock_truth.available(sku) == 2
