"""Goods that come back to the simulated WMS: receipts, their grading, the feed of both.

Belongs here: the records of the feed and what goes back on the shelf. Why something comes back
belongs to `returns_life`, routes to `wms_server`. Callers hold the world's lock.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from otto_pipelines.sandbox.cursors import read_cursor, write_cursor
from otto_pipelines.sandbox.simulation import Simulation
from otto_pipelines.sandbox.stock import Stockroom


@dataclass(frozen=True, slots=True)
class ReturnedLine:
    """Units of one SKU in one condition; `line_id` where the warehouse knows the unit."""

    sku: str
    quantity: int
    condition: str
    disposition: str
    line_id: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class ReturnReceipt:
    """One arrival. Without an `order_ref` nobody at the dock knows whose it is."""

    receipt_id: str
    order_ref: str | None
    tracking_number: str | None
    received_at: datetime
    lines: tuple[ReturnedLine, ...]


class ReturnDock:
    """Receives, grades, and tells. A receipt that is graded later stands in the feed again."""

    def __init__(self, sim: Simulation, stock: Stockroom) -> None:
        self._sim = sim
        self._stock = stock
        self._serial = itertools.count(1)
        self._feed: list[msgspec.Raw] = []
        self.receipts: dict[str, ReturnReceipt] = {}

    def receive(
        self, lines: Sequence[ReturnedLine], order_ref: str | None, number: str | None
    ) -> ReturnReceipt:
        """Goods have arrived."""
        receipt = ReturnReceipt(
            f"RCV-{next(self._serial):07d}", order_ref, number, self._sim.now, ()
        )
        self.receipts[receipt.receipt_id] = receipt
        self.grade(receipt, lines)
        return receipt

    def grade(self, receipt: ReturnReceipt, lines: Sequence[ReturnedLine]) -> None:
        """Say what the units are like; what is as new goes back on the shelf, once."""
        before, after = _restocked(receipt.lines), _restocked(lines)
        receipt.lines = tuple(lines)
        for sku, quantity in (after - before).items():
            self._stock.receive(sku, None, quantity)
        self._feed.append(msgspec.Raw(msgspec.json.encode(_wire(receipt))))

    def page(self, cursor: str | None, limit: int) -> dict[str, Any]:
        """A ReturnPage after `cursor`.

        Raises:
            BadCursor: the cursor is not one of this feed.
        """
        begin = read_cursor("returns", cursor, len(self._feed))
        end = min(begin + limit, len(self._feed))
        return {
            "receipts": self._feed[begin:end],
            "next_cursor": write_cursor("returns", end),
            "has_more": end < len(self._feed),
        }


def _restocked(lines: Sequence[ReturnedLine]) -> Counter[str]:
    units: Counter[str] = Counter()
    for line in lines:
        if line.disposition == "RESTOCK":
            units[line.sku] += line.quantity
    return units


def _wire(receipt: ReturnReceipt) -> dict[str, Any]:
    return {
        "receipt_id": receipt.receipt_id,
        "received_at": receipt.received_at,
        "order_ref": receipt.order_ref,
        "return_tracking_number": receipt.tracking_number,
        "lines": [
            {
                "line_id": line.line_id,
                "sku": line.sku,
                "quantity": line.quantity,
                "condition": line.condition,
                "disposition": line.disposition,
                "reason": line.reason,
            }
            for line in receipt.lines
        ],
    }
