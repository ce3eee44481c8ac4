"""The sandbox's world for `test_stock_machine`: what may happen in it, and what is true of stock.

Belongs here: buyers, marketplace and warehouse. Our flows and what must hold of them belong to the
test.
"""

import itertools
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from otto_pipelines.sandbox import wms_stock
from otto_pipelines.sandbox.assortment import Assortment, Opening
from otto_pipelines.sandbox.clock import VirtualClock
from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.generator import make_order
from otto_pipelines.sandbox.model import CANCELLED
from otto_pipelines.sandbox.wms_model import Line, WmsOrder
from otto_pipelines.sandbox.world import World

START = datetime(2026, 6, 8, 6, tzinfo=UTC)

# One and two locations, a warehouse's own figure, a name that means two articles, and one that OTTO
# does not know.
PLAIN, APART, OWN, DOUBLE = "Kanne", "Regal", "Leuchte", "Stuhl"
SOLD_AT_OTTO = (PLAIN, APART, OWN, DOUBLE)
GOODS = Assortment(
    at_otto=frozenset(SOLD_AT_OTTO),
    orphans=(),
    unknown_to_otto=("Nur-Lager",),
    collisions=((DOUBLE, DOUBLE.upper()),),
    openings=(
        Opening(PLAIN, {"DRESDEN": 3}, 0, 2),
        Opening(APART, {"DRESDEN": 1, "LEIPZIG": 2}, 0, 2),
        Opening(OWN, {"DRESDEN": 2}, 0, 2),
        Opening(DOUBLE, {"DRESDEN": 4}, 0, 2),
        Opening(DOUBLE.upper(), {"DRESDEN": 1}, 0, 2),
        Opening("Nur-Lager", {"DRESDEN": 5}, 0, 2),
    ),
)

SKUS = st.sampled_from((PLAIN, PLAIN, PLAIN, APART, OWN, DOUBLE))
NUMBERS = st.sampled_from((0, 0, 0, 1, 1, 2, 5))
UNITS = st.integers(0, 4)


def act(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(st.just(name), *arguments)


MOVES = st.one_of(
    act("buy", SKUS, st.integers(1, 3), st.booleans()),
    act("release", NUMBERS),
    act("cancel_at_otto", NUMBERS, st.booleans()),
    act("accept", NUMBERS),
    act("short", SKUS, st.booleans()),
    act("dispatch", NUMBERS),
    act("cancel_in_warehouse", NUMBERS),
    act("receive", SKUS, UNITS),
    act("count", SKUS, UNITS),
    act("block", SKUS, UNITS),
    act("lose", SKUS, UNITS),
    act("list_fault", st.sampled_from((None, None, "stale", *wms_stock.FAULTS))),
    act("pass_time", st.sampled_from((0.1, 5, 60, 300))),
)
"""What the buyers and the warehouse do."""


@dataclass(frozen=True)
class Telling:
    """The warehouse told so many free units; `moment` is a number in the order of all events."""

    moment: int
    free: int


class StockWorld:
    """One world, stepped; `misled` while a list was wrong since `misled` was last set to False."""

    def __init__(self, *, otto_lowers_stock: bool) -> None:
        config = SandboxConfig(
            start=START,
            orders=0,
            days=1,
            transport_fault_rate=0.0,
            stock_moves_per_day=0,
            sell_what_is_shown=True,
            otto_lowers_stock=otto_lowers_stock,
        )
        self.sandbox = World(config, VirtualClock(START, 0))
        self.stock = self.sandbox.warehouse.stock
        self.misled = False
        self._moments = itertools.count(1)
        self._reserved_at: dict[str, int] = {}
        self._old: dict[str, Telling] = {}
        counted = self.sandbox.warehouse.on_counted

        def on_counted(order: WmsOrder, line: Line) -> None:
            counted(order, line)
            if line.state != "CANCELLED":
                self._reserved_at.setdefault(line.line_id, next(self._moments))

        self.sandbox.warehouse.on_counted = on_counted

    def now(self) -> datetime:
        """Business time."""
        return self.sandbox.sim.clock.now()

    def tick(self) -> None:
        """No two tellings are of one moment; a reservation may be of the same as a telling."""
        self.sandbox.advance(self.now() + timedelta(milliseconds=1))

    def do(self, name: str, *arguments: Any) -> None:
        """One of `MOVES`."""
        next(self._moments)
        with self.sandbox.turn():
            getattr(self, f"do_{name}")(*arguments)

    # What is true

    def telling(self, sku: str) -> Telling:
        """What the warehouse tells now; a stale list tells of the moment at which it began."""
        return self._old.get(sku) or Telling(next(self._moments), self.stock.free(sku))

    def open_units(self, sku: str, moment: int, known: frozenset[str]) -> int:
        """Units of `known` orders that the warehouse had not reserved at that moment."""
        orders, held = self.sandbox.market.orders, self.sandbox.warehouse.orders
        number = 0
        for order_id in known:
            lines = held[order_id].lines if order_id in held else {}
            for item in orders[order_id].items:
                line = lines.get(item.item_id)
                number += (
                    item.product.sku == sku
                    and item.status not in CANCELLED
                    and (line is None or line.state != "CANCELLED")
                    and self._reserved_at.get(item.item_id, moment + 1) > moment
                )
        return number

    def shown(self, sku: str) -> int:
        """What OTTO shows."""
        return self.sandbox.shelf.shown(sku)

    def available(self, sku: str) -> int:
        """What OTTO should show."""
        return max(0, self.sandbox.stock_truth.available(sku))

    def owes(self, sku: str) -> bool:
        """A location promised more than it has; whether another may help out is left open."""
        return any(level.free < 0 for level in self.stock.levels(sku))

    # What may happen

    def do_buy(self, sku: str, units: int, announced: bool) -> None:
        rng = random.Random(len(self.sandbox.market.orders))
        order = make_order(rng, self.sandbox.sim.now, units, sku)
        order.discounts = []
        self.sandbox.market.add(order)
        self.sandbox.stock_truth.sold(order)
        if not announced:
            self.sandbox.market.release(order)

    def do_release(self, number: int) -> None:
        if order := _chosen(self.sandbox.market.orders, number):
            self.sandbox.market.release(order)

    def do_cancel_at_otto(self, number: int, one: bool) -> None:
        if order := _chosen(self.sandbox.market.orders, number):
            items = order.items[:1] if one else order.items
            self.sandbox.market.cancel(order, items, "CANCELLED_ON_CUSTOMER_WISH")

    def do_accept(self, number: int) -> None:
        if held := _chosen(self.sandbox.warehouse.orders, number):
            self.sandbox.warehouse.accept(held)

    def do_short(self, sku: str, backorder: bool) -> None:
        self.sandbox.warehouse.short_now(sku, None, backorder=backorder)

    def do_dispatch(self, number: int) -> None:
        if held := _chosen(self.sandbox.warehouse.orders, number):
            self.sandbox.warehouse.dispatch_now(held.order_ref)

    def do_cancel_in_warehouse(self, number: int) -> None:
        if held := _chosen(self.sandbox.warehouse.orders, number):
            self.sandbox.cancel_in_warehouse(held.order_ref, None, "damaged")

    def do_receive(self, sku: str, units: int) -> None:
        self.stock.receive(sku, None, units)

    def do_count(self, sku: str, units: int) -> None:
        self.stock.count(sku, None, units)

    def do_block(self, sku: str, units: int) -> None:
        self.stock.block(sku, None, units)

    def do_lose(self, sku: str, units: int) -> None:
        self.stock.lose(sku, None, units)

    def do_list_fault(self, fault: str | None) -> None:
        self.tick()
        self.sandbox.stock_list.use(fault)
        self.misled = self.misled or fault is not None
        stale = fault == "stale"
        self._old = {}
        self._old = {sku: self.telling(sku) for sku in self.stock} if stale else {}

    def do_pass_time(self, minutes: float) -> None:
        self.sandbox.advance(self.now() + timedelta(minutes=minutes))


def _chosen(among: dict[str, Any], number: int) -> Any:
    return list(among.values())[-1 - number] if number < len(among) else None
