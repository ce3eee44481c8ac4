"""Assets of the way to the warehouse: orders handed over, and what the warehouse holds of them.

Belongs here: the Dagster shells. What leaves is decided and sent in `assets.outbound`; the way back
stands in `assets.fulfilment`.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.outbound import wms_cancellation, wms_order
from assets.outbound.delivery import deliver
from assets.outbox_report import outbox_rows
from assets.reporting import check_result, named_check, numbers
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations import fulfilment, pending
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Outbox
from resources.operations.outbox_desk import revoke
from resources.operations.sync_log import SyncLog
from resources.wms.port import WmsPort

_AUDIT_BATCH = 1000

# Downstream of a partitioned asset: old days without a partition must not hold it back.
FOLLOW = dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())

_ACCEPTED = named_check(
    "orders_accepted_by_wms",
    "wms_orders",
    "Every order was taken by the warehouse system, or is still being tried.",
    "Correct what the WMS names, then: otto-pipelines errors retry",
)
_IN_TIME = named_check(
    "cancellations_in_time",
    "wms_orders",
    "Every cancellation of OTTO reached the warehouse before the parcel left.",
    "Stop the parcel, or await it as a return; OTTO pays nothing for it.",
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
                _ACCEPTED,
                failing=outbox_rows(operations, wms_order.KIND),
            ),
            check_result(
                _IN_TIME,
                failing=outbox_rows(operations, wms_cancellation.KIND),
            ),
        ],
    )


_LOST_REMEDY = (
    "Ask the warehouse what became of it; otto-pipelines errors retry sends the order again."
)
_LOST = f"the warehouse took this order and says now that it has no such order. {_LOST_REMEDY}"
_PRESENT = named_check(
    "orders_present_in_wms",
    "wms_order_audit",
    "The warehouse system still has every order that it took.",
    _LOST_REMEDY,
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
    with operations.write() as conn:
        missing = pending.orders_absent_from_wms(conn)
        revoke(conn, wms_order.KIND, missing, _LOST, datetime.now(UTC))
    return dg.MaterializeResult(
        metadata=numbers({"orders_audited": audited, "orders_absent": len(missing)}),
        check_results=[
            check_result(
                _PRESENT,
                failing=[{"sales_order_id": ref} for ref in missing],
            )
        ],
    )
