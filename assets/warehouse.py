"""Assets of the warehouse side: orders handed over, events read back, orders audited.

Belongs here: the Dagster shells. What leaves is decided and sent in `assets.outbound`; what events
do to lines and parcels stands in `resources.operations.fulfilment`.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.outbound import wms_cancellation, wms_order
from assets.outbound.delivery import deliver
from assets.outbox_report import outbox_rows
from assets.reporting import check_result, numbers
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations import fulfilment, pending, quarantine, watermarks
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Outbox
from resources.operations.sync_log import SyncLog
from resources.wms.port import WmsPort

EVENTS_WATERMARK = "wms_fulfilment"
_EVENTS_SOURCE = "wms_events"
_AUDIT_BATCH = 1000

# Downstream of a partitioned asset: old days without a partition must not hold it back.
FOLLOW = dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())

_ACCEPTED = dg.AssetCheckSpec(
    "orders_accepted_by_wms",
    asset="wms_orders",
    description="Every order was taken by the warehouse system, or is still being tried.",
)
_IN_TIME = dg.AssetCheckSpec(
    "cancellations_in_time",
    asset="wms_orders",
    description="Every cancellation of OTTO reached the warehouse before the parcel left.",
)


@dg.asset(
    deps=["otto_orders"],
    group_name="warehouse",
    kinds={"http", "python"},
    owners=["team:operations"],
    tags={"system": "wms"},
    check_specs=[_ACCEPTED, _IN_TIME],
    automation_condition=FOLLOW,
    description=(
        "Orders handed over to the warehouse, and cancellations of their lines. ANNOUNCED orders "
        "stay here; only PROCESSABLE ones leave, each exactly once by its sales order id."
    ),
)
def wms_orders(
    operations: dg.ResourceParam[OperationsDatabase],
    wms: dg.ResourceParam[WmsPort],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Queue what is due, deliver it, report."""
    outbox = Outbox(operations, model.outbox)
    with SyncLog(operations, "wms_orders", clock.now(), wms.faults) as log:
        # Cancellations first: what was cancelled since must not be picked meanwhile.
        cancellations = wms_cancellation.enqueue_cancellations(operations, datetime.now(UTC))
        cancelled = deliver(outbox, wms_cancellation.WmsCancellationHandler(wms), model.outbox)
        queued = wms_order.enqueue_orders(operations, datetime.now(UTC))
        submitted = deliver(
            outbox, wms_order.WmsOrderHandler(operations, wms, model, clock), model.outbox
        )
        counts = {
            "orders_queued": queued,
            "cancellations_queued": cancellations,
            **{f"orders_{name}": count for name, count in submitted.items()},
            **{f"cancellations_{name}": count for name, count in cancelled.items()},
        }
        log.counts.update(counts)
    return dg.MaterializeResult(
        metadata=numbers(counts),
        check_results=[
            check_result(
                _ACCEPTED.name,
                asset="wms_orders",
                failing=outbox_rows(operations, wms_order.KIND),
                meaning=_ACCEPTED.description or "",
                remedy="Correct what the WMS names, then: otto-pipelines errors retry",
            ),
            check_result(
                _IN_TIME.name,
                asset="wms_orders",
                failing=outbox_rows(operations, wms_cancellation.KIND),
                meaning=_IN_TIME.description or "",
                remedy="Stop the parcel, or await it as a return; OTTO pays nothing for it.",
            ),
        ],
    )


_READABLE = dg.AssetCheckSpec(
    "wms_events_readable",
    asset="wms_fulfilment_events",
    description="Every event of the warehouse follows the port's contract.",
)


@dg.asset(
    group_name="warehouse",
    kinds={"http", "python"},
    owners=["team:warehouse"],
    tags={"system": "wms"},
    check_specs=[_READABLE],
    description=(
        "Picks, shorts, dispatches, corrections and cancellations as the warehouse reports them. "
        "Each event is recorded once; late and repeated ones change nothing."
    ),
)
def wms_fulfilment_events(
    operations: dg.ResourceParam[OperationsDatabase],
    wms: dg.ResourceParam[WmsPort],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Read the feed from the last position to its end."""
    kinds: Counter[str] = Counter()
    with SyncLog(operations, "fulfilment", clock.now(), wms.faults) as log:
        has_more = True
        while has_more:
            has_more = _read_page(operations, wms, clock.now(), kinds)
        log.counts.update(kinds)
    with operations.read() as conn:
        unreadable = [r for r in quarantine.open_rows(conn) if r["source"] == _EVENTS_SOURCE]
    return dg.MaterializeResult(
        metadata=numbers({"events": kinds.total(), **kinds}),
        check_results=[
            check_result(
                _READABLE.name,
                asset="wms_fulfilment_events",
                failing=[
                    {"event": row["business_key"], "why": row["shown"], "owner": row["owner"]}
                    for row in unreadable
                ],
                meaning=_READABLE.description or "",
                remedy="Ask the WMS's vendor to correct the record, then read it again.",
            )
        ],
    )


def _read_page(db: OperationsDatabase, wms: WmsPort, now: datetime, kinds: Counter[str]) -> bool:
    """Record one page with its position in one transaction; returns whether more is there."""
    with db.read() as conn:
        cursor = watermarks.get(conn, EVENTS_WATERMARK)
    page = wms.poll_fulfilment(cursor)
    with db.write() as conn:
        new = fulfilment.record_events(conn, page.events, now)
        fulfilment.apply_events(conn, new, now)
        if page.unreadable:
            quarantine.put(conn, [_unreadable(page.next_cursor, r) for r in page.unreadable], now)
        watermarks.set(conn, EVENTS_WATERMARK, page.next_cursor, now)
    kinds.update(event.kind.value.lower() for event in new)
    wms.acknowledge([event.event_id for event in page.events])
    return page.has_more


def _unreadable(cursor: str, reason: str) -> dict[str, str]:
    return {
        "source": _EVENTS_SOURCE,
        "business_key": f"before {cursor}",
        "rule": _READABLE.name,
        "field": "event",
        "shown": reason,
        "owner": "warehouse",
        "remedy": "Ask the WMS's vendor to correct the record.",
    }


_PRESENT = dg.AssetCheckSpec(
    "orders_present_in_wms",
    asset="wms_order_audit",
    description="The warehouse system still has every order that it took.",
)


@dg.asset(
    deps=["wms_orders", "wms_fulfilment_events"],
    group_name="warehouse",
    kinds={"http", "python"},
    owners=["team:operations"],
    tags={"system": "wms"},
    check_specs=[_PRESENT],
    description=(
        "What the warehouse system holds of each open order now: presence, SKU, price, state. "
        "An answer to the submission is no proof; this is."
    ),
)
def wms_order_audit(
    operations: dg.ResourceParam[OperationsDatabase],
    wms: dg.ResourceParam[WmsPort],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Ask for every order whose last look is older than the grace window."""
    now = clock.now()
    before = now - timedelta(minutes=model.reconciliation.missing_in_wms)
    audited = absent = 0
    with SyncLog(operations, "wms_audit", now, wms.faults) as log:
        while True:
            with operations.read() as conn:
                refs = fulfilment.orders_to_audit(conn, before, _AUDIT_BATCH)
            if not refs:
                break
            snapshots = wms.get_orders(refs)
            with operations.write() as conn:
                fulfilment.record_snapshots(conn, snapshots, refs, now)
            audited += len(refs)
            absent += len(refs) - len(snapshots)
        log.counts.update({"audited": audited, "absent": absent})
    with operations.read() as conn:
        missing = pending.orders_absent_from_wms(conn)
    return dg.MaterializeResult(
        metadata=numbers({"orders_audited": audited, "orders_absent": len(missing)}),
        check_results=[
            check_result(
                _PRESENT.name,
                asset="wms_order_audit",
                failing=[{"sales_order_id": ref} for ref in missing],
                meaning=_PRESENT.description or "",
                remedy="Ask the warehouse what became of it; otto-pipelines errors retry sends it.",
            )
        ],
    )
