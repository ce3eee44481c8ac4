"""From parcels as a warehouse shows them now to news: dispatched, or changed after the dispatch.

Belongs here: comparing a parcel with how it was told before (a note of the journal), for adapters
whose warehouse shows states instead of events. Judging numbers belongs to the tracking gate.
"""

import hashlib
import sqlite3
from datetime import datetime
from typing import Any

import msgspec

from resources.wms.journal import note, noted
from resources.wms.port import EventKind, Parcel, ParcelLine


class ParcelNews(msgspec.Struct, frozen=True):
    """What is new about a parcel, which is shown in full."""

    event_id: str
    kind: EventKind
    parcel: Parcel


class _Told(msgspec.Struct, frozen=True):
    parcel: Parcel
    times: int
    as_of: datetime


def parcel_news(
    conn: sqlite3.Connection, order_ref: str, parcel: Parcel, as_of: datetime
) -> ParcelNews | None:
    """Compare with what was told, and remember; None if nothing is new.

    What was told before and is left out now stays in the parcel. New lines are a dispatch, anything
    else is a correction. Numbers that are older than those told change nothing.
    """
    name = f"parcel:{order_ref}:{parcel.parcel_id}"
    before = noted(conn, name)
    if not before:
        return _remember(conn, name, order_ref, EventKind.DISPATCHED, _Told(parcel, 1, as_of))
    told = msgspec.json.decode(before, type=_Told)
    is_older = as_of < told.as_of
    said: dict[str, Any] = {} if is_older else msgspec.structs.asdict(parcel)
    said = {name: value for name, value in said.items() if value}
    said["lines"] = _united(told.parcel.lines, parcel.lines)
    said["shipped_at"] = told.parcel.shipped_at
    parcel = msgspec.structs.replace(told.parcel, **said)
    if parcel == told.parcel:
        return None
    more = parcel.lines != told.parcel.lines
    kind = EventKind.DISPATCHED if more else EventKind.TRACKING_CHANGED
    return _remember(
        conn, name, order_ref, kind, _Told(parcel, told.times + 1, max(as_of, told.as_of))
    )


def known_lines(conn: sqlite3.Connection, order_ref: str, parcel_id: str) -> tuple[str, ...]:
    """The line ids that were told of this parcel."""
    before = noted(conn, f"parcel:{order_ref}:{parcel_id}")
    if not before:
        return ()
    return tuple(line.line_id for line in msgspec.json.decode(before, type=_Told).parcel.lines)


def _remember(
    conn: sqlite3.Connection, name: str, order_ref: str, kind: EventKind, told: _Told
) -> ParcelNews:
    note(conn, name, msgspec.json.encode(told).decode())
    mark = hashlib.sha256(msgspec.json.encode(told.parcel)).hexdigest()[:16]
    event_id = f"{order_ref}:{told.parcel.parcel_id}:{kind.value}:{told.times}:{mark}"
    return ParcelNews(event_id, kind, told.parcel)


def _united(before: tuple[ParcelLine, ...], now: tuple[ParcelLine, ...]) -> tuple[ParcelLine, ...]:
    lines = {line.line_id: line for line in (*before, *now)}
    return tuple(lines[line_id] for line_id in sorted(lines))
