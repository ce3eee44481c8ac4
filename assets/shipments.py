"""Assets of the way back to OTTO: parcels judged, shipments confirmed, items cancelled.

Belongs here: the Dagster shells. The gate's rules stand in `assets.rules.shipment_gate`, the
requests in `assets.outbound`.
"""

from datetime import UTC, datetime

import dagster as dg

from assets.outbound import otto_cancellation, otto_shipment
from assets.outbound.delivery import deliver
from assets.outbox_report import outbox_rows
from assets.parcel_gate import judge_parcels, parked_rows
from assets.reporting import check_result, numbers
from assets.rules.shipment_gate import GATE_RULES
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Outbox
from resources.operations.sync_log import SyncLog
from resources.otto.client import OttoClient
from resources.otto.orders import OrdersPage

_GATE_REMEDY = "Correct it in the WMS or the operating model; the parcel then goes by itself."


@dg.asset(
    deps=["wms_fulfilment_events", "otto_orders"],
    group_name="shipments",
    kinds={"python"},
    owners=["team:warehouse"],
    check_specs=[
        dg.AssetCheckSpec(name, asset="parcels", description=f"Tracking gate: {meaning}.")
        for name, meaning in GATE_RULES.items()
    ],
    description=(
        "Parcels that left the warehouse, judged by the tracking gate. A parcel that breaks a rule "
        "is parked with the reason and its deadline, and judged again each time; nothing is "
        "reported as shipped without a valid number and an https tracking URL."
    ),
)
def parcels(
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Judge every waiting parcel."""
    outcome = judge_parcels(operations, model, clock.now(), datetime.now(UTC))
    refused = parked_rows(operations)
    return dg.MaterializeResult(
        metadata=numbers(
            {
                "parcels_judged": outcome.judged,
                "parcels_released": outcome.released,
                "parcels_parked": outcome.parked,
                "parcels_with_warnings": outcome.warned,
            }
        ),
        check_results=[
            check_result(
                name,
                asset="parcels",
                failing=[
                    {key: row[key] for key in row if key not in {"rule", "state"}}
                    for row in refused
                    if row["rule"] == name
                ],
                meaning=f"Tracking gate: {meaning}.",
                remedy=_GATE_REMEDY,
            )
            for name, meaning in GATE_RULES.items()
        ],
    )


_CONFIRMED = dg.AssetCheckSpec(
    "shipments_accepted_by_otto",
    asset="otto_shipments",
    description="OTTO accepted every parcel that the tracking gate released.",
)


@dg.asset(
    deps=["parcels"],
    group_name="shipments",
    kinds={"http", "python"},
    owners=["team:operations"],
    tags={"system": "otto"},
    check_specs=[_CONFIRMED],
    description=(
        "Shipment confirmations at OTTO, one per parcel, exactly once in effect: an uncertain "
        "outcome is settled by asking OTTO for the tracking number before anything is sent again."
    ),
)
def otto_shipments(
    otto: dg.ResourceParam[OttoClient],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Deliver the outbox rows of released parcels."""

    def refresh(sales_order_id: str) -> None:
        # Pandas and Pandera cost a second of start-up that a dispatch should not wait for.
        from assets.order_import import import_orders  # noqa: PLC0415

        page = OrdersPage(1, [otto.order(sales_order_id)], [], f"order {sales_order_id}")
        import_orders([page], operations, model, clock.now())

    handler = otto_shipment.OttoShipmentHandler(operations, otto, refresh)
    with SyncLog(operations, "shipments", clock.now(), otto.faults) as log:
        counts = deliver(Outbox(operations, model.outbox), handler, model.outbox)
        log.counts.update(counts)
    return dg.MaterializeResult(
        metadata=numbers({"shipments": counts.total(), **counts}),
        check_results=[
            check_result(
                _CONFIRMED.name,
                asset="otto_shipments",
                failing=outbox_rows(operations, otto_shipment.KIND),
                meaning=_CONFIRMED.description or "",
                remedy="Correct what OTTO names, then: otto-pipelines errors retry",
            )
        ],
    )


_CANCELLED = dg.AssetCheckSpec(
    "cancellations_accepted_by_otto",
    asset="otto_cancellations",
    description="OTTO carries out every cancellation of a unit that the warehouse gave up.",
)


@dg.asset(
    deps=["wms_fulfilment_events", "otto_orders"],
    group_name="shipments",
    kinds={"http", "python"},
    owners=["team:operations"],
    tags={"system": "otto"},
    check_specs=[_CANCELLED],
    description=(
        "Units that the warehouse will not ship (cancelled there, or short with no backorder), "
        "cancelled at OTTO item by item. OTTO acts later; an order read confirms it."
    ),
)
def otto_cancellations(
    otto: dg.ResourceParam[OttoClient],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Queue and deliver cancellations, if the short-pick policy wants them."""
    with SyncLog(operations, "otto_cancellations", clock.now(), otto.faults) as log:
        queued = (
            otto_cancellation.enqueue_cancellations(operations, datetime.now(UTC))
            if model.short_pick.cancel_at_otto
            else 0
        )
        counts = deliver(
            Outbox(operations, model.outbox),
            otto_cancellation.OttoCancellationHandler(otto),
            model.outbox,
        )
        log.counts.update({"queued": queued, **counts})
    return dg.MaterializeResult(
        metadata=numbers({"cancellations_queued": queued, **counts}),
        check_results=[
            check_result(
                _CANCELLED.name,
                asset="otto_cancellations",
                failing=outbox_rows(operations, otto_cancellation.KIND),
                meaning=_CANCELLED.description or "",
                remedy="Cancel the item in OTTO Partner Connect, then: otto-pipelines errors retry",
            )
        ],
    )
