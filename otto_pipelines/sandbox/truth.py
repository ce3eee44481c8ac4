"""The state of the whole world at this moment, item by item, for whoever marks a run."""

from collections import Counter, defaultdict
from typing import Any

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
