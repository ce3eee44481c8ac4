"""Questions about what goes wrong: messages that are stuck or late, units that may ship too late.

Belongs here: the queries, each answered by the database, also with 100,000 orders. What a row means
for a person, whose it is and what it may cost does not belong here (`assets.exceptions`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations import price_reductions
from resources.operations.bulk import among
from resources.operations.money_schema import price_reduction_requests
from resources.operations.schema import (
    outbox,
    outbox_attempts,
    parcel_lines,
    parcels,
    position_items,
    wms_order_lines,
    wms_orders,
)

_ROW = outbox.c
_ITEM = position_items.c
_LINE = wms_order_lines.c
_MESSAGE = [
    outbox.c[name]
    for name in (
        *("id", "kind", "business_key", "order_ref", "state", "attempts"),
        *("reason", "last_error", "created_at"),
    )
]
_UNDER_WAY = ("pending", "retrying", "sent")
_LOST_ANSWER = ("sending", "unknown")
_OF_ITEM = sa.and_(_LINE.order_ref == _ITEM.sales_order_id, _LINE.line_id == _ITEM.position_item_id)
# States of a line by what the warehouse has done for it; without a line it shows no sign of it.
_NO_SIGN = sa.or_(_LINE.state.is_(None), _LINE.state == "NEW")
_NOT_PICKED = sa.or_(_LINE.state.is_(None), _LINE.state.in_(("NEW", "ACCEPTED", "ALLOCATED")))
_NOT_LEFT = sa.or_(_NOT_PICKED, _LINE.state == "PICKED")


@dataclass(frozen=True, slots=True)
class Unit:
    """A position item as far as an exception may concern it; the price is the buyer's."""

    sales_order_id: str
    position_item_id: str
    sku: str
    fulfilment_status: str
    buyer_price_cents: int
    ship_by_at: datetime | None


@dataclass(frozen=True, slots=True)
class SkuAtStake:
    """What OTTO waits for of one SKU: units, the nearest ship-by time, what the buyers pay."""

    units: int
    ship_by_at: datetime | None
    cents: int


@dataclass(frozen=True, slots=True)
class Drift:
    """A unit of which OTTO and the warehouse say different things, since when."""

    case: str
    sales_order_id: str
    position_item_id: str
    otto_status: str
    wms_state: str
    since: datetime

    @property
    def key(self) -> str:
        """Order and item."""
        return f"{self.sales_order_id}:{self.position_item_id}"


@dataclass(frozen=True, slots=True)
class LateOrder:
    """Units of one order that have not left: how many, the nearest ship-by time, their price.

    `position_item_id` and `sku` are None where several differ.
    """

    sales_order_id: str
    units: int
    position_item_id: str | None
    sku: str | None
    ship_by_at: datetime
    cents: int


def stuck_messages(conn: Connection) -> list[dict[str, Any]]:
    """Outbox rows that failed or are blocked, oldest first."""
    query = sa.select(*_MESSAGE).where(_ROW.state.in_(("failed", "blocked")))
    return [dict(row) for row in conn.execute(query.order_by(_ROW.created_at, _ROW.id)).mappings()]


def uncertain_messages(conn: Connection, before: datetime) -> list[dict[str, Any]]:
    """Outbox rows whose effect nobody knows since an attempt that began before `before`."""
    attempt, earlier = outbox_attempts.alias("latest"), outbox_attempts.alias("earlier")
    since = (
        sa.select(sa.func.min(earlier.c.started_at, type_=_ROW.created_at.type))
        .where(earlier.c.outbox_id == _ROW.id, earlier.c.outcome.in_(_LOST_ANSWER))
        .scalar_subquery()
    )
    query = (
        sa.select(*_MESSAGE, since.label("since"))
        .join(attempt, sa.and_(attempt.c.outbox_id == _ROW.id, attempt.c.attempt == _ROW.attempts))
        .where(_ROW.state == "sent", attempt.c.outcome.in_(_LOST_ANSWER), since < before)
        .order_by(_ROW.created_at, _ROW.id)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def parked_ids(conn: Connection) -> set[str]:
    """Parcels that the tracking gate holds."""
    return set(conn.scalars(sa.select(parcels.c.parcel_id).where(parcels.c.state == "parked")))


def late_confirmations(conn: Connection, before: datetime) -> list[dict[str, Any]]:
    """Parcels that left before `before` and that OTTO does not have, parked ones left out.

    With the outbox row where there is one (`id`, `state`, `attempts`, `last_error` may be None).
    """
    message = sa.and_(_ROW.kind == "otto_shipment", _ROW.business_key == parcels.c.parcel_id)
    # Most parcels are confirmed: only those that may not be are looked at.
    unjudged = sa.select(parcels.c.parcel_id).where(parcels.c.state == "received")
    untold = sa.select(_ROW.business_key).where(
        _ROW.kind == "otto_shipment", _ROW.state.in_(_UNDER_WAY)
    )
    query = (
        sa.select(
            parcels.c.parcel_id,
            parcels.c.order_ref,
            parcels.c.carrier,
            parcels.c.shipped_at,
            _ROW.id,
            _ROW.state,
            _ROW.attempts,
            _ROW.last_error,
        )
        .outerjoin(outbox, message)
        .where(
            parcels.c.parcel_id.in_(unjudged.union(untold)),
            parcels.c.shipped_at < before,
            parcels.c.state != "parked",
            sa.or_(_ROW.state.in_(_UNDER_WAY), _ROW.id.is_(None)),
        )
        .order_by(parcels.c.shipped_at, parcels.c.parcel_id)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def late_orders_to_wms(conn: Connection, before: datetime) -> list[dict[str, Any]]:
    """Orders that OTTO released before `before` and that are still on their way to the warehouse.

    With the outbox row where there is one; those that are stuck, and those of which an item is
    still ANNOUNCED, are left out.
    """
    announced = position_items.alias("announced")
    released = sa.func.min(_ITEM.processable_at, type_=_ITEM.processable_at.type)
    waits = sa.exists().where(
        announced.c.sales_order_id == _ITEM.sales_order_id,
        announced.c.fulfilment_status == "ANNOUNCED",
    )
    at_wms = sa.exists().where(wms_orders.c.order_ref == _ITEM.sales_order_id)
    message = sa.and_(_ROW.kind == "wms_order", _ROW.business_key == _ITEM.sales_order_id)
    columns = (_ITEM.sales_order_id, _ROW.id, _ROW.state, _ROW.attempts, _ROW.last_error)
    query = (
        sa.select(*columns, released.label("released_at"))
        .select_from(position_items)
        .outerjoin(outbox, message)
        .where(
            _ITEM.fulfilment_status == "PROCESSABLE",
            sa.or_(_ROW.id.is_(None), _ROW.state.in_(_UNDER_WAY)),
            sa.or_(_ROW.id.is_not(None), sa.not_(at_wms)),
            sa.not_(waits),
        )
        .group_by(*columns)
        .having(released < before)
        .order_by(released, _ITEM.sales_order_id)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def status_drifts(
    conn: Connection, changed_since: datetime, before: Mapping[str, datetime]
) -> list[Drift]:
    """Units of which OTTO and the warehouse say different things since before the given times.

    Args:
        conn: a read transaction.
        changed_since: units that did not change at OTTO since then are left out.
        before: by case: `sent_not_shipped`, `cancelled_not_stopped`, `shipped_without_parcel`.
    """
    in_parcel = sa.exists().where(
        parcels.c.order_ref == _ITEM.sales_order_id,
        parcel_lines.c.parcel_id == parcels.c.parcel_id,
        parcel_lines.c.line_id == _ITEM.position_item_id,
    )
    ours = sa.exists().where(
        wms_orders.c.order_ref == _ITEM.sales_order_id, wms_orders.c.submitted_at.is_not(None)
    )
    status, state = _ITEM.fulfilment_status, _LINE.state
    since = sa.case(
        (status == "SENT", _ITEM.sent_at),
        (status == "PROCESSABLE", _LINE.recorded_at),
        else_=_ITEM.cancelled_at,
    )
    cases = {
        "sent_not_shipped": sa.and_(
            status == "SENT", state != "SHIPPED", _LINE.quantity_shipped == 0, sa.not_(in_parcel)
        ),
        "cancelled_not_stopped": sa.and_(
            status.startswith("CANCELLED"), state.not_in(("SHIPPED", "SHORT", "CANCELLED"))
        ),
        "shipped_without_parcel": sa.and_(
            status == "PROCESSABLE", state == "SHIPPED", sa.not_(in_parcel)
        ),
    }
    found = [
        sa.select(
            sa.literal(name).label("case"),
            _ITEM.sales_order_id,
            _ITEM.position_item_id,
            status.label("otto_status"),
            state.label("wms_state"),
            sa.type_coerce(since, _ITEM.sent_at.type).label("since"),
        )
        .select_from(position_items)
        .join(wms_order_lines, _OF_ITEM)
        .where(_ITEM.recorded_at >= changed_since, condition, ours, since < before[name])
        for name, condition in cases.items()
    ]
    rows = conn.execute(sa.union_all(*found)).all()
    return sorted((Drift(*row) for row in rows), key=lambda drift: (drift.since, drift.key))


def late_orders(conn: Connection, now: datetime, sign_within: timedelta) -> list[LateOrder]:
    """Orders with units that have not left and are at risk of shipping too late.

    A unit is at risk within 24 hours of its ship-by time if the warehouse shows no sign of it
    `sign_within` after its release, within 4 hours while it is not picked, and after it. Units that
    came up short are left out.
    """
    due = _ITEM.ship_by_at
    released = sa.func.coalesce(_ITEM.processable_at, _ITEM.recorded_at, type_=due.type)
    at_risk = sa.or_(
        due < now,
        sa.and_(due < now + timedelta(hours=4), _NOT_PICKED),
        sa.and_(_NO_SIGN, released < now - sign_within),
    )
    query = (
        sa.select(
            _ITEM.sales_order_id,
            sa.func.count().label("units"),
            sa.func.min(_ITEM.position_item_id).label("first_item"),
            sa.func.min(_ITEM.sku).label("first_sku"),
            sa.func.max(_ITEM.sku).label("last_sku"),
            sa.func.min(due, type_=due.type).label("ship_by_at"),
            sa.func.sum(_ITEM.buyer_price_cents).label("cents"),
        )
        .select_from(position_items)
        .outerjoin(wms_order_lines, _OF_ITEM)
        .where(*_to_leave_by(now + timedelta(hours=24)), at_risk)
        .group_by(_ITEM.sales_order_id)
        .order_by(sa.func.min(due), _ITEM.sales_order_id)
    )
    return [
        LateOrder(
            sales_order_id=row.sales_order_id,
            units=row.units,
            position_item_id=row.first_item if row.units == 1 else None,
            sku=row.first_sku if row.first_sku == row.last_sku else None,
            ship_by_at=row.ship_by_at,
            cents=int(row.cents),
        )
        for row in conn.execute(query)
    ]


def units_due(conn: Connection, until: datetime) -> int:
    """How many units have to leave until then and have not, whatever the warehouse does."""
    query = (
        sa.select(sa.func.count())
        .select_from(position_items)
        .outerjoin(wms_order_lines, _OF_ITEM)
        .where(*_to_leave_by(until))
    )
    return conn.scalars(query).one()


def units_of(conn: Connection, orders: Sequence[str]) -> dict[str, list[Unit]]:
    """The units of these orders, as far as we hold them, by order."""
    columns = [_ITEM[name] for name in Unit.__dataclass_fields__]
    query = sa.select(*columns).where(among(conn, _ITEM.sales_order_id, orders))
    found: dict[str, list[Unit]] = {}
    for row in conn.execute(query):
        unit = Unit(*row)
        found.setdefault(unit.sales_order_id, []).append(unit)
    return found


def lines_of_parcels(conn: Connection, parcel_ids: Sequence[str]) -> dict[str, list[str]]:
    """The lines (OTTO's position items) in each of these parcels."""
    columns = parcel_lines.c.parcel_id, parcel_lines.c.line_id
    found: dict[str, list[str]] = {}
    query = sa.select(*columns).where(among(conn, parcel_lines.c.parcel_id, parcel_ids))
    for parcel_id, line_id in conn.execute(query):
        found.setdefault(parcel_id, []).append(line_id)
    return found


def reductions_asked(
    conn: Connection, request_ids: Sequence[str]
) -> dict[str, price_reductions.ReductionRequest]:
    """The price reductions of these requests, by request id."""
    names = price_reductions.ReductionRequest.__dataclass_fields__
    table = price_reduction_requests.c
    query = sa.select(*(table[name] for name in names))
    rows = conn.execute(query.where(among(conn, table.request_id, request_ids))).mappings()
    return {row["request_id"]: price_reductions.ReductionRequest(**row) for row in rows}


def at_stake_by_sku(conn: Connection, skus: Sequence[str]) -> dict[str, SkuAtStake]:
    """What OTTO waits for of each of these SKUs; absent where it waits for nothing."""
    query = (
        sa.select(
            _ITEM.sku,
            sa.func.count(),
            sa.func.min(_ITEM.ship_by_at, type_=_ITEM.ship_by_at.type),
            sa.func.sum(_ITEM.buyer_price_cents),
        )
        .where(
            _ITEM.fulfilment_status.in_(("ANNOUNCED", "PROCESSABLE")), among(conn, _ITEM.sku, skus)
        )
        .group_by(_ITEM.sku)
    )
    return {
        sku: SkuAtStake(units, due, int(cents)) for sku, units, due, cents in conn.execute(query)
    }


def _to_leave_by(until: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return _ITEM.fulfilment_status == "PROCESSABLE", _ITEM.ship_by_at < until, _NOT_LEFT
