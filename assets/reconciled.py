"""Assets of finance: reconciliation tables, breaks, and the published file.

Belongs here: the Dagster shell. The comparison stands in `assets.reconciliation`, the file's tables
in `resources.finance_schema`.
"""

from typing import Any

import dagster as dg

from assets.reconciliation.break_kinds import BREAK_KINDS
from assets.reporting import check_result, named_check, numbers, table_metadata
from resources.clock import Clock
from resources.finance import FinanceDatabase
from resources.finance_schema import RECONCILIATION
from resources.finance_table import Table
from resources.operating_model import OperatingModel
from resources.operations.database import OperationsDatabase

GROUP = "reconciliation"
_BREAKS = dg.AssetKey([GROUP, "breaks"])
_DEPS = [
    *("otto_orders", "wms_orders", "wms_order_audit", "parcels", "otto_shipments"),
    "otto_availability",
    *("otto_receipts", "otto_returns", "wms_returns", "otto_return_decisions"),
    *("otto_price_reductions", "otto_price_reduction_requests", "otto_products"),
]


def _spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        [GROUP, table.name],
        deps=_DEPS,
        group_name=GROUP,
        kinds={"duckdb", "sql"},
        owners=["team:finance"],
        description=table.meaning,
        metadata=table_metadata(table),
    )


_CHECKS = {
    kind.kind: named_check(f"no_{kind.kind}", _BREAKS, kind.meaning, kind.remedy, owner=kind.owner)
    for kind in BREAK_KINDS.values()
}


@dg.multi_asset(
    name="reconciliation_tables",
    specs=[_spec(table) for table in RECONCILIATION],
    check_specs=list(_CHECKS.values()),
    # A DuckDB file takes one writing process; the pool keeps a second run waiting.
    pool="duckdb_writer",
)
def reconciliation_tables(
    operations: dg.ResourceParam[OperationsDatabase],
    finance: dg.ResourceParam[FinanceDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> Any:
    """Compare both systems and publish the file that finance opens."""
    # DuckDB and its SQL load only where they are used.
    from assets.reconciliation.reconcile import reconcile  # noqa: PLC0415

    outcome = reconcile(
        operations, finance, model.reconciliation, clock.now(), sku_map=model.sku_map
    )
    with finance.read() as con:
        rows = {
            table.name: con.execute(f"SELECT count(*) FROM {table.full_name}").fetchall()[0][0]
            for table in RECONCILIATION
        }
        breaks = con.execute(_OPEN_BREAKS).fetchall()
    totals = numbers(
        {
            "open_breaks": sum(outcome.open_breaks.values()),
            "amount_at_risk_cents": outcome.amount_at_risk_cents,
            "opened": outcome.opened,
            "resolved": outcome.resolved,
            "reopened": outcome.reopened,
            "expected": outcome.expected,
            **{f"open_{kind}": count for kind, count in outcome.open_breaks.items()},
        }
    )
    for table in RECONCILIATION:
        yield dg.MaterializeResult(
            asset_key=[GROUP, table.name],
            metadata={
                "dagster/row_count": rows[table.name],
                "finance_file": dg.MetadataValue.path(outcome.published_path),
                **(totals if table.name == "breaks" else {}),
            },
        )
    for kind in BREAK_KINDS.values():
        yield check_result(
            _CHECKS[kind.kind],
            failing=[
                {
                    "sales_order_id": order,
                    "position_item_id": item,
                    "sku": sku,
                    "otto": otto,
                    "wms": wms,
                    "at risk (cents)": cents,
                    "since": since,
                    "owner": kind.owner,
                }
                for found, order, item, sku, otto, wms, cents, since in breaks
                if found == kind.kind
            ],
            measures={"amount_at_risk_cents": sum(row[6] for row in breaks if row[0] == kind.kind)},
        )


_OPEN_BREAKS = """
    SELECT kind, sales_order_id, position_item_id, sku, otto_value, wms_value,
           amount_at_risk_cents, strftime(first_seen_at, '%Y-%m-%d %H:%M UTC')
    FROM reconciliation.breaks
    WHERE status = 'open'
    ORDER BY amount_at_risk_cents DESC, break_id
"""
