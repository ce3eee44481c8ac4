"""The WMS's feed of fulfilment events: append-only, read by an opaque cursor.

Belongs here: event records. Why something happens belongs to `warehouse`.
"""

import itertools
import random
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from otto_pipelines.sandbox.cursors import read_cursor, write_cursor
from otto_pipelines.sandbox.simulation import Simulation

_LATE_BY_MINUTES = (1, 360)


class _Line(Protocol):
    line_id: str
    sku: str
    quantity: int


class _Order(Protocol):
    order_ref: str
    wms_order_id: str


def line_outcome(line: _Line, **facts: Any) -> dict[str, Any]:
    """A LineOutcome; `facts` override the zeros."""
    return {
        "line_id": line.line_id,
        "sku": line.sku,
        "quantity_ordered": line.quantity,
        "quantity_picked": 0,
        "quantity_shipped": 0,
        "quantity_short": 0,
        "discrepancy": "NONE",
        "reason": None,
    } | facts


class EventFeed:
    """Events in the order in which they happened; `acknowledged` is only remembered.

    With `event_disorder_share` some come late, behind younger ones, and some come once more.
    """

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._events: list[msgspec.Raw] = []
        self._serial = itertools.count(1)
        self._rng = random.Random(f"feed:{sim.config.seed}")
        self.acknowledged: set[str] = set()

    def add(
        self,
        kind: str,
        order: _Order,
        *,
        lines: Sequence[dict[str, Any]],
        parcels: Sequence[dict[str, Any]] = (),
        dispatch_id: str | None = None,
    ) -> None:
        """Append an event that happens now."""
        event = {
            "event_id": f"EV-{next(self._serial):09d}",
            "kind": kind,
            "occurred_at": self._sim.now,
            "order_ref": order.order_ref,
            "wms_order_id": order.wms_order_id,
            "wms_dispatch_id": dispatch_id,
            "lines": lines,
            "parcels": parcels,
        }
        self._publish(msgspec.Raw(msgspec.json.encode(event)))

    def _publish(self, event: msgspec.Raw) -> None:
        share = self._sim.config.event_disorder_share
        late, twice = self._rng.random() < share, self._rng.random() < share
        if late:
            self._later("late", event)
        else:
            self._events.append(event)
        if twice:
            self._later("twice", event)

    def _later(self, how: str, event: msgspec.Raw) -> None:
        self._sim.ledger.feed[how] += 1
        minutes = self._rng.uniform(*_LATE_BY_MINUTES)
        self._sim.after(minutes, lambda: self._events.append(event))

    def page(self, cursor: str | None, limit: int) -> dict[str, Any]:
        """A FulfilmentPage after `cursor`.

        Raises:
            BadCursor: the cursor is not one of this feed.
        """
        begin = read_cursor("feed", cursor, len(self._events))
        events = self._events[begin : begin + limit]
        end = begin + len(events)
        return {
            "events": events,
            "next_cursor": write_cursor("feed", end),
            "has_more": end < len(self._events),
        }
