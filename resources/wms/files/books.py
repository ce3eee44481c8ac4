"""What this adapter remembers of one partner: files taken, orders sent, lines, stock.

Belongs here: the adapter's own tables (beside the journal, in the same file) and their plain
queries. Nothing in it is personal: addresses are written into files and not kept.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from resources.wms.journal import append, note, noted
from resources.wms.port import (
    Discrepancy,
    EventKind,
    FulfilmentEvent,
    LineState,
    OutboundOrder,
    StockLevel,
)

EVENTS = "events"
RETURNS = "returns"
STOCK_CHANGES = "stock_changes"
_SNAPSHOT = "snapshot"
_REFUSAL = "stock_refusal"

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    kind TEXT, digest TEXT, name TEXT NOT NULL, refused INTEGER NOT NULL, reasons TEXT NOT NULL,
    is_moved INTEGER NOT NULL, PRIMARY KEY (kind, digest)
);
CREATE TABLE IF NOT EXISTS seen (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, changed_at REAL NOT NULL, since REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS orders (
    order_ref TEXT PRIMARY KEY, payload_hash TEXT NOT NULL, name TEXT NOT NULL,
    is_out INTEGER NOT NULL, sent_at TEXT NOT NULL, wms_order_id TEXT, has_sign INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS lines (
    order_ref TEXT, line_id TEXT, position INTEGER NOT NULL, sku TEXT NOT NULL,
    quantity INTEGER NOT NULL, state TEXT NOT NULL, shipped INTEGER NOT NULL,
    is_given_up INTEGER NOT NULL, price_cents INTEGER, currency TEXT,
    PRIMARY KEY (order_ref, line_id)
);
CREATE TABLE IF NOT EXISTS asked (
    order_ref TEXT, line_id TEXT, PRIMARY KEY (order_ref, line_id)
);
CREATE TABLE IF NOT EXISTS stock (sku TEXT, location TEXT, body TEXT, PRIMARY KEY (sku, location));
"""

# A line never moves back; what left the warehouse has left it.
_RANK = {
    state: rank
    for rank, state in enumerate(
        (
            LineState.NEW,
            LineState.ACCEPTED,
            LineState.ALLOCATED,
            LineState.PICKED,
            LineState.SHORT,
            LineState.CANCELLED,
            LineState.SHIPPED,
        )
    )
}
_STATE_OF = {
    EventKind.ACCEPTED: LineState.ACCEPTED,
    EventKind.REJECTED: LineState.CANCELLED,
    EventKind.ALLOCATED: LineState.ALLOCATED,
    EventKind.PICKED: LineState.PICKED,
    EventKind.SHORT_PICKED: LineState.SHORT,
    EventKind.DISPATCHED: LineState.SHIPPED,
    EventKind.CANCELLED: LineState.CANCELLED,
}


@dataclass(frozen=True)
class TakenFile:
    """A file that was read; the same content is never read twice."""

    name: str
    refused: bool
    reasons: tuple[str, ...]
    is_moved: bool


@dataclass(frozen=True)
class SentOrder:
    """An order as we sent it; `has_sign` says whether the partner ever spoke of it."""

    order_ref: str
    payload_hash: str
    name: str
    is_out: bool
    sent_at: datetime
    wms_order_id: str | None
    has_sign: bool


@dataclass(frozen=True)
class KnownLine:
    """A line of an order that we sent, as far as the partner's files tell."""

    line_id: str
    sku: str
    quantity: int
    state: LineState
    shipped: int
    is_given_up: bool
    """Cancelled, or short without a unit to follow: certain not to ship."""
    price_cents: int | None
    """The price that the partner has, where its files tell."""
    currency: str | None

    @property
    def is_open(self) -> bool:
        """Whether it may still be picked and shipped."""
        return self.state is not LineState.SHIPPED and not self.is_given_up


class Snapshot(msgspec.Struct, frozen=True):
    """The stock file that was taken last."""

    name: str
    taken_at: datetime
    complete: bool
    faults: tuple[str, ...]


def taken_file(conn: sqlite3.Connection, kind: str, digest: str) -> TakenFile | None:
    """The file with this content, if it was read before."""
    row = conn.execute(
        "SELECT name, refused, reasons, is_moved FROM files WHERE kind = ? AND digest = ?",
        (kind, digest),
    ).fetchone()
    if row is None:
        return None
    reasons = msgspec.json.decode(row[2], type=tuple[str, ...])
    return TakenFile(row[0], bool(row[1]), reasons, bool(row[3]))


def record_file(conn: sqlite3.Connection, kind: str, digest: str, file: TakenFile) -> None:
    """Remember a file that was read, or that it was moved."""
    conn.execute(
        "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
        (
            kind,
            digest,
            file.name,
            int(file.refused),
            msgspec.json.encode(file.reasons).decode(),
            int(file.is_moved),
        ),
    )


def sent_order(conn: sqlite3.Connection, order_ref: str) -> SentOrder | None:
    """The order as it was sent last."""
    row = conn.execute(
        "SELECT order_ref, payload_hash, name, is_out, sent_at, wms_order_id, has_sign"
        " FROM orders WHERE order_ref = ?",
        (order_ref,),
    ).fetchone()
    if row is None:
        return None
    sent_at = datetime.fromisoformat(row[4])
    return SentOrder(row[0], row[1], row[2], bool(row[3]), sent_at, row[5], bool(row[6]))


def record_order(
    conn: sqlite3.Connection, order: OutboundOrder, name: str, sent_at: datetime
) -> None:
    """Write down an order before its file leaves; lines that it lacks now are cancelled."""
    conn.execute(
        "INSERT INTO orders VALUES (?, ?, ?, 0, ?, NULL, 0) ON CONFLICT (order_ref) DO UPDATE"
        " SET payload_hash = excluded.payload_hash, name = excluded.name, is_out = 0,"
        " sent_at = excluded.sent_at",
        (order.order_ref, order.payload_hash, name, sent_at.isoformat()),
    )
    conn.execute(
        "UPDATE lines SET state = ?, is_given_up = 1 WHERE order_ref = ? AND state != ?",
        (LineState.CANCELLED, order.order_ref, LineState.SHIPPED),
    )
    conn.executemany(
        "INSERT OR REPLACE INTO lines VALUES (?, ?, ?, ?, ?, ?, 0, 0, NULL, NULL)",
        [
            (order.order_ref, line.line_id, position, line.sku, line.quantity, LineState.NEW)
            for position, line in enumerate(order.lines)
        ],
    )


def record_out(conn: sqlite3.Connection, order_ref: str) -> None:
    """The order's file has its final name."""
    conn.execute("UPDATE orders SET is_out = 1 WHERE order_ref = ?", (order_ref,))


def unfinished_orders(conn: sqlite3.Connection) -> dict[str, str]:
    """Orders whose file was begun and has not its final name: order to name."""
    return dict(conn.execute("SELECT order_ref, name FROM orders WHERE is_out = 0"))


def known_lines_of(conn: sqlite3.Connection, order_ref: str) -> list[KnownLine]:
    """Lines of an order in the sequence in which we sent them."""
    rows = conn.execute(
        "SELECT line_id, sku, quantity, state, shipped, is_given_up, price_cents, currency"
        " FROM lines WHERE order_ref = ? ORDER BY position",
        (order_ref,),
    )
    return [
        KnownLine(row[0], row[1], row[2], LineState(row[3]), row[4], bool(row[5]), row[6], row[7])
        for row in rows
    ]


def record_price(
    conn: sqlite3.Connection, order_ref: str, line_id: str, price: tuple[int, str]
) -> None:
    """Remember the price (cents and currency) that the partner has of a line."""
    conn.execute(
        "UPDATE lines SET price_cents = ?, currency = ? WHERE order_ref = ? AND line_id = ?",
        (*price, order_ref, line_id),
    )


def asked_lines(conn: sqlite3.Connection, order_ref: str) -> set[str]:
    """Lines whose cancellation the partner was asked for."""
    rows = conn.execute("SELECT line_id FROM asked WHERE order_ref = ?", (order_ref,))
    return {row[0] for row in rows}


def record_asked(conn: sqlite3.Connection, order_ref: str, line_ids: Iterable[str]) -> None:
    """Remember that the partner was asked to cancel these lines."""
    conn.executemany(
        "INSERT OR IGNORE INTO asked VALUES (?, ?)", [(order_ref, line) for line in line_ids]
    )


def tell_event(conn: sqlite3.Connection, event: FulfilmentEvent) -> bool:
    """Put an event into the journal and move its lines; returns whether it was new."""
    body = msgspec.json.encode(event).decode()
    if not append(conn, EVENTS, event.event_id, body):
        return False
    conn.execute(
        "UPDATE orders SET has_sign = 1, wms_order_id = coalesce(?, wms_order_id)"
        " WHERE order_ref = ?",
        (event.wms_order_id, event.order_ref),
    )
    state = _STATE_OF.get(event.kind)
    if state is None:
        return True
    known = {line.line_id: line for line in known_lines_of(conn, event.order_ref)}
    for line in event.lines:
        before = known.get(line.line_id)
        if before is None or _RANK[state] < _RANK[before.state]:
            continue
        given_up = state is LineState.CANCELLED or line.discrepancy is Discrepancy.COMPLETE
        conn.execute(
            "UPDATE lines SET state = ?, sku = ?, shipped = max(shipped, ?), is_given_up = ?"
            " WHERE order_ref = ? AND line_id = ?",
            (
                state,
                line.sku,
                line.quantity_shipped,
                int(given_up and state is not LineState.SHIPPED),
                event.order_ref,
                line.line_id,
            ),
        )
    return True


def stock_levels(conn: sqlite3.Connection, skus: Sequence[str] | None = None) -> list[StockLevel]:
    """Levels of the stock file that was taken last, of some articles or of all."""
    if skus is None:
        rows = conn.execute("SELECT body FROM stock ORDER BY sku, location").fetchall()
    else:
        marks = ", ".join("?" * len(skus))
        rows = conn.execute(
            f"SELECT body FROM stock WHERE sku IN ({marks}) ORDER BY sku, location", list(skus)
        ).fetchall()
    return [msgspec.json.decode(row[0], type=StockLevel) for row in rows]


def snapshot(conn: sqlite3.Connection) -> Snapshot | None:
    """The stock file that was taken last."""
    value = noted(conn, _SNAPSHOT)
    return msgspec.json.decode(value, type=Snapshot) if value else None


def replace_stock(conn: sqlite3.Connection, new: Snapshot, levels: Sequence[StockLevel]) -> None:
    """Replace the stock; articles whose figures differ go to the feed of changes.

    A file with rows that cannot be read says nothing of articles that it lacks: these stay.
    """
    before = {(level.sku, level.location): level for level in stock_levels(conn)}
    after = {(level.sku, level.location): level for level in levels}
    if new.complete:
        conn.execute("DELETE FROM stock")
    conn.executemany(
        "INSERT OR REPLACE INTO stock VALUES (?, ?, ?)",
        [
            (level.sku, level.location, msgspec.json.encode(level).decode())
            for level in after.values()
        ],
    )
    places = before.keys() | after.keys() if new.complete else after.keys()
    changed = {key[0] for key in places if _figures(before.get(key)) != _figures(after.get(key))}
    for sku in sorted(changed):
        append(conn, STOCK_CHANGES, f"{sku}:{new.taken_at.isoformat()}:{new.name}", sku)
    note(conn, _SNAPSHOT, msgspec.json.encode(new).decode())
    note(conn, _REFUSAL, "")


def note_stock_refusal(conn: sqlite3.Connection, reason: str) -> None:
    """Remember why the newest stock file was refused, until one is taken."""
    note(conn, _REFUSAL, reason)


def stock_refusal(conn: sqlite3.Connection) -> str:
    """Why the newest stock file was refused; empty if it was not."""
    return noted(conn, _REFUSAL)


def _figures(level: StockLevel | None) -> tuple[int | None, ...]:
    return (level.on_hand, level.reserved, level.blocked, level.sellable) if level else ()
