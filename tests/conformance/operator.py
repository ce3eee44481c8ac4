"""What a person in the warehouse can do, for the conformance suite: one class per adapter.

The suite orders by the port and lets the warehouse work by this interface, so it proves an adapter
against a warehouse and not against itself. An operator may work with whatever its system offers.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from resources.wms.port import WmsPort


@dataclass(frozen=True)
class Label:
    """The numbers on a parcel that left."""

    tracking: str
    return_number: str | None


@dataclass
class StartingPoint:
    """How far the feeds were read before. A warehouse that serves several cases keeps it, so that
    a case need not read what others did.
    """

    fulfilment: str | None = None
    returns: str | None = None


class Operator(Protocol):
    """Works in one warehouse. Orders are named by `order_ref`, units by `line_id`."""

    name: str
    port: WmsPort
    starting_point: StartingPoint

    def second_port(self) -> WmsPort:
        """Another client of the same warehouse, as another process has it."""
        ...

    def port_with_wrong_key(self) -> WmsPort:
        """A client that the warehouse must turn away."""
        ...

    def port_without_server(self) -> WmsPort:
        """A client of an address at which nobody answers."""
        ...

    def losing_answer(self, nth: int) -> AbstractContextManager[WmsPort]:
        """A client whose `nth` change reaches the warehouse, and the answer never comes back."""
        ...

    def article(self, units: int) -> str:
        """A new SKU of which so many units lie there to be sold."""
        ...

    def quarantine(self, sku: str, units: int) -> None:
        """Block so many of the units that lie there."""
        ...

    def take_up(self, order_ref: str) -> None:
        """Accept the order, where that is a step of its own."""
        ...

    def pick(self, order_ref: str) -> None:
        """Pick everything that is open."""
        ...

    def pick_without(self, order_ref: str, line_id: str, *, backorder: bool) -> None:
        """Pick everything but this line, which is not found; `backorder`: it follows later."""
        ...

    def split(self, order_ref: str, line_ids: Sequence[str]) -> None:
        """Plan, before anything is picked, that these lines leave later than the rest."""
        ...

    def ship(self, order_ref: str, boxes: Sequence[Sequence[str]]) -> list[Label]:
        """Pack picked lines into these boxes and let them leave."""
        ...

    def pack(self, order_ref: str) -> None:
        """Pack everything that is picked; nothing leaves."""
        ...

    def renumber(self, order_ref: str, old: str) -> str:
        """Correct the number of a parcel that left; returns the new one."""
        ...

    def cancel(self, order_ref: str, line_id: str) -> None:
        """Cancel a line by the warehouse's own decision."""
        ...

    def take_back(self, order_ref: str | None, goods: Sequence[str], number: str) -> str:
        """Receive goods that nobody has graded: lines of the order, SKUs of a blind return.
        Returns the warehouse's key of it.
        """
        ...

    def grade(self, receipt: str, grades: Sequence[str]) -> None:
        """Grade each unit, in the sequence of its arrival: RESTOCK, QUARANTINE or SCRAP."""
        ...

    def close(self) -> None:
        """Stop what was started."""
        ...
