"""Short-picks brought to their end: stopped at the warehouse, cancelled at OTTO, or shown.

Belongs here: acting on the decisions of `assets.rules.short_picks`, in the order that keeps a unit
from being cancelled at OTTO while the warehouse ships it, and the rows that a person looks at.
"""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from assets.outbound import otto_cancellation, wms_backorder
from assets.outbound.delivery import deliver
from assets.rules.short_picks import Decision, Step, decide
from resources.clock import Clock
from resources.operating_model import OperatingModel, ShortPickPolicy
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Outbox
from resources.operations.short_picks import OpenShort, open_shorts
from resources.otto.client import OttoClient
from resources.wms.port import WmsPort

KINDS = (wms_backorder.KIND, otto_cancellation.KIND)
"""Kinds of outbox row that `settle` delivers."""


def settle(
    db: OperationsDatabase, wms: WmsPort, otto: OttoClient, model: OperatingModel, clock: Clock
) -> Counter[str]:
    """Give up what is not awaited any longer; returns outcome name to count."""
    outbox, policy = Outbox(db, model.outbox), model.short_pick
    counts: Counter[str] = Counter()
    if to_stop := _of_step(db, Step.STOP, policy, clock.now()):
        with db.write() as conn:
            counts["stops_queued"] = wms_backorder.enqueue_stops(conn, to_stop, datetime.now(UTC))
    stops = deliver(outbox, wms_backorder.WmsBackorderHandler(db, wms, clock), model.outbox)
    counts.update({f"stops_{name}": number for name, number in stops.items()})
    # Read again: what the warehouse stopped just now will not ship.
    if to_cancel := _of_step(db, Step.CANCEL, policy, clock.now()):
        with db.write() as conn:
            counts["queued"] = otto_cancellation.enqueue_cancellations(
                conn, to_cancel, datetime.now(UTC)
            )
    handler = otto_cancellation.OttoCancellationHandler(db, otto)
    return counts + deliver(outbox, handler, model.outbox)


def open_rows(
    db: OperationsDatabase, policy: ShortPickPolicy, now: datetime
) -> list[dict[str, Any]]:
    """Every open short-pick with its age, deadlines and next step, nearest ship-by time first."""
    return [_row(short, decision, now) for short, decision in _judged(db, policy, now)]


def _judged(
    db: OperationsDatabase, policy: ShortPickPolicy, now: datetime
) -> list[tuple[OpenShort, Decision]]:
    with db.read() as conn:
        shorts = open_shorts(conn, wms_backorder.KIND, otto_cancellation.KIND)
    return [(short, decide(short, policy, now)) for short in shorts]


def _of_step(
    db: OperationsDatabase, step: Step, policy: ShortPickPolicy, now: datetime
) -> list[OpenShort]:
    """Those of which this is the next step and nobody has been asked for it yet."""
    asked = {Step.STOP: "stop", Step.CANCEL: "cancellation"}[step]
    return [
        short
        for short, decision in _judged(db, policy, now)
        if decision.step is step and getattr(short, asked) is None
    ]


def _row(short: OpenShort, decision: Decision, now: datetime) -> dict[str, Any]:
    return {
        "sales_order_id": short.sales_order_id,
        "position_item_id": short.position_item_id,
        "sku": short.sku,
        "wms_state": short.wms_state,
        "discrepancy": short.discrepancy,
        "reason": short.reason,
        "since": _shown(short.since),
        "age_hours": int((now - short.since).total_seconds() // 3600),
        "ship_by_at": _shown(short.ship_by_at),
        "awaited_until": _shown(decision.until),
        "overdue": short.ship_by_at is not None and short.ship_by_at < now,
        "next_step": decision.step.value,
        "why": decision.why,
    }


def _shown(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="minutes")
