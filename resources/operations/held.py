"""Keeping rows so that a repeat changes nothing: what we hold already, or newer, stays as it is.

Belongs here: the comparison of rows with those that we hold. `recorded_at` moves only when a row
really changes, because everything behind this database reads what moved. Which rows belong to what
does not belong here (the modules beside this one).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import Row, among, upsert
from resources.operations.database import hold

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Kept:
    """What became of the rows of one call; `older` ones told of an earlier moment than ours."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    older: int = 0

    def __add__(self, other: "Kept") -> "Kept":
        """Add count by count."""
        return Kept(
            self.new + other.new,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.older + other.older,
        )


def keep(
    conn: Connection,
    table: sa.Table,
    rows: Iterable[Row],
    now: datetime,
    *,
    newer_by: str | None = None,
    keep_when_null: Sequence[str] = (),
) -> Kept:
    """Store rows by the primary key of `table`; those that differ from ours get `recorded_at`.

    Args:
        conn: a write transaction.
        table: a table whose first key column is text.
        rows: dicts of equal keys without `recorded_at`; of two with one key the later one counts.
        now: aware UTC.
        newer_by: a time; a row whose time is before that of ours is older and changes nothing.
        keep_when_null: columns in which a null does not replace what we hold.
    """
    hold(conn, table.name)
    keys = [column.name for column in table.primary_key]
    told: dict[Key, Row] = {}
    for row in rows:
        key = key_of(row, keys)
        if key not in told or not _older(row, told[key], newer_by):
            told[key] = row
    held = rows_by_key(conn, table, {key[0] for key in told})
    new = [row for key, row in told.items() if key not in held]
    changed: list[Row] = []
    older = 0
    for key, row in told.items():
        ours = held.get(key)
        if ours is None:
            continue
        if _older(row, ours, newer_by):
            older += 1
        elif any(
            value != ours[name]
            for name, value in row.items()
            if value is not None or name not in keep_when_null
        ):
            changed.append(row)
    upsert(
        conn,
        table,
        [{**row, "recorded_at": now} for row in (*new, *changed)],
        keys,
        keep_when_null=keep_when_null,
    )
    unchanged = len(told) - len(new) - len(changed) - older
    return Kept(len(new), len(changed), unchanged, older)


def key_of(row: Row, names: Iterable[str]) -> Key:
    """The values of a row's key."""
    return tuple(row[name] for name in names)


def rows_by_key(
    conn: Connection, table: sa.Table, first_keys: Iterable[str]
) -> dict[Key, Mapping[str, Any]]:
    """Our rows whose first key column is one of these, by primary key."""
    keys = [column.name for column in table.primary_key]
    query = sa.select(table).where(among(conn, table.c[keys[0]], sorted(first_keys)))
    return {key_of(row, keys): row for row in map(dict, conn.execute(query).mappings())}


def _older(row: Row, than: Row, newer_by: str | None) -> bool:
    """Whether `row` tells of an earlier moment; without a moment it does not."""
    if newer_by is None or row[newer_by] is None or than[newer_by] is None:
        return False
    return bool(row[newer_by] < than[newer_by])
