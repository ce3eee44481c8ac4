"""One hash for the content of a table, so that two states can be compared and one can be sealed.

Belongs here: how rows become bytes and bytes become one hash. The hash depends on names, types and
values of the columns, on how often a row is there, and on nothing else: not on the order of rows,
the time zone of the client, or DuckDB's own hash function. Who seals what does not belong here.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb


@dataclass(frozen=True)
class ContentHash:
    """Rows of a table and the SHA-256 of their content, in hexadecimal digits."""

    rows: int
    sha256: str


def content_hash(
    con: duckdb.DuckDBPyConnection,
    table: str,
    where: str = "true",
    parameters: Sequence[Any] = (),
    *,
    without: Sequence[str] = (),
) -> ContentHash:
    """Hash the rows of `table` that satisfy `where`.

    Args:
        con: a connection that sees the table.
        table: its name as SQL writes it, for example `reconciliation.breaks`.
        where: a condition in SQL; its placeholders are filled from `parameters`.
        parameters: values for the placeholders.
        without: columns that do not count.
    """
    columns = [
        (name, kind)
        for name, kind in con.execute(
            f"SELECT column_name, column_type FROM (DESCRIBE {table})"
        ).fetchall()
        if name not in without
    ]
    row = row_text(columns)
    # Rows are sorted by their hash within 256 parts, so that no part grows beyond memory.
    parts = con.execute(
        f"""
        SELECT count(*), sha256(string_agg(digest, '' ORDER BY digest))
        FROM (SELECT sha256({row}) AS digest FROM {table} WHERE {where})
        GROUP BY digest[:2] ORDER BY digest[:2]
        """,
        list(parameters),
    ).fetchall()
    whole = hashlib.sha256(repr(columns).encode())
    for _, digest in parts:
        whole.update(digest.encode())
    return ContentHash(sum(count for count, _ in parts), whole.hexdigest())


def row_text(columns: Sequence[tuple[str, str]]) -> str:
    """SQL: a row's columns, given as name and type, as one text; other rows have another text."""
    return " || ".join(_framed(name, kind) for name, kind in columns)


def _framed(name: str, kind: str) -> str:
    """A column's value as text with its length before it: no two rows have the same text."""
    column = f'"{name}"'
    if kind == "TIMESTAMP WITH TIME ZONE":
        text = f"CAST(epoch_us({column}) AS VARCHAR)"
    elif kind.endswith("]"):
        text = f"CAST(to_json({column}) AS VARCHAR)"
    else:
        text = f"CAST({column} AS VARCHAR)"
    return f"coalesce(strlen({text}) || ':' || {text}, '-')"
