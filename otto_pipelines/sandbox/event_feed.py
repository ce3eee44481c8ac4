"""The WMS's feed of fulfilment events: append-only, read by an opaque cursor.

Belongs here: event records and cursors. Why something happens belongs to `warehouse`.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from otto_pipelines.sandbox.simulation import Simulation


class _Line(Protocol):
    line_id: str
    sku: str
    quantity: int


class _Order(Protocol):
    order_ref: str
    wms_order_id: str


class BadCursor(ValueError):
    """A cursor that this feed never gave."""


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
    """Events in the order in which they happened; `acknowledged` is only remembered."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._events: list[msgspec.Raw] = []
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
            "event_id": f"EV-{len(self._events) + 1:09d}",
            "kind": kind,
            "occurred_at": self._sim.now,
            "order_ref": order.order_ref,
            "wms_order_id": order.wms_order_id,
            "wms_dispatch_id": dispatch_id,
            "lines": lines,
            "parcels": parcels,
        }
        self._events.append(msgspec.Raw(msgspec.json.encode(event)))

    def page(self, cursor: str | None, limit: int) -> dict[str, Any]:
        """A FulfilmentPage after `cursor`.

        Raises:
            BadCursor: the cursor is not one of this feed.
        """
        begin = self._place(cursor)
        events = self._events[begin : begin + limit]
        end = begin + len(events)
        return {
            "events": events,
            "next_cursor": base64.urlsafe_b64encode(f"feed:{end}".encode()).decode(),
            "has_more": end < len(self._events),
        }

    def _place(self, cursor: str | None) -> int:
        if not cursor:
            return 0
        try:
            name, _, place = base64.urlsafe_b64decode(cursor).decode("ascii").partition(":")
            number = int(place)
        except (binascii.Error, UnicodeError, ValueError) as error:
            raise BadCursor(cursor) from error
        if name != "feed" or not 0 <= number <= len(self._events):
            raise BadCursor(cursor)
        return number
