"""Why a period cannot be closed now.

Belongs here: each reason, as a message that says how many, how much, which, and what to do. Closing
itself stands in `assets.closing.close`.
"""

from collections.abc import Iterator
from datetime import datetime

import duckdb

from assets.closing.changes import LATEST_EVENTS, unbooked_differences
from assets.closing.periods import Period
from assets.closing.rows import closed_tables

_DAYS_SHOWN = 5


def reasons_not_to_close(
    con: duckdb.DuckDBPyConnection, period: Period, now: datetime
) -> Iterator[str]:
    """Every reason in words; none when the period can be closed.

    Args:
        con: the working file of finance, after `refresh_changes`.
        period: what is to be closed.
        now: aware business time.
    """
    if now < period.ends_at:
        yield f"it ends at {period.ends_at:%Y-%m-%d %H:%M} UTC: close it after that"
        return
    yield from _too_old(con, period)
    yield from _material_breaks(con, period)
    if period.kind == "day":
        yield from _closed_month(con, period)
    else:
        yield from _open_days(con, period)
        yield from _differing_days(con, period)


def _too_old(con: duckdb.DuckDBPyConnection, period: Period) -> Iterator[str]:
    row = con.execute("SELECT value FROM main.meta WHERE name = 'reconciled_at'").fetchone()
    reconciled_at = datetime.fromisoformat(row[0]) if row else None
    if reconciled_at is None or reconciled_at < period.ends_at:
        when = f"{reconciled_at:%Y-%m-%d %H:%M} UTC" if reconciled_at else "never"
        yield (
            f"the last reconciliation ({when}) saw it before it was over: "
            "run `otto-pipelines reconcile` first"
        )


def _material_breaks(con: duckdb.DuckDBPyConnection, period: Period) -> Iterator[str]:
    breaks = next(table for table in closed_tables(con) if table.name == "breaks")
    found = con.execute(
        f"SELECT kind, break_id, sales_order_id, sku, amount_at_risk::VARCHAR, currency, owner "
        f"FROM ({breaks.rows(period)}) WHERE status = 'open' AND severity = 'high' "
        "ORDER BY amount_at_risk_cents DESC, break_id"
    ).fetchall()
    if not found:
        return
    sums = con.execute(
        f"SELECT string_agg(amount, ' and ' ORDER BY currency) FROM (SELECT currency, "
        f"sum(amount_at_risk)::DECIMAL(18,2) || ' ' || currency AS amount "
        f"FROM ({breaks.rows(period)}) WHERE status = 'open' AND severity = 'high' "
        "GROUP BY currency)"
    ).fetchall()[0][0]
    largest = "; ".join(
        f"{kind} {amount} {currency}, "
        + (f"order {order}" if order else f"SKU {sku}")
        + f", {owner} must act (break {break_id})"
        for kind, break_id, order, sku, amount, currency, owner in found[:3]
    )
    yield (
        f"{len(found)} material break(s) are open, {sums} at risk. The largest: {largest}. "
        f"See all with `otto-pipelines breaks list --severity high --period {period.name}`; repair "
        "them, or accept each with `otto-pipelines breaks accept <break id> --reason <why>`"
    )


def _closed_month(con: duckdb.DuckDBPyConnection, period: Period) -> Iterator[str]:
    if con.execute(
        f"SELECT 1 FROM ({LATEST_EVENTS}) WHERE period = ? AND event = 'closed'", [period.month]
    ).fetchone():
        yield (
            f"the month {period.month} is closed: reopen it first with "
            f"`otto-pipelines close reopen {period.month} --reason <why>`"
        )


def _open_days(con: duckdb.DuckDBPyConnection, period: Period) -> Iterator[str]:
    days = " UNION ".join(
        f"SELECT {table.day} AS day FROM ({table.rows(period)}) AS t"
        for table in closed_tables(con)
        if table.is_compared
    )
    found = [
        row[0]
        for row in con.execute(
            f"SELECT day::VARCHAR FROM ({days}) "
            f"WHERE day::VARCHAR NOT IN (SELECT period FROM ({LATEST_EVENTS}) "
            "WHERE event = 'closed') ORDER BY day"
        ).fetchall()
    ]
    if found:
        yield (
            f"{len(found)} day(s) of it are not closed: {_some(found)}. Close each with "
            "`otto-pipelines close day <day>`"
        )


def _differing_days(con: duckdb.DuckDBPyConnection, period: Period) -> Iterator[str]:
    """Days whose live amounts are not those of their close and of what this month booked late."""
    found = con.execute(
        f"""
        SELECT late_for, count(DISTINCT (table_name, row_key))
        FROM (
            SELECT late_for, table_name, row_key FROM ({unbooked_differences(con)})
            UNION ALL
            SELECT b.late_for, b.table_name, b.row_key
            FROM reconciliation.late_for_period AS b
            SEMI JOIN (FROM ({LATEST_EVENTS}) WHERE event = 'closed') AS e
                ON e.period = b.late_for AND e.sequence = b.sequence
            WHERE b.booked_in[:7] <> $month
            GROUP BY b.late_for, b.table_name, b.row_key, b.amount_name, b.currency
            HAVING sum(b.difference_cents) <> 0
        )
        WHERE late_for[:7] = $month
        GROUP BY late_for
        ORDER BY late_for
        """,
        {"month": period.name},
    ).fetchall()
    if found:
        days = _some([f"{day} ({rows} row(s))" for day, rows in found])
        yield (
            f"amounts of {len(found)} day(s) changed after their close and are not part of the "
            f"month: {days}. See them in reconciliation.changes_after_close; reopen each day with "
            "`otto-pipelines close reopen <day> --reason <why>` and close it again"
        )


def _some(names: list[str]) -> str:
    more = len(names) - _DAYS_SHOWN
    return ", ".join(names[:_DAYS_SHOWN]) + (f" and {more} more" if more > 0 else "")
