"""Asset `otto_orders`: sales orders and position items as OTTO Market holds them.

Belongs here: the Dagster shell (partitions, checks, metadata) and the choice of what to ask for.
The import itself stands in `assets.order_import`, its contract in `assets.contracts`.
"""

import warnings
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from assets.contracts.rules import RULES
from assets.outbound import otto_cancellation
from assets.partitions import order_days
from assets.reporting import check_result, named_check, numbers
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations import pending, quarantine, watermarks
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Outbox
from resources.operations.sync_log import SyncLog
from resources.otto.client import OttoClient
from resources.otto.orders import OrdersQuery

if TYPE_CHECKING:
    from assets.order_import import ImportOutcome

# The parameter is in beta and its warning would greet every command; a change shows in the tests.
warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)

SOURCE = "otto_orders"
WATERMARK = "otto_orders"


_CHECKS = [
    named_check(name, "otto_orders", rule.description, rule.remedy, owner=rule.owner)
    for name, rule in RULES.items()
]


class OrdersConfig(dg.Config):
    """How much to read: `window` the whole partition(s); `changes` what changed since last time."""

    mode: str = "window"


@dg.asset(
    partitions_def=order_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="orders",
    kinds={"http", "python"},
    owners=["team:operations"],
    tags={"system": "otto"},
    check_specs=_CHECKS,
    metadata={
        "dagster/table_name": "operations.position_items",
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn("sales_order_id", "string", description="OTTO's order, our key"),
                dg.TableColumn("position_item_id", "string", description="one physical unit"),
                dg.TableColumn("sku", "string"),
                dg.TableColumn("fulfilment_status", "string", description="as OTTO says"),
                dg.TableColumn("gross_cents", "integer", description="item price before reduction"),
                dg.TableColumn("buyer_price_cents", "integer", description="what the buyer pays"),
                dg.TableColumn("ship_by_at", "timestamp", description="latest dispatch, UTC"),
            ]
        ),
    },
    description=(
        "Sales orders of OTTO Market, one row per position item (one physical unit), validated by "
        "named rules. A partition is the day of the order in Europe/Berlin. Rows that break a rule "
        "wait in quarantine; the others go on. Re-materialise any day or range at any time."
    ),
)
def otto_orders(
    context: dg.AssetExecutionContext,
    config: OrdersConfig,
    otto: dg.ResourceParam[OttoClient],
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """Read orders, store the good ones, quarantine the others."""
    # Pandas and Pandera cost a second of start-up that the other flows should not wait for.
    from assets.order_import import import_orders  # noqa: PLC0415

    now = clock.now()
    changes = config.mode == "changes"
    if changes:
        query = _changed_orders(operations, model, now)
    else:
        query = _orders_of(context.partition_time_window, model)
    with SyncLog(operations, "orders", now, otto.faults) as log:
        with closing(otto.order_pages(query)) as pages:
            outcome = import_orders(pages, operations, model, now)
        _confirm_cancellations(operations, model)
        if changes:
            with operations.write() as conn:
                watermarks.set(conn, WATERMARK, now.isoformat(), now)
        log.counts.update(_counts(outcome))
    return dg.MaterializeResult(
        metadata={**numbers(_counts(outcome)), "mode": config.mode},
        check_results=_rule_results(operations),
    )


def _orders_of(window: dg.TimeWindow, model: OperatingModel) -> OrdersQuery:
    return OrdersQuery(
        from_order_date=window.start,
        to_order_date=window.end,
        order_column_type="ORDER_DATE",
        limit=model.orders.page_size,
    )


def _changed_orders(db: OperationsDatabase, model: OperatingModel, now: datetime) -> OrdersQuery:
    with db.read() as conn:
        position = watermarks.get(conn, WATERMARK)
    if position is None:
        since = now - timedelta(days=model.orders.first_import_days)
    else:
        since = datetime.fromisoformat(position) - timedelta(minutes=model.orders.overlap)
    return OrdersQuery(from_date=since, limit=model.orders.page_size)


def _confirm_cancellations(db: OperationsDatabase, model: OperatingModel) -> None:
    """OTTO answers a cancellation with 202 and acts later: only an order read shows the effect."""
    outbox = Outbox(db, model.outbox)
    with db.read() as conn:
        seen = pending.cancellations_seen_at_otto(conn, otto_cancellation.KIND)
    for business_key, status in seen:
        outbox.confirm_by_observation(
            otto_cancellation.KIND, business_key, {"status": status}, datetime.now(UTC)
        )


def _counts(outcome: "ImportOutcome") -> dict[str, int]:
    return {
        "orders_read": outcome.orders_read,
        "items_read": outcome.items_read,
        "orders_new": outcome.new,
        "orders_changed": outcome.changed,
        "orders_unchanged": outcome.unchanged,
        "orders_quarantined": outcome.quarantined_orders,
        "buyer_cents": outcome.buyer_cents,
        "pages": outcome.pages,
    }


def _rule_results(db: OperationsDatabase) -> list[dg.AssetCheckResult]:
    """Judge each rule by all rows that wait in quarantine, not only by those of this run."""
    with db.read() as conn:
        waiting = quarantine.waiting_rows(conn, SOURCE)
    return [
        check_result(
            spec,
            failing=[
                {
                    "sales_order_id / item": row["business_key"],
                    "field": row["field"],
                    "value": row["shown"],
                    "since": row["first_seen_at"].isoformat(),
                    "owner": row["owner"],
                }
                for row in waiting
                if row["rule"] == spec.name
            ],
        )
        for spec in _CHECKS
    ]
