"""Every kind of break on a planted case, beside a healthy or not yet due twin."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from assets.reconciliation.break_kinds import BREAK_KINDS
from resources.operating_model import Reconciliation
from resources.operations import schema
from tests.assets.reconciliation.money_world import MONEY_KINDS

LONG_AGO = timedelta(days=2)
GONE = {"state": "NEW", "sku_seen": None, "price_seen_cents": None, "currency_seen": None}
SILENT = {"last_event_at": None, "audited_at": None}

Plant = Callable[[Any, str], Any]


def parked(*rules: str) -> dict[str, str]:
    texts = [{"rule": rule, "reason": "because", "remedy": "do it"} for rule in rules]
    return {"state": "parked", "parked_rules": json.dumps(texts)}


# Kind, what is wrong, and how it is planted; each plant makes exactly this break and no other.
BAD: list[tuple[str, str, Plant]] = [
    (
        "missing_in_wms",
        "accepted by the WMS, then denied, within the grace",
        lambda w, ref: w.waiting(ref, wms={"present": False, "submitted_at": w.now}),
    ),
    (
        "missing_in_wms",
        "no sign beyond the grace",
        lambda w, ref: w.waiting(ref, wms=SILENT | {"submitted_at": w.now - LONG_AGO}, line=GONE),
    ),
    (
        "missing_in_wms",
        "never sent",
        lambda w, ref: w.waiting(
            ref, wms=None, line=None, item={"processable_at": w.now - LONG_AGO}
        ),
    ),
    (
        "missing_in_wms",
        "its transmission failed just now",
        lambda w, ref: (
            w.waiting(ref, wms=None, line=None, item={"processable_at": w.now}),
            w.outbox("wms_order", ref, ref, state="failed"),
        ),
    ),
    (
        "unknown_to_otto",
        "a whole order",
        lambda w, ref: w.known_to_wms_alone(ref, price_seen_cents=700, price_sent_cents=None),
    ),
    (
        "cancelled_in_otto_open_in_wms",
        "still open beyond the grace",
        lambda w, ref: w.waiting(
            ref,
            item={
                "fulfilment_status": "CANCELLED_BY_MARKETPLACE",
                "cancelled_at": w.now - LONG_AGO,
            },
        ),
    ),
    (
        "cancelled_in_otto_open_in_wms",
        "dispatched although cancelled just now",
        lambda w, ref: w.dispatched(
            ref,
            item={"fulfilment_status": "CANCELLED_BY_PARTNER", "cancelled_at": w.now},
            parcel=parked("item_cancelled_at_otto"),
        ),
    ),
    (
        "cancelled_in_wms_open_in_otto",
        "cancelled",
        lambda w, ref: w.waiting(
            ref, line={"state": "CANCELLED"}, wms={"last_event_at": w.now - LONG_AGO}
        ),
    ),
    (
        "cancelled_in_wms_open_in_otto",
        "short for good",
        lambda w, ref: w.waiting(
            ref,
            line={"state": "SHORT", "short_discrepancy": "COMPLETE"},
            wms={"last_event_at": w.now - LONG_AGO},
        ),
    ),
    ("sku_mismatch", "another SKU", lambda w, ref: w.waiting(ref, line={"sku_seen": "WMS-2"})),
    (
        "tracking_missing",
        "parked without a number, and for a return number too",
        lambda w, ref: w.dispatched(
            ref,
            parcel={"tracking_number": None}
            | parked("return_key_present", "tracking_number_present"),
        ),
    ),
    (
        "tracking_invalid",
        "parked for its number",
        lambda w, ref: w.dispatched(ref, parcel=parked("tracking_number_valid", "carrier_known")),
    ),
    (
        "tracking_invalid",
        "parked for its link",
        lambda w, ref: w.dispatched(ref, parcel=parked("tracking_url_https")),
    ),
    (
        "carrier_mismatch",
        "parked for a carrier nobody mapped",
        lambda w, ref: w.dispatched(ref, parcel={"carrier": None} | parked("carrier_known")),
    ),
    (
        "carrier_mismatch",
        "OTTO holds another carrier",
        lambda w, ref: w.shipped(ref, item={"otto_carrier": "HERMES"}),
    ),
    (
        "tracking_mismatch",
        "OTTO holds another number",
        lambda w, ref: w.shipped(ref, item={"otto_tracking_number": "406522044489"}),
    ),
    (
        "tracking_mismatch",
        "the WMS corrected the number after the report",
        lambda w, ref: w.shipped(ref, parcel={"corrected_tracking_number": "221557927533"}),
    ),
    (
        "dispatched_not_confirmed",
        "beyond the grace",
        lambda w, ref: w.dispatched(ref, parcel={"shipped_at": w.now - LONG_AGO}),
    ),
    (
        "dispatched_not_confirmed",
        "OTTO refused the report",
        lambda w, ref: w.dispatched(ref, shipment={"state": "failed"}),
    ),
    (
        "dispatched_not_confirmed",
        "a rule holds the report back",
        lambda w, ref: w.dispatched(ref, shipment={"state": "blocked"}),
    ),
    (
        "dispatched_not_confirmed",
        "parked for the return number alone",
        lambda w, ref: w.dispatched(ref, parcel=parked("return_key_present")),
    ),
    (
        "confirmed_not_dispatched",
        "no parcel",
        lambda w, ref: w.shipped(
            ref, parcel=None, line={"state": "PICKED"}, item={"sent_at": w.now - LONG_AGO}
        ),
    ),
    (
        "confirmed_not_dispatched",
        "the WMS cancelled it",
        lambda w, ref: w.shipped(
            ref, parcel=None, line={"state": "CANCELLED"}, item={"sent_at": w.now - LONG_AGO}
        ),
    ),
    (
        "late_shipment",
        "its time has passed",
        lambda w, ref: w.waiting(ref, item={"ship_by_at": w.now - timedelta(minutes=1)}),
    ),
    ("price_mismatch", "one cent", lambda w, ref: w.waiting(ref, line={"price_seen_cents": 1998})),
    (
        "currency_mismatch",
        "another currency and amount",
        lambda w, ref: w.waiting(ref, line={"currency_seen": "PLN", "price_seen_cents": 8600}),
    ),
]


def test_each_planted_difference_is_found_as_exactly_its_kind(world: Any) -> None:
    world.waiting("good, waiting")
    world.shipped("good, shipped")
    planted = {f"{kind}: {text}": (kind, plant) for kind, text, plant in BAD}
    for ref, (_, plant) in planted.items():
        plant(world, ref)

    outcome = world.reconcile()

    assert world.breaks() == {f"{ref}/1": {kind} for ref, (kind, _) in planted.items()}
    assert outcome.open_breaks == Counter(kind for kind, _, _ in BAD)
    classes = world.classes()
    assert classes["good, waiting/1"] == ("in_progress", None)
    assert classes["good, shipped/1"] == ("matched", None)
    for ref, (kind, _) in planted.items():
        assert classes[f"{ref}/1"] == ("break", kind)


def test_every_kind_of_the_registry_is_planted() -> None:
    of_items = {name for name, kind in BREAK_KINDS.items() if kind.area != "stock"}
    assert {kind for kind, _, _ in BAD} == of_items - MONEY_KINDS


EXPECTED: list[tuple[str, Plant]] = [
    (
        "missing_in_wms",
        lambda w, ref: w.waiting(ref, wms=SILENT | {"submitted_at": w.now}, line=GONE),
    ),
    (
        "missing_in_wms",
        lambda w, ref: w.waiting(ref, wms=None, line=None, item={"processable_at": w.now}),
    ),
    (
        "cancelled_in_otto_open_in_wms",
        lambda w, ref: w.waiting(
            ref, item={"fulfilment_status": "CANCELLED_BY_PARTNER", "cancelled_at": w.now}
        ),
    ),
    ("cancelled_in_wms_open_in_otto", lambda w, ref: w.waiting(ref, line={"state": "CANCELLED"})),
    ("dispatched_not_confirmed", lambda w, ref: w.dispatched(ref)),
    (
        "confirmed_not_dispatched",
        lambda w, ref: w.shipped(ref, parcel=None, line={"state": "PICKED"}),
    ),
]


def test_a_difference_within_its_grace_is_expected_and_becomes_a_break_by_time_alone(
    world: Any,
) -> None:
    planted = {f"{number}": (kind, plant) for number, (kind, plant) in enumerate(EXPECTED)}
    for ref, (_, plant) in planted.items():
        plant(world, ref)

    assert world.reconcile().expected == len(EXPECTED)
    assert world.breaks() == {}
    assert world.classes() == {f"{r}/1": ("expected", kind) for r, (kind, _) in planted.items()}

    world.later(minutes=241)
    assert world.reconcile().expected == 0
    assert world.breaks() == {f"{ref}/1": {kind} for ref, (kind, _) in planted.items()}


HEALTHY: dict[str, Plant] = {
    "announced, not sent to the WMS": lambda w, ref: w.waiting(
        ref,
        wms=None,
        line=None,
        item={"fulfilment_status": "ANNOUNCED", "processable_at": None},
    ),
    "accepted by the WMS, never audited": lambda w, ref: w.waiting(
        ref, wms={"audited_at": None}, line={"sku_seen": None, "price_seen_cents": None}
    ),
    "denied by the WMS before it was sent again": lambda w, ref: w.waiting(
        ref,
        wms={"present": False, "audited_at": w.now - LONG_AGO, "submitted_at": w.now},
        line={"state": "ACCEPTED"},
    ),
    "cancelled on both sides": lambda w, ref: w.waiting(
        ref,
        item={"fulfilment_status": "CANCELLED_BY_PARTNER", "cancelled_at": w.now - LONG_AGO},
        line={"state": "CANCELLED"},
    ),
    "cancelled at OTTO, never known to the WMS": lambda w, ref: w.waiting(
        ref,
        item={"fulfilment_status": "CANCELLED_BY_PARTNER", "cancelled_at": w.now - LONG_AGO},
        wms=None,
        line=None,
    ),
    "short, to be shipped later": lambda w, ref: w.waiting(
        ref,
        line={"state": "SHORT", "short_discrepancy": "BACKORDER"},
        wms={"last_event_at": w.now - LONG_AGO},
    ),
    "unknown to OTTO, cancelled in the WMS": lambda w, ref: w.known_to_wms_alone(
        ref, state="CANCELLED"
    ),
    "sent, number written with blanks": lambda w, ref: w.shipped(
        ref, parcel={"tracking_number": "5775 4656 5072"}
    ),
    "sent by hand while the parcel was parked": lambda w, ref: w.shipped(
        ref, parcel={"tracking_number": None} | parked("tracking_number_present")
    ),
    "returned later": lambda w, ref: w.shipped(ref, item={"fulfilment_status": "RETURNED"}),
    "wrong price of a cancelled item": lambda w, ref: w.waiting(
        ref,
        item={"fulfilment_status": "CANCELLED_BY_PARTNER"},
        line={"state": "CANCELLED", "price_seen_cents": 1, "currency_seen": "PLN"},
    ),
}


def test_what_agrees_or_is_as_it_should_be_is_no_difference(world: Any) -> None:
    for ref, plant in HEALTHY.items():
        plant(world, ref)

    outcome = world.reconcile()

    assert (outcome.open_breaks, outcome.expected) == ({}, 0)
    assert world.classes().keys() == {f"{ref}/1" for ref in HEALTHY}
    assert {name for name, _ in world.classes().values()} == {"matched", "in_progress"}


def test_a_line_that_the_wms_dropped_from_an_order_it_knows_is_missing(world: Any) -> None:
    old = {"submitted_at": world.now - LONG_AGO}
    world.waiting("o", "1", wms=old)
    world.waiting("o", "2", wms=old, line=GONE)
    world.reconcile()
    assert world.breaks() == {"o/2": {"missing_in_wms"}}


def test_a_line_is_not_missing_because_an_event_spoke_of_another_line_only(world: Any) -> None:
    world.waiting("o", "1", wms={"submitted_at": world.now - LONG_AGO, "audited_at": None})
    world.waiting("o", "2", line=GONE)
    world.reconcile()
    assert world.breaks() == {}


def test_an_order_of_which_otto_has_not_released_everything_is_not_missing_in_the_wms(
    world: Any,
) -> None:
    old = {"processable_at": world.now - LONG_AGO}
    world.waiting("o", "1", wms=None, line=None, item=old)
    world.waiting("o", "2", line=None, item={"fulfilment_status": "ANNOUNCED"})
    world.reconcile()
    assert world.classes() == {"o/1": ("in_progress", None), "o/2": ("in_progress", None)}


def test_a_line_and_a_parcel_unknown_to_otto_are_found_within_a_known_order(world: Any) -> None:
    world.waiting("o", "1")
    world.known_to_wms_alone("p", "9")
    world.shipped("q", "1")
    with world.db.write() as conn:
        conn.exec_driver_sql("INSERT INTO parcel_lines VALUES ('P-q-1', '77', 1)")
    world.reconcile()
    assert world.breaks() == {"p/9": {"unknown_to_otto"}, "q/77": {"unknown_to_otto"}}


def test_a_wms_order_without_lines_is_found_as_a_whole_only_if_nothing_else_tells_of_it(
    world: Any,
) -> None:
    world.known_to_wms_alone("whole", "1")
    world.shipped("in a parcel")
    world.waiting("known to OTTO", line=None, wms={"submitted_at": world.now - LONG_AGO})
    with world.db.write() as conn:
        conn.exec_driver_sql("DELETE FROM wms_order_lines")
        for table in (schema.orders, schema.position_items):
            conn.execute(table.delete().where(table.c.sales_order_id == "in a parcel"))
    world.reconcile()
    assert world.breaks() == {
        "whole/": {"unknown_to_otto"},
        "in a parcel/1": {"unknown_to_otto"},
        "known to OTTO/1": {"missing_in_wms"},
    }


def test_an_item_has_one_break_per_area_and_lateness_only_where_nothing_explains_it(
    world: Any,
) -> None:
    late = {"ship_by_at": world.now - timedelta(days=1)}
    world.waiting("denied", wms={"present": False}, line=GONE, item=late)
    world.waiting("short", item=late, line={"state": "SHORT"})
    world.waiting("wrong-price", item=late, line={"price_seen_cents": 5, "sku_seen": "WMS-2"})
    world.waiting("cheap", item=late, line={"price_seen_cents": 5})
    world.dispatched("gone", item=late)
    world.reconcile()
    assert world.breaks() == {
        "denied/1": {"missing_in_wms"},
        "wrong-price/1": {"sku_mismatch", "price_mismatch"},
        "cheap/1": {"late_shipment", "price_mismatch"},
    }


def test_a_repacked_item_is_judged_by_the_parcel_that_otto_was_told_of(world: Any) -> None:
    world.shipped("o")
    later = {"parcel_id": "second", "tracking_number": "406522044489", "state": "received"}
    with world.db.write() as conn:
        conn.exec_driver_sql(
            "INSERT INTO parcels (parcel_id, order_ref, carrier, tracking_number, shipped_at, "
            "state, recorded_at) SELECT ?, order_ref, carrier, ?, '2026-03-02 13:00:00.000000', ?, "
            "recorded_at FROM parcels",
            tuple(later.values()),
        )
        conn.exec_driver_sql("INSERT INTO parcel_lines VALUES ('second', '1', 1)")
    world.reconcile()
    assert world.breaks() == {}
    assert world.query("SELECT count(*) FROM reconciliation.shipments") == [(2,)]


@pytest.mark.parametrize(("tolerance", "found"), [(4, {"o/1": {"price_mismatch"}}), (5, {})])
def test_a_price_difference_up_to_the_tolerance_is_none(
    world: Any, tolerance: int, found: dict[str, set[str]]
) -> None:
    world.waiting("o", line={"price_seen_cents": 2004})
    world.reconcile(Reconciliation(price_tolerance_cents=tolerance))
    assert world.breaks() == found


def test_a_break_says_both_values_the_amount_the_owner_and_the_remedy(world: Any) -> None:
    world.waiting("o", line={"price_seen_cents": 2104})
    world.reconcile()
    assert world.query(
        "SELECT otto_value, wms_value, amount_at_risk_cents, amount_at_risk::VARCHAR, currency, "
        "severity, owner, explanation, remedy FROM reconciliation.breaks"
    ) == [
        (
            "19.99 EUR",
            "21.04 EUR",
            105,
            "1.05",
            "EUR",
            "medium",
            "finance",
            "The buyer pays 19.99 EUR; the WMS holds 21.04, a difference of 1.05.",
            BREAK_KINDS["price_mismatch"].remedy,
        )
    ]


def test_severity_follows_the_material_amount(world: Any) -> None:
    for cents in (99, 100, 999, 1000):
        world.waiting(f"{cents}", line={"price_seen_cents": 1999 + cents})
    world.reconcile()
    assert dict(world.query("SELECT sales_order_id, severity FROM reconciliation.breaks")) == {
        "99": "low",
        "100": "medium",
        "999": "medium",
        "1000": "high",
    }
