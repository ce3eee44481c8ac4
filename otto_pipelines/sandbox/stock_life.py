"""What happens to stock by itself: goods in, quarantine, counts, losses that nobody sees.

Belongs here: when and why. The arithmetic belongs to `stock`, orders to `warehouse`. A draw from
its own generator leaves the fate of the orders as it is.
"""

import random
from collections.abc import Callable
from datetime import timedelta

from otto_pipelines.sandbox import catalogue
from otto_pipelines.sandbox.assortment import Assortment
from otto_pipelines.sandbox.simulation import Simulation
from otto_pipelines.sandbox.stock import Stockroom

_UNFORESEEN_LOT = 10


class StockLife:
    """Keeps the shelves of `stock` filled and moving."""

    def __init__(self, sim: Simulation, stock: Stockroom, assortment: Assortment) -> None:
        self._sim = sim
        self._stock = stock
        self._rng = random.Random(f"stock-life:{sim.config.seed}")
        self._ordered = [product.sku for product in catalogue.PRODUCTS]
        self._all = [opening.sku for opening in assortment.openings]
        self._openings = {opening.sku: opening for opening in assortment.openings}
        self._on_its_way: set[str] = set()
        for opening in assortment.openings:
            for location, quantity in opening.quantities.items():
                stock.put(opening.sku, location, quantity)
        config = sim.config
        if config.stock_moves_per_day > 0:
            stock.on_change = self._reorder
        for per_day, action in (
            (config.stock_moves_per_day, self._move),
            (config.hidden_losses_per_day, self._lose),
        ):
            if per_day > 0:
                self._repeat(per_day, action)

    def write_off(self, sku: str, location: str, quantity: int, *, certain: bool) -> None:
        """The record after a short-pick: mostly the shelf turns out to be bare (`certain`)."""
        gone = certain or self._rng.random() < 0.7
        self._stock.write_off(sku, location, quantity, all_free=gone)
        self._sim.after_work(
            self._rng.uniform(300, 480), lambda: self._receive(sku, location), background=True
        )

    def _repeat(self, per_day: float, action: Callable[[], None]) -> None:
        """Run `action` at random moments, so many times a day, for ever."""

        def happen() -> None:
            action()
            self._repeat(per_day, action)

        pause = timedelta(days=self._rng.expovariate(per_day))
        self._sim.schedule(self._sim.now + pause, happen, background=True)

    def _receive(self, sku: str, location: str | None) -> None:
        opening = self._openings.get(sku)
        self._stock.receive(sku, location, opening.lot if opening else _UNFORESEEN_LOT)

    def _reorder(self, sku: str) -> None:
        opening = self._openings.get(sku)
        if (
            opening is None
            or sku in self._on_its_way
            or self._stock.free(sku) >= opening.reorder_point
        ):
            return
        self._on_its_way.add(sku)
        minutes = self._rng.uniform(240, 900)
        self._sim.after_work(minutes, lambda: self._arrive(sku), background=True)

    def _arrive(self, sku: str) -> None:
        self._on_its_way.discard(sku)
        self._receive(sku, None)

    def _some_sku(self) -> str:
        """An ordered article as often as any other."""
        return self._rng.choice(self._ordered if self._rng.random() < 0.5 else self._all)

    def _move(self) -> None:
        """A receipt, a quarantine or its end, or a count; never of units promised to an order."""
        level = self._stock.level(self._some_sku())
        sku, location = level.sku, level.location
        draw, some = self._rng.random(), self._rng.randint(1, 4)
        if draw < 0.4:
            self._stock.receive(sku, location, some)
        elif draw < 0.55:
            self._stock.block(sku, location, level.blocked + max(0, min(some, level.free)))
        elif draw < 0.7:
            self._stock.block(sku, location, max(0, level.blocked - some))
        else:
            seen = level.on_hand - level.missing
            change = -max(0, min(some, level.free)) if draw < 0.9 else some
            self._stock.count(sku, location, max(0, seen + change))

    def _lose(self) -> None:
        level = self._stock.level(self._rng.choice(self._ordered))
        self._stock.lose(level.sku, level.location, level.missing + 1)
