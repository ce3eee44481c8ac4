"""The ledger of what the sandbox injected: the truth against which a run is marked.

A break stands here from the moment its cause takes effect, once per kind and position item.
Transport faults are counted by server and by the kind that the client sees. `harmless` counts
what happened and must not lead to a break. Shorts, oversold units and wrong stock lists stand apart
from the breaks: most of them are settled before any break shows.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class BreakLine:
    """One difference that the product has to find."""

    kind: str
    sales_order_id: str
    position_item_id: str
    fault: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OversoldUnit:
    """A unit that OTTO showed and sold though none was left."""

    sku: str
    sales_order_id: str
    position_item_id: str
    at: datetime
    avoidable: bool


class Ledger:
    """Collects; whoever writes holds the world's lock."""

    def __init__(self) -> None:
        self._breaks: dict[tuple[str, str, str], BreakLine] = {}
        self.transport: dict[str, Counter[str]] = {"otto": Counter(), "wms": Counter()}
        self.transport_variants: dict[str, Counter[str]] = {"otto": Counter(), "wms": Counter()}
        """The same faults by what exactly was done, such as `503_after_effect`."""
        self.feed: Counter[str] = Counter()
        """Events that the WMS's feed gave late or twice."""
        self.harmless: Counter[str] = Counter()
        self.oversold: list[OversoldUnit] = []
        self.shorts: dict[tuple[str, str], datetime] = {}
        """First short of each (sales order, position item)."""
        self.stock_lists: Counter[str] = Counter()
        """Wrong pages of the WMS's stock list that were served, by fault."""

    @property
    def breaks(self) -> list[BreakLine]:
        """All lines in the order of their effect."""
        return list(self._breaks.values())

    def record_break(
        self, kind: str, sales_order_id: str, position_item_id: str, fault: str, at: datetime
    ) -> None:
        """Note a break; the first cause of a kind for an item stays."""
        key = (kind, sales_order_id, position_item_id)
        self._breaks.setdefault(key, BreakLine(*key, fault, at))

    def record_oversold(
        self, sku: str, sales_order_id: str, item_id: str, at: datetime, *, avoidable: bool
    ) -> None:
        """Note a unit sold beyond what was there."""
        self.oversold.append(OversoldUnit(sku, sales_order_id, item_id, at, avoidable))

    @property
    def oversold_avoidable(self) -> int:
        """Oversold units that an observer without delay would have prevented."""
        return sum(unit.avoidable for unit in self.oversold)

    def as_json(self) -> dict[str, Any]:
        """The body of `GET /_sandbox/ledger`."""
        return {
            "breaks": [
                {
                    "kind": line.kind,
                    "sales_order_id": line.sales_order_id,
                    "position_item_id": line.position_item_id,
                    "fault": line.fault,
                    "at": line.at,
                }
                for line in self._breaks.values()
            ],
            "transport": {server: dict(kinds) for server, kinds in self.transport.items()},
            "transport_variants": {
                server: dict(names) for server, names in self.transport_variants.items()
            },
            "feed": dict(self.feed),
            "harmless": dict(self.harmless),
            "oversold": self.oversold,
            "stock_lists": dict(self.stock_lists),
        }
