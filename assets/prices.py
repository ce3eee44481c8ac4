"""Assets of prices: price reductions (asked for, and as OTTO shows them), and products.

Belongs here: the Dagster shells and their checks; also the check of the warehouse's prices. Reading
stands in `money_reading`, the way of a request to OTTO in `outbound.otto_price_reduction`, the
rules in `assets.contracts`.
"""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
from pydantic import Field

from assets import money_reading, reduction_desk
from assets.money_report import PRICED, price_results, price_specs, row_results, row_specs
from assets.outbound.delivery import deliver
from assets.outbound.otto_price_reduction import KIND, OttoPriceReductionHandler
from assets.outbox_report import outbox_rows
from assets.reporting import check_result, named_check, numbers
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations import price_books
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Outbox
from resources.operations.sync_log import SyncLog
from resources.otto.client import OttoClient

REQUESTS, REDUCTIONS, PRODUCTS = (
    "otto_price_reduction_requests",
    "otto_price_reductions",
    "otto_products",
)
_PRODUCT_LISTS = ("otto_prices", "otto_active_status", "otto_marketplace_status")

_OF_REDUCTIONS = row_specs(REDUCTIONS, PRICED)
_REDUCED = price_specs(REDUCTIONS)
_OF_PRODUCTS = row_specs(PRODUCTS, PRICED)
_OFFERED = price_specs(PRODUCTS)
_AT_WMS = price_specs("wms_order_audit")
_TAKEN = named_check(
    "reductions_accepted_by_otto",
    REQUESTS,
    "OTTO carried out every price reduction that we asked for, or has it before it.",
    "Read OTTO's reason; ask for another amount, or: otto-pipelines errors ignore ID",
)
_SHOWN = named_check(
    "products_shown_in_shop",
    PRODUCTS,
    "The shop shows every SKU that we offer.",
    "Correct what OTTO names at the product in OTTO Partner Connect.",
)


class WantedReduction(dg.Config):
    """A reduction of one unit's price, which OTTO pays back to its buyer."""

    sales_order_id: str
    position_item_id: str
    amount: str = Field(description="in euro, exact to the cent, such as 5.00")
    reason: str
    requested_by: str
    request_id: str = Field(
        default="", description="the same id is the same reduction; empty: this run's own"
    )


class RequestsConfig(dg.Config):
    """What persons ask for."""

    reductions: list[WantedReduction] = Field(
        default=[], description="all of them are written down, or none where one is refused"
    )


@dg.asset(
    deps=["otto_orders"],
    group_name="refunds",
    kinds={"http", "python"},
    owners=["team:customer-care"],
    tags={"system": "otto"},
    metadata={"dagster/table_name": "operations.price_reduction_requests"},
    description=(
        "Price reductions that we asked OTTO for, exactly once in effect. OTTO acts later: a "
        "request is done when OTTO shows it as processed."
    ),
)
def otto_price_reduction_requests(
    context: dg.AssetExecutionContext,
    config: RequestsConfig,
    otto: dg.ResourceParam[OttoClient],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Write down what is asked for, deliver what is due, look what became of the rest."""
    # A run that is executed again asks for the same reductions, not for further ones.
    run = context.run.root_run_id or context.run.run_id
    wanted = [
        reduction_desk.WantedReduction(
            **{**each.model_dump(), "request_id": each.request_id or f"{run}/{number}"}
        )
        for number, each in enumerate(config.reductions, start=1)
    ]
    handler = OttoPriceReductionHandler(operations, otto.price_reductions)
    with SyncLog(operations, REQUESTS, clock.now(), otto.faults) as log:
        try:
            new = reduction_desk.request_all(operations, wanted, clock.now())
        except reduction_desk.ReductionRefused as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        told = deliver(Outbox(operations, model.outbox), handler, model.outbox)
        counts = {"requested": new, **told}
        log.counts.update(counts)
    return dg.MaterializeResult(metadata=numbers(counts))


@dg.asset(
    deps=[REQUESTS],
    group_name="finance_sources",
    kinds={"http", "python"},
    owners=["team:finance"],
    tags={"system": "otto"},
    metadata={"dagster/table_name": "operations.price_reductions"},
    description=(
        "Price reductions as OTTO shows them, ours and those made in Partner Connect. All are read "
        "each time, since one that is initiated is processed or rejected later."
    ),
)
def otto_price_reductions(
    otto: dg.ResourceParam[OttoClient],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Read price reductions, store the good rows, quarantine the others."""
    books = money_reading.Books(operations, model, clock.now())
    with SyncLog(operations, "price_reductions", books.now, otto.faults) as log:
        done = money_reading.read_reductions(books, otto)
        log.counts.update(done.counts)
    return dg.MaterializeResult(metadata=numbers(done.counts))


@dg.asset(
    group_name="finance_sources",
    kinds={"http", "python"},
    owners=["team:finance"],
    tags={"system": "otto"},
    metadata={"dagster/table_name": "operations.products"},
    description="Prices of our SKUs at OTTO, whether they are offered, and what the shop says.",
)
def otto_products(
    otto: dg.ResourceParam[OttoClient],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Read three lists, store the good rows, quarantine the others."""
    books = money_reading.Books(operations, model, clock.now())
    with SyncLog(operations, "products", books.now, otto.faults) as log:
        lists = money_reading.read_products(books, otto)
        counts = {
            f"{each.source.removeprefix('otto_')}_{name}": count
            for each in lists
            for name, count in each.counts.items()
        }
        log.counts.update(counts)
    return dg.MaterializeResult(metadata=numbers(counts))


@dg.multi_asset_check(name="otto_price_reduction_requests_checks", specs=[_TAKEN])
def requests_checks(
    operations: dg.ResourceParam[OperationsDatabase],
) -> Iterator[dg.AssetCheckResult]:
    """Show what OTTO refused."""
    yield check_result(
        _TAKEN,
        failing=outbox_rows(operations, KIND),
    )


@dg.multi_asset_check(name="otto_price_reductions_checks", specs=[*_OF_REDUCTIONS, *_REDUCED])
def reductions_checks(
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> Iterator[dg.AssetCheckResult]:
    """Judge all that waits in quarantine, and what is taken off each unit."""
    # Pandas and Pandera cost a second of start-up that other flows should not wait for.
    from assets.contracts import prices  # noqa: PLC0415

    yield from row_results(operations, _OF_REDUCTIONS, [REDUCTIONS])
    since = clock.now() - timedelta(days=model.money.judged_days)
    with operations.read() as conn:
        units = price_books.reduced_units(conn, since)
    yield from price_results(_REDUCED, prices.judge_reductions(units))


@dg.multi_asset_check(name="otto_products_checks", specs=[*_OF_PRODUCTS, *_OFFERED, _SHOWN])
def products_checks(
    operations: dg.ResourceParam[OperationsDatabase],
) -> Iterator[dg.AssetCheckResult]:
    """Judge all that waits in quarantine, and the prices and states of all SKUs."""
    from assets.contracts import prices  # noqa: PLC0415

    with operations.read() as conn:
        offered = price_books.offered_prices(conn)
        hidden = price_books.not_shown_in_shop(conn)
    yield from row_results(operations, _OF_PRODUCTS, _PRODUCT_LISTS)
    yield from price_results(_OFFERED, prices.judge_products(offered))
    yield check_result(
        _SHOWN,
        failing=[],
        warned=hidden,
    )


@dg.multi_asset_check(name="wms_price_checks", specs=_AT_WMS)
def wms_price_checks(
    operations: dg.ResourceParam[OperationsDatabase], model: dg.ResourceParam[OperatingModel]
) -> Iterator[dg.AssetCheckResult]:
    """Judge the prices of the warehouse's open lines."""
    from assets.contracts import prices  # noqa: PLC0415

    with operations.read() as conn:
        rows = price_books.wms_prices(conn)
    tolerance = model.reconciliation.price_tolerance_cents
    yield from price_results(_AT_WMS, prices.judge_wms_prices(rows, tolerance))
