"""The figures of a close, read from its snapshot: what manifest, workbook and report agree on.

Belongs here: reading them once. Amounts are whole cents; no row holds personal data.
"""

from dataclasses import dataclass
from typing import Any

import duckdb

from assets.closing.periods import Period
from assets.closing.rows import closed_tables, content_hash, hashes_by_day, totals

LISTED = (
    "break_id",
    "kind",
    "status",
    "severity",
    "owner",
    "sales_order_id",
    "position_item_id",
    "sku",
    "order_day",
    "otto_value",
    "wms_value",
    "amount_at_risk_cents",
    "currency",
    "first_seen_at",
    "explanation",
)


@dataclass(frozen=True)
class AreaTotal:
    """Breaks of one area, currency and status, and their amount at risk in cents."""

    area: str
    currency: str
    status: str
    breaks: int
    cents: int


@dataclass(frozen=True)
class TableContent:
    """Rows, hash and totals (amount, currency, cents) of one table of the snapshot."""

    name: str
    rows: int
    content_hash: str
    hashed: tuple[str, ...]
    totals: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class Figures:
    """All figures of one close."""

    period: Period
    areas: tuple[AreaTotal, ...]
    tables: tuple[TableContent, ...]
    breaks: dict[str, list[dict[str, Any]]]
    """Area to its breaks, each with the columns of `LISTED`, the largest first."""
    late: list[dict[str, Any]]
    """What was booked in the period for days closed before."""

    def breaks_that_are(self, status: str) -> int:
        """How many breaks of the period have that status."""
        return sum(total.breaks for total in self.areas if total.status == status)


def read_figures(con: duckdb.DuckDBPyConnection, period: Period) -> Figures:
    """Read the figures of a snapshot.

    Args:
        con: a snapshot, as `open_snapshot` gives it.
        period: what it is of.
    """
    areas = tuple(AreaTotal(*row) for row in con.execute(_AREAS).fetchall())
    breaks: dict[str, list[dict[str, Any]]] = {total.area: [] for total in areas}
    for row in _records(
        con,
        f"SELECT area, {', '.join(LISTED)} FROM reconciliation.breaks "
        "ORDER BY area, amount_at_risk_cents DESC, break_id",
    ):
        breaks[row.pop("area")].append(row)
    return Figures(
        period=period,
        areas=areas,
        tables=table_contents(con),
        breaks=breaks,
        late=_records(con, _LATE),
    )


def table_contents(con: duckdb.DuckDBPyConnection) -> tuple[TableContent, ...]:
    """What each table of a snapshot holds."""
    return tuple(
        TableContent(
            name=table.name,
            rows=con.execute(f"SELECT count(*) FROM reconciliation.{table.name}").fetchall()[0][0],
            content_hash=content_hash(hashes_by_day(con, table)),
            hashed=table.lasting,
            totals=tuple(totals(con, table)),
        )
        for table in closed_tables(con)
    )


def _records(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    result = con.execute(sql)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


_AREAS = """
    SELECT area, coalesce(currency, '') AS of_currency, status, count(*),
        CAST(sum(amount_at_risk_cents) AS BIGINT)
    FROM reconciliation.breaks
    GROUP BY area, of_currency, status
    ORDER BY ALL
"""

_LATE = """
    SELECT late_for, table_name, row_key, amount_name, before_cents, after_cents,
        difference_cents, currency, explanation
    FROM reconciliation.late_for_period
    ORDER BY late_for, table_name, row_key, amount_name
"""
