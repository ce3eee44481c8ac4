"""Copy what changed in the operations database into schema `staging` of the finance database.

Belongs here: which rows and columns are copied, and how. Never a payload, an address or a text that
a person or another system wrote freely: they may hold personal data. What the copies are compared
for stands in the SQL files beside this module.

Each run reads the rows recorded since the newest copy, less an overlap for transactions that
committed late. Afterwards the counts of both sides must agree; where they do not (rows erased,
a database restored) the table is copied anew.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import duckdb
import sqlalchemy as sa

from resources.finance_schema import STAGING
from resources.operations.database import OperationsDatabase
from resources.operations.schema import (
    orders,
    outbox,
    parcel_lines,
    parcels,
    position_items,
    wms_order_lines,
    wms_orders,
)

# An import stamps its rows with the time at which it began, and a long one may take an hour.
OVERLAP = timedelta(hours=2)
_ROWS_AT_ONCE = 20_000

Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class _Source:
    """Where one staging table comes from; columns of the same name are taken as they are."""

    base: sa.FromClause
    recorded_at: sa.Column[Any]
    keys: tuple[str, ...]
    order_column: str = "order_ref"
    named: Mapping[str, sa.Column[Any]] = field(default_factory=dict)
    convert: Mapping[str, Convert] = field(default_factory=dict)


@dataclass(frozen=True)
class Staged:
    """Rows copied per table, and whether a table had to be copied anew.

    The order references of all copied rows are left in the temporary table `changed_orders`.
    """

    counts: dict[str, int]
    anew: bool


def _broken_rules(text: str | None) -> list[str] | None:
    return None if text is None else sorted({entry["rule"] for entry in json.loads(text)})


def _shipment_id(text: str | None) -> str | None:
    value = None if text is None else json.loads(text).get("shipment_id")
    return None if value is None else str(value)


_SOURCES: dict[str, _Source] = {
    "orders": _Source(orders, orders.c.recorded_at, ("sales_order_id",), "sales_order_id"),
    "position_items": _Source(
        position_items,
        position_items.c.recorded_at,
        ("sales_order_id", "position_item_id"),
        "sales_order_id",
    ),
    "wms_orders": _Source(wms_orders, wms_orders.c.recorded_at, ("order_ref",)),
    "wms_order_lines": _Source(
        wms_order_lines, wms_order_lines.c.recorded_at, ("order_ref", "line_id")
    ),
    "parcels": _Source(
        parcels,
        parcels.c.recorded_at,
        ("parcel_id",),
        convert={"parked_rules": _broken_rules},
    ),
    # Parcel lines have no time of their own: they come with their parcel.
    "parcel_lines": _Source(
        parcel_lines.join(parcels, parcels.c.parcel_id == parcel_lines.c.parcel_id),
        parcels.c.recorded_at,
        ("parcel_id", "line_id"),
        named={
            "parcel_id": parcel_lines.c.parcel_id,
            "line_id": parcel_lines.c.line_id,
            "quantity": parcel_lines.c.quantity,
            "order_ref": parcels.c.order_ref,
            "recorded_at": parcels.c.recorded_at,
        },
    ),
    "outbox": _Source(
        outbox,
        outbox.c.recorded_at,
        ("id",),
        named={"shipment_id": outbox.c.result},
        convert={"shipment_id": _shipment_id},
    ),
}


def stage(operations: OperationsDatabase, con: duckdb.DuckDBPyConnection) -> Staged:
    """Copy changed rows, all tables as of one moment; the transaction of `con` is the caller's."""
    con.execute("CREATE OR REPLACE TEMP TABLE changed_orders (order_ref VARCHAR)")
    counts: dict[str, int] = {}
    anew = False
    with operations.read() as conn:
        for table in STAGING:
            source = _SOURCES[table.name]
            columns = [column.name for column in table.columns]
            last = _scalar(con, f"SELECT max(recorded_at) FROM {table.full_name}")
            _read(conn, con, table.full_name, source, columns, since=last)
            counts[table.name] = _merge(con, table.full_name, source)
            there = conn.execute(sa.select(sa.func.count()).select_from(source.base)).scalar_one()
            if there != _scalar(con, f"SELECT count(*) FROM {table.full_name}"):
                con.execute(f"DELETE FROM {table.full_name}")
                _read(conn, con, table.full_name, source, columns, since=None)
                counts[table.name] = _merge(con, table.full_name, source)
                anew = True
    con.execute("DROP TABLE incoming")
    return Staged(counts, anew)


def _read(
    conn: sa.Connection,
    con: duckdb.DuckDBPyConnection,
    target: str,
    source: _Source,
    columns: Sequence[str],
    *,
    since: datetime | None,
) -> None:
    """Fill the temporary table `incoming`; values go in typed by column, none through a float."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE incoming AS FROM {target} LIMIT 0")
    query = sa.select(*[_column(source, name) for name in columns]).select_from(source.base)
    if since is not None:
        query = query.where(source.recorded_at >= since - OVERLAP)
    converts = [source.convert.get(name) for name in columns]
    result = conn.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE})
    with con.appender("incoming") as appender:
        for part in result.partitions():
            appender.append_rows(
                [_converted(row, converts) for row in part] if any(converts) else part
            )


def _column(source: _Source, name: str) -> sa.Label[Any]:
    column = source.named[name] if name in source.named else source.base.c[name]
    return column.label(name)


def _converted(row: Sequence[Any], converts: Sequence[Convert | None]) -> tuple[Any, ...]:
    return tuple(
        value if convert is None else convert(value)
        for value, convert in zip(row, converts, strict=True)
    )


def _merge(con: duckdb.DuckDBPyConnection, target: str, source: _Source) -> int:
    """Replace rows of `target` that `incoming` has otherwise, and note their orders."""
    keys = ", ".join(source.keys)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE changed AS
        FROM incoming EXCEPT (FROM {target} SEMI JOIN incoming USING ({keys}))
        """
    )
    same = " AND ".join(f"t.{key} = c.{key}" for key in source.keys)
    con.execute(f"DELETE FROM {target} AS t USING changed AS c WHERE {same}")
    con.execute(f"INSERT INTO {target} FROM changed")
    con.execute(f"INSERT INTO changed_orders SELECT DISTINCT {source.order_column} FROM changed")
    count: int = _scalar(con, "SELECT count(*) FROM changed")
    con.execute("DROP TABLE changed")
    return count


def _scalar(con: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = con.execute(query).fetchone()
    return row[0] if row else None
