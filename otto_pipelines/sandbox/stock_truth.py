"""Whether OTTO sold what was there: available units as they are, and oversold ones.

Belongs here: units that buyers ordered and the WMS does not count yet, the figure that a perfect
observer would show, and what a sale beyond it is called. Levels belong to `stock`, what OTTO shows
to `otto_stock`. Callers hold the world's lock.
"""

from collections import Counter
from typing import Any

from otto_pipelines.sandbox.model import SalesOrder
from otto_pipelines.sandbox.otto_stock import Shelf
from otto_pipelines.sandbox.simulation import Simulation
from otto_pipelines.sandbox.stock import Stockroom


class StockTruth:
    """Both sides of each SKU at once."""

    def __init__(self, sim: Simulation, stock: Stockroom, shelf: Shelf) -> None:
        self._sim = sim
        self._stock = stock
        self._shelf = shelf
        self._uncounted: dict[str, str] = {}
        self._uncounted_per_sku: Counter[str] = Counter()

    def available(self, sku: str) -> int:
        """What an observer without delay would show: free by the WMS, less uncounted sales.

        Below zero where more was sold than there is.
        """
        return self._stock.free(sku) - self._uncounted_per_sku[sku]

    def sold_out(self, order: SalesOrder) -> str | None:
        """The first SKU of which OTTO shows less than the order wants, or None."""
        wanted = Counter(item.product.sku for item in order.items)
        return next((sku for sku, n in wanted.items() if n > self._shelf.shown(sku)), None)

    def oversells(self, order: SalesOrder) -> bool:
        """Whether the order would get units that the observer would not have shown."""
        wanted = Counter(item.product.sku for item in order.items)
        return any(
            min(n, self._shelf.shown(sku)) > max(0, self.available(sku))
            for sku, n in wanted.items()
        )

    def sold(self, order: SalesOrder) -> None:
        """Note a new order. A unit that OTTO showed and that was not there is oversold.

        It was avoidable where the observer would not have shown it: then only OTTO's figure was
        old. Where the record was wrong too, nobody could have known.
        """
        places: Counter[str] = Counter()
        for item in order.items:
            sku = item.product.sku
            places[sku] += 1
            there = self.available(sku)
            if places[sku] <= self._shelf.shown(sku) and there - self._stock.missing(sku) < 1:
                self._sim.ledger.record_oversold(
                    sku, order.order_id, item.item_id, self._sim.now, avoidable=there < 1
                )
            self._uncounted[item.item_id] = sku
            self._uncounted_per_sku[sku] += 1
        if self._sim.config.otto_lowers_stock:
            for sku, quantity in places.items():
                self._shelf.sell(sku, quantity)

    def counted(self, item_id: str) -> None:
        """The WMS's stock allows for the unit now, or nobody waits for it any more."""
        sku = self._uncounted.pop(item_id, None)
        if sku is not None:
            self._uncounted_per_sku[sku] -= 1

    def describe(self, sku: str) -> dict[str, Any]:
        """One entry of `GET /_sandbox/stock`."""
        levels, figure = self._stock.levels(sku), self._shelf.figure(sku)
        return {
            "sku": sku,
            "on_hand": sum(level.on_hand for level in levels),
            "reserved": sum(level.reserved for level in levels),
            "blocked": sum(level.blocked for level in levels),
            "missing": self._stock.missing(sku),
            "free": self._stock.free(sku),
            "uncounted": self._uncounted_per_sku[sku],
            "available": self.available(sku),
            "otto_shown": figure.quantity if figure else None,
            "last_modified": figure.last_modified if figure else None,
            "accepted_at": figure.accepted_epoch if figure else None,
        }
