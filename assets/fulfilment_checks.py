"""Checks of the way back to OTTO: events readable, the tracking gate's rules, what OTTO refused.

Belongs here: the checks' names, meanings and rows. They look at what the operations database holds,
so they may run at any time, with the assets or without them.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from assets import fast_lane, short_picks
from assets.fulfilment import CANCELLATIONS, EVENTS, PARCELS, SHIPMENTS
from assets.outbound import otto_shipment
from assets.outbox_report import outbox_rows
from assets.parcel_gate import refused_rows, warned_rows
from assets.reporting import check_result, named_check
from assets.rules.shipment_gate import GATE_RULES
from assets.rules.short_picks import Step
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations import exception_rows, quarantine
from resources.operations.database import OperationsDatabase

_READABLE = named_check(
    fast_lane.READABLE,
    EVENTS,
    "Every event of the warehouse follows the port's contract.",
    "Ask the WMS's vendor to correct the record, then read it again.",
)
_CONFIRMED = named_check(
    "shipments_accepted_by_otto",
    SHIPMENTS,
    "OTTO accepted every parcel that the tracking gate released.",
    "Correct what OTTO names, then: otto-pipelines errors retry",
)
_CANCELLED = named_check(
    "cancellations_accepted_by_otto",
    CANCELLATIONS,
    "Every unit that is given up could be stopped or cancelled on both sides.",
    "Cancel the item in OTTO Partner Connect, then: otto-pipelines errors retry",
)
_SHORTS = named_check(
    "short_picks_open",
    CANCELLATIONS,
    "Every unit that came up short is shipped or cancelled by its ship-by time.",
    "Let the warehouse ship it at once, or cancel it in OTTO Partner Connect.",
)
_GATE_REMEDY = "Correct it in the WMS or the operating model; the parcel then goes by itself."
_GATE = [
    named_check(name, PARCELS, f"Tracking gate: {meaning}.", _GATE_REMEDY)
    for name, meaning in GATE_RULES.items()
]


# What is said of a parcel that has gone is news for some days, and no task.
NEWS_FOR = timedelta(days=3)


@dg.multi_asset_check(
    name="fulfilment_checks", specs=[_READABLE, *_GATE, _CONFIRMED, _CANCELLED, _SHORTS]
)
def fulfilment_checks(
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> Iterator[dg.AssetCheckResult]:
    """Judge each rule by all that waits now, not only by the rows of one run."""
    with operations.read() as conn:
        unreadable = quarantine.waiting_rows(conn, fast_lane.EVENTS)
    yield check_result(
        _READABLE,
        failing=[
            {"event": row["business_key"], "why": row["shown"], "owner": row["owner"]}
            for row in unreadable
        ],
    )
    since = clock.now() - NEWS_FOR
    refused, uncertain = refused_rows(operations, since), warned_rows(operations, since)
    for spec in _GATE:
        yield check_result(
            spec,
            failing=_of_rule(refused, spec.name),
            warned=_of_rule(uncertain, spec.name),
        )
    yield check_result(_CONFIRMED, failing=_stopped(operations))
    yield check_result(
        _CANCELLED,
        failing=[row for kind in short_picks.KINDS for row in outbox_rows(operations, kind)],
    )
    shorts = short_picks.open_rows(operations, model.short_pick, clock.now())
    yield check_result(
        _SHORTS,
        failing=[row for row in shorts if row["overdue"]],
        warned=[row for row in shorts if row["next_step"] == Step.PERSON],
    )


def _stopped(db: OperationsDatabase) -> list[dict[str, Any]]:
    """Confirmations that need a person; of a parcel that the gate holds, the gate's checks tell."""
    with db.read() as conn:
        held = exception_rows.parked_ids(conn)
    rows = outbox_rows(db, otto_shipment.KIND)
    return [r for r in rows if not (r["state"] == "blocked" and r["business_key"] in held)]


def _of_rule(rows: Sequence[Mapping[str, Any]], rule: str) -> list[dict[str, Any]]:
    return [
        {key: row[key] for key in row if key not in {"rule", "state"}}
        for row in rows
        if row["rule"] == rule
    ]
