"""Rows that broke their contract: what is wrong, who owns it, what to do.

Belongs here: recording them, resolving those that pass later, listing the open ones, and those of
them that wait for a person. `shown` never holds personal data; the caller sees to that.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import Row, chunks, upsert
from resources.operations.exception_decisions import content_hash, let_be
from resources.operations.schema import quarantine

_KEYS = ("source", "business_key", "rule")
_ORDERS = "otto_orders"


@dataclass(frozen=True)
class Held:
    """All that is wrong with one thing: an order with its items, or one row of another source."""

    source: str
    key: str
    rows: tuple[dict[str, Any], ...]

    @property
    def subject(self) -> str:
        """By what a person's decision on it is found again."""
        return f"quarantine:{self.source}:{self.key}"

    @property
    def content(self) -> str:
        """Hash of what is wrong."""
        told = (f"{row['business_key']} {row['rule']} {row['shown']}" for row in self.rows)
        return content_hash(*sorted(told))


def put(conn: Connection, rows: Sequence[Row], now: datetime) -> None:
    """Record what is wrong now with some business keys.

    Rules that these keys broke before and do not break now are resolved. `first_seen_at` stays.

    Args:
        conn: a write transaction.
        rows: dicts with source, business_key, rule, field, shown, owner, remedy, evidence_ref;
            all that is wrong with a business key comes in one call.
        now: aware UTC.
    """
    keys: dict[str, set[str]] = {}
    for row in rows:
        keys.setdefault(row["source"], set()).add(row["business_key"])
    for source, business_keys in keys.items():
        resolve(conn, source, business_keys, now)
    stamped = [
        {**row, "first_seen_at": now, "last_seen_at": now, "resolved_at": None} for row in rows
    ]
    update = [c.name for c in quarantine.c if c.name not in {*_KEYS, "first_seen_at"}]
    upsert(conn, quarantine, stamped, _KEYS, update=update)


def replace(conn: Connection, source: str, rows: Sequence[Row], now: datetime) -> None:
    """Record that these rows, and no others of `source`, are wrong now; see `put`."""
    held = {row["business_key"] for row in open_rows(conn, source)}
    resolve(conn, source, held - {row["business_key"] for row in rows}, now)
    put(conn, rows, now)


def resolve(conn: Connection, source: str, business_keys: Collection[str], now: datetime) -> int:
    """Close all open rows of these keys; returns how many."""
    resolved = 0
    for part in chunks(sorted(business_keys)):
        still_open = sa.update(quarantine).where(
            quarantine.c.source == source,
            quarantine.c.business_key.in_(part),
            quarantine.c.resolved_at.is_(None),
        )
        resolved += conn.execute(still_open.values(resolved_at=now)).rowcount
    return resolved


def open_rows(conn: Connection, source: str | None = None) -> list[dict[str, Any]]:
    """Rows that are still wrong, oldest first; of one source or of all."""
    query = sa.select(quarantine).where(quarantine.c.resolved_at.is_(None))
    if source is not None:
        query = query.where(quarantine.c.source == source)
    ordered = query.order_by(quarantine.c.first_seen_at, *(quarantine.c[key] for key in _KEYS))
    return [dict(row) for row in conn.execute(ordered).mappings()]


def waiting(conn: Connection, source: str | None = None) -> list[Held]:
    """What is still wrong and not let be by a person, oldest first."""

    def thing(row: dict[str, Any]) -> tuple[str, str]:
        key = row["business_key"]
        # What follows the last slash is an item of the order.
        order = key.rpartition("/")[0] if row["source"] == _ORDERS else ""
        return row["source"], order or key

    rows = sorted(open_rows(conn, source), key=thing)
    found = [Held(*key, tuple(group)) for key, group in groupby(rows, thing)]
    ignored = let_be(conn)
    standing = [held for held in found if ignored.get(held.subject) != held.content]
    return sorted(standing, key=lambda held: (held.rows[0]["first_seen_at"], held.subject))


def waiting_rows(conn: Connection, source: str | None = None) -> list[dict[str, Any]]:
    """The rows of `waiting`."""
    return [row for held in waiting(conn, source) for row in held.rows]
