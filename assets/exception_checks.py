"""Checks of the asset `exceptions`: deadlines and states that cut across flows.

Belongs here: the checks' names, what each means and what to do, and their rows, taken from the same
list that people work with. Checks of one flow stand beside its asset.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from assets.exceptions.model import OpenException, Urgency
from assets.reporting import check_result, named_check

ASSET = "exceptions"

# What stands between a unit and its dispatch.
_BEFORE_DISPATCH = {
    *("wms_order", "wms_backorder", "otto_cancellation", "short_pick", "short_pick_awaited"),
    "late_shipment",
}
_SHIP = (
    "Do what the row's remedy says first; else have it picked now, or cancel it at OTTO before its "
    "ship-by time."
)


SOURCES_READ = named_check(
    "sources_read_in_time",
    ASSET,
    "Every source was read within the minutes that freshness allows.",
    "Look at the last runs of its job and at otto-pipelines check-connection; see that schedules "
    "and daemon run.",
)
IMPORTED = named_check(
    "orders_imported",
    ASSET,
    "No order of OTTO waits in quarantine: each is on its way to the warehouse.",
    "Correct what the row names, then: otto-pipelines errors pull ORDER, or job pull_order.",
)
POSTED_BACK = named_check(
    "tracking_posted_back",
    ASSET,
    "OTTO has the tracking number of every parcel that left: none is parked, refused, uncertain, "
    "or on its way for more than reconciliation.confirmation minutes.",
    "Correct what the row names; a parked parcel then goes by itself, a refused one by "
    "otto-pipelines errors retry.",
)
STATES_AGREE = named_check(
    "shipment_status_agrees",
    ASSET,
    "OTTO and the warehouse say the same of every unit: sent, shipped or cancelled.",
    "Find out which of both is right, and correct the other as the row says.",
)
OVERDUE = named_check(
    "no_shipment_overdue", ASSET, "No unit is in the warehouse after its ship-by time.", _SHIP
)
DUE_IN_4_HOURS = named_check(
    "no_shipment_at_risk_in_4_hours",
    ASSET,
    "Every unit that has to leave within 4 hours is picked, and nothing holds it back.",
    _SHIP,
)
DUE_IN_24_HOURS = named_check(
    "no_shipment_at_risk_in_24_hours",
    ASSET,
    "Every unit that has to leave within 24 hours is at the warehouse, and nothing holds it back "
    "(a warning).",
    _SHIP,
)
SPECS = [
    *(SOURCES_READ, IMPORTED, POSTED_BACK, STATES_AGREE),
    *(OVERDUE, DUE_IN_4_HOURS, DUE_IN_24_HOURS),
]


def results(
    rows: Sequence[OpenException], old_sources: Sequence[dict[str, Any]], units_due: int
) -> Iterator[dg.AssetCheckResult]:
    """Judge by the list of exceptions, and by sources that were not read in time.

    Args:
        rows: the list.
        old_sources: `assets.source_freshness.old_sources`.
        units_due: units that have to leave within 24 hours, at risk or not; the UI plots them.
    """

    def shown(kinds: set[str], urgency: Urgency | None = None) -> list[dict[str, Any]]:
        return [row.shown() for row in rows if row.kind in kinds and urgency in {None, row.urgency}]

    yield check_result(SOURCES_READ, failing=old_sources)
    yield check_result(IMPORTED, failing=shown({"order_not_imported"}))
    yield check_result(POSTED_BACK, failing=shown({"otto_shipment"}) + shown({"parcel_parked"}))
    yield check_result(STATES_AGREE, failing=shown({"status_drift"}))
    yield check_result(OVERDUE, failing=shown(_BEFORE_DISPATCH, Urgency.OVERDUE))
    yield check_result(DUE_IN_4_HOURS, failing=shown(_BEFORE_DISPATCH, Urgency.HOURS_4))
    yield check_result(
        DUE_IN_24_HOURS,
        failing=[],
        warned=shown(_BEFORE_DISPATCH, Urgency.HOURS_24),
        measures={"units_due_in_24_hours": units_due},
    )
