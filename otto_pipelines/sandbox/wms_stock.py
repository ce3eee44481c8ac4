"""The stock list of the simulated WMS: its pages, what may be wrong with it, the feed of changes.

Belongs here: the wire form of stock and the faults of a stock list. Levels belong to `stock`.
"""

import base64
import bisect
import random
import zlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from otto_pipelines.sandbox.cursors import BadCursor, read_cursor, write_cursor
from otto_pipelines.sandbox.simulation import Simulation
from otto_pipelines.sandbox.stock import Level, Stockroom

FAULTS = ("stale", "shrunken", "empty", "zeroed", "incomplete")
_PAGE = 1000
_ZEROS: dict[str, Any] = {"on_hand": 0, "reserved": 0, "blocked": 0, "sellable": None}


class StockList:
    """Answers from `stock`, or wrongly while a fault is on.

    `stale` shows the state of the moment at which it began. The others touch full lists only:
    `shrunken` lacks every second SKU and `empty` all, without saying so; `zeroed` has zeros
    throughout; `incomplete` is shrunken and says so.
    """

    def __init__(self, sim: Simulation, stock: Stockroom) -> None:
        self._sim = sim
        self._stock = stock
        self._fault: str | None = None
        self._old: dict[str, list[dict[str, Any]]] = {}
        self._plan_faults()

    def use(self, fault: str | None) -> None:
        """Let the list be wrong in this way from now on, or right again."""
        self._fault = fault
        now = self._sim.now
        stale = fault == "stale"
        self._old = {sku: self._wire(sku, now) for sku in self._stock} if stale else {}

    def some(self, skus: Iterable[str]) -> dict[str, Any]:
        """A StockPage of these SKUs; one that the warehouse does not know is absent."""
        levels = [wire for sku in dict.fromkeys(skus) for wire in self._shown(sku)]
        return self._page(levels, None)

    def page(self, cursor: str | None) -> dict[str, Any]:
        """A StockPage of the whole list, by SKU.

        Raises:
            BadCursor: it is none of this list.
        """
        skus = self._stock.skus()
        begin = bisect.bisect_right(skus, _read_page(cursor)) if cursor else 0
        chosen = skus[begin : begin + _PAGE]
        following = _write_page(chosen[-1]) if begin + _PAGE < len(skus) else None
        if self._fault is not None:
            self._sim.ledger.stock_lists[self._fault] += 1
        if self._fault == "empty":
            return self._page([], None)
        if self._fault in {"shrunken", "incomplete"}:
            chosen = chosen[::2]
        levels = [wire for sku in chosen for wire in self._shown(sku)]
        if self._fault == "zeroed":
            levels = [wire | _ZEROS for wire in levels]
        return self._page(levels, following, complete=self._fault != "incomplete")

    def changes(self, cursor: str | None, limit: int) -> dict[str, Any]:
        """A StockChanges page: SKUs that changed after the cursor, each once.

        Raises:
            BadCursor: it is none of this feed.
        """
        changes = self._stock.changes
        begin = read_cursor("stock", cursor, len(changes))
        end = min(begin + limit, len(changes))
        return {
            "skus": list(dict.fromkeys(changes[begin:end])),
            "next_cursor": write_cursor("stock", end),
            "has_more": end < len(changes),
        }

    def _plan_faults(self) -> None:
        config = self._sim.config
        rng = random.Random(f"stock-lists:{config.seed}")
        for number in range(config.snapshot_fault_periods):
            day = config.days * (number + rng.random()) / config.snapshot_fault_periods
            begin = self._sim.clock.start + timedelta(days=day)
            hours = min(rng.uniform(3, 8), 20 * config.days / config.snapshot_fault_periods)
            fault = FAULTS[number % len(FAULTS)]
            self._sim.schedule(begin, partial(self.use, fault), background=True)
            end = begin + timedelta(hours=hours)
            self._sim.schedule(end, partial(self._end, fault), background=True)

    def _end(self, fault: str) -> None:
        if self._fault == fault:
            self.use(None)

    def _page(
        self, levels: list[dict[str, Any]], following: str | None, *, complete: bool = True
    ) -> dict[str, Any]:
        return {
            "levels": levels,
            "next_page": following,
            "snapshot_at": self._sim.now,
            "complete": complete,
        }

    def _shown(self, sku: str) -> list[dict[str, Any]]:
        if self._fault == "stale":
            return self._old.get(sku, [])
        return self._wire(sku, self._sim.now)

    def _wire(self, sku: str, as_of: datetime) -> list[dict[str, Any]]:
        return [_level(level, as_of) for level in self._stock.levels(sku)]


def _level(level: Level, as_of: datetime) -> dict[str, Any]:
    """A StockLevel; the warehouse has a figure of its own for some articles only."""
    own_figure = zlib.crc32(level.sku.encode()) % 3 == 0
    return {
        "sku": level.sku,
        "location": level.location,
        "on_hand": level.on_hand,
        "reserved": level.reserved,
        "blocked": level.blocked,
        "sellable": max(0, level.free) if own_figure else None,
        "as_of": as_of,
    }


def _write_page(sku: str) -> str:
    return base64.urlsafe_b64encode(sku.encode()).decode()


def _read_page(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text).decode()
    except ValueError as error:
        raise BadCursor(text) from error
