"""What both systems say of the units of one order, as customer care looks it up.

Belongs here: reading it live, by OTTO's order number or sales order id, without address and name.
What it means does not belong here (`assets.rules.fulfilment_status`).
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import among
from resources.operations.money_schema import otto_returns, wms_return_units
from resources.operations.schema import (
    orders,
    outbox,
    parcel_lines,
    parcels,
    position_items,
    wms_order_lines,
    wms_orders,
)

_ITEM = position_items.c
_LINE = wms_order_lines.c


@dataclass(frozen=True, kw_only=True)
class OrderHead:
    """An order without its buyer."""

    sales_order_id: str
    order_number: str
    ordered_at: datetime


@dataclass(frozen=True, kw_only=True)
class ParcelOfUnit:
    """The parcel that holds a unit; `link` only where the tracking gate let its number pass."""

    parcel_id: str
    state: str
    carrier: str | None
    number: str | None
    link: str | None
    shipped_at: datetime
    confirmation_state: str | None


@dataclass(frozen=True, kw_only=True)
class UnitRow:
    """One position item with what both systems say of it; None where they say nothing."""

    sales_order_id: str
    position_item_id: str
    sku: str
    title: str | None
    otto_status: str
    wms_status: str | None
    short_discrepancy: str | None
    submission_state: str | None
    wms_denies: bool
    return_status: str | None
    received_back: bool
    expected_delivery_at: datetime | None
    ship_by_at: datetime | None
    parcel: ParcelOfUnit | None


def orders_named(conn: Connection, name: str) -> list[OrderHead]:
    """Orders with this sales order id or order number, the oldest first."""
    columns = (orders.c.sales_order_id, orders.c.order_number, orders.c.ordered_at)
    query = sa.select(*columns).where(
        sa.or_(orders.c.sales_order_id == name, orders.c.order_number == name)
    )
    rows = conn.execute(query.order_by(orders.c.ordered_at, orders.c.sales_order_id)).mappings()
    return [OrderHead(**row) for row in rows]


def units_of(conn: Connection, order_ids: Sequence[str]) -> list[UnitRow]:
    """The units of these orders, by order and item."""
    held = _parcels(conn, order_ids)
    submission = outbox.alias("submission")
    denies = sa.and_(
        wms_orders.c.present.is_(False),
        sa.func.coalesce(wms_orders.c.audited_at >= wms_orders.c.submitted_at, sa.true()),
    )
    back = sa.exists().where(
        wms_return_units.c.sales_order_id == _ITEM.sales_order_id,
        wms_return_units.c.position_item_id == _ITEM.position_item_id,
        wms_return_units.c.withdrawn_at.is_(None),
    )
    query = (
        sa.select(
            *(_ITEM[name] for name in ("sales_order_id", "position_item_id", "sku", "title")),
            _ITEM.fulfilment_status.label("otto_status"),
            _ITEM.otto_tracking_number,
            _ITEM.expected_delivery_at,
            _ITEM.ship_by_at,
            _LINE.state.label("wms_status"),
            _LINE.short_discrepancy,
            submission.c.state.label("submission_state"),
            sa.func.coalesce(denies, sa.false()).label("wms_denies"),
            otto_returns.c.status.label("return_status"),
            back.label("received_back"),
        )
        .select_from(position_items)
        .outerjoin(
            wms_order_lines,
            sa.and_(
                _LINE.order_ref == _ITEM.sales_order_id, _LINE.line_id == _ITEM.position_item_id
            ),
        )
        .outerjoin(wms_orders, wms_orders.c.order_ref == _ITEM.sales_order_id)
        .outerjoin(
            submission,
            sa.and_(
                submission.c.kind == "wms_order",
                submission.c.business_key == _ITEM.sales_order_id,
            ),
        )
        .outerjoin(
            otto_returns,
            sa.and_(
                otto_returns.c.sales_order_id == _ITEM.sales_order_id,
                otto_returns.c.position_item_id == _ITEM.position_item_id,
            ),
        )
        .where(among(conn, _ITEM.sales_order_id, order_ids))
        .order_by(_ITEM.sales_order_id, _ITEM.position_item_id)
    )
    found = []
    for row in conn.execute(query).mappings():
        values = dict(row)
        at_otto = _bare(values.pop("otto_tracking_number"))
        of_unit = held[values["sales_order_id"], values["position_item_id"]]
        # Of several parcels the one whose number OTTO holds counts, else the latest.
        best = sorted(of_unit, key=lambda p: p.parcel_id)
        best.sort(key=lambda p: p.shipped_at, reverse=True)
        best.sort(key=lambda p: at_otto is None or _bare(p.number) != at_otto)
        found.append(UnitRow(**values, parcel=best[0] if best else None))
    return found


def _parcels(
    conn: Connection, order_ids: Sequence[str]
) -> defaultdict[tuple[str, str], list[ParcelOfUnit]]:
    parcel = parcels.c
    message = sa.and_(outbox.c.kind == "otto_shipment", outbox.c.business_key == parcel.parcel_id)
    query = (
        sa.select(
            parcel.order_ref,
            parcel_lines.c.line_id,
            parcel.parcel_id,
            parcel.state,
            sa.func.coalesce(parcel.carrier, parcel.carrier_raw),
            sa.func.coalesce(parcel.corrected_tracking_number, parcel.tracking_number),
            sa.case((parcel.state == "released", parcel.tracking_url)),
            parcel.shipped_at,
            outbox.c.state,
        )
        .join(parcel_lines, parcel_lines.c.parcel_id == parcel.parcel_id)
        .outerjoin(outbox, message)
        .where(among(conn, parcel.order_ref, order_ids))
    )
    found: defaultdict[tuple[str, str], list[ParcelOfUnit]] = defaultdict(list)
    for order, item, *rest in conn.execute(query):
        found[order, item].append(
            ParcelOfUnit(**dict(zip(ParcelOfUnit.__dataclass_fields__, rest, strict=True)))
        )
    return found


def _bare(number: str | None) -> str | None:
    return None if number is None else re.sub(r"[\s-]", "", number).upper()
