"""Records of the simulated marketplace: sales orders, position items, shipments.

Belongs here: state. How it changes belongs to `marketplace`, how it looks on the wire to
`otto_wire`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from otto_pipelines.sandbox.catalogue import Product
from otto_pipelines.sandbox.stories import Story


class Status(StrEnum):
    """Fulfilment status of a position item."""

    ANNOUNCED = "ANNOUNCED"
    PROCESSABLE = "PROCESSABLE"
    SENT = "SENT"
    RETURNED = "RETURNED"
    CANCELLED_BY_PARTNER = "CANCELLED_BY_PARTNER"
    CANCELLED_BY_MARKETPLACE = "CANCELLED_BY_MARKETPLACE"


CANCELLED = frozenset({Status.CANCELLED_BY_PARTNER, Status.CANCELLED_BY_MARKETPLACE})


@dataclass(slots=True)
class Item:
    """One physical unit of an order. Amounts in cents."""

    item_id: str
    product: Product
    gross_cents: int
    discount_cents: int
    expected_delivery: datetime
    status: Status = Status.ANNOUNCED
    processable_at: datetime | None = None
    sent_at: datetime | None = None
    returned_at: datetime | None = None
    accepted_by_marketplace: bool = False
    """Whether OTTO accepted the return by itself."""
    cancelled_at: datetime | None = None
    cancellation_reason: str | None = None
    carrier: str | None = None
    tracking_number: str | None = None
    shipment_ids: list[str] = field(default_factory=list)

    @property
    def reduced_cents(self) -> int:
        """Gross minus the item's own discount."""
        return self.gross_cents - self.discount_cents


@dataclass(slots=True)
class Discount:
    """An order-level discount, on top of the item prices."""

    discount_id: str
    name: str
    cents: int
    item_ids: tuple[str, ...]


@dataclass(slots=True)
class SalesOrder:
    """One partner's part of an order."""

    order_id: str
    number: str
    ordered_at: datetime
    payment: str
    address: dict[str, Any]
    items: list[Item]
    fee_cents: int
    discounts: list[Discount]
    story: Story | None = None
    draw: float = 0.0
    """A fixed random number in [0, 1) for decisions of its story."""
    changed_at: datetime | None = None
    change_key: tuple[int, int] = (0, 0)
    date_key: tuple[int, int] = (0, 0)
    released: bool = False
    """Whether it ever became PROCESSABLE: from then on addresses are shown."""
    rendered: Any = None


@dataclass(slots=True)
class Shipment:
    """A shipment as OTTO took it; `position_items` are the wire objects of the request."""

    shipment_id: str
    created_at: datetime
    accepted_epoch: float
    carrier: str
    tracking_number: str | None
    ship_date: str
    ship_from: dict[str, Any]
    position_items: list[dict[str, Any]]
