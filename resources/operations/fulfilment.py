"""The warehouse as we know it: orders, their lines, parcels, and every event that told us.

Belongs here: recording events once, and moving lines and parcels by them, by submissions and by
snapshots. A line's state is the furthest one that anything has told us, so events may come late,
twice or out of order and still end in the same state.

Does not belong here: judging parcels (`assets.parcel_gate`) and asking the WMS (`resources.wms`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import chunks, upsert
from resources.operations.database import hold
from resources.operations.schema import fulfilment_events, wms_order_lines, wms_orders
from resources.operations.wms_books import Books
from resources.wms.port import (
    EventKind,
    FulfilmentEvent,
    LineOutcome,
    LineState,
    OrderSnapshot,
    OutboundLine,
)

_FEED = "warehouse"
_SETTLED = (LineState.SHIPPED, LineState.SHORT, LineState.CANCELLED)
_STATE_OF_KIND = {
    EventKind.ACCEPTED: LineState.ACCEPTED,
    EventKind.ALLOCATED: LineState.ALLOCATED,
    EventKind.PICKED: LineState.PICKED,
    EventKind.CANCELLED: LineState.CANCELLED,
    # The port has no line state for a refused order: as with a cancellation, it will not ship.
    EventKind.REJECTED: LineState.CANCELLED,
}
# From the first of these on, the warehouse counts the unit among its reserved ones.
_RESERVING = frozenset(
    {
        EventKind.ACCEPTED,
        EventKind.ALLOCATED,
        EventKind.PICKED,
        EventKind.SHORT_PICKED,
        EventKind.DISPATCHED,
    }
)
_NOT_RESERVED = (LineState.NEW, LineState.CANCELLED)


@dataclass(frozen=True)
class Submission:
    """An order that the WMS has taken from us; `wms_order_id` is its own id if it gave one."""

    order_ref: str
    lines: Sequence[OutboundLine]
    wms_order_id: str | None


def record_events(
    conn: Connection, events: Sequence[FulfilmentEvent], now: datetime
) -> list[FulfilmentEvent]:
    """Keep each event once by its id; returns the new ones in their order."""
    hold(conn, _FEED)
    unique = {event.event_id: event for event in events}
    known: set[str] = set()
    for part in chunks(list(unique)):
        query = sa.select(fulfilment_events.c.event_id)
        known.update(conn.scalars(query.where(fulfilment_events.c.event_id.in_(part))))
    new = [event for event in unique.values() if event.event_id not in known]
    rows = [
        {
            "event_id": event.event_id,
            "kind": event.kind.value,
            "occurred_at": event.occurred_at,
            "observed_at": now,
            "order_ref": event.order_ref,
            "payload": msgspec.json.encode(event).decode(),
        }
        for event in new
    ]
    upsert(conn, fulfilment_events, rows, ["event_id"], update=())
    return new


def apply_events(conn: Connection, new_events: Sequence[FulfilmentEvent], now: datetime) -> None:
    """Move orders, lines and parcels by events that `record_events` found to be new.

    An order that we never sent is recorded with `submitted_at` null.
    """
    hold(conn, _FEED)
    parcel_ids = {parcel.parcel_id for event in new_events for parcel in event.parcels}
    books = Books(conn, {event.order_ref for event in new_events}, now, parcel_ids)
    for event in new_events:
        order = books.order(event.order_ref)
        order["present"] = True
        order["wms_order_id"] = order["wms_order_id"] or event.wms_order_id
        order["last_event_at"] = max(order["last_event_at"] or event.occurred_at, event.occurred_at)
        _move_lines(books, event)
        for parcel in event.parcels:
            if event.kind in {EventKind.DISPATCHED, EventKind.TRACKING_CHANGED}:
                books.receive_parcel(event, parcel)
            if event.kind is EventKind.TRACKING_CHANGED:
                books.correct_parcel(event, parcel)
    books.save()


def record_submissions(conn: Connection, taken: Sequence[Submission], now: datetime) -> None:
    """Record orders that the WMS has by our submission.

    Of an order that the WMS had lost, `submitted_at` becomes `now`; otherwise the first stays.
    """
    hold(conn, _FEED)
    books = Books(conn, {sent.order_ref for sent in taken}, now)
    for sent in taken:
        order = books.order(sent.order_ref)
        if order["submitted_at"] is None or not order["present"]:
            order["submitted_at"] = now
        order["present"] = True
        order["wms_order_id"] = sent.wms_order_id or order["wms_order_id"]
        for line in sent.lines:
            ours = books.line(sent.order_ref, line.line_id)
            ours["sku_sent"], ours["price_sent_cents"] = line.sku, line.unit_price_cents
    books.save()


def record_cancellations(
    conn: Connection, cancelled: Collection[tuple[str, str]], now: datetime
) -> None:
    """Record (order, line) pairs that the WMS has cancelled, as it answered us."""
    hold(conn, _FEED)
    books = Books(conn, {order_ref for order_ref, _ in cancelled}, now)
    for order_ref, line_id in cancelled:
        books.advance(books.line(order_ref, line_id), LineState.CANCELLED)
    books.save()


def record_snapshots(
    conn: Connection,
    snapshots: Sequence[OrderSnapshot],
    asked_refs: Sequence[str],
    now: datetime,
) -> None:
    """Record what the WMS holds now; of `asked_refs`, those without a snapshot are not present."""
    hold(conn, _FEED)
    held = {snapshot.order_ref: snapshot for snapshot in snapshots}
    books = Books(conn, {*asked_refs, *held}, now)
    for order_ref in asked_refs:
        if order_ref not in held and books.knows(order_ref):
            books.order(order_ref).update(present=False, audited_at=now)
            for lost in books.lines_of(order_ref):
                lost["reserved_at"] = None
    for snapshot in held.values():
        order = books.order(snapshot.order_ref)
        order.update(present=True, audited_at=now, wms_order_id=snapshot.wms_order_id or None)
        for line in snapshot.lines:
            ours = books.line(snapshot.order_ref, line.line_id)
            books.advance(ours, line.state)
            if line.state not in _NOT_RESERVED:
                books.reserve(ours, now)
            if line.state is LineState.SHORT and ours["short_at"] is None:
                books.come_short(ours, now)
            ours["sku_seen"] = line.sku
            ours["price_seen_cents"], ours["currency_seen"] = line.unit_price_cents, line.currency
            ours["quantity_shipped"] = max(ours["quantity_shipped"], line.quantity_shipped)
    books.save()


def orders_to_audit(conn: Connection, older_than: datetime, limit: int) -> list[str]:
    """Orders that we submitted and should ask the WMS about, longest unasked first.

    Those never asked about; and those last asked about before `older_than` which still have work
    open, or which the WMS did not know then (its answer may have been wrong).
    """
    open_line = sa.exists().where(
        wms_order_lines.c.order_ref == wms_orders.c.order_ref,
        wms_order_lines.c.state.not_in(_SETTLED),
    )
    query = (
        sa.select(wms_orders.c.order_ref)
        .where(
            wms_orders.c.submitted_at.is_not(None),
            sa.or_(
                wms_orders.c.audited_at.is_(None),
                sa.and_(
                    wms_orders.c.audited_at < older_than,
                    sa.or_(open_line, wms_orders.c.present.is_(False)),
                ),
            ),
        )
        .order_by(wms_orders.c.audited_at.asc().nulls_first(), wms_orders.c.order_ref)
        .limit(limit)
    )
    return list(conn.scalars(query))


def _move_lines(books: Books, event: FulfilmentEvent) -> None:
    whole_order = _STATE_OF_KIND.get(event.kind)
    if not event.lines and whole_order is not None:
        for line in books.lines_of(event.order_ref):
            books.advance(line, whole_order)
            if event.kind in _RESERVING:
                books.reserve(line, event.occurred_at)
    for told in event.lines:
        line = books.line(event.order_ref, told.line_id)
        line["sku_seen"] = line["sku_seen"] or told.sku
        if event.kind in _RESERVING:
            books.reserve(line, event.occurred_at)
        state = whole_order or _state_told(event.kind, told)
        if state is LineState.SHORT:
            books.come_short(line, event.occurred_at)
        if state in {LineState.SHORT, LineState.CANCELLED}:
            books.give_up(line, state, told)
        elif state is not None:
            books.advance(line, state)
        line["quantity_shipped"] = max(line["quantity_shipped"], told.quantity_shipped)


def _state_told(kind: EventKind, told: LineOutcome) -> LineState | None:
    """What a short pick or a dispatch says of one line."""
    if told.quantity_shipped > 0:
        return LineState.SHIPPED
    if told.quantity_short > 0:
        return LineState.SHORT
    picked = kind is EventKind.SHORT_PICKED and told.quantity_picked > 0
    return LineState.PICKED if picked else None
