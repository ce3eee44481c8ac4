"""Goods that came back to the warehouse, and whose units they are.

Belongs here: storing return receipts unit by unit, and matching each unit with a position item of
OTTO. A unit that could be one of several stays without an owner until more is known: a guess would
refund the wrong item. Decisions do not belong here (`returns`).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import Row, among
from resources.operations.database import hold
from resources.operations.held import Kept, keep, rows_by_key
from resources.operations.money_schema import (
    otto_returns,
    return_shipment_items,
    return_shipments,
    wms_return_units,
    wms_returns,
)
from resources.operations.schema import parcel_lines, parcels, position_items
from resources.wms.port import ReturnReceipt

_FEED = "wms returns"
_SHIPPED = ("SENT", "RETURNED")

Item = tuple[str, str]
"""Sales order id and position item id."""


@dataclass(frozen=True)
class Matched:
    """How many units found their owner, and how many stay blind."""

    matched: int
    blind: int


class _Unit(NamedTuple):
    receipt_id: str
    unit_no: int
    line_id: str | None
    sku: str
    condition: str
    order_ref: str | None
    tracking_number: str | None


class _Candidate(NamedTuple):
    item: Item
    sku: str
    price_cents: int
    announced: bool


_ItemsOf = dict[_Unit, set[Item]]


def store_wms_returns(conn: Connection, received: Sequence[ReturnReceipt], now: datetime) -> Kept:
    """Store receipts, each as a whole; of one that comes twice the later one in the call counts.

    A unit that a later grading does not name any more is withdrawn. An owner that was found stays,
    unless the unit is another one now.
    """
    hold(conn, _FEED)
    told = {receipt.receipt_id: receipt for receipt in received}
    heads = [
        {
            "receipt_id": receipt.receipt_id,
            "order_ref": receipt.order_ref,
            "return_tracking_number": receipt.return_tracking_number,
            "received_at": receipt.received_at,
        }
        for receipt in told.values()
    ]
    held = rows_by_key(conn, wms_return_units, told)
    units: list[Row] = []
    for receipt in told.values():
        units += _units(receipt, held)
    named = {(unit["receipt_id"], unit["unit_no"]) for unit in units}
    for key, gone in held.items():
        if key not in named:
            kept = {name: value for name, value in gone.items() if name != "recorded_at"}
            units.append({**kept, "withdrawn_at": kept["withdrawn_at"] or now})
    of_units = keep(conn, wms_return_units, units, now)
    of_heads = keep(conn, wms_returns, heads, now)
    if of_units.new + of_units.changed and not of_heads.new + of_heads.changed:
        return Kept(changed=len(told))
    return of_heads


def match_units(conn: Connection, otto_sku_of: Callable[[str], str], now: datetime) -> Matched:
    """Find the owners of units that have none: by line, by order and SKU, by tracking number.

    Units and items of one SKU are paired off only where it makes no difference which is which.

    Args:
        conn: a write transaction.
        otto_sku_of: the warehouse's SKU to OTTO's.
        now: aware UTC.
    """
    hold(conn, _FEED)
    blind = _unmatched(conn)
    owners = _by_line(conn, blind)
    claimed = _claimed(conn) | set(owners.values())
    for items_of in (_items_of_orders(conn, blind), _items_of_numbers(conn, blind)):
        shipped = _shipped(conn, {item for items in items_of.values() for item in items})
        for units in _alike([unit for unit in blind if unit not in owners], items_of):
            fitting = [
                shipped[item]
                for item in sorted(items_of[units[0]] & shipped.keys() - claimed)
                if shipped[item].sku == otto_sku_of(units[0].sku)
            ]
            pairs = _paired(units, fitting)
            owners |= pairs
            claimed |= set(pairs.values())
    for unit, (order, item) in owners.items():
        conn.execute(
            sa.update(wms_return_units)
            .where(
                wms_return_units.c.receipt_id == unit.receipt_id,
                wms_return_units.c.unit_no == unit.unit_no,
            )
            .values(sales_order_id=order, position_item_id=item, recorded_at=now)
        )
    return Matched(len(owners), len(blind) - len(owners))


def blind_units(conn: Connection) -> list[dict[str, Any]]:
    """Units of which nobody knows the owner, oldest first: what the warehouse says of each."""
    unit, head = wms_return_units.c, wms_returns.c
    query = (
        sa.select(
            unit.receipt_id,
            unit.sku,
            unit.condition,
            unit.disposition,
            unit.reason,
            head.received_at,
        )
        .join(wms_returns, head.receipt_id == unit.receipt_id)
        .where(unit.position_item_id.is_(None), unit.withdrawn_at.is_(None))
        .order_by(head.received_at, unit.receipt_id, unit.unit_no)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def _units(receipt: ReturnReceipt, held: Mapping[tuple[Any, ...], Mapping[str, Any]]) -> list[Row]:
    """One row per unit, in an order that a later grading does not change by itself."""
    rows: list[Row] = []
    lines = sorted(receipt.lines, key=lambda line: (line.sku, line.line_id or "", line.condition))
    for line in lines:
        for number in range(line.quantity):
            unit_no = len(rows) + 1
            # A line that the warehouse names is one unit; it cannot stand for its neighbours.
            line_id = line.line_id if number == 0 else None
            ours = held.get((receipt.receipt_id, unit_no))
            same = ours is not None and (ours["sku"], ours["line_id"]) == (line.sku, line_id)
            rows.append(
                {
                    "receipt_id": receipt.receipt_id,
                    "unit_no": unit_no,
                    "sales_order_id": ours["sales_order_id"] if ours and same else None,
                    "position_item_id": ours["position_item_id"] if ours and same else None,
                    "line_id": line_id,
                    "sku": line.sku,
                    "condition": line.condition.value,
                    "disposition": line.disposition.value,
                    "reason": line.reason,
                    "withdrawn_at": None,
                }
            )
    return rows


def _unmatched(conn: Connection) -> list[_Unit]:
    unit, head = wms_return_units.c, wms_returns.c
    query = (
        sa.select(
            unit.receipt_id,
            unit.unit_no,
            unit.line_id,
            unit.sku,
            unit.condition,
            head.order_ref,
            head.return_tracking_number,
        )
        .join(wms_returns, head.receipt_id == unit.receipt_id)
        .where(unit.position_item_id.is_(None), unit.withdrawn_at.is_(None))
        .order_by(unit.receipt_id, unit.unit_no)
    )
    return [_Unit(*row) for row in conn.execute(query)]


def _claimed(conn: Connection) -> set[Item]:
    unit = wms_return_units.c
    query = sa.select(unit.sales_order_id, unit.position_item_id).where(
        unit.position_item_id.is_not(None), unit.withdrawn_at.is_(None)
    )
    return {(order, item) for order, item in conn.execute(query)}


def _by_line(conn: Connection, units: Sequence[_Unit]) -> dict[_Unit, Item]:
    """Owners by the line that the warehouse names; two orders with one such item name nobody."""
    ids = sorted({unit.line_id for unit in units if unit.line_id})
    columns = position_items.c.position_item_id, position_items.c.sales_order_id
    query = sa.select(*columns).where(among(conn, position_items.c.position_item_id, ids))
    orders_of: dict[str, set[str]] = defaultdict(set)
    for item, order in conn.execute(query):
        orders_of[item].add(order)
    owners: dict[_Unit, Item] = {}
    for unit in units:
        found = orders_of.get(unit.line_id or "", set())
        fitting = found & {unit.order_ref} if unit.order_ref else found
        if unit.line_id and len(fitting) == 1:
            owners[unit] = (next(iter(fitting)), unit.line_id)
    return owners


def _items_of_orders(conn: Connection, units: Sequence[_Unit]) -> _ItemsOf:
    """The items of the order that a unit's receipt names."""
    refs = sorted({unit.order_ref for unit in units if unit.order_ref})
    columns = position_items.c.sales_order_id, position_items.c.position_item_id
    query = sa.select(*columns).where(among(conn, position_items.c.sales_order_id, refs))
    items: dict[str, set[Item]] = defaultdict(set)
    for order, item in conn.execute(query):
        items[order].add((order, item))
    return {unit: items[unit.order_ref] for unit in units if unit.order_ref in items}


def _items_of_numbers(conn: Connection, units: Sequence[_Unit]) -> _ItemsOf:
    """The items that travel under the number of a unit's parcel, as far as anybody told."""
    numbers = sorted({unit.tracking_number for unit in units if unit.tracking_number})
    if not numbers:
        return {}
    items: dict[str, set[Item]] = defaultdict(set)
    in_shipments = (
        sa.select(
            return_shipments.c.tracking_number,
            return_shipment_items.c.sales_order_id,
            return_shipment_items.c.position_item_id,
        )
        .join(
            return_shipment_items,
            return_shipment_items.c.return_shipment_id == return_shipments.c.return_shipment_id,
        )
        .where(among(conn, return_shipments.c.tracking_number, numbers))
    )
    # The number that went out with the goods covers all of the parcel.
    in_parcels = (
        sa.select(parcels.c.return_tracking_number, parcels.c.order_ref, parcel_lines.c.line_id)
        .join(parcel_lines, parcel_lines.c.parcel_id == parcels.c.parcel_id)
        .where(among(conn, parcels.c.return_tracking_number, numbers))
    )
    for query in (in_shipments, in_parcels):
        for number, order, item in conn.execute(query):
            items[number].add((order, item))
    announced = sa.select(
        otto_returns.c.tracking_numbers,
        otto_returns.c.sales_order_id,
        otto_returns.c.position_item_id,
    ).where(otto_returns.c.tracking_numbers.is_not(None))
    wanted = set(numbers)
    for told, order, item in conn.execute(announced):
        for number in wanted & set(msgspec.json.decode(told, type=list[str])):
            items[number].add((order, item))
    return {unit: items[unit.tracking_number] for unit in units if unit.tracking_number in items}


def _shipped(conn: Connection, items: Collection[Item]) -> dict[Item, _Candidate]:
    """Those of `items` that left the warehouse, and so can come back."""
    item, told = position_items.c, otto_returns.c
    same = sa.and_(
        told.sales_order_id == item.sales_order_id, told.position_item_id == item.position_item_id
    )
    query = (
        sa.select(
            item.sales_order_id,
            item.position_item_id,
            item.sku,
            item.buyer_price_cents,
            told.status.is_not(None),
        )
        .join(otto_returns, same, isouter=True)
        .where(among(conn, item.sales_order_id, sorted({order for order, _ in items})))
        .where(item.fulfilment_status.in_(_SHIPPED))
    )
    return {
        (order, number): _Candidate((order, number), sku, cents, bool(announced))
        for order, number, sku, cents, announced in conn.execute(query)
        if (order, number) in items
    }


def _alike(units: Sequence[_Unit], items_of: _ItemsOf) -> list[list[_Unit]]:
    """Groups of units of one SKU that could be of the same items."""
    groups: dict[tuple[str, frozenset[Item]], list[_Unit]] = defaultdict(list)
    for unit in units:
        if unit in items_of:
            groups[unit.sku, frozenset(items_of[unit])].append(unit)
    return list(groups.values())


def _paired(units: Sequence[_Unit], fitting: Sequence[_Candidate]) -> dict[_Unit, Item]:
    """Pair units with items where both are as many, and where it does not matter which is which."""
    if len(fitting) > len(units):
        fitting = [candidate for candidate in fitting if candidate.announced]
    prices = {candidate.price_cents for candidate in fitting}
    conditions = {unit.condition for unit in units}
    if len(fitting) != len(units) or min(len(prices), len(conditions)) > 1:
        return {}
    return {unit: candidate.item for unit, candidate in zip(units, fitting, strict=True)}
