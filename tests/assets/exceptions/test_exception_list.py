"""The list of exceptions: each kind on a planted row, what it may cost, and what stands first."""

import random
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.exceptions.kinds import EXCEPTION_KINDS, MESSAGE_KINDS
from assets.exceptions.listing import summary
from assets.exceptions.model import OpenException, Urgency, urgency_of
from resources.operations.database import OperationsDatabase
from sensors import waiting_rows
from tests.assets.exceptions.books import (
    HOUR,
    NOW,
    at_wms,
    held,
    listed,
    message,
    parcel,
    put,
    waiting_order,
)

PARKED = '[{"rule": "tracking_number_present", "reason": "none", "remedy": "enter it"}]'
LONG_AGO = datetime.now(UTC) - 2 * HOUR


def only(db: OperationsDatabase, **wanted: Any) -> OpenException:
    """The one exception there is; it has these values."""
    [row] = listed(db)
    assert {name: getattr(row, name) for name in wanted} == wanted
    return row


def test_nothing_is_listed_while_all_is_well(operations_db: OperationsDatabase) -> None:
    waiting_order(operations_db, "o", NOW + 20 * HOUR, i1=1000)
    at_wms(operations_db, "o", i1="ACCEPTED")
    message(operations_db, "wms_order", "o", "o", "confirmed")
    waiting_order(operations_db, "gone", NOW - HOUR, i1=1000)
    at_wms(operations_db, "gone", i1="SHIPPED")
    parcel(operations_db, "p", "gone", "i1", shipped_at=NOW - HOUR)
    message(operations_db, "otto_shipment", "p", "gone", "retrying")
    assert listed(operations_db) == []


def test_a_refused_order_is_due_at_its_ship_by_time_and_worth_its_open_units(
    operations_db: OperationsDatabase,
) -> None:
    waiting_order(operations_db, "o", NOW + 30 * HOUR, i1=1000, i2=550)
    number = message(operations_db, "wms_order", "o", "o", "failed", reason="SKU unknown")
    row = only(
        operations_db,
        id=number,
        kind="wms_order",
        state="failed",
        sales_order_id="o",
        position_item_id=None,
        at_risk_cents=1550,
        deadline_at=NOW + 30 * HOUR,
        urgency=Urgency.LATER,
        cause="SKU unknown",
        owner="operations",
    )
    assert row.actions == ("retry", "ignore", "pull")


@pytest.mark.parametrize("kind", ["otto_cancellation", "wms_backorder", "wms_cancellation"])
def test_a_message_about_a_unit_is_worth_that_unit(
    operations_db: OperationsDatabase, kind: str
) -> None:
    waiting_order(operations_db, "o", NOW + 2 * HOUR, i1=1000, i2=550)
    at_wms(operations_db, "o", i1="PICKED", i2="PICKED")
    message(operations_db, kind, "o:i2", "o", "failed", reason="refused")
    only(
        operations_db,
        kind=kind,
        position_item_id="i2",
        sku="sku of i2",
        at_risk_cents=550,
        urgency=Urgency.HOURS_4,
    )


def test_money_given_back_is_worth_the_unit_or_the_reduction(
    operations_db: OperationsDatabase,
) -> None:
    waiting_order(operations_db, "o", None, i1=1000)
    message(operations_db, "otto_return", "o/i1/ACCEPT", "o", "failed", reason="no")
    put(
        operations_db,
        "price_reduction_requests",
        request_id="q",
        sales_order_id="o",
        position_item_id="i1",
        amount_cents=99,
        currency="EUR",
        reason="scratched",
        requested_by="Eva",
        requested_at=NOW,
    )
    message(operations_db, "otto_price_reduction", "q", "o", "failed", reason="rejected")
    found = {row.kind: row for row in listed(operations_db)}
    assert (found["otto_return"].at_risk_cents, found["otto_return"].position_item_id) == (
        1000,
        "i1",
    )
    reduction = found["otto_price_reduction"]
    assert (reduction.at_risk_cents, reduction.position_item_id) == (99, "i1")
    assert reduction.deadline_at == NOW + timedelta(days=2)


def test_a_message_of_unknown_outcome_is_listed_after_an_hour(
    operations_db: OperationsDatabase,
) -> None:
    waiting_order(operations_db, "o", None, i1=1000)
    at_wms(operations_db, "o", i1="PICKED")
    message(operations_db, "wms_order", "o", "o", "confirmed")
    message(operations_db, "otto_cancellation", "o:i1", "o", "sent", lost_since=LONG_AGO)
    message(operations_db, "otto_cancellation", "o:i2", "o", "sent", lost_since=datetime.now(UTC))
    row = only(operations_db, key="o:i1", state="uncertain")
    assert row.actions == ("retry", "pull"), "what may have happened is not ignored from the list"


@pytest.mark.parametrize("state", ["pending", "retrying", "sent"])
def test_a_confirmation_is_late_when_its_time_of_grace_is_over(
    operations_db: OperationsDatabase, state: str
) -> None:
    waiting_order(operations_db, "o", NOW - HOUR, i1=1000, i2=5)
    at_wms(operations_db, "o", i1="SHIPPED", i2="PICKED")
    parcel(operations_db, "p", "o", "i1")
    message(operations_db, "otto_shipment", "p", "o", state, last_error="HTTP 503")
    row = next(row for row in listed(operations_db) if row.kind == "otto_shipment")
    assert (row.state, row.parcel_id, row.at_risk_cents) == ("late", "p", 1000)
    assert row.cause.endswith("last error: HTTP 503")


def test_a_carrier_may_have_a_time_of_grace_of_its_own(operations_db: OperationsDatabase) -> None:
    for name, carrier, hours in (("slow", "HES", 3), ("fast", "GLS", 1), ("other", "DHL", 1)):
        since = NOW - hours * HOUR
        parcel(operations_db, name, name, "i1", carrier=carrier, shipped_at=since)
        message(operations_db, "otto_shipment", name, name, "retrying")
    graces = {"HES": {"confirmation": 1440}, "GLS": {"confirmation": 30}}
    found = listed(operations_db, {"reconciliation": {"grace_by_carrier": graces}})
    assert [row.key for row in found] == ["fast"]


def test_a_parcel_that_nobody_judged_is_late_too(operations_db: OperationsDatabase) -> None:
    parcel(operations_db, "p", "o", "i1", state="received")
    row = only(operations_db, kind="otto_shipment", state="late", at_risk_cents=None)
    assert row.actions == ("pull",)


def test_an_order_that_was_not_handed_over_in_time_is_listed_once(
    operations_db: OperationsDatabase,
) -> None:
    waiting_order(operations_db, "never", NOW - HOUR, i1=1000)
    waiting_order(operations_db, "tried", NOW - HOUR, i1=1000)
    message(operations_db, "wms_order", "tried", "tried", "retrying", last_error="HTTP 503")
    found = {row.key: row for row in listed(operations_db)}
    assert {(key, row.kind, row.state) for key, row in found.items()} == {
        ("never", "wms_order", "late"),
        ("tried", "wms_order", "late"),
    }
    assert "retry" in found["tried"].actions
    assert "retry" not in found["never"].actions


def test_a_parked_parcel_stands_for_its_blocked_confirmation(
    operations_db: OperationsDatabase,
) -> None:
    waiting_order(operations_db, "o", NOW + 2 * HOUR, i1=1000)
    at_wms(operations_db, "o", i1="SHIPPED")
    parcel(
        operations_db, "p", "o", "i1", state="parked", parked_rules=PARKED,
        deadline_at=NOW + 2 * HOUR,
    )  # fmt: skip
    message(operations_db, "otto_shipment", "p", "o", "blocked", reason="the gate holds it")
    only(
        operations_db,
        kind="parcel_parked",
        key="p",
        owner="warehouse",
        cause="tracking_number_present: none",
        remedy="enter it",
        at_risk_cents=1000,
    )


def test_an_order_in_quarantine_is_one_row_of_unknown_worth(
    operations_db: OperationsDatabase,
) -> None:
    held(operations_db, "otto_orders", "o", "rate 12")
    held(operations_db, "otto_orders", "o/i1", "no SKU")
    row = only(
        operations_db,
        kind="order_not_imported",
        key="o",
        owner="finance",
        at_risk_cents=None,
        urgency=Urgency.OVERDUE,
    )
    assert "rate 12" in row.cause
    assert "no SKU" in row.cause


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("wms_events", "wms_event_unreadable"),
        ("sku_map", "sku_collision"),
        ("wms_stock_list", "stock_list_refused"),
        ("wms_stock_levels", "row_refused"),
        ("otto_receipts", "row_refused"),
    ],
)
def test_rows_in_quarantine_are_listed_by_what_they_are(
    operations_db: OperationsDatabase, source: str, kind: str
) -> None:
    held(operations_db, source, "key")
    only(operations_db, kind=kind, state="quarantined", remedy="mend it")


def test_a_collision_is_worth_what_otto_waits_for_of_the_sku(
    operations_db: OperationsDatabase,
) -> None:
    waiting_order(operations_db, "o", NOW + 9 * HOUR, i1=1000)
    at_wms(operations_db, "o", i1="ACCEPTED")
    held(operations_db, "sku_map", "sku of i1")
    only(operations_db, sku="sku of i1", at_risk_cents=1000, deadline_at=NOW + 9 * HOUR)


def figure(db: OperationsDatabase, sku: str, terms: str) -> None:
    put(
        db, "availability", sku=sku, quantity=0, sequence=1, terms=terms, computed_at=NOW,
        otto_open=0, lane=2, rank=0, pending=False,
    )  # fmt: skip


def test_skus_are_listed_that_the_warehouse_does_not_know_or_that_are_oversold(
    operations_db: OperationsDatabase,
) -> None:
    waiting_order(operations_db, "o", NOW + 9 * HOUR, i1=1000, i2=500)
    at_wms(operations_db, "o", i1="ACCEPTED", i2="ACCEPTED")
    waiting_order(operations_db, "q", NOW + 8 * HOUR, i1=1000)
    at_wms(operations_db, "q", i1="ACCEPTED")
    figure(operations_db, "sku of i1", '{"as_of":"2026-11-20T09:00:00Z","oversold":1}')
    figure(operations_db, "sku of i2", '{"as_of":null,"oversold":0}')
    figure(operations_db, "fine", '{"as_of":"2026-11-20T09:00:00Z","oversold":0}')
    found = {(row.kind, row.sku, row.at_risk_cents) for row in listed(operations_db)}
    assert found == {("unit_oversold", "sku of i1", 1000), ("sku_not_at_wms", "sku of i2", 500)}


def test_a_short_pick_is_a_persons_only_where_one_must_act(
    operations_db: OperationsDatabase,
) -> None:
    waiting_order(operations_db, "past", NOW - HOUR, i1=1000)
    waiting_order(operations_db, "soon", NOW + 40 * HOUR, i1=1000)
    for order in ("past", "soon"):
        put(operations_db, "wms_orders", order_ref=order)
        put(
            operations_db, "wms_order_lines", order_ref=order, line_id="i1", state="SHORT",
            short_discrepancy="BACKORDER", short_at=NOW - 2 * HOUR,
        )  # fmt: skip
    found = {row.sales_order_id: row for row in listed(operations_db)}
    assert (found["past"].kind, found["past"].state) == ("short_pick", "overdue")
    assert found["past"].first_seen_at == NOW - 2 * HOUR
    assert (found["soon"].kind, found["soon"].state) == ("short_pick_awaited", "open")
    message(operations_db, "otto_cancellation", "past:i1", "past", "failed", reason="refused")
    kinds = {row.kind for row in listed(operations_db) if row.sales_order_id == "past"}
    assert kinds == {"otto_cancellation"}


def test_returns_wait_for_a_decision_or_for_their_owner(
    operations_db: OperationsDatabase,
) -> None:
    waiting_order(operations_db, "o", None, i1=1000)
    with operations_db.write() as conn:
        conn.exec_driver_sql("UPDATE position_items SET fulfilment_status = 'SENT'")
    put(operations_db, "wms_returns", receipt_id="r", received_at=NOW - 72 * HOUR)
    unit = {"receipt_id": "r", "sku": "A", "condition": "DEFECT", "disposition": "SCRAP"}
    put(
        operations_db, "wms_return_units", unit_no=1, sales_order_id="o", position_item_id="i1",
        **unit,
    )  # fmt: skip
    put(operations_db, "wms_return_units", unit_no=2, **unit)
    found = {row.kind: row for row in listed(operations_db)}
    assert set(found) == {"return_undecided", "return_without_owner"}
    decide = found["return_undecided"]
    assert (decide.at_risk_cents, decide.urgency, decide.owner) == (
        1000,
        Urgency.OVERDUE,
        "customer care",
    )


@pytest.mark.parametrize(
    ("hours", "state", "is_listed"),
    [
        (23, "NEW", True),
        (23, "ACCEPTED", False),
        (25, "NEW", False),
        (3, "ALLOCATED", True),
        (3, "PICKED", False),
        (-1, "PICKED", True),
        (-1, "SHIPPED", False),
        (-1, "CANCELLED", False),
    ],
)
def test_an_order_is_at_risk_by_how_near_it_is_and_what_the_warehouse_did(
    operations_db: OperationsDatabase, hours: int, state: str, is_listed: bool
) -> None:
    waiting_order(operations_db, "o", NOW + hours * HOUR, i1=700, i2=300)
    at_wms(operations_db, "o", i1=state, i2=state)
    message(operations_db, "wms_order", "o", "o", "confirmed")
    late = [row for row in listed(operations_db) if row.kind == "late_shipment"]
    assert [(row.key, row.at_risk_cents) for row in late] == ([("o", 1000)] if is_listed else [])


def test_an_order_released_a_moment_ago_is_not_yet_without_a_sign(
    operations_db: OperationsDatabase,
) -> None:
    waiting_order(operations_db, "o", NOW + 20 * HOUR, i1=700)
    with operations_db.write() as conn:
        conn.exec_driver_sql("UPDATE position_items SET processable_at = '2026-11-20 09:45:00'")
    assert listed(operations_db) == []


def test_the_list_can_be_narrowed_and_counted(operations_db: OperationsDatabase) -> None:
    waiting_order(operations_db, "o", NOW - HOUR, i1=1000)
    message(operations_db, "wms_order", "o", "o", "failed", reason="no")
    held(operations_db, "otto_receipts", "R-1")
    held(operations_db, "otto_orders", "q")
    assert [row.kind for row in listed(operations_db, owner="finance")] == [
        "order_not_imported",
        "row_refused",
    ]
    assert [row.kind for row in listed(operations_db, kinds=["wms_order"])] == ["wms_order"]
    found = summary(listed(operations_db))
    assert (found.total, found.at_risk_cents) == (3, 1000)
    assert found.by_owner == {"finance": 2, "operations": 1}
    assert found.by_urgency["overdue"] == 2


EXAMPLE = OpenException(
    id="1", kind="wms_order", state="failed", key="o", sales_order_id="o", position_item_id=None,
    sku=None, parcel_id=None, owner="operations", urgency=Urgency.NONE, deadline_at=None,
    at_risk_cents=0, cause="c", remedy="r", actions=(), first_seen_at=NOW, subject="s", content="",
)  # fmt: skip


def example(hours: float | None, cents: int | None, **values: Any) -> OpenException:
    deadline = None if hours is None else NOW + hours * HOUR
    return replace(
        EXAMPLE, deadline_at=deadline, urgency=urgency_of(deadline, NOW), at_risk_cents=cents,
        **values,
    )  # fmt: skip


def test_what_costs_most_soonest_stands_first() -> None:
    in_order = [
        example(-1, None, id="unknown worth first"),
        example(-1, 9000, id="most money"),
        example(-9, 100, id="equal money, older deadline"),
        example(-1, 100, id="equal money, newer deadline"),
        example(3, 999_999, id="can still be saved"),
        example(20, 1, id="within a day"),
        example(90, 5000, id="later"),
        example(None, 5000, id="no deadline"),
    ]
    mixed = random.Random(1).sample(in_order, len(in_order))
    assert [row.id for row in sorted(mixed, key=lambda row: row.rank)] == [r.id for r in in_order]


_HOURS = st.none() | st.floats(-100, 100)
_CENTS = st.none() | st.integers(0, 10**7)


@given(st.tuples(_HOURS, _CENTS), st.tuples(_HOURS, _CENTS))
def test_a_nearer_urgency_always_goes_before_more_money(
    one: tuple[float | None, int | None], other: tuple[float | None, int | None]
) -> None:
    first, second = example(*one), example(*other)
    order = list(Urgency)
    if order.index(first.urgency) < order.index(second.urgency):
        assert first.rank < second.rank
    elif first.urgency is second.urgency and None not in {one[1], other[1]}:
        assert (first.rank < second.rank) or (first.at_risk_cents or 0) <= (other[1] or 0)


def test_every_kind_of_message_that_a_sensor_delivers_is_a_kind_of_exception() -> None:
    delivered = {kind for kinds in waiting_rows._KINDS.values() for kind in kinds}
    assert set(MESSAGE_KINDS) == delivered
    assert all(kind.meaning and kind.remedy for kind in EXCEPTION_KINDS.values())


def test_what_is_shown_is_plain_and_names_each_value() -> None:
    shown = example(3, 5).shown()
    hidden = {"subject", "content", "deadline_at", "first_seen_at"}
    assert set(shown) == {f.name for f in fields(OpenException)} - hidden | {
        "deadline",
        "first_seen",
    }
    assert shown["deadline"] == "2026-11-20T13:00+00:00"
