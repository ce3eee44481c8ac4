"""Reading the port the way the product does: by cursor, keeping each event once."""

import itertools
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from resources.wms.port import (
    Discrepancy,
    EventKind,
    FulfilmentEvent,
    LineState,
    OutboundLine,
    OutboundOrder,
    Parcel,
    ReturnReceipt,
    ShipTo,
    StockLevel,
)
from tests.conformance.operator import Operator

_SERIAL = itertools.count(1)
_RUN = uuid.uuid4().hex[:8]
_PAGES = 50


def new_order(skus: Sequence[str], **changes: object) -> OutboundOrder:
    """An order of one unit of each of these SKUs."""
    ref = f"order-{_RUN}-{next(_SERIAL)}"
    values: dict[str, object] = {
        "order_ref": ref,
        "channel_order_number": f"n-{ref}",
        "ordered_at": datetime(2026, 6, 8, 9, tzinfo=UTC),
        "ship_to": ShipTo(
            name="Erika Mustermann",
            street="Weg",
            house_number="1",
            postal_code="01067",
            city="Dresden",
            country_code="DE",
            phone="+49 351 000",
            email="erika@example.invalid",
        ),
        "lines": tuple(
            OutboundLine(
                line_id=f"{ref}-{place}",
                sku=sku,
                quantity=1,
                unit_price_cents=1999 + place,
                currency="EUR",
            )
            for place, sku in enumerate(skus, start=1)
        ),
        "payload_hash": "first",
    }
    return OutboundOrder(**(values | changes))  # type: ignore[arg-type]


def ids(order: OutboundOrder) -> list[str]:
    """The order's line ids in their sequence."""
    return [line.line_id for line in order.lines]


class Journal:
    """Everything that an operator's port told since this was made, each event once."""

    def __init__(self, operator: Operator) -> None:
        self._port = operator.port
        start = operator.starting_point
        self._events: dict[str, FulfilmentEvent] = {}
        self._receipts: dict[str, ReturnReceipt] = {}
        self.cursor = start.fulfilment
        self._returns_cursor = start.returns
        self.read()
        self.receipts()
        start.fulfilment, start.returns = self.cursor, self._returns_cursor

    def read(self, limit: int = 200) -> list[FulfilmentEvent]:
        """Follow the feed to its end; returns the events that were never seen before."""
        new = []
        for _ in range(_PAGES):
            page = self._port.poll_fulfilment(self.cursor, limit)
            assert page.unreadable == ()
            for event in page.events:
                if event.event_id not in self._events:
                    self._events[event.event_id] = event
                    new.append(event)
            self.cursor = page.next_cursor
            if not page.has_more:
                return new
        raise AssertionError(f"the feed has no end within {_PAGES} pages")

    def receipts(self, limit: int = 200) -> dict[str, ReturnReceipt]:
        """Follow the returns to their end; the last word on each."""
        for _ in range(_PAGES):
            page = self._port.poll_returns(self._returns_cursor, limit)
            assert page.unreadable == ()
            self._receipts |= {receipt.receipt_id: receipt for receipt in page.receipts}
            self._returns_cursor = page.next_cursor
            if not page.has_more:
                return dict(self._receipts)
        raise AssertionError(f"the returns have no end within {_PAGES} pages")

    def of(self, order: OutboundOrder, kind: EventKind) -> list[FulfilmentEvent]:
        """Events of one kind about an order, after reading to the end."""
        self.read()
        mine = [e for e in self._events.values() if e.order_ref == order.order_ref]
        return [event for event in mine if event.kind is kind]

    def lines(
        self, order: OutboundOrder, kind: EventKind, discrepancy: Discrepancy | None = None
    ) -> list[str]:
        """Lines that events of one kind name, in order and each once."""
        told = [
            line.line_id
            for event in self.of(order, kind)
            for line in event.lines
            if discrepancy in {None, line.discrepancy}
        ]
        return sorted(set(told))

    def parcels(self, order: OutboundOrder) -> list[Parcel]:
        """Every parcel that left, as it was told first."""
        return [p for event in self.of(order, EventKind.DISPATCHED) for p in event.parcels]

    def states(self, order: OutboundOrder) -> list[LineState]:
        """The states of the order's lines now, in the order's sequence."""
        (snapshot,) = self._port.get_orders([order.order_ref])
        by_id = {line.line_id: line.state for line in snapshot.lines}
        assert by_id.keys() == set(ids(order))
        return [by_id[line_id] for line_id in ids(order)]

    def free(self, sku: str) -> int:
        """Units that may be sold, all locations together."""
        return sum(level.free for level in self.levels(sku))

    def levels(self, sku: str) -> Sequence[StockLevel]:
        """The SKU's levels."""
        page = self._port.stock_snapshot([sku])
        assert page.unreadable == ()
        return page.levels
