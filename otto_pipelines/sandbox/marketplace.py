"""State of the simulated OTTO: orders, their changes, cancellations and shipments.

Belongs here: what a request or the passing of time does to an order. Shapes and texts belong to
`otto_rules`, JSON to `otto_wire`, the plan of a run to `world`. Callers hold the world's lock.
"""

import bisect
import itertools
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from otto_pipelines.sandbox import otto_rules
from otto_pipelines.sandbox.model import Item, SalesOrder, Shipment, Status
from otto_pipelines.sandbox.otto_rules import Problem, Refusal
from otto_pipelines.sandbox.simulation import Simulation
from otto_pipelines.sandbox.stories import Story

_PERSONAL = frozenset(
    {"firstName", "lastName", "street", "city", "addition", "email", "phoneNumber"}
)
_PARTNER_WISH = "CANCELLED_ON_PARTNER_WISH"


def _milliseconds(moment: Any) -> int:
    return int(moment.timestamp() * 1000)


class OrderIndex:
    """Keys (milliseconds, serial) of orders in order; no two are equal."""

    def __init__(self) -> None:
        self._keys: list[tuple[int, int]] = []
        self._orders: dict[tuple[int, int], SalesOrder] = {}

    def put(self, key: tuple[int, int], order: SalesOrder) -> None:
        """Add an order under `key`."""
        bisect.insort(self._keys, key)
        self._orders[key] = order

    def drop(self, key: tuple[int, int]) -> None:
        """Remove the entry under `key`."""
        del self._keys[bisect.bisect_left(self._keys, key)]
        del self._orders[key]

    def after(
        self, position: tuple[int, int] | None, *, descending: bool
    ) -> Iterator[tuple[tuple[int, int], SalesOrder]]:
        """Entries strictly beyond `position` in the direction asked."""
        if descending:
            end = len(self._keys) if position is None else bisect.bisect_left(self._keys, position)
            places: Any = range(end - 1, -1, -1)
        else:
            begin = 0 if position is None else bisect.bisect_right(self._keys, position)
            places = range(begin, len(self._keys))
        for place in places:
            key = self._keys[place]
            yield key, self._orders[key]


class Marketplace:
    """All that OTTO knows. The two hooks tell `world` what happened."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._serial = itertools.count(1)
        self._shipment_serial = itertools.count(100_000_294_699)
        self.orders: dict[str, SalesOrder] = {}
        self._by_number: dict[str, SalesOrder] = {}
        self.by_change = OrderIndex()
        self.by_date = OrderIndex()
        self.shipments: dict[str, Shipment] = {}
        self.by_tracking: dict[tuple[str, str], Shipment] = {}
        self.on_cancelled: Callable[[SalesOrder, Item], None] = lambda order, item: None
        self.on_shipped: Callable[[SalesOrder, Item, Shipment], None] = lambda order, item, s: None
        self.on_refused: Callable[[SalesOrder, Item], None] = lambda order, item: None

    def find(self, reference: str) -> SalesOrder | None:
        """The order with that id or number."""
        return self.orders.get(reference) or self._by_number.get(reference)

    def add(self, order: SalesOrder) -> None:
        """Take in a new order; its items are ANNOUNCED."""
        if mark := self._sim.config.buyer_mark:
            order.address = {
                name: f"{mark} {value}" if name in _PERSONAL else value
                for name, value in order.address.items()
            }
        self.orders[order.order_id] = order
        self._by_number[order.number] = order
        order.date_key = (_milliseconds(order.ordered_at), next(self._serial))
        self.by_date.put(order.date_key, order)
        order.changed_at = order.ordered_at
        order.change_key = order.date_key
        self.by_change.put(order.change_key, order)

    def _touch(self, order: SalesOrder) -> None:
        self.by_change.drop(order.change_key)
        order.changed_at = self._sim.now
        order.change_key = (_milliseconds(self._sim.now), next(self._serial))
        order.rendered = None
        self.by_change.put(order.change_key, order)

    def release(self, order: SalesOrder) -> None:
        """Make ANNOUNCED items PROCESSABLE."""
        waiting = [item for item in order.items if item.status is Status.ANNOUNCED]
        for item in waiting:
            item.status = Status.PROCESSABLE
            item.processable_at = self._sim.now
        if waiting:
            order.released = True
            self._touch(order)

    def cancel(self, order: SalesOrder, items: list[Item], reason: str) -> None:
        """Cancel those of `items` that still can be, by the marketplace or the partner."""
        by = (
            Status.CANCELLED_BY_PARTNER
            if reason == _PARTNER_WISH
            else Status.CANCELLED_BY_MARKETPLACE
        )
        open_items = [
            item for item in items if item.status in {Status.ANNOUNCED, Status.PROCESSABLE}
        ]
        for item in open_items:
            item.status = by
            item.cancelled_at = self._sim.now
            item.cancellation_reason = reason
        if open_items:
            self._touch(order)
        for item in open_items:
            self.on_cancelled(order, item)

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self._sim.now

    def mark_returned(self, order: SalesOrder, item: Item, *, by_marketplace: bool) -> None:
        """The return of a sent item was accepted, by the seller or by OTTO itself."""
        item.status = Status.RETURNED
        item.returned_at = self._sim.now
        item.accepted_by_marketplace = by_marketplace
        self._touch(order)

    def request_cancellation(self, order_id: str, item_ids: list[str] | None) -> None:
        """Take a partner's cancellation; it takes effect after the configured delay.

        Raises:
            Refusal: unknown (404), or a status forbids it (409): then nothing is cancelled.
        """
        order = self.orders.get(order_id)
        if order is None:
            raise Refusal(Problem(404, "Not Found", f"Sales order [{order_id}] not found."))
        if item_ids is None:
            chosen = [item for item in order.items if item.status is Status.PROCESSABLE]
            if not chosen:
                raise Refusal(Problem(409, "Conflict", otto_rules.none_cancellable(order_id)))
        else:
            chosen = self._cancellable(order, item_ids)
        if order.story is Story.CANCELLATION_IGNORED:
            return
        self._sim.after(
            self._sim.config.cancellation_delay_minutes,
            lambda: self.cancel(order, chosen, _PARTNER_WISH),
        )

    def _cancellable(self, order: SalesOrder, item_ids: list[str]) -> list[Item]:
        known = {item.item_id: item for item in order.items}
        chosen = []
        for item_id in item_ids:
            item = known.get(item_id)
            if item is None:
                raise Refusal(
                    Problem(
                        404,
                        "Not Found",
                        f"Position item [{item_id}] not found in sales order [{order.order_id}].",
                    )
                )
            if item.status is Status.CANCELLED_BY_PARTNER:
                continue
            if item.status is not Status.PROCESSABLE:
                text = otto_rules.not_cancellable(order.order_id, item_id, item.status)
                raise Refusal(Problem(409, "Conflict", text))
            chosen.append(item)
        return chosen

    def create_shipments(self, bodies: list[dict[str, Any]]) -> list[Shipment]:
        """Take one shipment, or the parcels of one item (multiparcel); all or nothing.

        Raises:
            Refusal: a tracking key is taken, or an item cannot be sent.
        """
        for place, body in enumerate(bodies):
            key = (body["trackingKey"]["carrier"], body["trackingKey"].get("trackingNumber"))
            if key in self.by_tracking or any(
                other["trackingKey"] == body["trackingKey"] for other in bodies[:place]
            ):
                raise Refusal(
                    Problem(
                        409,
                        "DUPLICATE_TRACKING_KEY",
                        "Tracking key already exists for another shipment.",
                        "trackingKey",
                    )
                )
        sent = self.sendable(bodies[0]["positionItems"])
        shipments = [self._store_shipment(body) for body in bodies]
        self._mark_sent(sent, shipments)
        return shipments

    def append(self, shipment: Shipment, position_items: list[dict[str, Any]]) -> None:
        """Add forgotten items to a shipment.

        Raises:
            Refusal: an item cannot be sent; then none is added.
        """
        sent = self.sendable(position_items)
        shipment.position_items = shipment.position_items + position_items
        self._mark_sent(sent, [shipment])

    def sendable(self, position_items: list[dict[str, Any]]) -> list[tuple[SalesOrder, Item]]:
        """The items that a shipment names.

        Raises:
            Refusal: one of them is foreign, already sent, not PROCESSABLE or named twice.
        """
        found: list[tuple[SalesOrder, Item]] = []
        problems: list[Problem] = []
        refused: list[tuple[SalesOrder, Item]] = []
        for place, wanted in enumerate(position_items):
            at = f"positionItems[{place}].positionItemId"
            order = self.orders.get(wanted["salesOrderId"])
            candidates = order.items if order else []
            item = next((i for i in candidates if i.item_id == wanted["positionItemId"]), None)
            if order is None or item is None or order.story is Story.SHIPMENT_REFUSED:
                text = "Position item does not belong to the partner."
                problems.append(Problem(400, "INSUFFICIENT_PERMISSION", text, at))
                if order is not None and item is not None:
                    refused.append((order, item))
            elif item.shipment_ids or any(item is other for _, other in found):
                text = "Position item is already included in another shipment."
                title = "POSITION_ITEM_INCLUDED_IN_OTHER_SHIPMENT"
                problems.append(Problem(409, title, text, at))
            elif item.status is not Status.PROCESSABLE:
                text = f"Position item can not be sent in status [{item.status}]."
                problems.append(Problem(400, "POSITION_ITEM_CAN_NOT_BE_SENT", text, at))
            else:
                found.append((order, item))
        for order, item in refused:
            self.on_refused(order, item)
        if problems:
            raise Refusal(*[p for p in problems if p.status == problems[0].status])
        return found

    def _store_shipment(self, body: dict[str, Any]) -> Shipment:
        key = body["trackingKey"]
        shipment = Shipment(
            shipment_id=str(next(self._shipment_serial)),
            created_at=self._sim.now,
            accepted_epoch=time.time(),
            carrier=key["carrier"],
            tracking_number=key.get("trackingNumber"),
            ship_date=body["shipDate"],
            ship_from=body["shipFromAddress"],
            position_items=body["positionItems"],
        )
        self.shipments[shipment.shipment_id] = shipment
        if shipment.tracking_number:
            self.by_tracking[shipment.carrier, shipment.tracking_number] = shipment
        return shipment

    def _mark_sent(self, sent: list[tuple[SalesOrder, Item]], shipments: list[Shipment]) -> None:
        for _, item in sent:
            item.status = Status.SENT
            item.sent_at = self._sim.now
            item.carrier = shipments[0].carrier
            item.tracking_number = shipments[0].tracking_number
            item.shipment_ids.extend(shipment.shipment_id for shipment in shipments)
        for order in {order.order_id: order for order, _ in sent}.values():
            self._touch(order)
        for order, item in sent:
            self.on_shipped(order, item, shipments[0])
