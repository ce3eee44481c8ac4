"""Queries across both systems: what still has to be done on one side because of the other.

Belongs here: pairs of keys that a flow must act on next. Acting on them, and the states of the
outbox, do not belong here.
"""

import sqlalchemy as sa

from resources.operations import exception_decisions
from resources.operations.schema import (
    outbox,
    parcels,
    position_items,
    quarantine,
    wms_order_lines,
    wms_orders,
)

# A line in one of these states will not leave the warehouse any more.
_GIVEN_UP = sa.or_(
    wms_order_lines.c.state == "CANCELLED",
    sa.and_(
        wms_order_lines.c.state == "SHORT",
        wms_order_lines.c.short_discrepancy.is_distinct_from("BACKORDER"),
    ),
)
_SAME_ITEM = sa.and_(
    wms_order_lines.c.order_ref == position_items.c.sales_order_id,
    wms_order_lines.c.line_id == position_items.c.position_item_id,
)
_OTTO_CANCELLED = position_items.c.fulfilment_status.in_(
    ("CANCELLED_BY_PARTNER", "CANCELLED_BY_MARKETPLACE")
)
_OVER = ("confirmed", "ignored")
_ITEM_KEY = position_items.c.sales_order_id + ":" + position_items.c.position_item_id


def _without_outbox_row(kind: str) -> sa.ColumnElement[bool]:
    return ~sa.exists().where(outbox.c.kind == kind, outbox.c.business_key == _ITEM_KEY)


def open_lines_of_cancelled_items(conn: sa.Connection, kind: str) -> list[tuple[str, str]]:
    """(order, line) pairs open in the WMS and cancelled at OTTO, not yet in the outbox."""
    query = (
        sa.select(position_items.c.sales_order_id, position_items.c.position_item_id)
        .join(wms_order_lines, _SAME_ITEM)
        .where(_OTTO_CANCELLED, wms_order_lines.c.state != "SHIPPED", ~_GIVEN_UP)
        .where(_without_outbox_row(kind))
        .order_by(position_items.c.sales_order_id, position_items.c.position_item_id)
    )
    return [(order, line) for order, line in conn.execute(query)]


def cancellations_seen_at_otto(conn: sa.Connection, kind: str) -> list[tuple[str, str]]:
    """(business key, status) of unfinished cancellations whose effect OTTO now shows."""
    query = (
        sa.select(outbox.c.business_key, position_items.c.fulfilment_status)
        .join(position_items, outbox.c.business_key == _ITEM_KEY)
        .where(outbox.c.kind == kind, outbox.c.state.not_in(_OVER), _OTTO_CANCELLED)
    )
    return [(key, status) for key, status in conn.execute(query)]


def orders_absent_from_wms(conn: sa.Connection) -> list[str]:
    """Sales orders that the warehouse took and no longer has, while OTTO waits for their items."""
    wanted = sa.exists().where(
        position_items.c.sales_order_id == wms_orders.c.order_ref,
        position_items.c.fulfilment_status == "PROCESSABLE",
    )
    query = (
        sa.select(wms_orders.c.order_ref)
        .where(wms_orders.c.present.is_(False), wms_orders.c.submitted_at.is_not(None), wanted)
        .order_by(wms_orders.c.order_ref)
    )
    return list(conn.scalars(query))


def exceptions_fingerprint(conn: sa.Connection) -> str:
    """Some text that changes whenever what waits for a person changes."""
    parked = sa.select(sa.func.count(), sa.func.max(parcels.c.recorded_at)).where(
        parcels.c.parked_rules.is_not(None)
    )
    stuck = sa.select(sa.func.count(), sa.func.max(outbox.c.recorded_at)).where(
        outbox.c.state.in_(("failed", "blocked"))
    )
    held = sa.select(sa.func.count(), sa.func.max(quarantine.c.last_seen_at)).where(
        quarantine.c.resolved_at.is_(None)
    )
    found = [conn.execute(query).one() for query in (parked, stuck, held)]
    decided = exception_decisions.fingerprint(conn)
    return "; ".join([*(f"{count} until {latest}" for count, latest in found), decided])
