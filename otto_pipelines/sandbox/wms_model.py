"""Records of the simulated warehouse: orders, their lines, parcels.

Belongs here: state and how it is shown. How it changes belongs to `warehouse`.
"""

import random
from dataclasses import dataclass, field
from typing import Any

from otto_pipelines.sandbox.stories import Story

_PROGRESS = ("NEW", "ACCEPTED", "ALLOCATED", "PICKED")


@dataclass(slots=True)
class Line:
    """One line of a WMS order."""

    line_id: str
    sku: str
    quantity: int
    unit_price_cents: int
    currency: str
    state: str = "NEW"
    packed: bool = False
    backordered: bool = False
    location: str | None = None
    """Where its units are promised or came from; None before the order is accepted."""
    parcel_ids: list[str] = field(default_factory=list)

    @property
    def shipped(self) -> int:
        """Units that left."""
        return self.quantity if self.state == "SHIPPED" else 0

    @property
    def in_work(self) -> bool:
        """Still on its way through the warehouse."""
        return self.state in _PROGRESS

    @property
    def awaited(self) -> bool:
        """Whether it may still ship."""
        return self.in_work or (self.state == "SHORT" and self.backordered)


@dataclass(slots=True)
class WmsOrder:
    """One order as the warehouse holds it."""

    order_ref: str
    wms_order_id: str
    payload_hash: str
    lines: dict[str, Line]
    story: Story | None
    rng: random.Random
    status: str = "NEW"
    spoilt_line: str | None = None
    """The line that a data fault changed; it stays changed over updates."""


@dataclass(slots=True)
class Parcel:
    """One dispatched parcel; `wire` is its record in the event feed."""

    parcel_id: str
    order_ref: str
    line_ids: tuple[str, ...]
    raw_carrier: str
    number: str | None
    wire: dict[str, Any]


def snapshot(held: WmsOrder) -> dict[str, Any]:
    """The order as an OrderSnapshot."""
    return {
        "order_ref": held.order_ref,
        "wms_order_id": held.wms_order_id,
        "status": held.status,
        "lines": [
            {
                "line_id": line.line_id,
                "sku": line.sku,
                "quantity": line.quantity,
                "quantity_shipped": line.shipped,
                "state": line.state,
                "unit_price_cents": line.unit_price_cents,
                "currency": line.currency,
            }
            for line in held.lines.values()
        ],
    }
