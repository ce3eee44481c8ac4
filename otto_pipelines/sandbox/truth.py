"""The state of the whole world at this moment, for whoever marks a run: by item and by SKU."""

from collections import Counter, defaultdict
from typing import Any

from otto_pipelines.sandbox.model import CANCELLED, Status
from otto_pipelines.sandbox.money_truth import money_marks
from otto_pipelines.sandbox.wms_model import Line
from otto_pipelines.sandbox.world import World


def truth(world: World) -> dict[str, Any]:
    """The body of `GET /_sandbox/truth`."""
    lines: defaultdict[tuple[str, str], list[Line]] = defaultdict(list)
    for held in world.warehouse.orders.values():
        for line in held.lines.values():
            lines[held.order_ref, line.line_id].append(line)
    orders_per_line = Counter(line_id for _, line_id in lines)
    items = [
        {
            "sales_order_id": order.order_id,
            "position_item_id": item.item_id,
            "sku": item.product.sku,
            "otto_status": item.status,
            "wms_state": next((line.state for line in lines[order.order_id, item.item_id]), None),
            "parcels": [
                parcel_id
                for line in lines[order.order_id, item.item_id]
                for parcel_id in line.parcel_ids
            ],
            "otto_shipments": list(item.shipment_ids),
            "wms_order_count": orders_per_line[item.item_id],
            "story": order.story,
        }
        for order in world.market.orders.values()
        for item in order.items
    ]
    return {
        "orders": len(world.market.orders),
        "items": len(items),
        "parcels": len(world.warehouse.parcels),
        "position_items": items,
        "duplicates": {
            "wms_orders": sum(count - 1 for count in orders_per_line.values()),
            "otto_shipments_per_parcel": _surplus_shipments(world),
        },
        "idle": world.sim.idle,
        "money": money_marks(world),
        **stock_marks(world),
    }


def stock_marks(world: World) -> dict[str, int]:
    """What a run is marked by in matters of stock.

    `oversold_units`, those `oversold_avoidable`, `shorts`, and `shorts_settled`: a short ends when
    its unit is sent or cancelled at OTTO, or stands in the ledger as a break.
    """
    ledger = world.ledger
    broken = {line.position_item_id for line in ledger.breaks}
    return {
        "oversold_units": len(ledger.oversold),
        "oversold_avoidable": ledger.oversold_avoidable,
        "shorts": len(ledger.shorts),
        "shorts_settled": sum(
            item_id in broken or _ended(world, order_id, item_id)
            for order_id, item_id in ledger.shorts
        ),
    }


def _ended(world: World, order_id: str, item_id: str) -> bool:
    order = world.market.orders.get(order_id)
    return any(
        item.item_id == item_id and item.status in {*CANCELLED, Status.SENT, Status.RETURNED}
        for item in (order.items if order else [])
    )


def stock(world: World, sku: str | None = None) -> dict[str, Any]:
    """The body of `GET /_sandbox/stock`: both sides of every SKU, or of one."""
    goods = world.goods
    skus = sorted({*world.warehouse.stock, *goods.at_otto}) if sku is None else [sku]
    return {
        "skus": [world.stock_truth.describe(sku) for sku in skus],
        "unknown_to_otto": goods.unknown_to_otto,
        "unknown_to_wms": goods.orphans,
        "collisions": goods.collisions,
        **stock_marks(world),
    }


def _surplus_shipments(world: World) -> int:
    """Shipments at OTTO beyond the first for one parcel (a parcel is known by its items)."""
    surplus = 0
    for parcel in world.warehouse.parcels.values():
        order = world.market.orders.get(parcel.order_ref)
        shipments = {
            shipment_id
            for item in (order.items if order else [])
            if item.item_id in parcel.line_ids
            for shipment_id in item.shipment_ids
        }
        surplus += max(0, len(shipments) - 1)
    return surplus
