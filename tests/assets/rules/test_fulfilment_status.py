"""Each status of a unit: when it is chosen, and that always exactly one is."""

from itertools import product

import pytest

from assets.rules.fulfilment_status import STATUSES, UnitFacts, statuses_of

OPEN = "PROCESSABLE"
GONE = "CANCELLED_BY_MARKETPLACE"

CASES = [
    ("returned", UnitFacts("RETURNED", "SHIPPED", parcel_state="released")),
    ("returned", UnitFacts("SENT", "SHIPPED", return_status="ACCEPTED", received_back=True)),
    ("return_rejected", UnitFacts("SENT", "SHIPPED", return_status="REJECTED", received_back=True)),
    ("return_misdirected", UnitFacts("SENT", "SHIPPED", return_status="MISDIRECTED")),
    (
        "return_received",
        UnitFacts("SENT", "SHIPPED", return_status="ANNOUNCED", received_back=True),
    ),
    ("return_received", UnitFacts("SENT", "SHIPPED", received_back=True)),
    ("return_announced", UnitFacts("SENT", "SHIPPED", return_status="ANNOUNCED")),
    ("cancelled_but_shipped", UnitFacts(GONE, "SHIPPED", parcel_state="parked")),
    ("cancelled_but_shipped", UnitFacts("CANCELLED_BY_PARTNER", "SHIPPED")),
    ("cancelled_not_stopped", UnitFacts(GONE, "NEW")),
    ("cancelled_not_stopped", UnitFacts(GONE, "PICKED")),
    ("cancelled_not_stopped", UnitFacts(GONE, "SHORT", "BACKORDER")),
    ("cancelled", UnitFacts(GONE)),
    ("cancelled", UnitFacts(GONE, "CANCELLED")),
    ("cancelled", UnitFacts(GONE, "SHORT", "COMPLETE")),
    ("cancelled", UnitFacts(GONE, "NEW", wms_denies=True)),
    ("sent_without_parcel", UnitFacts("SENT")),
    ("sent_without_parcel", UnitFacts("SENT", "PICKED")),
    ("shipped", UnitFacts("SENT", "SHIPPED", parcel_state="released")),
    ("shipped", UnitFacts("SENT", "SHIPPED")),
    ("shipped_number_held", UnitFacts(OPEN, "SHIPPED", parcel_state="parked")),
    (
        "shipped_confirmation_stuck",
        UnitFacts(OPEN, "SHIPPED", parcel_state="released", confirmation_state="failed"),
    ),
    (
        "shipped_confirmation_stuck",
        UnitFacts(OPEN, "SHIPPED", parcel_state="released", confirmation_state="blocked"),
    ),
    (
        "shipped_confirmation_on_its_way",
        UnitFacts(OPEN, "SHIPPED", parcel_state="released", confirmation_state="sent"),
    ),
    ("shipped_confirmation_on_its_way", UnitFacts(OPEN, "SHIPPED", parcel_state="received")),
    ("shipped_parcel_unknown", UnitFacts(OPEN, "SHIPPED")),
    ("not_released", UnitFacts("ANNOUNCED", order_waits=True)),
    ("backordered", UnitFacts(OPEN, "SHORT", "BACKORDER")),
    ("cannot_ship", UnitFacts(OPEN, "SHORT", "COMPLETE")),
    ("cannot_ship", UnitFacts(OPEN, "CANCELLED")),
    ("lost_by_warehouse", UnitFacts(OPEN, "ALLOCATED", wms_denies=True)),
    ("picked", UnitFacts(OPEN, "PICKED")),
    ("in_warehouse", UnitFacts(OPEN, "ACCEPTED")),
    ("in_warehouse", UnitFacts(OPEN, "ALLOCATED")),
    ("handover_stuck", UnitFacts(OPEN, submission_state="failed")),
    ("handover_stuck", UnitFacts(OPEN, "NEW", submission_state="blocked")),
    ("handed_over", UnitFacts(OPEN, "NEW", submission_state="confirmed")),
    ("waits_for_other_items", UnitFacts(OPEN, order_waits=True)),
    ("on_its_way_to_warehouse", UnitFacts(OPEN, submission_state="retrying")),
    ("on_its_way_to_warehouse", UnitFacts(OPEN)),
]


def test_each_status_is_chosen_for_what_it_says() -> None:
    found = [status.status for status in statuses_of([facts for _, facts in CASES])]
    assert found == [status for status, _ in CASES]
    assert {status for status, _ in CASES} == set(STATUSES)


@pytest.mark.parametrize("otto_status", ["ANNOUNCED", OPEN, "SENT", "RETURNED", GONE])
def test_whatever_both_sides_say_no_status_contradicts_them(otto_status: str) -> None:
    units = [
        UnitFacts(otto_status, wms, None, parcel, submission_state=message, wms_denies=denies)
        for wms, parcel, message, denies in product(
            (None, "NEW", "ACCEPTED", "PICKED", "SHIPPED", "SHORT", "CANCELLED"),
            (None, "received", "parked", "released"),
            (None, "confirmed", "failed"),
            (False, True),
        )
    ]
    for unit, status in zip(units, statuses_of(units), strict=True):
        left = unit.parcel_state is not None or unit.wms_status == "SHIPPED"
        assert status.status.startswith("cancelled") is (otto_status == GONE)
        if otto_status not in {"SENT", "RETURNED"}:
            assert ("shipped" in status.status) is left
