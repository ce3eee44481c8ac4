"""Writing many rows at once, with one meaning on SQLite and PostgreSQL.

Belongs here: the bulk upsert, and the conversion of values to what SQLite stores. Many rows come as
columns, a name with as many values as there are rows; few come as dicts of equal keys.

Does not belong here: what a row means, and which rows may be overwritten (the modules beside this).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter, lt
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from resources.operations.columns import UtcDateTime

Row = Mapping[str, Any]
Columns = Mapping[str, Sequence[Any]]
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
    """`upsert_columns` for rows given as dicts of equal keys.

    Raises:
        ValueError: rows differ in their columns, or name a column that is not there.
    """
    if not rows:
        return 0
    wanted = rows[0].keys()
    for row in rows:
        if row.keys() != wanted:
            difference = ", ".join(sorted(wanted ^ row.keys()))
            raise ValueError(
                f"rows for table {table.name} differ in their columns ({difference}): "
                "give every row of one call the same columns"
            )
    columns = {name: list(map(itemgetter(name), rows)) for name in wanted}
    return upsert_columns(conn, table, columns, keys, update=update, keep_when_null=keep_when_null)


def upsert_columns(
    conn: Connection,
    table: sa.Table,
    columns: Columns,
    keys: Sequence[str],
    *,
    update: Sequence[str] | None = None,
    keep_when_null: Sequence[str] = (),
) -> int:
    """Insert rows; where the key is there already, update it.

    Args:
        conn: a connection of `OperationsDatabase.write`.
        table: the table.
        columns: equally many values for each name; of two rows with one key the later one counts.
        keys: columns of a primary or unique key.
        update: columns to update; None = all but the keys, () = leave the existing row alone.
        keep_when_null: columns in which a new null does not replace an existing value.

    Returns:
        How many rows were inserted or updated.

    Raises:
        ValueError: a column is not there, or not as long as the others.
    """
    unknown = [name for name in columns if name not in table.c]
    if unknown:
        raise ValueError(f"table {table.name} has no column {', '.join(unknown)}")
    if len({len(values) for values in columns.values()}) != 1:
        raise ValueError(f"columns for table {table.name} differ in length: give each row a value")
    ordered = _one_row_per_key(columns, keys)
    if not ordered[keys[0]]:
        return 0
    if update is None:
        update = [name for name in columns if name not in keys]
    write = _into_postgresql if conn.dialect.name == "postgresql" else _into_sqlite
    return write(conn, table, ordered, _Conflict(keys, update, keep_when_null))


def pick(columns: Columns, positions: Sequence[int]) -> dict[str, list[Any]]:
    """The rows at `positions`, in that order."""
    return {name: list(map(values.__getitem__, positions)) for name, values in columns.items()}


def among(
    conn: Connection, column: sa.Column[str], values: Sequence[str]
) -> sa.ColumnElement[bool]:
    """Whether `column` is one of any number of texts, which travel as one JSON array.

    A list of parameters is compiled anew for each query, which costs more than the query itself.
    """
    if conn.dialect.name == "postgresql":
        # PostgreSQL's text cannot hold NUL, so what is stored has none.
        sent = msgspec.json.encode([value.replace("\0", "") for value in values]).decode()
        array = sa.cast(sa.literal(sent, sa.Text()), postgresql.JSON)
        return column.in_(sa.select(sa.func.json_array_elements_text(array).column_valued()))
    sent = msgspec.json.encode(values).decode()
    return column.in_(sa.select(sa.func.json_each(sent).table_valued("value").c.value))


def chunks(values: Sequence[_Value], size: int = _VALUES_PER_QUERY) -> Iterator[Sequence[_Value]]:
    """Slices of at most `size`, below the number of parameters that a database accepts."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _one_row_per_key(columns: Columns, keys: Sequence[str]) -> Columns:
    """The last row of each key, sorted by key.

    One order of locking for all writers: two that meet the same rows wait, and do not deadlock.
    """
    found = list(zip(*(columns[key] for key in keys), strict=True))
    if all(map(lt, found, found[1:])):
        return columns
    last = {key: position for position, key in enumerate(found)}
    return pick(columns, [last[key] for key in sorted(last)])


def _into_sqlite(conn: Connection, table: sa.Table, columns: Columns, conflict: _Conflict) -> int:
    """Compile once, convert by column, and let the driver walk through plain tuples."""
    statement = _on_conflict(sqlite.insert(table), table, conflict)
    compiled = statement.compile(dialect=conn.dialect, column_keys=list(columns))
    stored = [_stored(table.c[name], columns[name], conn) for name in compiled.positiontup or []]
    return conn.exec_driver_sql(str(compiled), list(zip(*stored, strict=True))).rowcount


def _into_postgresql(
    conn: Connection, table: sa.Table, columns: Columns, conflict: _Conflict
) -> int:
    """One statement for many rows, which travel as one JSON text."""
    for name, values in columns.items():
        if isinstance(table.c[name].type, UtcDateTime):
            for value in values:
                _refuse_naive(value)
    kinds = [table.c[name] for name in columns]
    sent = sa.cast(sa.bindparam("rows", type_=sa.Text()), postgresql.JSON)
    records = sa.func.json_to_recordset(sent).table_valued(
        *(sa.column(column.name, column.type) for column in kinds)
    )
    source = sa.select(*records.render_derived(with_types=True).c)
    counted = {"preserve_rowcount": True}
    insert = postgresql.insert(table).from_select(list(columns), source)
    statement = _on_conflict(insert, table, conflict).execution_options(**counted)
    rows = list(zip(*columns.values(), strict=True))
    written = 0
    for part in chunks(rows, _ROWS_PER_STATEMENT):
        records_of_part = [dict(zip(columns, row, strict=True)) for row in part]
        written += conn.execute(statement, {"rows": _as_json(records_of_part)}).rowcount
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


def _stored(column: sa.Column[Any], values: Sequence[Any], conn: Connection) -> Sequence[Any]:
    """The column's values exactly as SQLAlchemy would store them."""
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
