"""Assets `otto_receipts` and `settled_discounts`: what OTTO charged buyers and gave back.

Belongs here: the Dagster shells, their partitions and checks. Reading stands in `money_reading`,
settling in `discount_settlement`, the rules in `assets.contracts`.
"""

import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

import dagster as dg
from pydantic import Field

from assets import money_reading
from assets.discount_settlement import settle_discounts
from assets.money_report import PRICED, price_results, price_specs, row_results, row_specs
from assets.partitions import order_days
from assets.reporting import numbers
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations import price_books
from resources.operations.database import OperationsDatabase
from resources.operations.sync_log import SyncLog
from resources.otto.client import OttoClient

# The parameter is in beta and its warning would greet every command; a change shows in the tests.
warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)

RECEIPTS, SETTLED = "otto_receipts", "settled_discounts"
_ROWS = row_specs(RECEIPTS, (*PRICED, "units_named"))
# Prices are judged as they are once ambiguous discounts are settled.
_PRICES = price_specs(RECEIPTS, after=[SETTLED])


class ReceiptsConfig(dg.Config):
    """How much to read."""

    mode: Literal["window", "changes"] = Field(
        default="window",
        description="window: the whole partition(s); changes: what was created since last time",
    )


@dg.asset(
    partitions_def=order_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="finance_sources",
    kinds={"http", "python"},
    owners=["team:finance"],
    tags={"system": "otto"},
    metadata={"dagster/table_name": "operations.receipt_lines"},
    description=(
        "Receipts of OTTO Market with their lines, one per unit: what buyers were charged and "
        "given back, without anything about the buyer. A partition is the day of creation in "
        "Europe/Berlin. Rows that break a rule wait in quarantine; the others go on. "
        "Re-materialise any day or range at any time."
    ),
)
def otto_receipts(
    context: dg.AssetExecutionContext,
    config: ReceiptsConfig,
    otto: dg.ResourceParam[OttoClient],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Read receipts, store the good ones, quarantine the others."""
    books = money_reading.Books(operations, model, clock.now())
    with SyncLog(operations, "receipts", books.now, otto.faults) as log:
        if config.mode == "changes":
            done = money_reading.read_new_receipts(books, otto)
        else:
            window = context.partition_time_window
            done = money_reading.read_receipts_of(books, otto, window.start, window.end)
        log.counts.update(done.counts)
    return dg.MaterializeResult(metadata={**numbers(done.counts), "mode": config.mode})


@dg.asset(
    deps=[RECEIPTS, "otto_orders"],
    group_name="finance_sources",
    kinds={"http", "python"},
    owners=["team:finance"],
    tags={"system": "otto"},
    metadata={"dagster/table_name": "operations.settled_prices"},
    description=(
        "Orders whose discounts could be read in two ways, settled by what their PURCHASE receipts "
        "charge: the buyer's prices are then certain. What the import had said is kept."
    ),
)
def settled_discounts(
    otto: dg.ResourceParam[OttoClient],
    operations: dg.ResourceParam[OperationsDatabase],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Settle what the receipts allow."""
    with SyncLog(operations, "settled_discounts", clock.now(), otto.faults) as log:
        outcomes = settle_discounts(operations, otto.order, clock.now())
        log.counts.update(outcomes)
    return dg.MaterializeResult(metadata=numbers({"orders": outcomes.total(), **outcomes}))


@dg.multi_asset_check(name="otto_receipts_checks", specs=[*_ROWS, *_PRICES])
def receipts_checks(
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> Iterator[dg.AssetCheckResult]:
    """Judge all that waits in quarantine, and the prices of receipts of the last weeks."""
    # Pandas and Pandera cost a second of start-up that other flows should not wait for.
    from assets.contracts import prices  # noqa: PLC0415

    since = clock.now() - timedelta(days=model.money.judged_days)
    with operations.read() as conn:
        units = price_books.purchased_units(conn, since)
        totals = price_books.receipt_totals(conn, since)
        fees = price_books.delivery_fees(conn, since)
    yield from row_results(operations, _ROWS, [RECEIPTS])
    broken = {
        **prices.judge_purchases(units, model.vat_rates),
        **prices.judge_totals(totals),
        **prices.judge_fees(fees),
    }
    yield from price_results(_PRICES, broken)
