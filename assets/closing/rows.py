"""Which rows of which tables belong to a period, and the parts of a row that a close compares.

Belongs here: the day of a row, its key, its amounts, its lasting columns, and the content hash over
them. Tables are read as they are found in the file, so a new table with an `order_day` is closed
without a word here; only its key must be named, else a changed row shows as one gone and one added.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from assets.closing.periods import Period
from assets.reconciliation.content import row_text
from resources.finance_close import CLOSING, LATE_FOR_PERIOD

_KEYS: dict[str, tuple[str, ...]] = {
    "breaks": ("break_id",),
    "order_lines": ("sales_order_id", "position_item_id"),
    "prices": ("sales_order_id", "position_item_id"),
    "shipments": ("sales_order_id", "position_item_id", "parcel_id"),
}

# What every run may touch without anything having happened to the row.
_PASSING = frozenset(
    {"last_seen_at", "age_days", "age_bucket", "overdue", "materiality_rank", "fact_at"}
)

# A summary of the other tables, which a person's decision outruns until the next reconciliation;
# and words for customer care, which say nothing that the other tables do not.
_NOT_CLOSED = frozenset({"daily_summary", "fulfilment_status"})

# A break of no order belongs to the day on which it was first seen.
_DAY_OF_BREAK = "coalesce(order_day, timezone('Europe/Berlin', first_seen_at)::DATE)"

_AMOUNTS_OF_BREAKS = {
    "open_at_risk": "CASE WHEN status = 'open' THEN amount_at_risk_cents END",
    "accepted_at_risk": "CASE WHEN status = 'accepted' THEN amount_at_risk_cents END",
}

_OWN = frozenset(table.name for table in CLOSING) - {LATE_FOR_PERIOD.name}


@dataclass(frozen=True)
class ClosedTable:
    """One table of schema `reconciliation` that takes part in closes: its columns and types."""

    name: str
    columns: Mapping[str, str]

    @property
    def day(self) -> str:
        """SQL: the day that a row belongs to; the row's table is called `t`."""
        if self.name == "breaks":
            return _DAY_OF_BREAK
        if self.name == LATE_FOR_PERIOD.name:
            return "booked_in::DATE"
        if "order_day" in self.columns:
            return "order_day"
        breaks = "SELECT any_value(b.day) FROM "
        breaks += f"(SELECT break_id, {_DAY_OF_BREAK} AS day FROM reconciliation.breaks) AS b"
        return f"({breaks} WHERE b.break_id = t.break_id)"

    @property
    def is_compared(self) -> bool:
        """Whether a row that changes after the close is told of."""
        return "order_day" in self.columns

    @property
    def lasting(self) -> tuple[str, ...]:
        """Columns that change only if something happened."""
        return tuple(sorted(self.columns.keys() - _PASSING))

    @property
    def key(self) -> str:
        """SQL: what names a row, as text."""
        if self.name not in _KEYS:
            return f"md5({self.text})"
        parts = ", ".join(f"coalesce({column}::VARCHAR, '')" for column in _KEYS[self.name])
        return f"concat_ws('/', {parts})"

    @property
    def text(self) -> str:
        """SQL: the lasting columns as one text, by which rows are equal or not."""
        return row_text([(name, self.columns[name]) for name in self.lasting])

    @property
    def currency(self) -> str:
        """SQL: the currency of a row's amounts; empty where the table names none."""
        return "coalesce(currency, '')" if "currency" in self.columns else "''"

    @property
    def amounts(self) -> dict[str, str]:
        """Name of each amount to its SQL in cents."""
        if self.name == "breaks":
            return _AMOUNTS_OF_BREAKS
        if self.name == LATE_FOR_PERIOD.name:
            return {"difference": "difference_cents"}
        return {c.removesuffix("_cents"): c for c in self.columns if c.endswith("_cents")}

    def limited_to(self, columns: set[str]) -> "ClosedTable":
        """The same table as one knew it that has these columns."""
        return ClosedTable(self.name, {n: kind for n, kind in self.columns.items() if n in columns})

    def rows(self, period: Period) -> str:
        """SQL: all columns of the period's rows."""
        return (
            f"SELECT t.* FROM reconciliation.{self.name} AS t "
            f"WHERE {self.day} BETWEEN DATE '{period.first_day}' AND DATE '{period.last_day}'"
        )


def closed_tables(con: duckdb.DuckDBPyConnection) -> list[ClosedTable]:
    """Tables of which a close holds rows, in the database in use.

    Those with an order day, those that tell of single breaks, and what was booked late.
    """
    found = con.execute(
        """
        SELECT table_name, list(column_name ORDER BY column_index), list(data_type ORDER BY
            column_index)
        FROM duckdb_columns()
        JOIN duckdb_tables() USING (database_name, schema_name, table_name)
        WHERE database_name = current_database() AND schema_name = 'reconciliation'
        GROUP BY table_name ORDER BY table_name
        """
    ).fetchall()
    return [
        ClosedTable(name, dict(zip(columns, types, strict=True)))
        for name, columns, types in found
        if name not in _OWN | _NOT_CLOSED and {"order_day", "break_id", "booked_in"} & set(columns)
    ]


def hashes_by_day(
    con: duckdb.DuckDBPyConnection, table: ClosedTable, where: str = "true"
) -> dict[str, str]:
    """Day (ISO) to SHA-256 over its rows, in an order of their own."""
    return dict(
        con.execute(
            f"""
            SELECT day::VARCHAR, sha256(string_agg(digest, '' ORDER BY digest))
            FROM (
                SELECT {table.day} AS day, sha256({table.text}) AS digest
                FROM reconciliation.{table.name} AS t
            )
            WHERE {where}
            GROUP BY day
            """
        ).fetchall()
    )


def content_hash(days: Mapping[str, str]) -> str:
    """SHA-256 over the hashes of a period's days; equal rows give equal hashes everywhere."""
    lines = "".join(f"{day} {days[day]}\n" for day in sorted(days))
    return hashlib.sha256(lines.encode()).hexdigest()


def totals(con: duckdb.DuckDBPyConnection, table: ClosedTable) -> list[tuple[str, str, int]]:
    """Totals of all rows, without those of zero: name of the amount, currency, cents."""
    found: list[tuple[str, str, int]] = []
    for name, cents in table.amounts.items():
        found += con.execute(
            f"SELECT '{name}', {table.currency} AS of_currency, CAST(sum({cents}) AS BIGINT) "
            f"FROM reconciliation.{table.name} GROUP BY of_currency "
            f"HAVING sum({cents}) <> 0 ORDER BY of_currency"
        ).fetchall()
    return found
