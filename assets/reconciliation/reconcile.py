"""The reconciliation run: stage, compare, record breaks, publish.

Belongs here: the order of the steps, what they work on, and the numbers of the outcome. What is
compared stands in the SQL files beside this module, one per table; what a break means in
`break_kinds`. Dagster's shells do not belong here.

A run works on the orders in scope (`scope`): those of which anything changed since the last run and
those that are due, because time alone turns an expected difference into a break. When a tolerance
changed, all that may differ are in scope; when a rule or the schema did, everything is. All ways
give the same tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from assets.closing.changes import note_reconciled, refresh_changes
from assets.reconciliation.break_kinds import BREAK_KINDS
from assets.reconciliation.preparation import MACROS, prepare
from assets.reconciliation.scope import (
    add_due,
    add_suspects,
    note_receipts,
    note_rules,
    portions,
    take_changed,
    take_portion,
)
from assets.reconciliation.staging import Staged, stage
from assets.rules.fulfilment_status import STATUSES
from resources.finance import FinanceDatabase
from resources.operating_model import Reconciliation
from resources.operations.database import OperationsDatabase

_FOLDER = Path(__file__).parent

# How far each side was read, of what it may be silent.
FEEDS = ("feeds",)
# For the orders in scope: every difference and its root cause, then the tables that show it. An
# area adds its differences to `candidates` before root causes are chosen.
CLASSIFY = (
    "new_candidates",
    "candidates",
    "receipt_sides",
    "receipt_differences",
    "refund_sides",
    "refund_differences",
    "price_reduction_differences",
    "root_causes",
    "resolved_when",
)
_WRITE = (
    "order_lines",
    "shipments",
    "prices",
    "refunds",
    "fulfilment_status",
    "open_orders",
    "waiting_units",
    "last_prices",
    "counts",
)
# What belongs to no order (stock, returns without an owner) is always compared as a whole.
_WITHOUT_ORDER = (
    "new_candidates",
    "stock_sides",
    "stock_differences",
    "blind_returns",
    "root_causes",
    "stock",
)
_BREAKS = ("breaks", "standing", "line_counts", "attribution", "daily_summary")

_WRITTEN_BY_ORDER = (
    "reconciliation.order_lines",
    "reconciliation.shipments",
    "reconciliation.prices",
    "reconciliation.refunds",
    "reconciliation.fulfilment_status",
    "reconciliation.daily_summary",
    "staging.otto_fingerprints",
    "staging.wms_fingerprints",
    "staging.open_orders",
    "staging.waiting_units",
    "staging.last_prices",
    "staging.line_counts",
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
    sku_map: Mapping[str, str] | None = None,
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
        sku_map: OTTO's SKU to the WMS's where they differ.
        full: compare every order, not only those in scope.

    Raises:
        FinanceDatabaseError: another run is writing, or the file cannot be used.
        OperationsDatabaseError: the operations database cannot be read.
    """
    if now.tzinfo is None:
        raise ValueError(f"naive time {now!r}: pass an aware datetime (UTC)")
    with finance.writer() as con:
        con.begin()
        prepare(con, policy, sku_map or {}, now)
        changed = note_rules(con, policy, _program())
        staged = stage(operations, con, anew=changed.engine)
        run_steps(con, FEEDS)
        older_receipts = note_receipts(con)
        if full or staged.anew or changed.program or older_receipts:
            judged = judge_everything(con)
        else:
            judged = judge_changed(con, all_suspects=changed.policy)
        finish(con)
        note_reconciled(con, now)
        con.commit()
        refresh_changes(con, finance.closes_path)
        outcome = _outcome(con, staged, judged, finance.path)
    finance.publish()
    return outcome


def judge_changed(con: duckdb.DuckDBPyConnection, *, all_suspects: bool) -> int:
    """Judge orders that changed or are due, or all that may differ; returns how many."""
    take_changed(con)
    run_steps(con, ["stale_fingerprints", "fingerprints"])
    add_due(con)
    if all_suspects:
        run_steps(con, ["suspects"])
        add_suspects(con)
    run_steps(con, [*FEEDS, "lines", "forget", *CLASSIFY, *_WRITE])
    return _orders_in_scope(con)


def judge_everything(con: duckdb.DuckDBPyConnection) -> int:
    """Judge all orders and write all tables anew; returns how many orders."""
    con.execute("UPDATE run SET everything = true")
    for table in _WRITTEN_BY_ORDER:
        con.execute(f"DELETE FROM {table}")
    run_steps(con, FEEDS)
    judged = 0
    for days in list(portions(con)):
        take_portion(con, days)
        run_steps(con, ["fingerprints", "lines", *CLASSIFY, *_WRITE])
        judged += _orders_in_scope(con)
    return judged


def finish(con: duckdb.DuckDBPyConnection) -> None:
    """Compare what belongs to no order; then record breaks, from all root causes, and sum up."""
    run_steps(con, [*_WITHOUT_ORDER, *_BREAKS])


def _orders_in_scope(con: duckdb.DuckDBPyConnection) -> int:
    row = con.execute("SELECT count(DISTINCT order_key) FROM scope").fetchone()
    return int(row[0]) if row else 0


def run_steps(con: duckdb.DuckDBPyConnection, steps: Sequence[str]) -> None:
    """Run the SQL files of these names."""
    for step in steps:
        con.execute((_FOLDER / f"{step}.sql").read_text(encoding="utf-8"))


def _program() -> list[str]:
    """All texts of which the comparison is made."""
    files = [path.read_text(encoding="utf-8") for path in sorted(_FOLDER.glob("*.sql"))]
    return [repr(BREAK_KINDS), repr(STATUSES), *MACROS, *files]


def _outcome(
    con: duckdb.DuckDBPyConnection, staged: Staged, judged: int, published_path: Path
) -> ReconciliationOutcome:
    items, expected = con.execute(
        "SELECT CAST(coalesce(sum(items), 0) AS BIGINT), "
        "CAST(coalesce(sum(expected), 0) AS BIGINT) FROM reconciliation.daily_summary"
    ).fetchall()[0]
    breaks = con.execute(
        "SELECT kind, count(*), CAST(sum(amount_at_risk_cents) AS BIGINT) "
        "FROM reconciliation.breaks WHERE status = 'open' GROUP BY kind ORDER BY kind"
    ).fetchall()
    events = dict(con.execute("SELECT event, count(*) FROM break_events GROUP BY event").fetchall())
    return ReconciliationOutcome(
        staged=staged.counts,
        orders_in_scope=judged,
        items=items,
        expected=expected,
        open_breaks={kind: count for kind, count, _ in breaks},
        opened=events.get("opened", 0),
        resolved=events.get("resolved", 0),
        reopened=events.get("reopened", 0),
        amount_at_risk_cents=sum(cents for _, _, cents in breaks),
        published_path=published_path,
    )
