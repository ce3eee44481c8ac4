"""Dispatch files: rows become events of order lines and parcels.

Belongs here: what a row of such a file means, which line it speaks of, and which rows make one
event. Comparing parcels with what was told before is done in `resources.wms.parcels`.
"""

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import msgspec

from resources.wms.files.books import known_lines_of, record_price, tell_event
from resources.wms.files.table import BadValue, Row
from resources.wms.parcels import known_lines, parcel_news
from resources.wms.port import (
    Discrepancy,
    EventKind,
    FulfilmentEvent,
    LineOutcome,
    Parcel,
    ParcelLine,
)

_OF_PARCELS = (EventKind.DISPATCHED, EventKind.TRACKING_CHANGED)


class DispatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a dispatch file."""

    number: int
    order_ref: str
    kind: EventKind
    occurred_at: datetime
    line_id: str | None
    sku: str | None
    quantity: int
    quantity_ordered: int | None
    discrepancy: Discrepancy
    reason: str | None
    wms_order_id: str | None
    dispatch_id: str | None
    price_cents: int | None
    currency: str | None
    parcel: Parcel | None


class _Spoken(msgspec.Struct, frozen=True):
    """A row with the line that it speaks of; None where it speaks of a parcel only."""

    row: DispatchRow
    line: LineOutcome | None


def dispatch_row(row: Row, changed_at: datetime) -> DispatchRow:
    """Check one row; `changed_at` is the time of the file, for rows without one.

    Raises:
        BadValue: a value is missing or has another form than agreed.
    """
    policy = row.policy.dispatch
    order_ref = row.needed("order_ref")
    kind = row.word("event", policy.events, EventKind.DISPATCHED)
    occurred_at = row.moment("occurred_at", changed_at)
    short = kind is EventKind.SHORT_PICKED
    # Without a word, a short may still follow: giving it up cannot be taken back.
    unsaid = Discrepancy.BACKORDER if short else Discrepancy.NONE
    return DispatchRow(
        number=row.number,
        order_ref=order_ref,
        kind=kind,
        occurred_at=occurred_at,
        line_id=row.text("line_id"),
        sku=row.text("sku"),
        quantity=row.units("quantity", 1, least=1),
        quantity_ordered=row.units("quantity_ordered", 1) if row.text("quantity_ordered") else None,
        discrepancy=row.word("discrepancy", policy.discrepancies, unsaid),
        reason=row.text("reason"),
        wms_order_id=row.text("wms_order_id"),
        dispatch_id=row.text("dispatch_id"),
        price_cents=row.cents("unit_price"),
        currency=row.text("currency"),
        parcel=_parcel(row, order_ref, occurred_at) if kind in _OF_PARCELS else None,
    )


def _parcel(row: Row, order_ref: str, occurred_at: datetime) -> Parcel:
    """The parcel of a row, still without lines. Its id counts within the order only."""
    number = row.text("tracking_number")
    own = row.text("parcel_id") or number or row.text("dispatch_id") or occurred_at.isoformat()
    return Parcel(
        parcel_id=f"{order_ref}/{own}",
        lines=(),
        shipped_at=occurred_at,
        carrier_code=row.text("carrier_code"),
        tracking_number=number,
        tracking_url=row.text("tracking_url"),
        return_carrier_code=row.text("return_carrier_code"),
        return_tracking_number=row.text("return_tracking_number"),
        weight_g=row.units("weight_g") if row.text("weight_g") else None,
    )


def tell_rows(conn: sqlite3.Connection, rows: Sequence[DispatchRow]) -> list[str]:
    """Put what is new in these rows into the journal; returns one reason per unusable row."""
    faults: list[str] = []
    parcels: dict[tuple[str, str], list[_Spoken]] = defaultdict(list)
    others: dict[tuple[str, EventKind, datetime, str | None], list[_Spoken]] = defaultdict(list)
    used: set[tuple[str, EventKind, str]] = set()
    for row in rows:
        try:
            spoken = _spoken(conn, row, used)
        except BadValue as error:
            faults.append(f"row {row.number}: {error}")
            continue
        if row.price_cents is not None and row.currency is not None:
            for line in (each.line for each in spoken if each.line is not None):
                price = (row.price_cents, row.currency)
                record_price(conn, row.order_ref, line.line_id, price)
        if row.parcel is not None:
            parcels[row.order_ref, row.parcel.parcel_id] += spoken
        else:
            others[row.order_ref, row.kind, row.occurred_at, row.dispatch_id] += spoken
    told = [_event(group) for group in others.values()]
    told += [event for group in parcels.values() if (event := _parcel_event(conn, group))]
    # In the sequence of time, so that a file that is not sorted tells the same story.
    for event in sorted(told, key=lambda event: event.occurred_at):
        tell_event(conn, event)
    return faults


def _spoken(
    conn: sqlite3.Connection, row: DispatchRow, used: set[tuple[str, EventKind, str]]
) -> list[_Spoken]:
    """The lines that a row speaks of. `used` keeps a file from naming one equal unit twice.

    Raises:
        BadValue: nobody can know which line is meant.
    """
    lines = known_lines_of(conn, row.order_ref)
    if row.line_id is not None:
        own = {line.line_id: line for line in lines}.get(row.line_id)
        sku = row.sku or (own.sku if own else None)
        if sku is None:
            raise BadValue("names a line that we did not send, and no article")
        ordered = row.quantity_ordered or (own.quantity if own else row.quantity)
        used.add((row.order_ref, row.kind, row.line_id))
        return [_Spoken(row, _outcome(row, row.line_id, sku, row.quantity, ordered))]
    if (
        row.sku is None
        and row.parcel is not None
        and known_lines(conn, row.order_ref, row.parcel.parcel_id)
    ):
        return [_Spoken(row, None)]
    if not lines:
        raise BadValue("names no line, and the order is none of ours")
    in_parcel = set(known_lines(conn, row.order_ref, row.parcel.parcel_id)) if row.parcel else set()
    free = [
        line
        for line in lines
        if (line.is_open or line.line_id in in_parcel)
        and (row.sku is None or line.sku == row.sku)
        and (row.order_ref, row.kind, line.line_id) not in used
    ]
    free.sort(key=lambda line: line.line_id not in in_parcel)
    meant = free if row.sku is None else free[: row.quantity]
    if not meant or (row.sku is not None and len(meant) < row.quantity):
        raise BadValue(f"the order has {len(meant)} such units open, the row names {row.quantity}")
    used.update((row.order_ref, row.kind, line.line_id) for line in meant)
    return [
        _Spoken(row, _outcome(row, line.line_id, line.sku, line.quantity, line.quantity))
        for line in meant
    ]


def _outcome(row: DispatchRow, line_id: str, sku: str, quantity: int, ordered: int) -> LineOutcome:
    short = quantity if row.kind is EventKind.SHORT_PICKED else 0
    shipped = quantity if row.kind in _OF_PARCELS else 0
    picked = quantity if row.kind is EventKind.PICKED else shipped
    return LineOutcome(
        line_id=line_id,
        sku=sku,
        quantity_ordered=ordered,
        quantity_picked=max(ordered - short, 0) if short else picked,
        quantity_shipped=shipped,
        quantity_short=short,
        discrepancy=row.discrepancy,
        reason=row.reason,
    )


def _event(group: Sequence[_Spoken]) -> FulfilmentEvent:
    first = group[0].row
    lines = tuple(
        sorted((spoken.line for spoken in group if spoken.line), key=lambda line: line.line_id)
    )
    content = [first.order_ref, first.kind, first.occurred_at, first.dispatch_id, lines]
    return FulfilmentEvent(
        event_id=hashlib.sha256(msgspec.json.encode(content)).hexdigest(),
        kind=first.kind,
        occurred_at=first.occurred_at,
        order_ref=first.order_ref,
        wms_order_id=first.wms_order_id,
        wms_dispatch_id=first.dispatch_id,
        lines=lines,
    )


def _parcel_event(conn: sqlite3.Connection, group: Sequence[_Spoken]) -> FulfilmentEvent | None:
    """The news of one parcel; None if all of it was told before."""
    # A correction may stand in the same file as the dispatch: the newest row has the numbers.
    rows = sorted((spoken.row for spoken in group), key=lambda row: row.occurred_at)
    outcomes = {spoken.line.line_id: spoken.line for spoken in group if spoken.line}
    lines = tuple(
        ParcelLine(line_id=line_id, quantity=outcomes[line_id].quantity_shipped)
        for line_id in sorted(outcomes)
    )
    parcel = _merged([row.parcel for row in rows if row.parcel is not None])
    news = parcel_news(
        conn, rows[0].order_ref, msgspec.structs.replace(parcel, lines=lines), rows[-1].occurred_at
    )
    if news is None:
        return None
    return FulfilmentEvent(
        event_id=news.event_id,
        kind=news.kind,
        occurred_at=rows[-1].occurred_at,
        order_ref=rows[0].order_ref,
        wms_order_id=rows[0].wms_order_id,
        wms_dispatch_id=rows[0].dispatch_id,
        lines=tuple(
            outcomes[line.line_id] for line in news.parcel.lines if line.line_id in outcomes
        ),
        parcels=(news.parcel,),
    )


def _merged(parcels: Sequence[Parcel]) -> Parcel:
    """One parcel of its rows: what a later row leaves empty stays as an earlier one says."""
    merged = msgspec.structs.asdict(parcels[0])
    for parcel in parcels[1:]:
        told = {name: value for name, value in msgspec.structs.asdict(parcel).items() if value}
        merged.update(told | {"shipped_at": merged["shipped_at"]})
    return Parcel(**merged)
