"""The quantities that the simulated OTTO shows: one absolute figure per SKU, the last write wins.

Belongs here: which SKUs OTTO knows and what it shows of them. HTTP belongs to `otto_availability`,
whether a buyer gets what is shown to `stock_truth`. Callers hold the world's lock.
"""

import bisect
import time
from dataclasses import dataclass
from datetime import datetime

from otto_pipelines.sandbox.assortment import Assortment
from otto_pipelines.sandbox.simulation import Simulation

_LONG_AGO_QUANTITY = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """What OTTO shows of a SKU. `accepted_epoch` is real time, for measuring."""

    sku: str
    quantity: int
    last_modified: datetime
    accepted_epoch: float


class Shelf:
    """All figures. A SKU that was never sent has none and is not for sale."""

    def __init__(self, sim: Simulation, goods: Assortment) -> None:
        self._sim = sim
        self._known = goods.at_otto
        self._figures: dict[str, Figure] = {}
        self._sorted: list[str] = []
        for sku in goods.orphans:
            self.accept(sku, _LONG_AGO_QUANTITY)

    def knows(self, sku: str) -> bool:
        """Whether the article exists at OTTO."""
        return sku in self._known

    def figure(self, sku: str) -> Figure | None:
        """The present figure."""
        return self._figures.get(sku)

    def shown(self, sku: str) -> int:
        """Units that a buyer sees."""
        figure = self._figures.get(sku)
        return figure.quantity if figure else 0

    def accept(self, sku: str, quantity: int) -> Figure:
        """Take a figure from the seller."""
        figure = Figure(sku, quantity, self._sim.now, time.time())
        self._figures[sku] = figure
        return figure

    def sell(self, sku: str, quantity: int) -> None:
        """Lower the figure by a sale, as far as it goes."""
        old = self._figures.get(sku)
        if old is not None:
            left = max(0, old.quantity - quantity)
            self._figures[sku] = Figure(sku, left, self._sim.now, old.accepted_epoch)

    def after(self, cursor: str | None, limit: int) -> tuple[list[Figure], bool]:
        """The figures behind that SKU in order of SKUs, and whether more follow."""
        if len(self._sorted) != len(self._figures):
            self._sorted = sorted(self._figures)
        begin = bisect.bisect_right(self._sorted, cursor) if cursor else 0
        skus = self._sorted[begin : begin + limit]
        return [self._figures[sku] for sku in skus], begin + limit < len(self._sorted)
