"""What every statement of a run finds: macros, the run's settings, and empty working tables.

Belongs here: temporary objects of the connection. Nothing here outlives the run; tables that do
stand in `resources.finance_schema` and `resources.finance_staging`.
"""

from collections.abc import Mapping
from datetime import datetime

import duckdb

from assets.reconciliation.break_kinds import BREAK_KINDS
from assets.rules import fulfilment_status
from resources.finance_staging import UNKNOWN_DAY
from resources.operating_model import Reconciliation

MACROS = (
    # Whole cents times a decimal constant: exact, and no floating point on the way.
    "money(cents) AS CAST(CAST(cents AS BIGINT) * 0.01 AS DECIMAL(18, 2))",
    "at_minute(moment) AS strftime(timezone('UTC', moment), '%Y-%m-%d %H:%M UTC')",
    r"bare(number) AS upper(regexp_replace(number, '[\s-]', '', 'g'))",
    "same_number(one, other) AS bare(one) = bare(other)",
    f"unknown_day() AS DATE '{UNKNOWN_DAY}'",
    # Tables are in the order of days, so most of them need not be read at all.
    "of_scope(day) AS day BETWEEN getvariable('first_day') AND getvariable('last_day') "
    "OR day = unknown_day()",
    # What one side does not say counts from `due` on, but not before that side was read after it.
    "when_read(due, read_until, as_of) AS CASE WHEN due <= read_until THEN due "
    "ELSE greatest(due, as_of + to_minutes(1)) END",
    fulfilment_status.MACRO,
)

_WORKING_TABLES = {
    # Orders that are judged together; the reference is null where only their rows are known.
    "scope": "order_ref VARCHAR, order_day DATE, order_key UBIGINT",
    "candidates": """
        sales_order_id VARCHAR, position_item_id VARCHAR, order_day DATE, kind VARCHAR,
        rule VARCHAR, sku VARCHAR, carrier VARCHAR, currency VARCHAR, amount_at_risk_cents BIGINT,
        since TIMESTAMPTZ, due_at TIMESTAMPTZ, happened_at TIMESTAMPTZ, otto_value VARCHAR,
        wms_value VARCHAR, explanation VARCHAR
        """,
    "root_causes": """
        break_id VARCHAR, kind VARCHAR, area VARCHAR, rule VARCHAR, precedence INTEGER,
        sales_order_id VARCHAR, position_item_id VARCHAR, order_day DATE, sku VARCHAR,
        carrier VARCHAR, owner VARCHAR, remedy VARCHAR, currency VARCHAR,
        amount_at_risk_cents BIGINT, since_at TIMESTAMPTZ, due_at TIMESTAMPTZ,
        happened_at TIMESTAMPTZ, is_break BOOLEAN, difference_class VARCHAR, otto_value VARCHAR,
        wms_value VARCHAR, explanation VARCHAR
        """,
    # Rows that a run replaces, and what that changes in the counts.
    "judged": "order_day DATE, sales_order_id VARCHAR",
    "changed_rows": """
        sign INTEGER, sales_order_id VARCHAR, order_day DATE, sku VARCHAR, carrier VARCHAR,
        otto_status VARCHAR, dispatched_at TIMESTAMPTZ, difference_class VARCHAR
        """,
    "line_changes": "sku VARCHAR, carrier VARCHAR, order_day DATE, lines BIGINT",
    "day_changes": """
        order_day DATE, orders BIGINT, items BIGINT, cancelled BIGINT, shipped BIGINT,
        confirmed BIGINT, expected BIGINT
        """,
    # Latest business time of anything that happened to the item of a break.
    "happened": "break_id VARCHAR, happened_at TIMESTAMPTZ",
}


def prepare(
    con: duckdb.DuckDBPyConnection,
    policy: Reconciliation,
    sku_map: Mapping[str, str],
    now: datetime,
) -> None:
    """Make the macros and temporary tables of a run as of `now`."""
    for macro in MACROS:
        con.execute(f"CREATE OR REPLACE TEMP MACRO {macro}")
    for name, columns in _WORKING_TABLES.items():
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
    _note_run(con, policy, now)
    _note_kinds(con)
    _fill(con, "sku_map", "sku VARCHAR, wms_sku VARCHAR", list(sku_map.items()))
    _fill(
        con,
        "fulfilment_statuses",
        "status VARCHAR, meaning VARCHAR, next_step VARCHAR, tell_buyer VARCHAR, "
        "escalate_to VARCHAR",
        [
            (each.status, each.meaning, each.next_step, each.tell_buyer, each.escalate_to)
            for each in fulfilment_status.STATUSES.values()
        ],
    )
    grace = "carrier VARCHAR, confirmation INTERVAL, confirmed_not_dispatched INTERVAL"
    _fill(con, "carrier_grace", grace, [])
    for carrier, own in policy.grace_by_carrier.items():
        con.execute(
            "INSERT INTO carrier_grace VALUES (?, to_minutes(?), to_minutes(?))",
            [carrier, own.confirmation, own.confirmed_not_dispatched],
        )
    _fill(con, "age_buckets", "from_days BIGINT, bucket VARCHAR", _age_buckets(policy.age_buckets))
    limits: list[tuple[object, ...]] = list(policy.overdue_after_days.model_dump().items())
    _fill(con, "age_limits", "severity VARCHAR, limit_days BIGINT", limits)


def _note_run(con: duckdb.DuckDBPyConnection, policy: Reconciliation, now: datetime) -> None:
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE run AS SELECT
            $now::TIMESTAMPTZ AS as_of,
            false AS everything,
            to_minutes($missing) AS grace_missing_in_wms,
            to_minutes($cancellation) AS grace_cancellation,
            to_minutes($confirmation) AS grace_confirmation,
            to_minutes($not_dispatched) AS grace_confirmed_not_dispatched,
            to_minutes($receipt) AS grace_receipt,
            to_minutes($refund) AS grace_refund,
            to_minutes($decision) AS grace_return_decision,
            to_minutes($reduction) AS grace_price_reduction,
            to_minutes($drift) AS grace_stock_drift,
            to_minutes($oversold) AS grace_stock_oversold,
            to_minutes($level_age) AS stock_level_age,
            to_minutes($update_age) AS stock_update_age,
            $tolerance::BIGINT AS price_tolerance_cents,
            $material::BIGINT AS material_cents,
            $lift::BIGINT AS attribution_lift,
            $breaks::BIGINT AS attribution_breaks
        """,
        {
            "now": now,
            "missing": policy.missing_in_wms,
            "cancellation": policy.cancellation,
            "confirmation": policy.confirmation,
            "not_dispatched": policy.confirmed_not_dispatched,
            "receipt": policy.receipt,
            "refund": policy.refund,
            "decision": policy.return_decision,
            "reduction": policy.price_reduction,
            "drift": policy.stock_drift,
            "oversold": policy.stock_oversold,
            "level_age": policy.stock_level_age,
            "update_age": policy.stock_update_age,
            "tolerance": policy.price_tolerance_cents,
            "material": policy.material_cents,
            "lift": policy.attribution_lift,
            "breaks": policy.attribution_breaks,
        },
    )


def _note_kinds(con: duckdb.DuckDBPyConnection) -> None:
    _fill(
        con,
        "break_kinds",
        "precedence INTEGER, kind VARCHAR, area VARCHAR, owner VARCHAR, remedy VARCHAR, "
        "residual BOOLEAN, dated BOOLEAN",
        [
            (precedence, k.kind, k.area, k.owner, k.remedy, k.residual, k.dated)
            for precedence, k in enumerate(BREAK_KINDS.values())
        ],
    )


def _fill(
    con: duckdb.DuckDBPyConnection, table: str, columns: str, rows: list[tuple[object, ...]]
) -> None:
    con.execute(f"CREATE OR REPLACE TEMP TABLE {table} ({columns})")
    with con.appender(table) as appender:
        appender.append_rows(rows)


def _age_buckets(last_days: tuple[int, ...]) -> list[tuple[object, ...]]:
    """First day and name of each range: (1, 7) gives 0-1, 2-7 and >7."""
    first_days = [0, *(day + 1 for day in last_days)]
    names = [f"{first}-{last}" for first, last in zip(first_days, last_days, strict=False)]
    return list(zip(first_days, [*names, f">{last_days[-1]}"], strict=True))
