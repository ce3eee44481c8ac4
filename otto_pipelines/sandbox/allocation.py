"""What order lines hold of the warehouse's stock: promised units, then picked ones.

Belongs here: the tie between a line and a stock level. When a line is promised or picked belongs to
`warehouse`, the arithmetic to `stock`.
"""

from collections.abc import Iterable

from otto_pipelines.sandbox import assortment
from otto_pipelines.sandbox.assortment import Assortment
from otto_pipelines.sandbox.simulation import Simulation
from otto_pipelines.sandbox.stock import Stockroom
from otto_pipelines.sandbox.stock_life import StockLife
from otto_pipelines.sandbox.wms_model import Line


class Allocation:
    """Promises and picks. With `sell_what_is_shown` a pick finds no more than is there."""

    def __init__(self, sim: Simulation, goods: Assortment) -> None:
        self.stock = Stockroom(assortment.MAIN)
        self._life = StockLife(sim, self.stock, goods)
        self._always_found = not sim.config.sell_what_is_shown

    def reserve(self, line: Line) -> str:
        """Promise the line's units; a second call changes nothing."""
        if line.location is None:
            line.location = self.stock.reserve(line.sku, line.quantity)
        return line.location

    def release(self, lines: Iterable[Line]) -> None:
        """Give back what the lines hold: a promise, or picked units."""
        for line in lines:
            if line.location is not None:
                give_back = self.stock.put_back if line.state == "PICKED" else self.stock.release
                give_back(line.sku, line.location, line.quantity)
                line.location = None

    def pick(self, line: Line, *, force: bool = False) -> bool:
        """Take the units off the shelf; False where they are not there: then the record says so."""
        location = self.reserve(line)
        force = force or self._always_found
        if self.stock.pick(line.sku, location, line.quantity, force=force):
            return True
        level = self.stock.level(line.sku, location)
        self.stock.count(line.sku, location, level.on_hand - level.missing)
        return False

    def write_off(self, line: Line, *, certain: bool) -> None:
        """Correct the record for a line that comes up short; `certain` leaves nothing free."""
        self._life.write_off(line.sku, self.reserve(line), line.quantity, certain=certain)

    def damage(self, line: Line) -> None:
        """The line's units go to quarantine."""
        location = self.reserve(line)
        self.release([line])
        level = self.stock.level(line.sku, location)
        self.stock.block(line.sku, location, level.blocked + line.quantity)
