"""Writing many rows at once, with one meaning on SQLite and PostgreSQL.

Belongs here: the bulk upsert, and the conversion of values to what SQLite stores. A row is a dict
whose keys are column names; all rows of one call have the same keys.

Does not belong here: what a row means, and which rows may be overwritten (the modules beside this).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from resources.operations.schema import UtcDateTime

Row = Mapping[str, Any]
_Value = TypeVar("_Value")
_ROWS_PER_STATEMENT = 10_000
_VALUES_PER_QUERY = 5_000


@dataclass(frozen=True)
class _Conflict:
    """What happens to a row whose key is there already."""

    keys: Sequence[str]
    update: Sequence[str]
    keep_when_null: Sequence[str]


def upsert(
    conn: Connection,
    table: sa.Table,
    rows: Sequence[Row],
    keys: Sequence[str],
    *,
    update: Sequence[str] | None = None,
    keep_when_null: Sequence[str] = (),
) -> int:
    """Insert `rows`; where the key is there already, update it.

    Args:
        conn: a connection of `OperationsDatabase.write`.
        table: the table.
        rows: dicts of equal keys; of two rows with one key the later one counts.
        keys: columns of a primary or unique key.
        update: columns to update; None = all but the keys, () = leave the existing row alone.
        keep_when_null: columns in which a new null does not replace an existing value.

    Returns:
        How many rows were inserted or updated.

    Raises:
        ValueError: rows differ in their columns, or name a column that is not there.
    """
    if not rows:
        return 0
    names = tuple(rows[0])
    _same_columns(table, rows, names)
    if update is None:
        update = [name for name in names if name not in keys]
    # One order of locking for all writers: two that meet the same rows wait, and do not deadlock.
    unique = {tuple(row[key] for key in keys): row for row in rows}
    ordered = [unique[key] for key in sorted(unique)]
    write = _into_postgresql if conn.dialect.name == "postgresql" else _into_sqlite
    return write(conn, table, ordered, names, _Conflict(keys, update, keep_when_null))


def chunks(values: Sequence[_Value], size: int = _VALUES_PER_QUERY) -> Iterator[Sequence[_Value]]:
    """Slices of at most `size`, below the number of parameters that a database accepts."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _same_columns(table: sa.Table, rows: Sequence[Row], names: tuple[str, ...]) -> None:
    unknown = [name for name in names if name not in table.c]
    if unknown:
        raise ValueError(f"table {table.name} has no column {', '.join(unknown)}")
    wanted = set(names)
    for row in rows:
        if row.keys() != wanted:
            difference = ", ".join(sorted(wanted ^ row.keys()))
            raise ValueError(
                f"rows for table {table.name} differ in their columns ({difference}): "
                "give every row of one call the same columns"
            )


def _into_sqlite(
    conn: Connection,
    table: sa.Table,
    rows: Sequence[Row],
    names: tuple[str, ...],
    conflict: _Conflict,
) -> int:
    """Compile once, convert by column, and let the driver walk through plain tuples."""
    statement = _on_conflict(sqlite.insert(table), table, conflict)
    compiled = statement.compile(dialect=conn.dialect, column_keys=list(names))
    order = compiled.positiontup or []
    columns = [_stored(table.c[name], rows, conn) for name in order]
    return conn.exec_driver_sql(str(compiled), list(zip(*columns, strict=True))).rowcount


def _into_postgresql(
    conn: Connection,
    table: sa.Table,
    rows: Sequence[Row],
    names: tuple[str, ...],
    conflict: _Conflict,
) -> int:
    """One statement for many rows, which travel as one JSON text."""
    columns = [table.c[name] for name in names]
    sent = sa.cast(sa.bindparam("rows", type_=sa.Text()), postgresql.JSON)
    records = sa.func.json_to_recordset(sent).table_valued(
        *(sa.column(column.name, column.type) for column in columns)
    )
    source = sa.select(*records.render_derived(with_types=True).c)
    counted = {"preserve_rowcount": True}
    insert = postgresql.insert(table).from_select(list(names), source)
    statement = _on_conflict(insert, table, conflict).execution_options(**counted)
    timed = [column.name for column in columns if isinstance(column.type, UtcDateTime)]
    written = 0
    for part in chunks(rows, _ROWS_PER_STATEMENT):
        for name in timed:
            for row in part:
                _refuse_naive(row[name])
        written += conn.execute(statement, {"rows": _as_json(part)}).rowcount
    return written


def _as_json(rows: Sequence[Row]) -> str:
    text = msgspec.json.encode(rows).decode()
    if "\\u0000" not in text:
        return text
    # PostgreSQL's text cannot hold NUL; one such title must not cost the whole batch.
    clean = [
        {
            name: value.replace("\0", "") if isinstance(value, str) else value
            for name, value in row.items()
        }
        for row in rows
    ]
    return msgspec.json.encode(clean).decode()


def _on_conflict(
    statement: Any, table: sa.Table, conflict: _Conflict
) -> sqlite.Insert | postgresql.Insert:
    # Both dialects' inserts offer the same two methods but share no type that declares them.
    if not conflict.update:
        nothing: sqlite.Insert | postgresql.Insert = statement.on_conflict_do_nothing(
            index_elements=conflict.keys
        )
        return nothing
    new = statement.excluded
    kept = set(conflict.keep_when_null)
    updated: sqlite.Insert | postgresql.Insert = statement.on_conflict_do_update(
        index_elements=conflict.keys,
        set_={
            name: sa.func.coalesce(new[name], table.c[name]) if name in kept else new[name]
            for name in conflict.update
        },
    )
    return updated


def _stored(column: sa.Column[Any], rows: Sequence[Row], conn: Connection) -> list[Any]:
    """The column's values exactly as SQLAlchemy would store them."""
    values = list(map(itemgetter(column.name), rows))
    convert: Callable[[Any], Any] | None = _utc_text
    if not isinstance(column.type, UtcDateTime):
        convert = column.type.dialect_impl(conn.dialect).bind_processor(conn.dialect)
    if convert is None:
        return values
    # The rows of a batch share most of their times and days: each is converted once.
    stored = {value: None if value is None else convert(value) for value in set(values)}
    return [stored[value] for value in values]


def _utc_text(value: datetime) -> str:
    """SQLite's storage format of SQLAlchemy, `2026-11-20 15:04:00.000000`, without its detours."""
    _refuse_naive(value)
    utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    return utc.isoformat(" ", "microseconds")[:26]


def _refuse_naive(value: datetime | None) -> None:
    if value is not None and value.tzinfo is None:
        raise ValueError(f"naive time {value!r}: pass an aware datetime (UTC)")
