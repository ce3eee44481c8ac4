"""The reconciliation run: stage, compare, record breaks, publish.

Belongs here: the order of the steps, what they work on, and the numbers of the outcome. What is
compared stands in the SQL files beside this module, one per table; what a break means in
`break_kinds`. Dagster's shells do not belong here.

A run works on the orders in scope: those of which anything changed since the last run, and those
that are not settled, because time alone turns an expected difference into a break. Everything is in
scope when a rule, a tolerance or the schema changed. Both ways give the same tables.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from assets.reconciliation.break_kinds import BREAK_KINDS
from assets.reconciliation.staging import Staged, stage
from resources.finance import FinanceDatabase
from resources.operating_model import Reconciliation
from resources.operations.database import OperationsDatabase

_STEPS = (
    "lines",
    "candidates",
    "root_causes",
    "order_lines",
    "shipments",
    "prices",
    "breaks",
    "daily_summary",
)

_MACROS = (
    # Whole cents times a decimal constant: exact, and no floating point on the way.
    "money(cents) AS CAST(CAST(cents AS BIGINT) * 0.01 AS DECIMAL(18, 2))",
    "at_minute(moment) AS strftime(timezone('UTC', moment), '%Y-%m-%d %H:%M UTC')",
    r"bare(number) AS upper(regexp_replace(number, '[\s-]', '', 'g'))",
    "same_number(one, other) AS bare(one) = bare(other)",
)


@dataclass(frozen=True)
class ReconciliationOutcome:
    """What a run did and what is open after it.

    `opened`, `resolved` and `reopened` count this run's events; `open_breaks` (kind to count),
    `amount_at_risk_cents`, `expected` and `items` describe all orders, not only those in scope.
    """

    staged: dict[str, int]
    orders_in_scope: int
    items: int
    expected: int
    open_breaks: dict[str, int]
    opened: int
    resolved: int
    reopened: int
    amount_at_risk_cents: int
    published_path: Path


def reconcile(
    operations: OperationsDatabase,
    finance: FinanceDatabase,
    policy: Reconciliation,
    now: datetime,
    *,
    full: bool = False,
) -> ReconciliationOutcome:
    """Compare both systems as of business time `now` and publish the finance file.

    Repeating it changes nothing. All tables change in one transaction, and finance sees them only
    as a whole.

    Args:
        operations: what both systems said and what we did.
        finance: where the comparison is kept and published.
        policy: times of grace and tolerances.
        now: aware business time.
        full: compare every order, not only those in scope.

    Raises:
        FinanceDatabaseError: another run is writing, or the file cannot be used.
        OperationsDatabaseError: the operations database cannot be read.
    """
    if now.tzinfo is None:
        raise ValueError(f"naive time {now!r}: pass an aware datetime (UTC)")
    with finance.writer() as con:
        con.begin()
        _prepare(con, policy, now)
        staged = stage(operations, con)
        _choose_scope(con, everything=full or staged.anew or _rules_changed(con, policy))
        for step in _STEPS:
            con.execute(_sql(step))
        con.commit()
        outcome = _outcome(con, staged, finance.path)
    finance.publish()
    return outcome


def _sql(step: str) -> str:
    return Path(__file__).with_name(f"{step}.sql").read_text(encoding="utf-8")


def _prepare(con: duckdb.DuckDBPyConnection, policy: Reconciliation, now: datetime) -> None:
    """Temporary tables `run` (the moment, grace, tolerances) and `break_kinds`, and the macros."""
    for macro in _MACROS:
        con.execute(f"CREATE OR REPLACE TEMP MACRO {macro}")
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE run AS SELECT
            $now::TIMESTAMPTZ AS as_of,
            to_minutes($missing) AS grace_missing_in_wms,
            to_minutes($cancellation) AS grace_cancellation,
            to_minutes($confirmation) AS grace_confirmation,
            to_minutes($not_dispatched) AS grace_confirmed_not_dispatched,
            $tolerance::BIGINT AS price_tolerance_cents,
            $material::BIGINT AS material_cents
        """,
        {
            "now": now,
            "missing": policy.missing_in_wms,
            "cancellation": policy.cancellation,
            "confirmation": policy.confirmation,
            "not_dispatched": policy.confirmed_not_dispatched,
            "tolerance": policy.price_tolerance_cents,
            "material": policy.material_cents,
        },
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE break_kinds (precedence INTEGER, kind VARCHAR, area VARCHAR, "
        "owner VARCHAR, meaning VARCHAR, remedy VARCHAR, residual BOOLEAN)"
    )
    con.executemany(
        "INSERT INTO break_kinds VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (precedence, kind.kind, kind.area, kind.owner, kind.meaning, kind.remedy, kind.residual)
            for precedence, kind in enumerate(BREAK_KINDS.values())
        ],
    )


def _rules_changed(con: duckdb.DuckDBPyConnection, policy: Reconciliation) -> bool:
    """Whether the tables were made by other rules than today's; today's are noted."""
    parts = [policy.model_dump_json(), repr(BREAK_KINDS), *_MACROS, *(_sql(s) for s in _STEPS)]
    rules = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
    noted = con.execute("SELECT value FROM main.meta WHERE name = 'rules'").fetchone()
    if noted is not None and noted[0] == rules:
        return False
    con.execute("DELETE FROM main.meta WHERE name = 'rules'")
    con.execute("INSERT INTO main.meta VALUES ('rules', ?)", [rules])
    return True


def _choose_scope(con: duckdb.DuckDBPyConnection, *, everything: bool) -> None:
    if everything:
        orders = """
            SELECT sales_order_id AS order_ref FROM staging.orders
            UNION SELECT order_ref FROM staging.wms_orders
            UNION SELECT order_ref FROM staging.wms_order_lines
            UNION SELECT order_ref FROM staging.parcel_lines
            UNION SELECT sales_order_id FROM reconciliation.order_lines
            UNION SELECT sales_order_id FROM reconciliation.breaks
        """
    else:
        orders = """
            SELECT order_ref FROM changed_orders
            UNION SELECT sales_order_id FROM reconciliation.order_lines
                WHERE difference_class <> 'matched'
        """
    con.execute(f"CREATE OR REPLACE TEMP TABLE scope AS {orders}")


def _outcome(
    con: duckdb.DuckDBPyConnection, staged: Staged, published_path: Path
) -> ReconciliationOutcome:
    orders_in_scope, items, expected = con.execute(
        "SELECT (SELECT count(*) FROM scope), count(*) FILTER (otto_status IS NOT NULL), "
        "count(*) FILTER (difference_class = 'expected') FROM reconciliation.order_lines"
    ).fetchall()[0]
    breaks = con.execute(
        "SELECT kind, count(*), CAST(sum(amount_at_risk_cents) AS BIGINT) "
        "FROM reconciliation.breaks WHERE status = 'open' GROUP BY kind ORDER BY kind"
    ).fetchall()
    events = dict(con.execute("SELECT event, count(*) FROM break_events GROUP BY event").fetchall())
    return ReconciliationOutcome(
        staged=staged.counts,
        orders_in_scope=orders_in_scope,
        items=items,
        expected=expected,
        open_breaks={kind: count for kind, count, _ in breaks},
        opened=events.get("opened", 0),
        resolved=events.get("resolved", 0),
        reopened=events.get("reopened", 0),
        amount_at_risk_cents=sum(cents for _, _, cents in breaks),
        published_path=published_path,
    )
