"""Look an order up for customer care: each unit with its status, parcel, and what goes wrong.

Belongs here: putting together what the books say now, the words of
`assets.rules.fulfilment_status`, and the open exceptions. Nothing of the buyer is read.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from assets.exceptions.listing import open_exceptions
from assets.exceptions.model import OpenException
from assets.rules.fulfilment_status import FulfilmentStatus, UnitFacts, statuses_of
from resources.operating_model import OperatingModel
from resources.operations import care_rows
from resources.operations.care_rows import OrderHead, UnitRow
from resources.operations.database import OperationsDatabase


class OrderNotFound(Exception):
    """No order of ours has that order number or sales order id.

    What to do: compare the number with OTTO Partner Connect; capitals and hyphens count. An order
    that OTTO shows and we do not have is read by `otto-pipelines errors pull` and its sales order
    id.
    """


@dataclass(frozen=True)
class CareUnit:
    """A unit and its status; `is_late`: its ship-by time is over and it has not left."""

    row: UnitRow
    status: FulfilmentStatus
    is_late: bool

    def shown(self) -> dict[str, Any]:
        """Plain values for JSON; times as ISO text."""
        row, parcel = self.row, self.row.parcel
        return {
            "position_item_id": row.position_item_id,
            "sku": row.sku,
            "title": row.title,
            "status": self.status.status,
            "meaning": self.status.meaning,
            "next_step": self.status.next_step,
            "tell_buyer": self.status.tell_buyer,
            "escalate_to": self.status.escalate_to,
            "otto_status": row.otto_status,
            "wms_status": row.wms_status,
            "parcel_id": parcel.parcel_id if parcel else None,
            "carrier": parcel.carrier if parcel else None,
            "tracking_number": parcel.number if parcel else None,
            "tracking_link": parcel.link if parcel else None,
            "dispatched_at": _iso(parcel.shipped_at if parcel else None),
            "expected_delivery_at": _iso(row.expected_delivery_at),
            "ship_by_at": _iso(row.ship_by_at),
            "is_late": self.is_late,
        }


@dataclass(frozen=True)
class CareOrder:
    """An order with its units, and what waits for a person about it."""

    head: OrderHead
    units: list[CareUnit]
    exceptions: list[OpenException]

    def shown(self) -> dict[str, Any]:
        """Plain values for JSON; times as ISO text."""
        return {
            "sales_order_id": self.head.sales_order_id,
            "order_number": self.head.order_number,
            "ordered_at": _iso(self.head.ordered_at),
            "units": [unit.shown() for unit in self.units],
            "exceptions": [row.shown() for row in self.exceptions],
        }


def look_up(
    db: OperationsDatabase, model: OperatingModel, name: str, now: datetime
) -> list[CareOrder]:
    """Orders with this order number or sales order id, as they are now.

    Raises:
        OrderNotFound: there is none; the message says if it waits in quarantine.
    """
    with db.read() as conn:
        heads = care_rows.orders_named(conn, name)
        rows = care_rows.units_of(conn, [head.sales_order_id for head in heads])
    waiting = open_exceptions(db, model, now)
    held = [row for row in waiting if row.key == name]
    if not heads and held:
        raise OrderNotFound(
            f"order {name} of OTTO waits in quarantine and is not at the warehouse: "
            f"{held[0].cause}. {held[0].remedy}"
        )
    if not heads:
        raise OrderNotFound(
            f"no order has the number or sales order id {name!r}: compare it with OTTO Partner "
            "Connect, or read the order with `otto-pipelines errors pull` and its sales order id"
        )
    waits = {row.sales_order_id for row in rows if row.otto_status == "ANNOUNCED"}
    statuses = statuses_of([_facts(row, order_waits=row.sales_order_id in waits) for row in rows])
    units = [
        CareUnit(row, status, _is_late(row, now))
        for row, status in zip(rows, statuses, strict=True)
    ]
    return [
        CareOrder(
            head,
            [unit for unit in units if unit.row.sales_order_id == head.sales_order_id],
            [row for row in waiting if row.sales_order_id == head.sales_order_id],
        )
        for head in heads
    ]


def _facts(row: UnitRow, *, order_waits: bool) -> UnitFacts:
    parcel = row.parcel
    return UnitFacts(
        otto_status=row.otto_status,
        wms_status=row.wms_status,
        short_discrepancy=row.short_discrepancy,
        parcel_state=parcel.state if parcel else None,
        confirmation_state=parcel.confirmation_state if parcel else None,
        submission_state=row.submission_state,
        wms_denies=row.wms_denies,
        order_waits=order_waits,
        return_status=row.return_status,
        received_back=row.received_back,
    )


def _is_late(row: UnitRow, now: datetime) -> bool:
    left = row.parcel is not None or row.wms_status == "SHIPPED"
    due = row.ship_by_at
    return row.otto_status == "PROCESSABLE" and not left and due is not None and due < now


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="minutes")
