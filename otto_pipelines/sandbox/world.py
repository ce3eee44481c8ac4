"""The simulated world: OTTO, the warehouse, the passing of time, and the truth about differences.

Belongs here: the timeline of an order at OTTO, the effects that cross from one side to the other,
and what of that enters the ledger. The two sides themselves are `marketplace` and `warehouse`.
"""

import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from otto_pipelines.sandbox import assortment, catalogue, generator, pricing, stories
from otto_pipelines.sandbox.clock import VirtualClock
from otto_pipelines.sandbox.config import SETTLING_DAYS, SandboxConfig, SandboxError
from otto_pipelines.sandbox.ledger import Ledger
from otto_pipelines.sandbox.marketplace import Marketplace
from otto_pipelines.sandbox.model import CANCELLED, Item, SalesOrder, Shipment, Status
from otto_pipelines.sandbox.money import Money
from otto_pipelines.sandbox.otto_stock import Shelf
from otto_pipelines.sandbox.simulation import Simulation
from otto_pipelines.sandbox.stock_truth import StockTruth
from otto_pipelines.sandbox.stories import PHANTOM_ORDER, Story
from otto_pipelines.sandbox.warehouse import Warehouse
from otto_pipelines.sandbox.wms_model import Line, Parcel, WmsOrder
from otto_pipelines.sandbox.wms_stock import StockList
from otto_pipelines.sandbox.worktime import BERLIN, add_working_days, at_berlin

BREAK_OF_FAULT = {
    Story.ORDER_LOST: "missing_in_wms",
    PHANTOM_ORDER: "unknown_to_otto",
    Story.SKU_SWAPPED: "sku_mismatch",
    Story.PRICE_CHANGED: "price_mismatch",
    Story.TRACKING_MISSING: "tracking_missing",
    Story.TRACKING_MALFORMED: "tracking_invalid",
    Story.CARRIER_UNKNOWN: "carrier_mismatch",
    Story.TRACKING_CORRECTED: "tracking_mismatch",
    Story.PORTAL_SENT: "confirmed_not_dispatched",
    Story.STALLED: "late_shipment",
    Story.SHIPMENT_REFUSED: "dispatched_not_confirmed",
    Story.CANCELLATION_IGNORED: "cancelled_in_wms_open_in_otto",
}
_CANCELLED_BUT_OPEN = "cancelled_in_otto_open_in_wms"
_DISPATCH_FAULTS = frozenset(
    {Story.TRACKING_MISSING, Story.TRACKING_MALFORMED, Story.CARRIER_UNKNOWN}
)
_HARMLESS_AT_DISPATCH = frozenset({Story.RETURN_NUMBER_MISSING, Story.SPLIT, Story.BACKORDERED})
_CUSTOMER_WISH = "CANCELLED_ON_CUSTOMER_WISH"
_PREPAYMENT_WORKING_DAYS = 10


class World:
    """Everything the two servers show. Use it inside `turn()`."""

    def __init__(self, config: SandboxConfig, clock: VirtualClock) -> None:
        self.config = config
        self.sim = Simulation(config, clock)
        self.goods = assortment.make_assortment(config)
        self.market = Marketplace(self.sim)
        self.shelf = Shelf(self.sim, self.goods)
        self.warehouse = Warehouse(self.sim, self._story_of, self.goods)
        self.stock_list = StockList(self.sim, self.warehouse.stock)
        self.stock_truth = StockTruth(self.sim, self.warehouse.stock, self.shelf)
        self.money = Money(self.sim, self.market, self.warehouse)
        self.orders_end = clock.start + timedelta(days=config.days)
        self._rng = random.Random(f"live:{config.seed}")
        self._corrected: set[str] = set()
        self._orders_wait = False
        self._waiting: list[SalesOrder] = []
        self.market.on_cancelled = self._item_cancelled
        self.market.on_shipped = self._item_shipped
        self.market.on_refused = self._item_refused
        self.warehouse.on_accepted = self._order_accepted
        self.warehouse.on_packed = self._order_packed
        self.warehouse.on_dispatched = self._parcel_dispatched
        self.warehouse.on_fault = self._fault_took_effect
        self.warehouse.on_counted = lambda _, line: self.stock_truth.counted(line.line_id)
        self.warehouse.on_short = self._line_short
        for order in generator.make_orders(config, clock.start):
            self.sim.schedule(order.ordered_at, partial(self._arrive, order))
        self._plan_phantoms(clock.start)
        if config.after_orders_trickle > 0:
            self.sim.schedule(self.orders_end, self._trickle, background=True)

    @property
    def ledger(self) -> Ledger:
        """What was injected."""
        return self.sim.ledger

    @contextmanager
    def turn(self) -> Iterator["World"]:
        """Hold the world still at the present virtual time."""
        with self.sim.lock:
            self.sim.catch_up()
            yield self

    def advance(self, to: datetime) -> None:
        """Step the clock to `to` and let everything happen until then (stepped mode)."""
        with self.turn():
            self.sim.clock.advance(to)
            self.sim.catch_up()

    def advance_to_overselling(self, to: datetime) -> None:
        """Step to the first order that OTTO's figures of that moment oversell, at most to `to`.

        That order waits. It comes with the next step, by the figures that OTTO shows then.
        """
        with self.turn():
            waited, self._waiting = self._waiting, []
            for order in waited:
                self._arrive(order)
            self._orders_wait = True
            try:
                while self.sim.now < to and not self._waiting:
                    self.advance(min(to, self.sim.next_at or to))
            finally:
                self._orders_wait = False

    def create_order(self, lines: int, sku: str | None = None) -> SalesOrder:
        """A plain order that is PROCESSABLE at once, of mixed articles or all of `sku`.

        Raises:
            SandboxError: OTTO sells only what it shows, and shows less.
        """
        order = generator.make_order(self._rng, self.sim.now, lines, sku)
        lacking = self._lacking(order)
        if lacking is not None:
            shown = self.shelf.shown(lacking)
            raise SandboxError(f"OTTO shows {shown} of {lacking}: send a higher quantity first")
        self._place(order)
        self.market.release(order)
        return order

    def _lacking(self, order: SalesOrder) -> str | None:
        return self.stock_truth.sold_out(order) if self.config.sell_what_is_shown else None

    def _place(self, order: SalesOrder) -> None:
        if self.config.discounts_are == "included":
            pricing.take_in_discounts(order)
        self.market.add(order)
        self.stock_truth.sold(order)

    def cancel_in_warehouse(
        self, order_ref: str, line_ids: list[str] | None, reason: str
    ) -> dict[str, Any]:
        """Ask the warehouse; a refusal for an item that OTTO cancelled is a break from now on."""
        result = self.warehouse.cancel(order_ref, line_ids, reason)
        held = self.warehouse.orders.get(order_ref)
        if held is not None:
            for line_id in line_ids if line_ids is not None else list(held.lines):
                if line_id in held.lines and line_id not in result["cancelled_line_ids"]:
                    self._note_if_cancelled_at_otto(order_ref, line_id)
        return result

    def _story_of(self, order_ref: str) -> Story | None:
        order = self.market.orders.get(order_ref)
        return order.story if order else None

    # The timeline of an order at OTTO.

    def _arrive(self, order: SalesOrder) -> None:
        if self._orders_wait and self.stock_truth.oversells(order):
            self._waiting.append(order)
            return
        if self._lacking(order) is not None:
            self.ledger.harmless["turned_away"] += 1
            return
        self._place(order)
        if order.story is Story.PREPAID:
            paid = order.ordered_at + timedelta(days=0.5 + 2 * order.draw)
            self.sim.schedule(paid, lambda: self._pay(order))
        elif order.story is Story.PAYMENT_ABORTED:
            self.sim.schedule(self._abort_time(order), lambda: self._abort_payment(order))
        else:
            self.sim.after(self.config.hold_minutes, lambda: self.market.release(order))
        if order.story is Story.CANCELLED_EARLY:
            minutes = self.config.hold_minutes * 0.9 * order.draw
            self.sim.after(minutes, lambda: self._customer_cancels(order))
        elif order.story is Story.CANCELLED_LATE:
            minutes = self.config.hold_minutes + 10 + 600 * order.draw
            self.sim.after(minutes, lambda: self._customer_cancels(order))

    def _pay(self, order: SalesOrder) -> None:
        for item in order.items:
            item.expected_delivery = generator.delivery(self.sim.now, 4)
        self.market.release(order)
        self.ledger.harmless["prepayment_waited"] += 1

    def _abort_time(self, order: SalesOrder) -> datetime:
        """OTTO's deadline; in a run that ends before it the buyer gives up earlier."""
        day = order.ordered_at.astimezone(BERLIN).date()
        deadline = at_berlin(add_working_days(day, _PREPAYMENT_WORKING_DAYS), 12)
        if deadline <= self.orders_end + timedelta(days=SETTLING_DAYS - 1):
            return deadline
        return order.ordered_at + timedelta(days=1 + 2 * order.draw)

    def _abort_payment(self, order: SalesOrder) -> None:
        self.market.cancel(order, order.items, "PAYMENT_ABORTED")
        self.ledger.harmless["payment_aborted"] += 1

    def _customer_cancels(self, order: SalesOrder) -> None:
        items = order.items[:1] if order.draw > 0.6 else order.items
        reason = _CUSTOMER_WISH if order.draw < 0.8 else "CANCELLED_ON_MARKETPLACE_WISH"
        self.market.cancel(order, items, reason)
        self.ledger.harmless["customer_cancellation"] += 1

    def _trickle(self) -> None:
        self.sim.schedule(
            self.sim.now + timedelta(hours=1 / self.config.after_orders_trickle),
            self._trickle,
            background=True,
        )
        self._arrive(generator.make_order(self._rng, self.sim.now))

    def _plan_phantoms(self, start: datetime) -> None:
        rng = random.Random(f"phantoms:{self.config.seed}")
        for _ in range(stories.quota(self.config.orders, self.config.data_fault_rate)):
            order = _phantom(rng)
            moment = start + timedelta(days=self.config.days * rng.uniform(0.1, 0.9))
            self.sim.schedule(moment, partial(self.warehouse.add_phantom, order, PHANTOM_ORDER))

    # What crosses from one side to the other, and what of it is a break.

    def _record(self, kind: str, order_id: str, item_id: str, fault: str) -> None:
        self.ledger.record_break(kind, order_id, item_id, fault, self.sim.now)

    def _fault_took_effect(self, order_ref: str, line_id: str, fault: str) -> None:
        self._record(BREAK_OF_FAULT[fault], order_ref, line_id, fault)

    def _item(self, order_ref: str, item_id: str) -> Item | None:
        order = self.market.orders.get(order_ref)
        items = order.items if order else []
        return next((item for item in items if item.item_id == item_id), None)

    def _line(self, order_ref: str, line_id: str) -> Line | None:
        held = self.warehouse.orders.get(order_ref)
        return held.lines.get(line_id) if held else None

    def _note_if_cancelled_at_otto(self, order_ref: str, line_id: str) -> None:
        item = self._item(order_ref, line_id)
        if item is not None and item.status in CANCELLED:
            self._record(_CANCELLED_BUT_OPEN, order_ref, line_id, "cancelled_too_late")

    def _item_cancelled(self, order: SalesOrder, item: Item) -> None:
        self.stock_truth.counted(item.item_id)
        line = self._line(order.order_id, item.item_id)
        if line is not None and line.shipped:
            self._note_if_cancelled_at_otto(order.order_id, item.item_id)

    def _order_accepted(self, held: WmsOrder) -> None:
        self.money.accepted_by_warehouse(held)
        order = self.market.orders.get(held.order_ref)
        if order is None:
            return
        if order.story is Story.PORTAL_SENT:
            self.sim.after(120, lambda: self._send_in_portal(order))
        elif order.story is Story.STALLED:
            day = order.items[0].expected_delivery.astimezone(BERLIN).date()
            self.sim.schedule(
                at_berlin(add_working_days(day, -1), 14), lambda: self._note_stalled(order)
            )

    def _order_packed(self, held: WmsOrder) -> None:
        order = self.market.orders.get(held.order_ref)
        if order is not None and order.story is Story.CANCELLED_AFTER_PACKING:
            self.sim.after(2, lambda: self.market.cancel(order, order.items, _CUSTOMER_WISH))

    def _send_in_portal(self, order: SalesOrder) -> None:
        """A person marks the order as sent in OTTO's portal; no parcel exists."""
        items = [item for item in order.items if item.status is Status.PROCESSABLE]
        if not items:
            return
        number, return_number = self.warehouse.spare_number()
        body = {
            "trackingKey": {"carrier": "DHL", "trackingNumber": number},
            "shipDate": self.sim.now.isoformat(),
            "shipFromAddress": {"city": "Dresden", "zipCode": "01067", "countryCode": "DEU"},
            "positionItems": [
                {
                    "positionItemId": item.item_id,
                    "salesOrderId": order.order_id,
                    "returnTrackingKey": {"carrier": "DHL", "trackingNumber": return_number},
                }
                for item in items
            ],
        }
        self.market.create_shipments([body])
        for item in items:
            self._fault_took_effect(order.order_id, item.item_id, Story.PORTAL_SENT)

    def _note_stalled(self, order: SalesOrder) -> None:
        for item in order.items:
            line = self._line(order.order_id, item.item_id)
            if line is not None and line.in_work and item.status is Status.PROCESSABLE:
                self._fault_took_effect(order.order_id, item.item_id, Story.STALLED)

    def _parcel_dispatched(self, held: WmsOrder, lines: list[Line], parcel: Parcel) -> None:
        for line in lines:
            if held.story in _DISPATCH_FAULTS:
                self._fault_took_effect(held.order_ref, line.line_id, held.story)
            self._note_if_cancelled_at_otto(held.order_ref, line.line_id)
        if held.story in _HARMLESS_AT_DISPATCH:
            self.ledger.harmless[held.story] += 1

    def _item_refused(self, order: SalesOrder, item: Item) -> None:
        line = self._line(order.order_id, item.item_id)
        if line is not None and line.shipped:
            self._fault_took_effect(order.order_id, item.item_id, Story.SHIPMENT_REFUSED)

    def _line_short(self, held: WmsOrder, line: Line) -> None:
        self.ledger.shorts.setdefault((held.order_ref, line.line_id), self.sim.now)

    def _item_shipped(self, order: SalesOrder, item: Item, shipment: Shipment) -> None:
        self.stock_truth.counted(item.item_id)
        self.money.sent(order, item, shipment)
        line = self._line(order.order_id, item.item_id)
        if order.story is not Story.TRACKING_CORRECTED or line is None or not line.parcel_ids:
            return
        parcel = self.warehouse.parcels[line.parcel_ids[-1]]
        if parcel.parcel_id in self._corrected or parcel.number != shipment.tracking_number:
            return
        self._corrected.add(parcel.parcel_id)
        self.sim.after(120 + 240 * order.draw, lambda: self._correct_tracking(order, parcel))

    def _correct_tracking(self, order: SalesOrder, parcel: Parcel) -> None:
        told = [
            item
            for item in order.items
            if item.item_id in parcel.line_ids and item.tracking_number == parcel.number
        ]
        self.warehouse.correct_tracking(parcel)
        for item in told:
            self._fault_took_effect(order.order_id, item.item_id, Story.TRACKING_CORRECTED)


def _phantom(rng: random.Random) -> dict[str, Any]:
    """An order that the warehouse has from nobody."""
    product = rng.choice(catalogue.PRODUCTS)
    return {
        "order_ref": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "lines": [
            {
                "line_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                "sku": product.sku,
                "quantity": 1,
                "unit_price_cents": product.price_cents,
                "currency": "EUR",
            }
        ],
    }
