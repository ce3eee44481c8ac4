"""What became of closed days: rows that changed since, and amounts that are booked late.

Belongs here: comparing the live tables with the snapshots of closed days. A close is never
rewritten and the live tables go on, so each difference is shown in `changes_after_close`, and each
amount among them is booked once, in the day that is closed next (`late_for_period`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from assets.closing.periods import Period, period_named
from assets.closing.rows import ClosedTable, closed_tables, content_hash, hashes_by_day
from resources.finance import quoted
from resources.finance_close import CHANGES_AFTER_CLOSE, LATE_FOR_PERIOD

SNAPSHOT = "snapshot.duckdb"

# The last event of each period; reopening follows the close of the same sequence.
LATEST_EVENTS = """
    SELECT * FROM reconciliation.period_close
    QUALIFY row_number() OVER (
        PARTITION BY period ORDER BY sequence DESC, event = 'reopened' DESC
    ) = 1
"""

# What of the amounts that differ from their close is not booked yet. Where a row is again what it
# was, what was booked for it is taken back.
_UNBOOKED = f"""
    SELECT coalesce(a.period, b.late_for) AS late_for, coalesce(a.sequence, b.sequence) AS sequence,
        coalesce(a.table_name, b.table_name) AS table_name,
        coalesce(a.row_key, b.row_key) AS row_key,
        coalesce(a.sales_order_id, b.sales_order_id) AS sales_order_id,
        coalesce(a.position_item_id, b.position_item_id) AS position_item_id,
        coalesce(a.amount_name, b.amount_name) AS amount_name,
        coalesce(a.currency, b.currency) AS currency,
        coalesce(a.closed_cents, b.closed_cents) AS closed_cents,
        coalesce(b.booked_cents, 0) AS booked_cents,
        coalesce(a.live_cents, b.closed_cents) - coalesce(a.closed_cents, b.closed_cents)
            - coalesce(b.booked_cents, 0) AS difference_cents
    FROM amounts_after_close AS a
    FULL JOIN (
        SELECT late_for, sequence, table_name, row_key, amount_name, currency,
            any_value(sales_order_id) AS sales_order_id,
            any_value(position_item_id) AS position_item_id,
            arg_min(before_cents, booked_at) AS closed_cents,
            CAST(sum(difference_cents) AS BIGINT) AS booked_cents
        FROM reconciliation.late_for_period
        SEMI JOIN (FROM ({LATEST_EVENTS}) WHERE event = 'closed') AS e
            ON e.period = late_for AND e.sequence = late_for_period.sequence
        GROUP BY ALL
    ) AS b
        ON a.period = b.late_for AND a.sequence = b.sequence AND a.table_name = b.table_name
        AND a.row_key = b.row_key AND a.amount_name = b.amount_name AND a.currency = b.currency
"""


_DAY_WAS_CLOSED = "day::VARCHAR IN (SELECT period FROM reconciliation.period_close)"


@dataclass(frozen=True)
class _ClosedDay:
    period: str
    sequence: int
    snapshot: Path


def refresh_changes(con: duckdb.DuckDBPyConnection, closes: Path) -> None:
    """Fill `changes_after_close`, and the temporary table `amounts_after_close` beside it.

    Days whose content hash is still that of their close are not looked into. Call it outside a
    transaction: a snapshot is attached and detached on the way. A run that ends in between leaves
    a part, which nobody sees, since nothing is published before the next run filled it anew.

    Args:
        con: the working file of finance.
        closes: the folder that holds the closes.
    """
    con.execute("DELETE FROM reconciliation.changes_after_close")
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE amounts_after_close (
            period VARCHAR, sequence INTEGER, table_name VARCHAR, row_key VARCHAR,
            sales_order_id VARCHAR, position_item_id VARCHAR, amount_name VARCHAR,
            currency VARCHAR, closed_cents BIGINT, live_cents BIGINT
        )
        """
    )
    for table in closed_tables(con):
        if table.is_compared:
            for day in _differing_days(con, table, closes):
                _compare(con, table, day)
    con.execute(_REASONS)


def note_reconciled(con: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Note as of when the tables compare both systems; a period is closed only after that."""
    con.execute("DELETE FROM main.meta WHERE name = 'reconciled_at'")
    con.execute("INSERT INTO main.meta VALUES ('reconciled_at', ?)", [now.isoformat()])


def unbooked_differences(con: duckdb.DuckDBPyConnection) -> str:
    """SQL of what the next close books; needs `refresh_changes` on the same connection."""
    return f"SELECT * FROM ({_UNBOOKED}) WHERE difference_cents <> 0"


def prepare_bookings(
    con: duckdb.DuckDBPyConnection, period: Period, now: datetime, *, closed_before: int
) -> None:
    """Make the temporary table `bookings`: the rows of `late_for_period` that this close adds.

    Args:
        con: the working file of finance, after `refresh_changes`.
        period: what is being closed; they are counted in a day, so a month books nothing.
        now: aware time of the close.
        closed_before: how often the day was closed before; what was booked late for those closes
            is part of this one, so it is taken back.
    """
    if period.kind == "month":
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE bookings AS FROM {LATE_FOR_PERIOD.full_name} LIMIT 0"
        )
        return
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE bookings AS
        SELECT u.late_for, u.sequence, $period AS booked_in, $now::TIMESTAMPTZ AS booked_at,
            u.table_name, u.row_key, u.sales_order_id, u.position_item_id, u.amount_name,
            u.currency, u.closed_cents + u.booked_cents AS before_cents,
            u.closed_cents + u.booked_cents + u.difference_cents AS after_cents,
            u.difference_cents, CAST(u.difference_cents * 0.01 AS DECIMAL(18, 2)) AS difference,
            coalesce(c.what_changed, 'the row is again what it was at the close') AS explanation
        FROM ({unbooked_differences(con)}) AS u
        LEFT JOIN reconciliation.changes_after_close AS c
            ON c.period = u.late_for AND c.table_name = u.table_name AND c.row_key = u.row_key
        UNION ALL
        SELECT late_for, sequence, $period, $now::TIMESTAMPTZ, table_name, row_key,
            any_value(sales_order_id), any_value(position_item_id), amount_name, currency,
            arg_max(after_cents, booked_at), arg_min(before_cents, booked_at),
            CAST(-sum(difference_cents) AS BIGINT),
            CAST(-sum(difference_cents) * 0.01 AS DECIMAL(18, 2)),
            'the day was closed again, and its new close holds this amount'
        FROM reconciliation.late_for_period
        WHERE late_for = $period AND sequence <= $closed_before
        GROUP BY late_for, sequence, table_name, row_key, amount_name, currency
        HAVING sum(difference_cents) <> 0
        """,
        {"period": period.name, "now": now, "closed_before": closed_before},
    )


def _differing_days(
    con: duckdb.DuckDBPyConnection, table: ClosedTable, closes: Path
) -> Iterator[_ClosedDay]:
    closed = con.execute(
        f"""
        SELECT e.period, e.sequence, e.folder, t.content_hash, t.hashed
        FROM ({LATEST_EVENTS}) AS e
        LEFT JOIN reconciliation.closed_tables AS t
            ON t.period = e.period AND t.sequence = e.sequence AND t.table_name = $name
        WHERE e.event = 'closed' AND e.kind = 'day'
        ORDER BY e.period
        """,
        {"name": table.name},
    ).fetchall()
    # A table may have gained columns since; a day is judged by those that its close knew.
    live = {
        hashed: hashes_by_day(con, table.limited_to(set(hashed.split(","))), _DAY_WAS_CLOSED)
        for hashed in {row[4] for row in closed if row[4] is not None}
        if set(hashed.split(",")) <= table.columns.keys()
    }
    for period, sequence, folder, expected, hashed in closed:
        days = {day: digest for day, digest in live.get(hashed, {}).items() if day == period}
        if content_hash(days) != expected:
            yield _ClosedDay(period, sequence, closes / folder / SNAPSHOT)


def _compare(con: duckdb.DuckDBPyConnection, table: ClosedTable, day: _ClosedDay) -> None:
    """Add the differing rows of one table of one closed day."""
    try:
        con.execute(f"ATTACH '{quoted(day.snapshot)}' AS closed_day (READ_ONLY)")
    except duckdb.Error:
        _note_unreadable(con, table, day)
        return
    try:
        known = {
            row[0]
            for row in con.execute(
                "SELECT column_name FROM duckdb_columns() "
                "WHERE database_name = 'closed_day' AND table_name = ?",
                [table.name],
            ).fetchall()
        }
        if known:
            _compare_rows(con, table.limited_to(known), day)
    finally:
        con.execute("DETACH closed_day")


def _note_unreadable(con: duckdb.DuckDBPyConnection, table: ClosedTable, day: _ClosedDay) -> None:
    con.execute(
        "INSERT INTO reconciliation.changes_after_close BY NAME SELECT ? AS period, "
        "? AS sequence, ? AS table_name, '' AS row_key, 'gone' AS change, "
        "'the snapshot cannot be read: see otto-pipelines close verify' AS what_changed, "
        "'state' AS nature",
        [day.period, day.sequence, table.name],
    )


def _compare_rows(con: duckdb.DuckDBPyConnection, table: ClosedTable, day: _ClosedDay) -> None:
    name = table.name
    sides = {
        "closed_rows": f"SELECT * FROM closed_day.reconciliation.{name}",
        "live_rows": table.rows(period_named(day.period)),
    }
    order = "sales_order_id" if "sales_order_id" in table.columns else "NULL::VARCHAR"
    item = "position_item_id" if "position_item_id" in table.columns else "NULL::VARCHAR"
    for side, rows in sides.items():
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE {side} AS SELECT {table.key} AS row_key, "
            f"{table.text} AS row_text, {order} AS of_order, {item} AS of_item, "
            f"{table.currency} AS of_currency, {', '.join(table.lasting)} FROM ({rows})"
        )
    for side, other in (("closed_rows", "live_rows"), ("live_rows", "closed_rows")):
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE differing_{side} AS "
            f"FROM {side} ANTI JOIN {other} USING (row_text)"
        )
    place = {"period": day.period, "sequence": day.sequence, "name": name}
    for amount, cents in table.amounts.items():
        con.execute(
            f"""
            INSERT INTO amounts_after_close
            SELECT $period, $sequence, $name, row_key, any_value(of_order), any_value(of_item),
                '{amount}', of_currency, sum(closed_cents), sum(live_cents)
            FROM (
                SELECT row_key, of_order, of_item, of_currency,
                    coalesce({cents}, 0) AS closed_cents, 0 AS live_cents
                FROM differing_closed_rows
                UNION ALL
                SELECT row_key, of_order, of_item, of_currency, 0, coalesce({cents}, 0)
                FROM differing_live_rows
            )
            GROUP BY row_key, of_currency
            HAVING sum(closed_cents) <> sum(live_cents)
            """,
            place,
        )
    con.execute(
        f"""
        INSERT INTO reconciliation.changes_after_close BY NAME
        SELECT $period AS period, $sequence AS sequence, $name AS table_name, row_key,
            coalesce(l.of_order, c.of_order) AS sales_order_id,
            coalesce(l.of_item, c.of_item) AS position_item_id,
            CASE
                WHEN c.row_text IS NULL THEN 'added'
                WHEN l.row_text IS NULL THEN 'gone'
                ELSE 'changed'
            END AS change,
            coalesce(nullif(concat_ws('; ', {_what_changed(table)}), ''), 'wording')
                AS what_changed,
            CASE
                WHEN row_key IN (
                    SELECT row_key FROM amounts_after_close
                    WHERE period = $period AND table_name = $name
                ) THEN 'money'
                ELSE 'state'
            END AS nature
        FROM differing_closed_rows AS c
        FULL JOIN differing_live_rows AS l USING (row_key)
        ORDER BY row_key
        """,
        place,
    )


def _what_changed(table: ClosedTable) -> str:
    """SQL: one text per differing column. Of a new or lost row only what it is and amounts to."""
    # An amount is shown once, not as cents and as decimal.
    decimals = {name for name in table.lasting if f"{name}_cents" in table.columns}
    telling = {"kind", "status", "difference_class"} | decimals
    parts = []
    for name in table.lasting:
        if name.removesuffix("_cents") in decimals and name not in decimals:
            continue
        if name in {"explanation", "remedy"}:
            continue  # they say in words what the other columns hold
        differs = f"c.{name} IS DISTINCT FROM l.{name}"
        if name not in telling and not name.endswith("_cents"):
            differs += " AND c.row_text IS NOT NULL AND l.row_text IS NOT NULL"
        before, after = (f"coalesce({side}.{name}::VARCHAR, '-')" for side in ("c", "l"))
        parts.append(f"CASE WHEN {differs} THEN '{name}: ' || {before} || ' -> ' || {after} END")
    return ", ".join(parts)


_REASONS = f"""
    UPDATE {CHANGES_AFTER_CLOSE.full_name} AS changed
    SET why = r.why
    FROM (
        SELECT c.period, b.sales_order_id, b.position_item_id,
            string_agg(
                b.kind || ' ' || h.event || ' at '
                    || strftime(timezone('UTC', h.happened_at), '%Y-%m-%d %H:%M UTC')
                    || coalesce(': ' || h.note, ''),
                '; ' ORDER BY h.happened_at, b.break_id
            ) AS why
        FROM (
            SELECT DISTINCT period, sequence, sales_order_id, position_item_id
            FROM reconciliation.changes_after_close
        ) AS c
        JOIN reconciliation.period_close AS p
            ON p.period = c.period AND p.sequence = c.sequence AND p.event = 'closed'
        JOIN reconciliation.breaks AS b
            ON b.sales_order_id = c.sales_order_id AND b.position_item_id = c.position_item_id
        JOIN reconciliation.break_history AS h
            ON h.break_id = b.break_id AND h.happened_at > p.happened_at
        GROUP BY ALL
    ) AS r
    WHERE changed.period = r.period AND changed.sales_order_id = r.sales_order_id
        AND changed.position_item_id = r.position_item_id
"""
