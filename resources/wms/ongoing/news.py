"""From Ongoing's orders as they are now to events: what is new since we looked last.

Belongs here: which state of an order means which event. The journal keeps each event once, so a
look may show any order again, and overlaps are harmless.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from resources.wms.journal import append, note, noted
from resources.wms.ongoing import wire
from resources.wms.ongoing.policy import OngoingPolicy
from resources.wms.ongoing.wire import Order, OrderLine, utc
from resources.wms.parcels import parcel_news
from resources.wms.port import (
    Discrepancy,
    EventKind,
    FulfilmentEvent,
    LineOutcome,
    Parcel,
    ParcelLine,
)

EVENTS = "events"


class Reported(msgspec.Struct, frozen=True):
    """What acknowledging an event tells Ongoing: units of a line that we know to be picked."""

    order_id: int
    line_id: int
    units: int


def tell_orders(
    conn: sqlite3.Connection, orders: Sequence[Order], policy: OngoingPolicy, as_of: datetime
) -> None:
    """Put what is new of these orders into the journal.

    A back order speaks for the order that it follows, which must have been seen before it.
    """
    # All are known before any is told: whether a line is lost depends on its back order.
    known = [
        (order, _order_ref(conn, order))
        for order in sorted(orders, key=lambda one: one.order_info.order_id)
    ]
    for order, order_ref in known:
        _Teller(conn, policy, as_of, order_ref, order).tell()


def record_sent(conn: sqlite3.Connection, order_ref: str, lines: Sequence[OrderLine]) -> None:
    """Remember the rows of an order that we sent."""
    rows = {line.row_number: line for line in lines}
    note(conn, f"sent:{order_ref}", msgspec.json.encode(list(rows.values())).decode())


def sent_lines(conn: sqlite3.Connection, order_ref: str) -> tuple[OrderLine, ...]:
    """Every row of an order that we ever sent."""
    value = noted(conn, f"sent:{order_ref}")
    return msgspec.json.decode(value, type=tuple[OrderLine, ...]) if value else ()


def acknowledgement(conn: sqlite3.Connection, event_id: str) -> tuple[Reported, ...]:
    """What Ongoing is to be told when this event is recorded."""
    value = noted(conn, f"ack:{event_id}")
    return msgspec.json.decode(value, type=tuple[Reported, ...]) if value else ()


def _order_ref(conn: sqlite3.Connection, order: Order) -> str:
    """Our key of an order: its number, or that of the order which it follows."""
    info = order.order_info
    followed = noted(conn, f"order:{info.follows}") if info.follows is not None else ""
    order_ref = followed or info.order_number
    note(conn, f"order:{info.order_id}", order_ref)
    if info.follows is not None:
        rows = {line.row_number for line in order.lines}
        known = noted(conn, f"follows:{info.follows}")
        note(conn, f"follows:{info.follows}", "\n".join(sorted(rows | set(known.split("\n")))))
    return order_ref


class _Teller:
    """Tells the news of one order."""

    def __init__(
        self,
        conn: sqlite3.Connection,
        policy: OngoingPolicy,
        as_of: datetime,
        order_ref: str,
        order: Order,
    ) -> None:
        self._conn = conn
        self._steps = policy.statuses
        self._as_of = as_of
        self._order_ref = order_ref
        self._order = order
        self._id = order.order_info.order_id
        self._status = order.order_info.order_status.number

    def tell(self) -> None:
        """All events that the order's state stands for, in the sequence of the work."""
        info, lines = self._order.order_info, self._order.lines
        is_first = info.follows is None
        if is_first and self._status >= self._steps.accepted_from:
            at = utc(info.created_date) if info.created_date else None
            self._event(EventKind.ACCEPTED, lines, at=at)
        if is_first:
            self._taken_out()
        if self._status in self._steps.cancelled:
            self._event(EventKind.CANCELLED, lines)
            return
        if self._status >= self._steps.allocated_from:
            self._event(EventKind.ALLOCATED, lines)
        if self._status >= self._steps.picked_from:
            self._picked(lines)
        if self._status >= self._steps.shipped_from:
            self._dispatched()

    def _taken_out(self) -> None:
        """Rows that we sent and that are in no order any more will not be shipped."""
        here = {line.row_number for line in self._order.lines}
        later = set(noted(self._conn, f"follows:{self._id}").split("\n"))
        gone = [
            line
            for line in sent_lines(self._conn, self._order_ref)
            if line.row_number not in here | later
        ]
        self._event(EventKind.CANCELLED, gone)

    def _picked(self, lines: Sequence[OrderLine]) -> None:
        found = [line for line in lines if line.picked > 0]
        times = [
            utc(item.picked_time)
            for line in found
            for item in line.picked_article_items or ()
            if item.picked_time is not None
        ]
        self._event(EventKind.PICKED, found, at=max(times, default=None))
        follow = set(noted(self._conn, f"follows:{self._id}").split("\n"))
        short = [line for line in lines if line.picked < line.ordered]
        # A back order may still be made for a while, and giving up cannot be taken back.
        is_over = self._status >= self._steps.short_final_from
        lost = [line for line in short if is_over and line.row_number not in follow]
        waiting = [line for line in short if line not in lost]
        self._event(EventKind.SHORT_PICKED, waiting, Discrepancy.BACKORDER)
        self._event(EventKind.SHORT_PICKED, lost, Discrepancy.COMPLETE)

    def _dispatched(self) -> None:
        units = {line.row_number: line for line in self._order.lines if line.picked > 0}
        for parcel in self._parcels(units.values()):
            news = parcel_news(self._conn, self._order_ref, parcel, self._as_of)
            if news is None:
                continue
            lines = [units[line.line_id] for line in news.parcel.lines if line.line_id in units]
            event = FulfilmentEvent(
                event_id=news.event_id,
                kind=news.kind,
                occurred_at=(
                    news.parcel.shipped_at if news.kind is EventKind.DISPATCHED else self._as_of
                ),
                order_ref=self._order_ref,
                wms_order_id=str(self._id),
                wms_dispatch_id=str(self._id),
                lines=tuple(self._outcome(line, news.kind, Discrepancy.NONE) for line in lines),
                parcels=(news.parcel,),
            )
            if append(self._conn, EVENTS, event.event_id, msgspec.json.encode(event).decode()):
                reported = [Reported(self._id, line.id, line.picked) for line in lines]
                note(self._conn, f"ack:{event.event_id}", msgspec.json.encode(reported).decode())

    def _parcels(self, lines: Iterable[OrderLine]) -> list[Parcel]:
        """Parcels that left. Where nobody says what lies in which, the first one holds it all."""
        order, info = self._order, self._order.order_info
        outbound = [parcel for parcel in order.parcels or () if not parcel.is_return_parcel]
        labels = [
            number
            for parcel in order.parcels or ()
            if parcel.is_return_parcel and (number := _number(parcel))
        ]
        outbound = outbound or [wire.Parcel()]
        contents: dict[int | None, list[ParcelLine]] = defaultdict(list)
        known = {parcel.id for parcel in outbound}
        for line in lines:
            boxes = {
                item.parcel.id: int(item.number_of_items)
                for item in line.picked_article_items or ()
                if item.parcel is not None and item.parcel.id in known
            } or {outbound[0].id: line.picked}
            for box, units in boxes.items():
                contents[box].append(ParcelLine(line_id=line.row_number, quantity=units))
        shipped_at = utc(info.shipped_time) if info.shipped_time else self._as_of
        carrier, back = order.transporter, order.return_transporter
        return [
            Parcel(
                parcel_id=f"{self._id}/{parcel.id or 'order'}",
                lines=tuple(contents[parcel.id]),
                shipped_at=shipped_at,
                carrier_code=carrier.code if carrier else None,
                tracking_number=_number(parcel) or info.way_bill,
                tracking_url=parcel.tracking.tracking_url if parcel.tracking else None,
                return_carrier_code=back.code if back else None,
                return_tracking_number=(
                    labels[min(place, len(labels) - 1)] if labels else info.return_way_bill
                ),
            )
            for place, parcel in enumerate(outbound)
            if contents[parcel.id]
        ]

    def _event(
        self,
        kind: EventKind,
        lines: Sequence[OrderLine],
        discrepancy: Discrepancy = Discrepancy.NONE,
        at: datetime | None = None,
    ) -> None:
        """Tell of lines to which this did not happen before, by this order."""
        step = f"{kind.value}:{discrepancy.value}"
        name = f"done:{self._id}:{step}"
        done = set(noted(self._conn, name).split("\n"))
        new = [line for line in lines if line.row_number not in done]
        if not new:
            return
        rows = sorted(line.row_number for line in new)
        event = FulfilmentEvent(
            event_id=f"{self._id}:{step}:{'+'.join(rows)}",
            kind=kind,
            occurred_at=at or self._as_of,
            order_ref=self._order_ref,
            wms_order_id=str(self._id),
            lines=tuple(self._outcome(line, kind, discrepancy) for line in new),
        )
        append(self._conn, EVENTS, event.event_id, msgspec.json.encode(event).decode())
        note(self._conn, name, "\n".join(sorted({*done, *rows} - {""})))

    def _outcome(self, line: OrderLine, kind: EventKind, discrepancy: Discrepancy) -> LineOutcome:
        short = line.ordered - line.picked if kind is EventKind.SHORT_PICKED else 0
        gone = kind in {EventKind.DISPATCHED, EventKind.TRACKING_CHANGED}
        return LineOutcome(
            line_id=line.row_number,
            sku=line.article.article_number,
            quantity_ordered=line.ordered,
            quantity_picked=line.picked,
            quantity_shipped=line.picked if gone else 0,
            quantity_short=short,
            discrepancy=discrepancy,
        )


def _number(parcel: wire.Parcel) -> str | None:
    waybill = parcel.tracking.waybill if parcel.tracking else None
    return waybill or parcel.parcel_number
