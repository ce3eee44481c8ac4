"""Jobs and their lanes: which assets run together, and who may never wait for whom.

The lane is a run tag; `deploy/dagster.yaml` limits each lane. `fast` carries dispatches and
short-picks to OTTO, `stock` what moves; neither is ever behind `bulk` (reconciliation, full pushes,
backfills). What an asset does stands in `assets`.
"""

import dagster as dg

from assets import alert_trial, exception_jobs
from assets.stock import StockConfig, Task

LANE_TAG = "otto_pipelines/lane"
FAST = {LANE_TAG: "fast", "dagster/priority": "10"}
STOCK = {LANE_TAG: "stock", "dagster/priority": "5"}
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

_STOCK = dg.AssetSelection.assets("wms_stock", "available_to_sell", "otto_availability")


def stock_task(task: Task, linger_seconds: float = 0.0) -> dg.RunConfig:
    """What a run of the flow of stock is to do."""
    config = StockConfig(task=task, linger_seconds=linger_seconds)
    return dg.RunConfig(ops={"stock": config})


sync_stock = dg.define_asset_job(
    "sync_stock",
    selection=_STOCK,
    config=stock_task("all"),
    description=(
        "Take the WMS's whole stock list and send OTTO what changed, or only the SKUs named in the "
        "launchpad; confirm_drop takes over a list that the mass-drop guard stopped."
    ),
)

stock_lane = dg.define_asset_job(
    "stock_lane",
    selection=_STOCK.without_checks(),
    config=stock_task("changes"),
    tags=STOCK,
    description="Follow the WMS's stock changes and OTTO's sales; stays for further news.",
)

push_all_stock = dg.define_asset_job(
    "push_all_stock",
    selection=_STOCK,
    config=stock_task("push"),
    tags=BULK,
    description="Take the WMS's whole stock list and send every figure, changed or not.",
)

read_back_stock = dg.define_asset_job(
    "read_back_stock",
    selection=_STOCK,
    config=stock_task("read_back"),
    tags=BULK,
    description="Compare what OTTO shows with what it accepted, and send again what differs.",
)

check_stock = dg.define_asset_job(
    "check_stock",
    selection=_STOCK - _STOCK.without_checks(),
    description="Judge stock, figures and quantities by their checks.",
)

_DECISIONS = dg.AssetSelection.assets("return_decisions", "otto_return_decisions")

sync_returns = dg.define_asset_job(
    "sync_returns",
    selection=dg.AssetSelection.assets("otto_returns", "otto_return_shipments", "wms_returns")
    | _DECISIONS,
    description="Read returns of OTTO and of the warehouse, decide on them, tell OTTO.",
)

decide_returns = dg.define_asset_job(
    "decide_returns",
    selection=_DECISIONS,
    description=(
        "Decide on returned units and tell OTTO: by the rules, and by_person what persons give in "
        "the launchpad. An acceptance is final and refunds at once."
    ),
)

_REDUCTIONS = dg.AssetSelection.assets("otto_price_reduction_requests", "otto_price_reductions")

sync_receipts = dg.define_asset_job(
    "sync_receipts",
    selection=dg.AssetSelection.assets("otto_receipts", "settled_discounts") | _REDUCTIONS,
    tags=BULK,
    description="Read receipts and price reductions, and settle discounts by what was charged.",
)

reduce_prices = dg.define_asset_job(
    "reduce_prices",
    selection=_REDUCTIONS,
    description=(
        "Ask OTTO for price reductions: those given in the launchpad, and those that are due "
        "again; then read what became of them."
    ),
)

sync_prices = dg.define_asset_job(
    "sync_prices",
    selection=dg.AssetSelection.assets("otto_products"),
    tags=BULK,
    description="Read prices and states of all products, and judge them.",
)

reconcile = dg.define_asset_job(
    "reconcile",
    selection=dg.AssetSelection.assets("wms_order_audit")
    | dg.AssetSelection.groups("reconciliation"),
    tags=BULK,
    description="Compare both systems and publish the finance file.",
)

close_period = dg.define_asset_job(
    "close_period",
    selection=dg.AssetSelection.groups("closing"),
    tags=BULK,
    description="Close a day or month; started by a person, who names the period.",
)

housekeeping = dg.define_asset_job(
    "housekeeping",
    selection=dg.AssetSelection.assets("upkeep"),
    tags=BULK,
    description="Erase old runs and records of runs, compact the databases; dry only counts.",
)

erase_personal_data = dg.define_asset_job(
    "erase_personal_data",
    selection=dg.AssetSelection.assets("retention"),
    tags=BULK,
    description="Erase pages, addresses and files that nobody needs any more, and check it.",
)

list_exceptions = dg.define_asset_job(
    "list_exceptions",
    selection=dg.AssetSelection.assets("exceptions"),
    description="List all that waits for a person, and judge deadlines and states.",
)

measure_kpis = dg.define_asset_job(
    "measure_kpis",
    selection=dg.AssetSelection.assets("kpis"),
    description="Measure the key figures and write their page.",
)

# What the launchpad shows at first; what is empty here and must not be is refused.
_DECISION = {"config": {"ids": [], "reason": "", "person": ""}}


@dg.job(
    config={"ops": {"retry": {"config": {"ids": [], "kinds": []}}}},
    description="Send messages again that failed or wait: as the launchpad stands, all of them.",
)
def retry_exceptions() -> None:
    """Make them due now."""
    exception_jobs.retry()


@dg.job(
    config={"ops": {"ignore": _DECISION}},
    description="Let exceptions be as they are, with reason and person.",
)
def ignore_exceptions() -> None:
    """Write the decision down."""
    exception_jobs.ignore()


@dg.job(
    config={"ops": {"reopen": _DECISION}},
    description="Take up again what was ignored, with reason and person.",
)
def reopen_exceptions() -> None:
    """Write the decision down."""
    exception_jobs.reopen()


@dg.job(
    config={"ops": {"pull": {"config": {"sales_order_ids": []}}}},
    description="Read orders anew from OTTO by their sales order ids, judge and store them.",
)
def pull_order() -> None:
    """Read them."""
    exception_jobs.pull()


@dg.job(
    config={"ops": {"send_trials": {"config": {"route": ""}}}},
    description="Send a trial message to each channel of every alert route, or of one.",
)
def test_alerts() -> None:
    """Press the test button."""
    alert_trial.send_trials()


JOBS = (
    sync_orders,
    submit_orders,
    sync_shipments,
    fast_lane,
    check_shipments,
    sync_stock,
    stock_lane,
    push_all_stock,
    read_back_stock,
    check_stock,
    sync_returns,
    decide_returns,
    sync_receipts,
    reduce_prices,
    sync_prices,
    reconcile,
    close_period,
    erase_personal_data,
    list_exceptions,
    measure_kpis,
    retry_exceptions,
    ignore_exceptions,
    reopen_exceptions,
    pull_order,
    housekeeping,
    test_alerts,
)
