"""The warehouse's books: events in any order end in the same state, and nothing moves back."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.operations.database import OperationsDatabase
from resources.operations.fulfilment import (
    Submission,
    apply_events,
    orders_to_audit,
    record_cancellations,
    record_events,
    record_snapshots,
    record_submissions,
)
from resources.operations.schema import (
    fulfilment_events,
    parcel_lines,
    parcels,
    wms_order_lines,
    wms_orders,
)
from resources.wms.port import (
    Discrepancy,
    EventKind,
    FulfilmentEvent,
    LineOutcome,
    LineSnapshot,
    LineState,
    OrderSnapshot,
    OutboundLine,
    OutboundOrder,
    Parcel,
    ParcelLine,
    ShipTo,
)

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=3)


def _event(kind: EventKind, event_id: str | None = None, **values: Any) -> FulfilmentEvent:
    fields: dict[str, Any] = {"occurred_at": NOW, "order_ref": "o", **values}
    return FulfilmentEvent(event_id=event_id or f"{kind}-{values}", kind=kind, **fields)


def _told(line_id: str = "1", **values: Any) -> LineOutcome:
    return LineOutcome(line_id=line_id, sku="SKU", quantity_ordered=1, **values)


def _parcel(parcel_id: str = "p", *lines: str, **values: Any) -> Parcel:
    fields: dict[str, Any] = {"carrier_code": "DHL-PAKET", "tracking_number": "123", **values}
    packed = tuple(ParcelLine(line_id=line, quantity=1) for line in lines or ("1",))
    return Parcel(parcel_id=parcel_id, lines=packed, shipped_at=NOW, **fields)


def _order(order_ref: str = "o", *lines: str) -> OutboundOrder:
    return OutboundOrder(
        order_ref=order_ref,
        channel_order_number="n",
        ordered_at=NOW,
        ship_to=ShipTo(
            name="N", street="S", house_number="1", postal_code="1", city="C", country_code="DE"
        ),
        lines=tuple(
            OutboundLine(
                line_id=line, sku=f"SKU-{line}", quantity=1, unit_price_cents=999, currency="EUR"
            )
            for line in lines or ("1",)
        ),
        payload_hash="h",
    )


def _snapshot(
    state: LineState = LineState.NEW, order_ref: str = "o", **values: Any
) -> OrderSnapshot:
    fields: dict[str, Any] = {"quantity_shipped": 0, "unit_price_cents": 999, "currency": "EUR"}
    line = LineSnapshot(line_id="1", sku="SEEN", quantity=1, state=state, **{**fields, **values})
    return OrderSnapshot(order_ref=order_ref, wms_order_id="W", status="open", lines=(line,))


def _tell(db: OperationsDatabase, *events: FulfilmentEvent, now: datetime = NOW) -> int:
    with db.write() as conn:
        new = record_events(conn, events, now)
        apply_events(conn, new, now)
    return len(new)


def _submit(db: OperationsDatabase, *orders: OutboundOrder, now: datetime = NOW) -> None:
    with db.write() as conn:
        taken = [Submission(o.order_ref, o.lines, f"W-{o.order_ref}") for o in orders]
        record_submissions(conn, taken, now)


def _audit(
    db: OperationsDatabase, snapshots: Sequence[OrderSnapshot], *asked: str, now: datetime = NOW
) -> None:
    with db.write() as conn:
        record_snapshots(conn, snapshots, asked, now)


def _all(db: OperationsDatabase, table: sa.Table) -> list[dict[str, Any]]:
    with db.read() as conn:
        ordered = sa.select(table).order_by(*table.primary_key.columns)
        return [dict(row) for row in conn.execute(ordered).mappings()]


def _states(db: OperationsDatabase) -> dict[str, str]:
    return {row["line_id"]: row["state"] for row in _all(db, wms_order_lines)}


def test_an_event_is_recorded_once_however_often_it_is_read(
    operations_db: OperationsDatabase,
) -> None:
    accepted, picked = _event(EventKind.ACCEPTED), _event(EventKind.PICKED)
    assert _tell(operations_db, accepted, accepted) == 1
    assert _tell(operations_db, accepted, picked, now=LATER) == 1
    rows = _all(operations_db, fulfilment_events)
    assert [(row["kind"], row["observed_at"]) for row in rows] == [
        ("ACCEPTED", NOW),
        ("PICKED", LATER),
    ]


def test_parallel_readers_of_one_page_record_and_apply_it_once(
    operations_db: OperationsDatabase,
) -> None:
    page = [_event(EventKind.DISPATCHED, f"e{n}", parcels=(_parcel(f"p{n}"),)) for n in range(20)]
    with ThreadPoolExecutor(4) as pool:
        new = list(pool.map(lambda _: _tell(operations_db, *page), range(4)))
    assert sorted(new) == [0, 0, 0, 20]
    assert _all(operations_db, wms_order_lines)[0]["quantity_shipped"] == 20


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (_event(EventKind.ACCEPTED, lines=(_told(),)), "ACCEPTED"),
        (_event(EventKind.ALLOCATED, lines=(_told(),)), "ALLOCATED"),
        (_event(EventKind.PICKED, lines=(_told(),)), "PICKED"),
        (_event(EventKind.SHORT_PICKED, lines=(_told(quantity_short=1),)), "SHORT"),
        (_event(EventKind.SHORT_PICKED, lines=(_told(quantity_picked=1),)), "PICKED"),
        (_event(EventKind.DISPATCHED, lines=(_told(quantity_shipped=1),)), "SHIPPED"),
        (_event(EventKind.DISPATCHED, lines=(_told(quantity_short=1),)), "SHORT"),
        (_event(EventKind.DISPATCHED, parcels=(_parcel(),)), "SHIPPED"),
        (_event(EventKind.TRACKING_CHANGED, lines=(_told(),)), "NEW"),
        (_event(EventKind.CANCELLED, lines=(_told(),)), "CANCELLED"),
        (_event(EventKind.CANCELLED), "CANCELLED"),
        (_event(EventKind.REJECTED), "CANCELLED"),
    ],
)
def test_each_kind_of_event_moves_its_line(
    operations_db: OperationsDatabase, event: FulfilmentEvent, state: str
) -> None:
    _submit(operations_db, _order())
    _tell(operations_db, event)
    assert _states(operations_db) == {"1": state}


def test_an_event_about_one_line_leaves_the_others_alone(
    operations_db: OperationsDatabase,
) -> None:
    _submit(operations_db, _order("o", "1", "2"))
    _tell(operations_db, _event(EventKind.CANCELLED, lines=(_told("2"),)))
    assert _states(operations_db) == {"1": "NEW", "2": "CANCELLED"}


STORY = (
    _event(EventKind.ACCEPTED, lines=(_told("1"), _told("2"), _told("3"))),
    _event(EventKind.ALLOCATED, lines=(_told("1"), _told("2"), _told("3"))),
    _event(
        EventKind.SHORT_PICKED,
        lines=(
            _told("1", quantity_short=1, discrepancy=Discrepancy.BACKORDER),
            _told("2", quantity_short=1, discrepancy=Discrepancy.COMPLETE, reason="broken"),
            _told("3", quantity_picked=1),
        ),
    ),
    _event(
        EventKind.SHORT_PICKED,
        "softer",
        lines=(_told("2", quantity_short=1, discrepancy=Discrepancy.BACKORDER),),
    ),
    _event(EventKind.DISPATCHED, parcels=(_parcel("p3", "3"),), occurred_at=NOW),
    _event(EventKind.DISPATCHED, parcels=(_parcel("p1", "1"),), occurred_at=LATER),
    _event(
        EventKind.TRACKING_CHANGED,
        parcels=(_parcel("p1", "1", tracking_number="new"),),
        occurred_at=LATER,
    ),
    _event(
        EventKind.TRACKING_CHANGED,
        parcels=(_parcel("p1", "1", tracking_number="newest"),),
        occurred_at=LATER + timedelta(hours=1),
    ),
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(STORY), cut=st.integers(0, len(STORY)))
def test_events_in_any_order_and_any_pages_end_in_the_same_state(
    operations_db: OperationsDatabase, order: list[FulfilmentEvent], cut: int
) -> None:
    with operations_db.write() as conn:
        for table in (wms_orders, wms_order_lines, parcels, parcel_lines, fulfilment_events):
            conn.execute(sa.delete(table))
    _submit(operations_db, _order("o", "1", "2", "3"))
    _tell(operations_db, *order[:cut])
    _tell(operations_db, *order)
    lines = {row["line_id"]: row for row in _all(operations_db, wms_order_lines)}
    assert {key: row["state"] for key, row in lines.items()} == {
        "1": "SHIPPED",
        "2": "SHORT",
        "3": "SHIPPED",
    }
    assert {key: row["quantity_shipped"] for key, row in lines.items()} == {
        "1": 1,
        "2": 0,
        "3": 1,
    }
    assert (lines["2"]["short_discrepancy"], lines["2"]["short_reason"]) == ("COMPLETE", "broken")
    assert {row["parcel_id"]: row["tracking_number"] for row in _all(operations_db, parcels)} == {
        "p1": "newest",
        "p3": "123",
    }
    assert _all(operations_db, wms_orders)[0]["last_event_at"] == LATER + timedelta(hours=1)


def test_a_cancelled_line_that_left_after_all_is_shipped(
    operations_db: OperationsDatabase,
) -> None:
    _tell(operations_db, _event(EventKind.CANCELLED, lines=(_told(),)))
    _tell(operations_db, _event(EventKind.DISPATCHED, parcels=(_parcel(),)))
    assert _states(operations_db) == {"1": "SHIPPED"}


def test_a_parcel_is_recorded_once_with_its_numbers_as_given(
    operations_db: OperationsDatabase,
) -> None:
    raw = _parcel(
        "p",
        "1",
        "1",
        "2",
        tracking_number=" 00x ",
        tracking_url="http://t",
        return_carrier_code="DHL",
        return_tracking_number="r",
    )
    event: dict[str, Any] = {"parcels": (raw,), "wms_dispatch_id": "D", "wms_order_id": "W"}
    _tell(operations_db, _event(EventKind.DISPATCHED, "a", **event))
    event["parcels"] = (_parcel("p", "1", "1", "2", tracking_number="other"),)
    _tell(operations_db, _event(EventKind.DISPATCHED, "b", **event), now=LATER)
    (parcel,) = _all(operations_db, parcels)
    assert {name: parcel[name] for name in parcel if parcel[name] is not None} == {
        "parcel_id": "p",
        "order_ref": "o",
        "wms_dispatch_id": "D",
        "carrier_raw": "DHL-PAKET",
        "tracking_number": " 00x ",
        "tracking_url": "http://t",
        "return_carrier": "DHL",
        "return_tracking_number": "r",
        "shipped_at": NOW,
        "state": "received",
        "recorded_at": NOW,
    }
    packed = [(row["line_id"], row["quantity"]) for row in _all(operations_db, parcel_lines)]
    shipped = [(r["line_id"], r["quantity_shipped"]) for r in _all(operations_db, wms_order_lines)]
    assert packed == shipped == [("1", 2), ("2", 1)]


def test_a_unit_told_by_snapshot_line_and_parcel_is_counted_once(
    operations_db: OperationsDatabase,
) -> None:
    _audit(operations_db, [_snapshot(LineState.SHIPPED, quantity_shipped=1)])
    told = (_told(quantity_shipped=1),)
    _tell(operations_db, _event(EventKind.DISPATCHED, lines=told, parcels=(_parcel(),)))
    assert [row["quantity_shipped"] for row in _all(operations_db, wms_order_lines)] == [1]


def test_a_correction_that_overtakes_its_dispatch_keeps_its_number_and_gets_the_lines(
    operations_db: OperationsDatabase,
) -> None:
    early = Parcel(parcel_id="p", lines=(), shipped_at=NOW, tracking_number="new")
    _tell(operations_db, _event(EventKind.TRACKING_CHANGED, parcels=(early,)))
    _tell(operations_db, _event(EventKind.DISPATCHED, parcels=(_parcel("p", "1"),)))
    assert [row["tracking_number"] for row in _all(operations_db, parcels)] == ["new"]
    assert [row["line_id"] for row in _all(operations_db, parcel_lines)] == ["1"]
    assert _states(operations_db) == {"1": "SHIPPED"}


def _set_parcel(db: OperationsDatabase, **values: Any) -> None:
    with db.write() as conn:
        conn.execute(sa.update(parcels).values(**values))


def test_a_correction_sends_a_parked_parcel_back_to_the_gate(
    operations_db: OperationsDatabase,
) -> None:
    _tell(operations_db, _event(EventKind.DISPATCHED, parcels=(_parcel(tracking_number=None),)))
    _set_parcel(operations_db, state="parked", parked_rules="[]")
    corrected = _parcel(tracking_number="456", tracking_url="https://t/456")
    _tell(operations_db, _event(EventKind.TRACKING_CHANGED, parcels=(corrected,)), now=LATER)
    (row,) = _all(operations_db, parcels)
    assert (row["state"], row["parked_rules"]) == ("received", None)
    assert (row["tracking_number"], row["tracking_url"]) == ("456", "https://t/456")
    assert (row["corrected_tracking_number"], row["corrected_at"]) == ("456", NOW)
    assert row["recorded_at"] == LATER


def test_a_correction_of_a_released_parcel_is_recorded_beside_what_otto_was_told(
    operations_db: OperationsDatabase,
) -> None:
    _tell(operations_db, _event(EventKind.DISPATCHED, parcels=(_parcel(),)))
    _set_parcel(operations_db, state="released")
    corrected = _parcel(tracking_number="456")
    _tell(operations_db, _event(EventKind.TRACKING_CHANGED, parcels=(corrected,)))
    (row,) = _all(operations_db, parcels)
    assert (row["state"], row["tracking_number"]) == ("released", "123")
    assert row["corrected_tracking_number"] == "456"


def test_an_order_that_we_never_sent_is_recorded_as_such(
    operations_db: OperationsDatabase,
) -> None:
    _tell(operations_db, _event(EventKind.ACCEPTED, lines=(_told(),), wms_order_id="W9"))
    (order,) = _all(operations_db, wms_orders)
    assert (order["submitted_at"], order["wms_order_id"], order["present"]) == (None, "W9", True)
    (line,) = _all(operations_db, wms_order_lines)
    assert (line["sku_sent"], line["sku_seen"], line["state"]) == (None, "SKU", "ACCEPTED")


def test_a_repeated_submission_moves_nothing_back(operations_db: OperationsDatabase) -> None:
    _submit(operations_db, _order())
    _tell(operations_db, _event(EventKind.PICKED, lines=(_told(),)))
    _submit(operations_db, _order(), now=LATER)
    (order,), (line,) = _all(operations_db, wms_orders), _all(operations_db, wms_order_lines)
    assert (order["submitted_at"], order["wms_order_id"]) == (NOW, "W-o")
    assert (line["state"], line["sku_sent"], line["price_sent_cents"]) == ("PICKED", "SKU-1", 999)
    assert line["recorded_at"] == NOW


def test_an_order_that_was_lost_and_sent_again_counts_from_then(
    operations_db: OperationsDatabase,
) -> None:
    _submit(operations_db, _order())
    _audit(operations_db, [], "o")
    assert not _all(operations_db, wms_orders)[0]["present"]
    _submit(operations_db, _order(), now=LATER)
    (order,) = _all(operations_db, wms_orders)
    assert (order["present"], order["submitted_at"]) == (True, LATER)


def test_a_snapshot_records_what_the_warehouse_holds_and_moves_nothing_back(
    operations_db: OperationsDatabase,
) -> None:
    _submit(operations_db, _order())
    _tell(operations_db, _event(EventKind.PICKED, lines=(_told(),)))
    _audit(operations_db, [_snapshot(LineState.NEW, unit_price_cents=5)], "o", now=LATER)
    (order,), (line,) = _all(operations_db, wms_orders), _all(operations_db, wms_order_lines)
    assert (order["audited_at"], order["present"]) == (LATER, True)
    assert (line["state"], line["sku_sent"], line["sku_seen"]) == ("PICKED", "SKU-1", "SEEN")
    assert (line["price_sent_cents"], line["price_seen_cents"], line["currency_seen"]) == (
        999,
        5,
        "EUR",
    )


def test_asking_for_an_order_that_nobody_knows_records_nothing(
    operations_db: OperationsDatabase,
) -> None:
    _audit(operations_db, [], "nobody")
    assert _all(operations_db, wms_orders) == []


def test_only_orders_that_need_a_look_are_audited_longest_unasked_first(
    operations_db: OperationsDatabase,
) -> None:
    names = ("done", "fresh", "lost", "open", "unasked")
    _submit(operations_db, *(_order(name) for name in names))
    _tell(operations_db, _event(EventKind.ACCEPTED, order_ref="foreign", lines=(_told(),)))
    done = _snapshot(LineState.SHIPPED, "done")
    _audit(operations_db, [done, _snapshot(order_ref="open")], "done", "lost", "open")
    _audit(operations_db, [_snapshot(order_ref="fresh")], "fresh", now=LATER)
    with operations_db.read() as conn:
        assert orders_to_audit(conn, LATER, 10) == ["unasked", "lost", "open"]
        assert orders_to_audit(conn, LATER, 1) == ["unasked"]


def test_no_events_and_no_orders_are_no_work(operations_db: OperationsDatabase) -> None:
    assert _tell(operations_db) == 0
    _submit(operations_db)
    _audit(operations_db, [])
    assert _all(operations_db, wms_orders) == []


def test_a_line_keeps_when_its_unit_was_last_not_found(operations_db: OperationsDatabase) -> None:
    short = {"lines": (_told(quantity_short=1, discrepancy=Discrepancy.BACKORDER),)}
    _tell(operations_db, _event(EventKind.SHORT_PICKED, "b", occurred_at=LATER, **short))
    _tell(operations_db, _event(EventKind.SHORT_PICKED, "a", **short))
    _audit(operations_db, [_snapshot(LineState.SHORT)], "o", now=LATER + timedelta(hours=1))
    assert _all(operations_db, wms_order_lines)[0]["short_at"] == LATER


def test_a_snapshot_can_be_the_first_to_tell_of_a_short_line(
    operations_db: OperationsDatabase,
) -> None:
    _audit(operations_db, [_snapshot(LineState.SHORT)], "o", now=LATER)
    [line] = _all(operations_db, wms_order_lines)
    assert (line["state"], line["short_at"], line["short_discrepancy"]) == ("SHORT", LATER, None)


def test_a_line_that_the_warehouse_stopped_for_us_is_cancelled_and_keeps_why_it_was_short(
    operations_db: OperationsDatabase,
) -> None:
    told = _told(quantity_short=1, discrepancy=Discrepancy.BACKORDER, reason="OUT_OF_STOCK")
    _tell(operations_db, _event(EventKind.SHORT_PICKED, lines=(told, _told("2"))))
    with operations_db.write() as conn:
        record_cancellations(conn, {("o", "1")}, LATER)
        record_cancellations(conn, {("o", "1")}, LATER)
    _tell(operations_db, _event(EventKind.CANCELLED, lines=(_told(reason="as you asked"),)))
    first, second = _all(operations_db, wms_order_lines)
    assert (first["state"], first["short_reason"]) == ("CANCELLED", "OUT_OF_STOCK")
    assert second["state"] != "CANCELLED"
    _tell(operations_db, _event(EventKind.DISPATCHED, parcels=(_parcel(),)))
    assert _states(operations_db)["1"] == "SHIPPED"
