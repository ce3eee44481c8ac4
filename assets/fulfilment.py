"""Assets of the fast lane: warehouse events, parcels judged, shipments and cancellations at OTTO.

Belongs here: the Dagster shell. It is one step for four assets, since a dispatch must not wait for
the start of a step. What a round does stands in `assets.fast_lane`; the checks stand in
`assets.fulfilment_checks`, since a run that stays for news would keep them open as long.
"""

from collections.abc import Iterator, Mapping

import dagster as dg

from assets import fast_lane
from assets.reporting import numbers
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations.database import OperationsDatabase
from resources.operations.sync_log import SyncLog
from resources.otto.client import OttoClient
from resources.otto.orders import OrdersPage
from resources.wms.port import WmsPort

EVENTS, PARCELS, SHIPMENTS, CANCELLATIONS = (
    "wms_fulfilment_events",
    "parcels",
    "otto_shipments",
    "otto_cancellations",
)


class LaneConfig(dg.Config):
    """How long a run stays for further news before it ends; 0 does one round."""

    linger_seconds: float = 0.0


@dg.multi_asset(
    name="fulfilment",
    specs=[
        dg.AssetSpec(
            EVENTS,
            group_name="warehouse",
            kinds={"http", "python"},
            owners=["team:warehouse"],
            tags={"system": "wms"},
            description=(
                "Picks, shorts, dispatches, corrections and cancellations as the warehouse reports "
                "them. Each event is recorded once; late and repeated ones change nothing."
            ),
        ),
        dg.AssetSpec(
            PARCELS,
            deps=[EVENTS, "otto_orders"],
            group_name="shipments",
            kinds={"python"},
            owners=["team:warehouse"],
            description=(
                "Parcels that left the warehouse, judged by the tracking gate. A parcel that "
                "breaks a rule is parked with the reason and its deadline, and judged again each "
                "time; nothing is reported as shipped without a valid number and an https URL."
            ),
        ),
        dg.AssetSpec(
            SHIPMENTS,
            deps=[PARCELS],
            group_name="shipments",
            kinds={"http", "python"},
            owners=["team:operations"],
            tags={"system": "otto"},
            description=(
                "Shipment confirmations at OTTO, one per parcel, exactly once in effect: an "
                "uncertain outcome is settled by asking OTTO for the tracking number before "
                "anything is sent again."
            ),
        ),
        dg.AssetSpec(
            CANCELLATIONS,
            deps=[EVENTS, "otto_orders"],
            group_name="shipments",
            kinds={"http", "python"},
            owners=["team:operations"],
            tags={"system": "otto"},
            description=(
                "Units that the warehouse will not ship (cancelled there, not found, or awaited no "
                "longer), cancelled at OTTO item by item. OTTO acts later; an order read confirms "
                "it."
            ),
        ),
    ],
)
def fulfilment(
    context: dg.AssetExecutionContext,
    config: LaneConfig,
    otto: dg.ResourceParam[OttoClient],
    wms: dg.ResourceParam[WmsPort],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> Iterator[dg.MaterializeResult]:
    """Bring the warehouse's news to OTTO, then report."""

    def refresh(sales_order_id: str) -> None:
        # Pandas and Pandera cost a second of start-up that a dispatch should not wait for.
        from assets.order_import import import_orders  # noqa: PLC0415

        page = OrdersPage(1, [otto.order(sales_order_id)], [], f"order {sales_order_id}")
        import_orders([page], operations, model, clock.now())

    lane = fast_lane.Lane(operations, wms, otto, model, clock, refresh)
    with (
        SyncLog(operations, "fulfilment", clock.now(), wms.faults) as read,
        SyncLog(operations, "shipments", clock.now(), otto.faults) as told,
    ):
        report = fast_lane.work(lane, config.linger_seconds)
        read.counts.update(report.events)
        told.counts.update(_prefixed("shipments", report.shipments))
        told.counts.update(_prefixed("cancellations", report.cancellations))
        told.counts.update(_prefixed("quantities", report.stock.quantities))
    context.log.info("%s round(s), %s event(s)", report.rounds, report.events.total())
    yield _result(EVENTS, {"events": report.events.total(), **report.events})
    yield _result(PARCELS, _prefixed("parcels", report.parcels))
    yield _result(SHIPMENTS, {"shipments": report.shipments.total(), **report.shipments})
    yield _result(CANCELLATIONS, _prefixed("cancellations", report.cancellations))


def _prefixed(name: str, counts: Mapping[str, int]) -> dict[str, int]:
    return {f"{name}_{kind}": count for kind, count in counts.items()}


def _result(asset: str, counts: Mapping[str, int]) -> dg.MaterializeResult:
    return dg.MaterializeResult(asset_key=asset, metadata=numbers(counts))
