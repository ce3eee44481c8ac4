"""Assets of stock: the warehouse's levels, available-to-sell, and the quantities at OTTO.

Belongs here: the Dagster shell. It is one step for three assets, since a stock-out must not wait
for the start of a step. What is done stands in `assets.stock_flow`, the checks in
`assets.stock_checks`.
"""

from collections.abc import Iterator
from typing import Literal

import dagster as dg
from pydantic import Field

from assets import stock_flow
from assets.reporting import numbers
from assets.stock_figures import Parts, StockReport
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations import availability_desk
from resources.operations.database import OperationsDatabase
from resources.operations.sync_log import SyncLog
from resources.otto.client import OttoClient
from resources.wms.port import WmsPort

LEVELS, FIGURES, QUANTITIES = "wms_stock", "available_to_sell", "otto_availability"

Task = Literal["all", "changes", "push", "read_back"]


class StockConfig(dg.Config):
    """What to synchronise."""

    task: Task = Field(
        default="all",
        description="all: take the WMS's whole list, send what changed; changes: follow its feed "
        "and OTTO's sales; push: as all, but send every figure; read_back: compare what OTTO shows",
    )
    skus: list[str] = Field(
        default=[], description="OTTO's SKUs: ask the WMS for these alone and send them; empty: all"
    )
    confirm_drop: bool = Field(
        default=False,
        description="take over a stock list that the mass-drop guard stopped: the stock is gone",
    )
    linger_seconds: float = Field(
        default=0.0, description="task changes: how long a run stays for further news; 0: one round"
    )


@dg.multi_asset(
    name="stock",
    specs=[
        dg.AssetSpec(
            LEVELS,
            group_name="stock",
            kinds={"http", "python"},
            owners=["team:warehouse"],
            tags={"system": "wms"},
            description=(
                "The warehouse's stock by article and location, as it told last: by its whole "
                "list, by its feed of changes, or asked by name. A list that would take too much "
                "of the assortment to 0 changes nothing until a person confirms it."
            ),
        ),
        dg.AssetSpec(
            FIGURES,
            deps=[LEVELS, "otto_orders", "wms_fulfilment_events"],
            group_name="stock",
            kinds={"python"},
            owners=["team:operations"],
            description=(
                "How many units OTTO is offered of each SKU, with every term: sellable, less what "
                "OTTO sold and the warehouse does not count yet, less safety stock, share, cap."
            ),
        ),
        dg.AssetSpec(
            QUANTITIES,
            deps=[FIGURES],
            group_name="stock",
            kinds={"http", "python"},
            owners=["team:operations"],
            tags={"system": "otto"},
            description=(
                "The quantities that OTTO shows. Only the newest figure of a SKU is sent, and only "
                "if it changed; short-picks and stock-outs first, then what moves, then the rest."
            ),
        ),
    ],
)
def stock(
    context: dg.AssetExecutionContext,
    config: StockConfig,
    otto: dg.ResourceParam[OttoClient],
    wms: dg.ResourceParam[WmsPort],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> Iterator[dg.MaterializeResult]:
    """Bring stock to OTTO, then report."""
    parts, report = Parts(operations, wms, otto, model, clock), StockReport()
    with (
        SyncLog(operations, "wms_stock", clock.now(), wms.faults) as read,
        SyncLog(operations, "stock", clock.now(), otto.faults) as told,
    ):
        try:
            _perform(parts, config, report, context.log)
        finally:
            read.counts.update(report.levels)
            told.counts.update(report.quantities)
    with operations.read() as conn:
        overview = availability_desk.overview(conn)
    yield _result(LEVELS, report.levels)
    yield _result(FIGURES, {**report.figures, "skus": overview.skus, "frozen": overview.frozen})
    waiting = sum(overview.pending_by_lane.values())
    yield _result(QUANTITIES, {**report.quantities, "waiting": waiting})


def _perform(
    parts: Parts, config: StockConfig, report: StockReport, log: dg.DagsterLogManager
) -> None:
    verdict = None
    if config.skus:
        stock_flow.sync_named(parts, config.skus, report)
    elif config.task == "changes":
        stock_flow.work(parts, report, config.linger_seconds)
    elif config.task == "push":
        verdict = stock_flow.push_all(parts, report, confirm_drop=config.confirm_drop)
    elif config.task == "read_back":
        stock_flow.read_back(parts, report)
    else:
        verdict = stock_flow.sync_all(parts, report, confirm_drop=config.confirm_drop)
    if verdict is not None and verdict.stopped:
        taken = "taken over, as a person confirmed" if config.confirm_drop else "refused"
        log.warning("%s; the list was %s", verdict.reason, taken)


def _result(asset: str, counts: dict[str, int]) -> dg.MaterializeResult:
    return dg.MaterializeResult(asset_key=asset, metadata=numbers(counts))
