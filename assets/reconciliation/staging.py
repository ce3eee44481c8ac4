"""Copy what changed in the operations database into schema `staging` of the finance database.

Belongs here: which rows and columns are copied, and how. Never a payload, an address or a text that
a person or another system wrote freely: they may hold personal data. What the copies are compared
for stands in the SQL files beside this module.

Each run reads the rows recorded since the newest copy, less an overlap for transactions that
committed late. Afterwards the counts of both sides must agree; where they do not (rows erased,
a database restored) the table is copied anew.

Every row of an order stands under the order's day and has a hash of the order's reference, so that
the rows of some orders are found without reading those of other days.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import duckdb
import sqlalchemy as sa

from resources.finance_staging import STAGING, UNKNOWN_DAY
from resources.operations.database import OperationsDatabase
from resources.operations.money_schema import (
    otto_returns,
    price_reduction_requests,
    price_reductions,
    products,
    receipt_lines,
    receipt_modifications,
    receipts,
    return_decisions,
    wms_return_units,
    wms_returns,
)
from resources.operations.schema import (
    availability,
    orders,
    outbox,
    parcel_lines,
    parcels,
    position_items,
    stock_levels,
    sync_runs,
    wms_order_lines,
    wms_orders,
)

# An import stamps its rows with the time at which it began, and a long one may take an hour.
OVERLAP = timedelta(hours=2)
_ROWS_AT_ONCE = 20_000
_KEY = "order_key"
_day_of_order = orders.alias("day_of_order")

Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class _Source:
    """Where one staging table comes from; columns of the same name are taken as they are.

    `owner_changes`: a row may become one of another order.
    """

    base: sa.FromClause
    recorded_at: sa.ColumnElement[Any]
    keys: tuple[str, ...]
    order_column: str | None = "order_ref"
    named: Mapping[str, sa.ColumnElement[Any]] = field(default_factory=dict)
    owner_changes: bool = False
    convert: Mapping[str, Convert] = field(default_factory=dict)


@dataclass(frozen=True)
class Staged:
    """Rows copied per table, and whether a table had to be copied anew.

    The orders of all copied rows are left in the temporary table `changed_orders` (order_ref,
    order_day, order_key).
    """

    counts: dict[str, int]
    anew: bool


def _broken_rules(text: str | None) -> list[str] | None:
    return None if text is None else sorted({entry["rule"] for entry in json.loads(text)})


def _shipment_id(text: str | None) -> str | None:
    value = None if text is None else json.loads(text).get("shipment_id")
    return None if value is None else str(value)


def _later(one: sa.Column[Any], other: sa.Column[Any]) -> sa.ColumnElement[Any]:
    return sa.case((one > other, one), else_=other)


_ORDER = "sales_order_id"
_ITEM = (_ORDER, "position_item_id")
# When each flow first and last came to a good end.
_FLOWS = (
    sa.select(
        sync_runs.c.flow,
        sa.func.min(sync_runs.c.started_at).label("first_read_at"),
        sa.func.max(sync_runs.c.started_at).label("last_read_at"),
        sa.func.max(sync_runs.c.finished_at).label("recorded_at"),
    )
    .where(sync_runs.c.result == "success")
    .group_by(sync_runs.c.flow)
    .subquery()
)

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
        # The link that we made of a good number; one of the WMS may hold a postal code.
        named={"tracking_url": sa.case((parcels.c.state == "released", parcels.c.tracking_url))},
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
    "stock_levels": _Source(
        stock_levels, stock_levels.c.recorded_at, ("sku", "location"), order_column=None
    ),
    "availability": _Source(availability, availability.c.recorded_at, ("sku",), order_column=None),
    "receipts": _Source(receipts, receipts.c.recorded_at, ("receipt_number",), "sales_order_id"),
    # A receipt and its parts are one document, recorded at one time.
    "receipt_lines": _Source(
        receipt_lines.join(receipts, receipts.c.receipt_number == receipt_lines.c.receipt_number),
        receipt_lines.c.recorded_at,
        ("receipt_number", "line_no"),
        "sales_order_id",
        named={
            **{column.name: column for column in receipt_lines.c},
            "receipt_type": receipts.c.receipt_type,
            "created_at": receipts.c.created_at,
            "partial_refund_type": receipts.c.partial_refund_type,
        },
    ),
    "receipt_modifications": _Source(
        receipt_modifications.join(
            receipts, receipts.c.receipt_number == receipt_modifications.c.receipt_number
        ),
        receipt_modifications.c.recorded_at,
        ("receipt_number", "line_no", "sequence"),
        "sales_order_id",
        named={
            **{column.name: column for column in receipt_modifications.c},
            "sales_order_id": receipts.c.sales_order_id,
        },
    ),
    "otto_returns": _Source(
        otto_returns,
        otto_returns.c.recorded_at,
        _ITEM,
        _ORDER,
        named={"return_reason": otto_returns.c.reason},
    ),
    "return_decisions": _Source(return_decisions, return_decisions.c.recorded_at, _ITEM, _ORDER),
    "price_reductions": _Source(
        price_reductions, price_reductions.c.recorded_at, (*_ITEM, "created_at", "sequence"), _ORDER
    ),
    "price_reduction_requests": _Source(
        price_reduction_requests, price_reduction_requests.c.recorded_at, ("request_id",), _ORDER
    ),
    "wms_return_units": _Source(
        wms_return_units.join(
            wms_returns, wms_returns.c.receipt_id == wms_return_units.c.receipt_id
        ),
        _later(wms_return_units.c.recorded_at, wms_returns.c.recorded_at),
        ("receipt_id", "unit_no"),
        _ORDER,
        named={
            **{column.name: column for column in wms_return_units.c},
            "received_at": wms_returns.c.received_at,
            "recorded_at": _later(wms_return_units.c.recorded_at, wms_returns.c.recorded_at),
        },
        owner_changes=True,
    ),
    "products": _Source(products, products.c.recorded_at, ("sku",), order_column=None),
    "sync_runs": _Source(_FLOWS, _FLOWS.c.recorded_at, ("flow",), order_column=None),
}


def stage(
    operations: OperationsDatabase, con: duckdb.DuckDBPyConnection, *, anew: bool = False
) -> Staged:
    """Copy changed rows, all tables as of one moment; the transaction of `con` is the caller's.

    Args:
        operations: what is copied from.
        con: a writer of the finance database.
        anew: forget all copies first.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE changed_orders "
        "(order_ref VARCHAR, order_day DATE, order_key UBIGINT)"
    )
    counts: dict[str, int] = {}
    with operations.read() as conn:
        for table in STAGING:
            name, target = table.name, table.full_name
            source = _SOURCES[name]
            columns = [column.name for column in table.columns]
            if anew:
                con.execute(f"DELETE FROM {target}")
            counts[name] = _copy(conn, con, target, source, columns)
            there = conn.execute(sa.select(sa.func.count()).select_from(source.base)).scalar_one()
            if there != _scalar(con, f"SELECT count(*) FROM {target}"):
                con.execute(f"DELETE FROM {target}")
                counts[name] = _copy(conn, con, target, source, columns)
                # The copies of the other tables stand under the days of orders that were there.
                anew = True
    con.execute("DROP TABLE incoming")
    return Staged(counts, anew)


def _copy(
    conn: sa.Connection,
    con: duckdb.DuckDBPyConnection,
    target: str,
    source: _Source,
    columns: Sequence[str],
) -> int:
    last = _scalar(con, f"SELECT max(recorded_at) FROM {target}")
    _read(conn, con, target, source, columns, since=last)
    return _merge(con, target, source, columns)


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
    read = [name for name in columns if name != _KEY]
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE incoming AS SELECT {', '.join(read)} FROM {target} LIMIT 0"
    )
    query = sa.select(*[_column(source, name) for name in read]).select_from(_with_day(source))
    if since is not None:
        query = query.where(source.recorded_at >= since - OVERLAP)
    converts = [source.convert.get(name) for name in read]
    result = conn.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE})
    with con.appender("incoming") as appender:
        for part in result.partitions():
            appender.append_rows(
                [_converted(row, converts) for row in part] if any(converts) else part
            )


def _with_day(source: _Source) -> sa.FromClause:
    """The table with the order that gives its rows their day."""
    if source.order_column is None or source.base is orders:
        return source.base
    return source.base.outerjoin(
        _day_of_order, _day_of_order.c.sales_order_id == _named(source, source.order_column)
    )


def _column(source: _Source, name: str) -> sa.Label[Any]:
    if name == "order_day" and source.base is not orders:
        day: sa.ColumnElement[Any] = sa.func.coalesce(
            _day_of_order.c.order_day, sa.literal(UNKNOWN_DAY, sa.Date)
        )
        return day.label(name)
    return _named(source, name).label(name)


def _named(source: _Source, name: str) -> sa.ColumnElement[Any]:
    return source.named[name] if name in source.named else source.base.c[name]


def _converted(row: Sequence[Any], converts: Sequence[Convert | None]) -> tuple[Any, ...]:
    return tuple(
        value if convert is None else convert(value)
        for value, convert in zip(row, converts, strict=True)
    )


def _merge(
    con: duckdb.DuckDBPyConnection, target: str, source: _Source, columns: Sequence[str]
) -> int:
    """Replace rows of `target` that `incoming` has otherwise, and note their orders."""
    order = source.order_column
    keys = list(source.keys)
    if order is not None and not source.owner_changes:
        keys = ["order_day", _KEY, *keys]
    made = ", ".join(f"hash({order}) AS {_KEY}" if name == _KEY else name for name in columns)
    if _scalar(con, f"SELECT count(*) FROM {target}") == 0:
        con.execute(f"CREATE OR REPLACE TEMP TABLE changed AS SELECT {made} FROM incoming")
    else:
        con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE changed AS
            WITH fresh AS MATERIALIZED (SELECT {made} FROM incoming)
            FROM fresh EXCEPT (FROM {target} SEMI JOIN fresh USING ({", ".join(keys)}))
            """
        )
    if source.base is orders:
        _give_days_to_known(con)
    same = " AND ".join(f"t.{key} = c.{key}" for key in keys)
    if source.owner_changes:
        con.execute(
            f"INSERT INTO changed_orders SELECT DISTINCT t.{order}, t.order_day, t.{_KEY} "
            f"FROM {target} AS t JOIN changed AS c ON {same} WHERE t.{order} IS NOT NULL"
        )
    con.execute(f"DELETE FROM {target} AS t USING changed AS c WHERE {same}")
    sort = "" if order is None else "ORDER BY order_day"
    con.execute(f"INSERT INTO {target} FROM changed {sort}")
    if order is not None:
        con.execute(
            f"INSERT INTO changed_orders SELECT DISTINCT {order}, order_day, {_KEY} FROM changed "
            f"WHERE {order} IS NOT NULL"
        )
    count: int = _scalar(con, "SELECT count(*) FROM changed")
    con.execute("DROP TABLE changed")
    return count


def _give_days_to_known(con: duckdb.DuckDBPyConnection) -> None:
    """Move rows of orders that OTTO now knows to the day of their order."""
    unknown = f"DATE '{UNKNOWN_DAY}'"
    for table in STAGING:
        source = _SOURCES[table.name]
        if source.order_column is not None and source.base is not orders:
            con.execute(
                f"""
                UPDATE {table.full_name} AS t SET order_day = c.order_day FROM changed AS c
                WHERE t.order_day = {unknown} AND t.{_KEY} = c.{_KEY}
                    AND t.{source.order_column} = c.sales_order_id
                """
            )


def _scalar(con: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = con.execute(query).fetchone()
    return row[0] if row else None
