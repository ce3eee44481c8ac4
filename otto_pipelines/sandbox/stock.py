"""What lies in the simulated warehouse: levels by SKU and location, and the list of changes.

Belongs here: the arithmetic of stock. Why something moves belongs to `warehouse` (orders) and
`stock_life` (everything else), how it is shown to `wms_stock`. Callers hold the world's lock.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class Level:
    """Whole units of one article at one location, as the WMS has them on record.

    `missing` units are on record and not there; nobody knows until a pick or a count shows it.
    """

    sku: str
    location: str
    on_hand: int
    reserved: int = 0
    blocked: int = 0
    missing: int = 0

    @property
    def free(self) -> int:
        """Units that may be promised; below zero where more is reserved than there is."""
        return self.on_hand - self.reserved - self.blocked


class Stockroom:
    """All levels. `changes` names the SKU of each change, oldest first; it only grows."""

    def __init__(self, main_location: str) -> None:
        self._main = main_location
        self._levels: dict[str, list[Level]] = {}
        self._sorted: list[str] = []
        self.changes: list[str] = []
        self.on_change: Callable[[str], None] = lambda sku: None

    def __contains__(self, sku: str) -> bool:
        return sku in self._levels

    def __iter__(self) -> Iterator[str]:
        return iter(self._levels)

    def put(self, sku: str, location: str, on_hand: int) -> None:
        """Open a level; the opening stock is no change."""
        self._levels.setdefault(sku, []).append(Level(sku, location, on_hand))

    def skus(self) -> list[str]:
        """All SKUs in order."""
        if len(self._sorted) != len(self._levels):
            self._sorted = sorted(self._levels)
        return self._sorted

    def levels(self, sku: str) -> list[Level]:
        """The article's levels; none for an unknown SKU."""
        return self._levels.get(sku, [])

    def free(self, sku: str) -> int:
        """Units to promise by the record. A location that owes units takes none from another."""
        return sum(max(0, level.free) for level in self.levels(sku))

    def missing(self, sku: str) -> int:
        """Units on record that are not there."""
        return sum(level.missing for level in self.levels(sku))

    def level(self, sku: str, location: str | None = None) -> Level:
        """The article's level there, or its first one; opened empty where there is none."""
        for level in self.levels(sku):
            if location in {None, level.location}:
                return level
        self.put(sku, location or self._main, 0)
        return self._levels[sku][-1]

    def reserve(self, sku: str, quantity: int) -> str:
        """Promise units to an order, whether or not there are enough; returns the location."""
        level = max(self.levels(sku), key=lambda level: level.free, default=self.level(sku))
        level.reserved += quantity
        self._changed(sku)
        return level.location

    def release(self, sku: str, location: str, quantity: int) -> None:
        """Take a promise back."""
        self.level(sku, location).reserved -= quantity
        self._changed(sku)

    def pick(self, sku: str, location: str, quantity: int, *, force: bool) -> bool:
        """Take promised units off the shelf; False, and nothing happens, where they are not there.

        With `force` they are found in any case.
        """
        level = self.level(sku, location)
        if not force and level.on_hand - level.blocked - level.missing < quantity:
            return False
        level.reserved -= quantity
        level.on_hand = max(0, level.on_hand - quantity)
        level.missing = min(level.missing, level.on_hand)
        self._changed(sku)
        return True

    def put_back(self, sku: str, location: str, quantity: int) -> None:
        """Return picked units to the shelf, promised to nobody."""
        self.level(sku, location).on_hand += quantity
        self._changed(sku)

    def write_off(self, sku: str, location: str, quantity: int, *, all_free: bool) -> None:
        """Correct the record after a pick came up short by `quantity`; the promise stays.

        Either all units that nobody was promised turn out not to be there, or those not found.
        """
        level = self.level(sku, location)
        if all_free:
            level.on_hand = min(level.on_hand, max(0, level.reserved - quantity) + level.blocked)
        else:
            level.on_hand -= min(max(level.missing, quantity), level.on_hand)
        level.missing = 0
        level.blocked = min(level.blocked, level.on_hand)
        self._changed(sku)

    def receive(self, sku: str, location: str | None, quantity: int) -> Level:
        """Goods in."""
        level = self.level(sku, location)
        level.on_hand += quantity
        self._changed(sku)
        return level

    def count(self, sku: str, location: str | None, found: int) -> Level:
        """A count: what was found is on record now."""
        level = self.level(sku, location)
        level.on_hand, level.missing = found, 0
        level.blocked = min(level.blocked, found)
        self._changed(sku)
        return level

    def block(self, sku: str, location: str | None, blocked: int) -> Level:
        """Set how many units lie in quarantine."""
        level = self.level(sku, location)
        level.blocked = min(blocked, level.on_hand)
        self._changed(sku)
        return level

    def lose(self, sku: str, location: str | None, missing: int) -> Level:
        """Set how many units are gone without anybody knowing; this is no change on record."""
        level = self.level(sku, location)
        level.missing = min(missing, level.on_hand)
        return level

    def _changed(self, sku: str) -> None:
        self.changes.append(sku)
        self.on_change(sku)
