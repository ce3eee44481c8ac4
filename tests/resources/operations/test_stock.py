"""Levels of the warehouse, and the units that must still be taken off them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.operations.availability import Basis, refresh_figures
from resources.operations.bulk import upsert
from resources.operations.database import OperationsDatabase, migration_config
from resources.operations.fulfilment import apply_events, record_events, record_snapshots
from resources.operations.schema import orders, position_items, stock_levels, wms_order_lines
from resources.operations.stock import (
    latest_shorts,
    levels_of,
    store_levels,
    units_not_counted,
    units_sold,
)
from resources.wms.port import (
    Discrepancy,
    EventKind,
    FulfilmentEvent,
    LineOutcome,
    LineSnapshot,
    LineState,
    OrderSnapshot,
    Parcel,
    ParcelLine,
    StockLevel,
)

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
EARLIER, LATER = NOW - timedelta(minutes=5), NOW + timedelta(minutes=5)


def level(sku: str = "A", on_hand: int = 9, location: str = "MAIN", **values: Any) -> StockLevel:
    fields: dict[str, Any] = {"reserved": 0, "blocked": 0, "as_of": NOW, **values}
    return StockLevel(sku=sku, location=location, on_hand=on_hand, **fields)


def held(db: OperationsDatabase) -> dict[tuple[str, str], tuple[int, datetime]]:
    with db.read() as conn:
        found = levels_of(conn)
    return {
        (one.sku, one.location): (one.on_hand, one.as_of) for told in found.values() for one in told
    }


def put_items(
    db: OperationsDatabase, *statuses: str, sku: str = "A", order: str = "o", **times: Any
) -> None:
    """One order with an item per status, numbered from 1."""
    empty = {c.name: None for c in position_items.c}
    common = {"title": "t", "vat_rate": "19", "currency": "EUR", "recorded_at": NOW, "sku": sku}
    cents = dict.fromkeys(
        ("gross_cents", "item_discount_cents", "order_discount_share_cents", "buyer_price_cents"), 0
    )
    items = [
        {
            **empty,
            **common,
            **cents,
            "sales_order_id": order,
            "position_item_id": str(number),
            "fulfilment_status": status,
        }
        for number, status in enumerate(statuses, start=1)
    ]
    ordered_at: datetime = times.get("ordered_at", NOW)
    row = {
        **{c.name: None for c in orders.c},
        "sales_order_id": order,
        "order_number": order,
        "ordered_at": ordered_at,
        "order_day": ordered_at.date(),
        "lifecycle_changed_at": NOW,
        "delivery_fee_cents": 0,
        "order_discount_cents": 0,
        "discount_reading": "none",
        "payload_hash": "h",
        "page_ref": "p",
        "first_seen_at": NOW,
        "recorded_at": NOW,
    }
    with db.write() as conn:
        upsert(conn, position_items, items, ["sales_order_id", "position_item_id"])
        upsert(conn, orders, [row], ["sales_order_id"])


def happen(
    db: OperationsDatabase, kind: EventKind, at: datetime, *lines: str, order: str = "o", **v: Any
) -> None:
    told = tuple(LineOutcome(line_id=line, sku="A", quantity_ordered=1, **v) for line in lines)
    event = FulfilmentEvent(
        event_id=f"{kind}{at}{lines}", kind=kind, occurred_at=at, order_ref=order, lines=told
    )
    with db.write() as conn:
        apply_events(conn, record_events(conn, [event], NOW), NOW)


def not_counted(db: OperationsDatabase, as_of: datetime | None = NOW) -> int:
    with db.read() as conn:
        return units_not_counted(conn, {} if as_of is None else {"A": as_of}).get("A", 0)


# Levels


def test_a_level_is_kept_as_it_was_told(operations_db: OperationsDatabase) -> None:
    told = [
        level(reserved=2, blocked=1, sellable=5),
        level(location="EAST", on_hand=-1),
        level("B", 3),
    ]
    with operations_db.write() as conn:
        counts = store_levels(conn, told, NOW)
    with operations_db.read() as conn:
        assert levels_of(conn, {"A"}) == {"A": (told[1], told[0])}
        assert levels_of(conn).keys() == {"A", "B"}
    assert (counts.new, counts.changed_skus) == (3, {"A", "B"})


def test_an_older_level_never_replaces_a_newer_one(operations_db: OperationsDatabase) -> None:
    with operations_db.write() as conn:
        store_levels(conn, [level(on_hand=4, as_of=LATER)], NOW)
        counts = store_levels(conn, [level(on_hand=9, as_of=NOW)], NOW)
    assert (counts.older, counts.changed_skus) == (1, frozenset())
    assert held(operations_db) == {("A", "MAIN"): (4, LATER)}


def test_a_repeated_level_counts_as_unchanged_and_becomes_fresher(
    operations_db: OperationsDatabase,
) -> None:
    with operations_db.write() as conn:
        store_levels(conn, [level()], NOW)
        counts = store_levels(conn, [level(as_of=LATER)], NOW)
    assert (counts.new, counts.changed, counts.unchanged) == (0, 0, 1)
    assert held(operations_db) == {("A", "MAIN"): (9, LATER)}


def test_of_two_levels_in_one_call_the_later_one_counts(operations_db: OperationsDatabase) -> None:
    with operations_db.write() as conn:
        store_levels(conn, [level(on_hand=4, as_of=LATER), level(on_hand=9)], NOW)
    assert held(operations_db) == {("A", "MAIN"): (4, LATER)}


def test_a_complete_snapshot_empties_what_it_does_not_name(
    operations_db: OperationsDatabase,
) -> None:
    with operations_db.write() as conn:
        store_levels(conn, [level("A", as_of=EARLIER), level("B", 3, as_of=EARLIER)], NOW)
        store_levels(conn, [level("C", 7, as_of=LATER)], NOW)
        counts = store_levels(conn, [level("A", 8)], NOW, complete_at=NOW)
    assert (counts.changed, counts.emptied, counts.changed_skus) == (1, 1, {"A", "B"})
    assert held(operations_db) == {
        ("A", "MAIN"): (8, NOW),
        ("B", "MAIN"): (0, NOW),
        ("C", "MAIN"): (7, LATER),
    }


def test_an_incomplete_snapshot_leaves_alone_what_it_does_not_name(
    operations_db: OperationsDatabase,
) -> None:
    with operations_db.write() as conn:
        store_levels(conn, [level("A"), level("B", 3)], NOW)
        assert store_levels(conn, [level("A", 8)], NOW).emptied == 0
    assert held(operations_db)["B", "MAIN"] == (3, NOW)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.permutations([(4, 0), (7, 1), (2, 2), (9, 3)]))
def test_levels_in_any_order_end_with_the_latest(
    operations_db: OperationsDatabase, told: list[tuple[int, int]]
) -> None:
    with operations_db.write() as conn:
        conn.execute(sa.delete(stock_levels))
        for on_hand, minute in told:
            store_levels(conn, [level(on_hand=on_hand, as_of=NOW + timedelta(minutes=minute))], NOW)
    assert held(operations_db) == {("A", "MAIN"): (9, NOW + timedelta(minutes=3))}


# Units that OTTO sold and the level does not show


def test_a_waiting_item_without_a_line_is_not_counted_by_the_wms(
    operations_db: OperationsDatabase,
) -> None:
    put_items(operations_db, "ANNOUNCED", "PROCESSABLE", "SENT", "RETURNED")
    put_items(operations_db, "CANCELLED_BY_PARTNER", "CANCELLED_BY_MARKETPLACE", order="c")
    assert not_counted(operations_db) == 2
    assert not_counted(operations_db, as_of=None) == 2


def test_units_are_told_by_sku(operations_db: OperationsDatabase) -> None:
    put_items(operations_db, "ANNOUNCED")
    put_items(operations_db, "PROCESSABLE", "PROCESSABLE", sku="B", order="b")
    with operations_db.read() as conn:
        assert units_not_counted(conn, {}) == {"A": 1, "B": 2}
        assert units_not_counted(conn, {"A": NOW, "B": NOW}, {"B", "C"}) == {"B": 2}


def test_an_item_is_taken_off_until_the_level_is_later_than_its_acceptance(
    operations_db: OperationsDatabase,
) -> None:
    put_items(operations_db, "PROCESSABLE", "PROCESSABLE")
    happen(operations_db, EventKind.ACCEPTED, NOW, "1")
    assert not_counted(operations_db, EARLIER) == 2
    assert not_counted(operations_db, NOW) == 2
    assert not_counted(operations_db, LATER) == 1


@pytest.mark.parametrize("kind", [EventKind.ALLOCATED, EventKind.PICKED])
def test_a_later_step_tells_too_that_the_unit_is_counted_and_the_earliest_counts(
    operations_db: OperationsDatabase, kind: EventKind
) -> None:
    put_items(operations_db, "PROCESSABLE")
    happen(operations_db, kind, LATER, "1")
    assert not_counted(operations_db, NOW) == 1
    happen(operations_db, EventKind.ACCEPTED, EARLIER)
    assert not_counted(operations_db, NOW) == 0


def test_a_unit_that_left_after_an_old_level_is_still_taken_off_it(
    operations_db: OperationsDatabase,
) -> None:
    put_items(operations_db, "SENT")
    happen(operations_db, EventKind.ACCEPTED, NOW, "1")
    happen(operations_db, EventKind.DISPATCHED, LATER, "1", quantity_shipped=1)
    assert not_counted(operations_db, EARLIER) == 1
    assert not_counted(operations_db, LATER) == 0


def test_a_parcel_alone_tells_that_its_units_are_counted(operations_db: OperationsDatabase) -> None:
    put_items(operations_db, "PROCESSABLE")
    packed = Parcel(parcel_id="p", lines=(ParcelLine(line_id="1", quantity=1),), shipped_at=EARLIER)
    event = FulfilmentEvent(
        event_id="e",
        kind=EventKind.DISPATCHED,
        occurred_at=EARLIER,
        order_ref="o",
        parcels=(packed,),
    )
    with operations_db.write() as conn:
        apply_events(conn, record_events(conn, [event], NOW), NOW)
    assert not_counted(operations_db, NOW) == 0


@pytest.mark.parametrize("kind", [EventKind.CANCELLED, EventKind.REJECTED])
def test_a_line_that_the_wms_cancelled_takes_no_stock(
    operations_db: OperationsDatabase, kind: EventKind
) -> None:
    put_items(operations_db, "PROCESSABLE")
    happen(operations_db, kind, NOW, "1")
    assert not_counted(operations_db, EARLIER) == 0


def test_a_short_line_stays_counted(operations_db: OperationsDatabase) -> None:
    put_items(operations_db, "PROCESSABLE")
    happen(operations_db, EventKind.ACCEPTED, EARLIER, "1")
    happen(operations_db, EventKind.SHORT_PICKED, NOW, "1", quantity_short=1)
    assert not_counted(operations_db, NOW) == 0


def come_short(db: OperationsDatabase, at: datetime, discrepancy: Discrepancy) -> None:
    happen(db, EventKind.SHORT_PICKED, at, "1", quantity_short=1, discrepancy=discrepancy)


def leave(db: OperationsDatabase, at: datetime) -> None:
    packed = Parcel(parcel_id="p", lines=(ParcelLine(line_id="1", quantity=1),), shipped_at=at)
    event = FulfilmentEvent(
        event_id="left", kind=EventKind.DISPATCHED, occurred_at=at, order_ref="o", parcels=(packed,)
    )
    with db.write() as conn:
        apply_events(conn, record_events(conn, [event], at), at)


def unreserved(db: OperationsDatabase, as_of: datetime) -> int:
    with db.read() as conn:
        return units_not_counted(conn, {"A": as_of}, backorder_reserved=False).get("A", 0)


def test_a_unit_to_follow_is_taken_off_what_comes_in_unless_the_wms_reserves_it(
    operations_db: OperationsDatabase,
) -> None:
    put_items(operations_db, "PROCESSABLE")
    happen(operations_db, EventKind.ACCEPTED, EARLIER, "1")
    come_short(operations_db, NOW, Discrepancy.BACKORDER)
    assert not_counted(operations_db, LATER) == 0
    assert unreserved(operations_db, LATER) == 1
    assert unreserved(operations_db, EARLIER) == 1, "once, also by an old level"
    left_at = LATER + timedelta(minutes=1)
    leave(operations_db, left_at)
    assert unreserved(operations_db, LATER) == 1, "the level still has the unit"
    assert unreserved(operations_db, left_at + timedelta(minutes=1)) == 0
    assert not_counted(operations_db, LATER) == 0


@pytest.mark.parametrize("reserved", [True, False])
def test_a_unit_that_is_not_to_follow_or_is_cancelled_waits_for_no_stock(
    operations_db: OperationsDatabase, reserved: bool
) -> None:
    def open_units() -> int:
        count = not_counted if reserved else unreserved
        return count(operations_db, LATER)

    put_items(operations_db, "PROCESSABLE")
    happen(operations_db, EventKind.ACCEPTED, EARLIER, "1")
    come_short(operations_db, NOW, Discrepancy.COMPLETE)
    assert open_units() == 0
    put_items(operations_db, "CANCELLED_BY_PARTNER")
    assert open_units() == 0


@pytest.mark.parametrize("cancelled_at", ["otto", "wms"])
def test_a_unit_to_follow_that_is_cancelled_gives_its_place_back(
    operations_db: OperationsDatabase, cancelled_at: str
) -> None:
    put_items(operations_db, "PROCESSABLE")
    come_short(operations_db, EARLIER, Discrepancy.BACKORDER)
    assert unreserved(operations_db, NOW) == 1
    if cancelled_at == "otto":
        put_items(operations_db, "CANCELLED_BY_PARTNER")
    else:
        happen(operations_db, EventKind.CANCELLED, NOW, "1")
    assert unreserved(operations_db, NOW) == 0


def test_a_unit_to_follow_of_an_order_that_the_wms_lost_counts_once(
    operations_db: OperationsDatabase,
) -> None:
    put_items(operations_db, "PROCESSABLE")
    come_short(operations_db, EARLIER, Discrepancy.BACKORDER)
    with operations_db.write() as conn:
        record_snapshots(conn, [], ["o"], NOW)
    assert not_counted(operations_db, NOW) == 1
    assert unreserved(operations_db, NOW) == 1


def test_the_latest_short_pick_is_told_by_the_warehouses_sku(
    operations_db: OperationsDatabase,
) -> None:
    come_short(operations_db, LATER, Discrepancy.COMPLETE)
    come_short(operations_db, NOW, Discrepancy.BACKORDER)
    happen(operations_db, EventKind.PICKED, LATER + timedelta(minutes=1), "2")
    with operations_db.read() as conn:
        assert latest_shorts(conn, EARLIER) == {"A": LATER}
        assert latest_shorts(conn, LATER) == {"A": LATER}
        assert latest_shorts(conn, LATER + timedelta(seconds=1)) == {}


def test_a_figure_is_computed_with_the_short_picks_and_the_units_to_follow(
    operations_db: OperationsDatabase,
) -> None:
    put_items(operations_db, "PROCESSABLE", sku="of-otto")
    come_short(operations_db, NOW, Discrepancy.BACKORDER)
    seen: list[tuple[datetime | None, int]] = []

    def compute(basis: Basis) -> None:
        seen.append((basis.short_at, basis.otto_open))

    for as_of, reserved in ((EARLIER, True), (LATER, True), (LATER, False)):
        with operations_db.write() as conn:
            store_levels(conn, [level(as_of=as_of)], NOW)
            refresh_figures(
                conn, ["of-otto"], {"of-otto": "A"}, compute, NOW, backorder_reserved=reserved
            )
    assert seen == [(NOW, 1), (None, 0), (None, 1)]


def test_a_snapshot_of_the_order_tells_as_well_and_a_lost_order_is_open_again(
    operations_db: OperationsDatabase,
) -> None:
    put_items(operations_db, "PROCESSABLE", "PROCESSABLE")
    lines = tuple(
        LineSnapshot(line_id=line, sku="A", quantity=1, quantity_shipped=0, state=state)
        for line, state in (("1", LineState.ACCEPTED), ("2", LineState.NEW))
    )
    seen = OrderSnapshot(order_ref="o", wms_order_id="w", status="open", lines=lines)
    with operations_db.write() as conn:
        record_snapshots(conn, [seen], ["o"], NOW)
    assert not_counted(operations_db, LATER) == 1
    with operations_db.write() as conn:
        record_snapshots(conn, [], ["o"], LATER)
    assert not_counted(operations_db, LATER + timedelta(minutes=1)) == 2


def test_velocity_counts_units_ordered_since_and_not_cancelled(
    operations_db: OperationsDatabase,
) -> None:
    put_items(operations_db, "ANNOUNCED", "SENT", "CANCELLED_BY_MARKETPLACE")
    put_items(operations_db, "SENT", order="old", ordered_at=NOW - timedelta(days=3))
    put_items(operations_db, "PROCESSABLE", sku="B", order="b", ordered_at=EARLIER)
    with operations_db.read() as conn:
        assert units_sold(conn, EARLIER) == {"A": 2, "B": 1}
        assert units_sold(conn, NOW) == {"A": 2}
        assert units_sold(conn, NOW - timedelta(days=4)) == {"A": 3, "B": 1}


def test_an_upgrade_counts_lines_in_work_as_reserved_when_last_written(
    operations_db: OperationsDatabase,
) -> None:
    with operations_db.write() as conn:
        command.downgrade(migration_config(conn), "0001")
        for line_id, state in (("1", "ACCEPTED"), ("2", "NEW"), ("3", "CANCELLED")):
            conn.execute(
                sa.insert(wms_order_lines).values(
                    order_ref="o",
                    line_id=line_id,
                    state=state,
                    quantity_shipped=0,
                    recorded_at=NOW,
                )
            )
    operations_db.migrate()
    query = sa.select(wms_order_lines.c.reserved_at).order_by(wms_order_lines.c.line_id)
    with operations_db.read() as conn:
        assert list(conn.scalars(query)) == [NOW, None, None]


def test_the_day_of_an_order_is_kept_by_berlin(operations_db: OperationsDatabase) -> None:
    """An order of the night belongs to the next day there; velocity must not lose it."""
    at = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    put_items(operations_db, "SENT", ordered_at=at)
    with operations_db.write() as conn:
        conn.execute(sa.update(orders).values(order_day=date(2026, 11, 21)))
        assert units_sold(conn, at) == {"A": 1}
