"""Jobs and their lanes: which assets run together, and who may never wait for whom.

The lane is a run tag; `deploy/dagster.yaml` limits each lane. `fast` carries dispatches to OTTO and
is never behind `bulk` (reconciliation, backfills). What an asset does stands in `assets`.
"""

import dagster as dg

LANE_TAG = "otto_pipelines/lane"
FAST = {LANE_TAG: "fast", "dagster/priority": "10"}
BULK = {LANE_TAG: "bulk", "dagster/priority": "-10"}

sync_orders = dg.define_asset_job(
    "sync_orders",
    selection=dg.AssetSelection.assets("otto_orders", "wms_orders"),
    description="Read changed orders from OTTO and hand PROCESSABLE ones to the warehouse.",
)

submit_orders = dg.define_asset_job(
    "submit_orders",
    selection=dg.AssetSelection.assets("wms_orders"),
    description="Hand over orders and cancellations that wait in the outbox.",
)

_WAY_BACK = dg.AssetSelection.assets(
    "wms_fulfilment_events", "parcels", "otto_shipments", "otto_cancellations"
)

sync_shipments = dg.define_asset_job(
    "sync_shipments",
    selection=_WAY_BACK,
    description="Bring dispatches, shorts and cancellations of the warehouse to OTTO, and check.",
)

fast_lane = dg.define_asset_job(
    "fast_lane",
    selection=_WAY_BACK.without_checks(),
    tags=FAST,
    description="The same as sync_shipments without checks: stays for further news.",
)

check_shipments = dg.define_asset_job(
    "check_shipments",
    selection=_WAY_BACK - _WAY_BACK.without_checks(),
    description="Judge parcels and shipments by their rules.",
)

reconcile = dg.define_asset_job(
    "reconcile",
    selection=dg.AssetSelection.assets("wms_order_audit")
    | dg.AssetSelection.groups("reconciliation"),
    tags=BULK,
    description="Compare both systems and publish the finance file.",
)

erase_personal_data = dg.define_asset_job(
    "erase_personal_data",
    selection=dg.AssetSelection.assets("retention"),
    tags=BULK,
    description="Erase raw pages and addresses that nobody needs any more.",
)

JOBS = (
    sync_orders,
    submit_orders,
    sync_shipments,
    fast_lane,
    check_shipments,
    reconcile,
    erase_personal_data,
)
