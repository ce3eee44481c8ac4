"""The simulated warehouse: takes orders, allocates, picks, packs, dispatches, cancels.

Belongs here: state of WMS orders and the stories that play in the WMS. The HTTP contract belongs to
`wms_server`, checks of a submitted order to `wms_rules`, effects on OTTO to `world`. Callers hold
the world's lock.
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from otto_pipelines.sandbox import carriers, catalogue
from otto_pipelines.sandbox.allocation import Allocation
from otto_pipelines.sandbox.assortment import Assortment
from otto_pipelines.sandbox.event_feed import EventFeed, line_outcome
from otto_pipelines.sandbox.simulation import Simulation
from otto_pipelines.sandbox.stories import NEVER_DISPATCHED, Story
from otto_pipelines.sandbox.wms_model import Line, Parcel, WmsOrder

_LOST_AFTER_MINUTES = 20
_BACKORDER_MINUTES = 600
_LINE_FIELDS = ("line_id", "sku", "quantity", "unit_price_cents", "currency")


def _nothing(*_: Any) -> None:
    """A hook that nobody uses yet."""


class Warehouse:
    """All orders of the WMS and their stock. Hooks tell `world` what happened.

    An accepted order reserves its units, a pick takes them off the shelf.
    """

    def __init__(
        self, sim: Simulation, story_of: Callable[[str], Story | None], goods: Assortment
    ) -> None:
        self._sim = sim
        self._story_of = story_of
        self._numbers = carriers.NumberRange(sim.config.seed)
        self._order_serial = itertools.count(1)
        self._parcel_serial = itertools.count(1)
        self.feed = EventFeed(sim)
        self._allocation = Allocation(sim, goods)
        self.stock = self._allocation.stock
        self.orders: dict[str, WmsOrder] = {}
        self.parcels: dict[str, Parcel] = {}
        self.on_packed: Callable[[WmsOrder], None] = _nothing
        self.on_dispatched: Callable[[WmsOrder, list[Line], Parcel], None] = _nothing
        self.on_fault: Callable[[str, str, str], None] = _nothing
        self.on_accepted: Callable[[WmsOrder], None] = _nothing
        self.on_counted: Callable[[WmsOrder, Line], None] = _nothing
        """The stock of the WMS now allows for this line, or it needs none any more."""
        self.on_short: Callable[[WmsOrder, Line], None] = _nothing

    def submit(self, order: dict[str, Any]) -> dict[str, Any]:
        """Take a checked order; idempotent by its `order_ref`. Returns a SubmitResult."""
        ref = order["order_ref"]
        known = self.orders.get(ref)
        if known is None:
            return _result(ref, "CREATED", self._create(order).wms_order_id)
        if known.payload_hash == order["payload_hash"]:
            return _result(ref, "UNCHANGED", known.wms_order_id)
        if known.status not in {"NEW", "ACCEPTED", "ALLOCATED"}:
            why = f"the order is {known.status} in the warehouse and cannot be changed any more"
            return _result(ref, "REJECTED", known.wms_order_id, why)
        self._update(known, order)
        return _result(ref, "UPDATED", known.wms_order_id)

    def _create(self, order: dict[str, Any]) -> WmsOrder:
        ref = order["order_ref"]
        held = WmsOrder(
            order_ref=ref,
            wms_order_id=f"WO-{next(self._order_serial):07d}",
            payload_hash=order["payload_hash"],
            lines={line["line_id"]: _line(line) for line in order["lines"]},
            story=self._story_of(ref),
            rng=random.Random(f"{self._sim.config.seed}:{ref}"),
        )
        self.orders[ref] = held
        self._spoil(held)
        if held.story is Story.ORDER_LOST:
            self._sim.after(_LOST_AFTER_MINUTES, lambda: self._lose(held))
        else:
            self._sim.after(held.rng.uniform(2, 10), lambda: self.accept(held))
        return held

    def _update(self, held: WmsOrder, order: dict[str, Any]) -> None:
        wanted = {line["line_id"]: line for line in order["lines"]}
        gone = [line for key, line in held.lines.items() if key not in wanted and line.in_work]
        self._allocation.release(line for line in held.lines.values() if line.in_work)
        for key, line in wanted.items():
            known = held.lines.get(key)
            changes = {name: line[name] for name in _LINE_FIELDS}
            held.lines[key] = (
                replace(known, **changes) if known else replace(_line(line), state=held.status)
            )
        held.payload_hash = order["payload_hash"]
        self._spoil(held)
        self._cancel_lines(held, gone, "removed by an update of the order")
        if held.status != "NEW":
            self._reserve(held)

    def _spoil(self, held: WmsOrder) -> None:
        """Stories in which the WMS stores something else than it was given."""
        if held.story not in {Story.SKU_SWAPPED, Story.PRICE_CHANGED}:
            return
        line = held.lines.get(held.spoilt_line or "") or next(iter(held.lines.values()))
        held.spoilt_line = line.line_id
        if held.story is Story.SKU_SWAPPED:
            others = [p.sku for p in catalogue.PRODUCTS if p.sku != line.sku]
            line.sku = held.rng.choice(others)
        else:
            line.unit_price_cents += held.rng.choice((100, 250, 999))
        self.on_fault(held.order_ref, line.line_id, held.story)

    def _reserve(self, held: WmsOrder) -> None:
        for line in held.lines.values():
            if line.in_work:
                self._allocation.reserve(line)
                self.on_counted(held, line)

    def _lose(self, held: WmsOrder) -> None:
        self._allocation.release(line for line in held.lines.values() if line.in_work)
        del self.orders[held.order_ref]
        for line_id in held.lines:
            self.on_fault(held.order_ref, line_id, Story.ORDER_LOST)

    def add_phantom(self, order: dict[str, Any], fault: str) -> None:
        """Store and accept an order that nobody submitted; it is never dispatched."""
        held = self._create(order | {"payload_hash": ""})
        held.story = Story.STALLED
        self.accept(held)
        for line_id in held.lines:
            self.on_fault(held.order_ref, line_id, fault)

    def accept(self, held: WmsOrder) -> None:
        """Accept the order; most go on to allocation."""
        if held.status != "NEW":
            return
        self._step(held, "ACCEPTED")
        self._reserve(held)
        self.on_accepted(held)
        if held.story is Story.CANCELLATION_IGNORED:
            self._sim.after(30, lambda: self._cancel_by_itself(held))
        if held.story not in NEVER_DISPATCHED:
            self._sim.after(held.rng.uniform(5, 20), lambda: self._allocate(held))

    def _cancel_by_itself(self, held: WmsOrder) -> None:
        line = next(iter(held.lines.values()))
        if not line.in_work or line.packed:
            return
        self._allocation.damage(line)
        self._cancel_lines(held, [line], "article damaged in the warehouse")
        self.on_fault(held.order_ref, line.line_id, Story.CANCELLATION_IGNORED)

    def _allocate(self, held: WmsOrder) -> None:
        if held.status == "ACCEPTED":
            self._step(held, "ALLOCATED")
            minutes = 60 if held.story is Story.CANCELLATION_IGNORED else held.rng.uniform(20, 150)
            self._sim.after_work(minutes, lambda: self._pick(held))

    def _pick(self, held: WmsOrder) -> None:
        if held.status != "ALLOCATED":
            return
        if held.story in {Story.SHORT_PICKED, Story.BACKORDERED}:
            self._pick_short(held, next(iter(held.lines.values())))
        for line in [line for line in held.lines.values() if line.in_work]:
            if not self._allocation.pick(line):
                self._come_up_short(held, line, backorder=False)
        self._step(held, "PICKED")
        self._sim.after_work(held.rng.uniform(10, 30), lambda: self._pack(held))

    def _pick_short(self, held: WmsOrder, line: Line) -> None:
        if line.in_work:
            self._allocation.write_off(line, certain=False)
            self._come_up_short(held, line, backorder=held.story is Story.BACKORDERED)

    def short_now(self, sku: str, order_ref: str | None, *, backorder: bool) -> str | None:
        """Let the next line of that SKU come up short; its id, or None where none can be."""
        for held in list(self.orders.values()):
            for line in held.lines.values():
                waits = line.in_work and line.state != "PICKED"
                if line.sku == sku and waits and order_ref in {None, held.order_ref}:
                    self.accept(held)
                    self._allocation.write_off(line, certain=True)
                    self._come_up_short(held, line, backorder=backorder)
                    return line.line_id
        return None

    def _come_up_short(self, held: WmsOrder, line: Line, *, backorder: bool) -> None:
        """Report a line short. A backorder keeps its promise on the stock."""
        if not backorder:
            self._allocation.release([line])
        line.backordered = backorder
        line.state = "SHORT"
        self.feed.add(
            "SHORT_PICKED",
            held,
            lines=[
                line_outcome(
                    line,
                    quantity_short=line.quantity,
                    discrepancy="BACKORDER" if backorder else "COMPLETE",
                    reason="OUT_OF_STOCK",
                )
            ],
        )
        self._settle_status(held)
        self.on_short(held, line)
        if backorder:
            self._sim.after_work(_BACKORDER_MINUTES, lambda: self._ship_backorder(held, line))

    def _ship_backorder(self, held: WmsOrder, line: Line) -> None:
        if line.state == "SHORT":
            self._allocation.pick(line, force=True)
            line.packed = True
            self._dispatch(held, [line])

    def _pack(self, held: WmsOrder) -> None:
        ready = [line for line in held.lines.values() if line.state == "PICKED"]
        if held.status != "PICKED" or not ready:
            return
        held.status = "PACKED"
        for line in ready:
            line.packed = True
        self.on_packed(held)
        for place, share in enumerate(_shares(held, ready)):
            minutes = held.rng.uniform(30, 90) + place * held.rng.uniform(60, 300)
            self._sim.after_work(minutes, partial(self._dispatch, held, share))

    def _dispatch(self, held: WmsOrder, lines: list[Line]) -> list[Parcel]:
        going = [line for line in lines if line.packed and line.state in {"PICKED", "SHORT"}]
        if not going:
            return []
        parcel = self._parcel(held, going)
        self.parcels[parcel.parcel_id] = parcel
        for line in going:
            line.state = "SHIPPED"
            line.parcel_ids.append(parcel.parcel_id)
        self._settle_status(held)
        self.feed.add(
            "DISPATCHED",
            held,
            lines=[
                line_outcome(line, quantity_picked=line.quantity, quantity_shipped=line.quantity)
                for line in going
            ],
            parcels=[parcel.wire],
            dispatch_id=f"DSP-{parcel.parcel_id[4:]}",
        )
        self.on_dispatched(held, going, parcel)
        return [parcel]

    def _parcel(self, held: WmsOrder, lines: list[Line]) -> Parcel:
        malformed = held.story is Story.TRACKING_MALFORMED
        raw = carriers.choose(held.rng, with_check_digit=malformed)
        if held.story is Story.CARRIER_UNKNOWN:
            raw = carriers.UNKNOWN_CARRIER
        number: str | None = self._numbers.tracking(raw)
        if malformed and number is not None:
            number = carriers.spoil(number, held.rng)
        if held.story is Story.TRACKING_MISSING:
            number = None
        back = None if held.story is Story.RETURN_NUMBER_MISSING else self._numbers.return_number()
        parcel_id = f"PCL-{next(self._parcel_serial):07d}"
        wire = {
            "parcel_id": parcel_id,
            "lines": [{"line_id": line.line_id, "quantity": line.quantity} for line in lines],
            "shipped_at": self._sim.now,
            "carrier_code": raw,
            "tracking_number": number,
            "tracking_url": carriers.link(raw, number) if number else None,
            "return_carrier_code": carriers.RETURN_CARRIER,
            "return_tracking_number": back,
            "weight_g": held.rng.randrange(300, 15_000),
        }
        line_ids = tuple(line.line_id for line in lines)
        return Parcel(parcel_id, held.order_ref, line_ids, raw, number, wire)

    def correct_tracking(self, parcel: Parcel) -> None:
        """Give a dispatched parcel another number and tell so."""
        held = self.orders[parcel.order_ref]
        number = self._numbers.tracking(parcel.raw_carrier)
        parcel.number = number
        parcel.wire = parcel.wire | {
            "tracking_number": number,
            "tracking_url": carriers.link(parcel.raw_carrier, number),
        }
        lines = [held.lines[line_id] for line_id in parcel.line_ids]
        self.feed.add(
            "TRACKING_CHANGED",
            held,
            lines=[line_outcome(line, quantity_shipped=line.shipped) for line in lines],
            parcels=[parcel.wire],
            dispatch_id=f"DSP-{parcel.parcel_id[4:]}",
        )

    def spare_number(self) -> tuple[str, str]:
        """A DHL tracking number and a return number outside of any parcel."""
        return self._numbers.tracking("DHL-PAKET"), self._numbers.return_number()

    def dispatch_now(self, order_ref: str) -> list[Parcel]:
        """Accept, pick, pack and dispatch what is left of the order at once."""
        held = self.orders[order_ref]
        self.accept(held)
        for line in held.lines.values():
            if line.in_work:
                if line.state != "PICKED":
                    self._allocation.pick(line, force=True)
                line.state, line.packed = "PICKED", True
        held.status = "PACKED"
        return self._dispatch(held, list(held.lines.values()))

    def cancel(self, order_ref: str, line_ids: list[str] | None, reason: str) -> dict[str, Any]:
        """Cancel lines that are not packed yet. Returns a CancelResult."""
        held = self.orders.get(order_ref)
        wanted = list(held.lines) if held and line_ids is None else list(line_ids or ())
        if held is None or not any(line_id in held.lines for line_id in wanted):
            return {"order_ref": order_ref, "outcome": "NOT_FOUND", "cancelled_line_ids": []}
        lines = [held.lines[line_id] for line_id in wanted if line_id in held.lines]
        open_lines = [line for line in lines if line.awaited and not line.packed]
        self._cancel_lines(held, open_lines, reason)
        done = [line.line_id for line in lines if line.state in {"CANCELLED", "SHORT"}]
        outcome = "CANCELLED" if len(done) == len(lines) else "PARTIAL" if done else "TOO_LATE"
        return {"order_ref": order_ref, "outcome": outcome, "cancelled_line_ids": done}

    def _cancel_lines(self, held: WmsOrder, lines: list[Line], reason: str) -> None:
        self._allocation.release(lines)
        for line in lines:
            line.state = "CANCELLED"
            self.on_counted(held, line)
        if lines:
            self.feed.add(
                "CANCELLED", held, lines=[line_outcome(line, reason=reason) for line in lines]
            )
            self._settle_status(held)

    def _step(self, held: WmsOrder, state: str) -> None:
        moved = [line for line in held.lines.values() if line.in_work]
        if not moved:
            return
        held.status = state
        for line in moved:
            line.state = state
        picked = state == "PICKED"
        self.feed.add(
            state,
            held,
            lines=[line_outcome(ln, quantity_picked=ln.quantity if picked else 0) for ln in moved],
        )

    def _settle_status(self, held: WmsOrder) -> None:
        states = {line.state for line in held.lines.values()}
        if states == {"CANCELLED"}:
            held.status = "CANCELLED"
        elif states <= {"CANCELLED", "SHORT"}:
            held.status = "SHORT"
        elif "SHIPPED" in states:
            left = any(line.awaited for line in held.lines.values())
            held.status = "PARTIALLY_SHIPPED" if left else "SHIPPED"


def _shares(held: WmsOrder, ready: list[Line]) -> list[list[Line]]:
    """The lines of each parcel: one parcel, or several for a split."""
    if held.story is not Story.SPLIT or len(ready) < 2:
        return [ready]
    middle = held.rng.randrange(1, len(ready))
    return [ready[:middle], ready[middle:]]


def _line(line: dict[str, Any]) -> Line:
    return Line(*(line[name] for name in _LINE_FIELDS))


def _result(ref: str, outcome: str, wms_id: str, error: str | None = None) -> dict[str, Any]:
    return {"order_ref": ref, "outcome": outcome, "wms_order_id": wms_id, "error": error}
