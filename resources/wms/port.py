"""The neutral warehouse port: what this project asks of any WMS, and the records that cross it.

Belongs here: the `WmsPort` protocol and its frozen records. Quantities are whole units, money is
integer cents, times are aware UTC. An order line is one OTTO position item, that is one physical
unit, so two equal units are two lines.

Does not belong here: what may go wrong (`resources.wms.errors`), any vendor's wording, HTTP, files
or retries (adapters), and any decision about what a record means for OTTO (`assets`).
"""

from collections import Counter
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Protocol

import msgspec

from resources.keys import Key, Name
from resources.wms.bounds import Cents, Cursor, HeldUnits, Moment, Text, Units, check_time
from resources.wms.capabilities import Capabilities


class SubmitOutcome(StrEnum):
    """What became of one submitted order."""

    CREATED = "CREATED"
    UNCHANGED = "UNCHANGED"
    UPDATED = "UPDATED"
    REJECTED = "REJECTED"
    RETRY = "RETRY"


class CancelOutcome(StrEnum):
    """What became of a cancellation request."""

    CANCELLED = "CANCELLED"
    PARTIAL = "PARTIAL"
    TOO_LATE = "TOO_LATE"
    NOT_FOUND = "NOT_FOUND"


class LineState(StrEnum):
    """Progress of one WMS order line; it never moves back."""

    NEW = "NEW"
    ACCEPTED = "ACCEPTED"
    ALLOCATED = "ALLOCATED"
    PICKED = "PICKED"
    SHIPPED = "SHIPPED"
    SHORT = "SHORT"
    CANCELLED = "CANCELLED"


class EventKind(StrEnum):
    """Kinds of fulfilment event."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    ALLOCATED = "ALLOCATED"
    PICKED = "PICKED"
    SHORT_PICKED = "SHORT_PICKED"
    DISPATCHED = "DISPATCHED"
    TRACKING_CHANGED = "TRACKING_CHANGED"
    CANCELLED = "CANCELLED"


class Discrepancy(StrEnum):
    """Why shipped differs from ordered (GS1 EANCOM QVR: BP, CP, AC)."""

    NONE = "NONE"
    BACKORDER = "BACKORDER"
    COMPLETE = "COMPLETE"
    OVER = "OVER"


class ShipTo(msgspec.Struct, frozen=True, kw_only=True):
    """Delivery address. Personal data: it is sent to the WMS and never logged."""

    name: str
    street: str
    house_number: str
    postal_code: str
    city: str
    country_code: str
    """ISO 3166-1 alpha-2."""
    addition: str | None = None
    phone: str | None = None
    email: str | None = None


class OutboundLine(msgspec.Struct, frozen=True, kw_only=True):
    """One unit to ship. Prices are informative for the WMS and compared later by reconciliation."""

    line_id: str
    """OTTO positionItemId."""
    sku: str
    """The warehouse's SKU, after the SKU map."""
    quantity: int
    unit_price_cents: int
    currency: str
    gtin: str | None = None
    title: str | None = None


class OutboundOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order for the warehouse; `order_ref` (OTTO salesOrderId) is the idempotency key."""

    order_ref: str
    channel_order_number: str
    ordered_at: datetime
    ship_to: ShipTo
    lines: tuple[OutboundLine, ...]
    payload_hash: str
    channel: str = "OTTO"
    latest_ship_at: datetime | None = None
    allow_partial: bool = True


class SubmitResult(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome for one submitted order."""

    order_ref: Key
    outcome: SubmitOutcome
    wms_order_id: Name | None = None
    error: Text | None = None


class CancelResult(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of a cancellation; `cancelled_line_ids` are certain not to ship."""

    order_ref: Key
    outcome: CancelOutcome
    cancelled_line_ids: tuple[str, ...] = ()


class LineSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One line as the WMS holds it now."""

    line_id: Key
    sku: Name
    quantity: HeldUnits
    quantity_shipped: HeldUnits
    state: LineState
    unit_price_cents: Cents | None = None
    currency: Name | None = None


class OrderSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One order as the WMS holds it now."""

    order_ref: Key
    wms_order_id: Name
    status: Name
    lines: tuple[LineSnapshot, ...]


class LineOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says of one line."""

    line_id: Key
    sku: Name
    quantity_ordered: HeldUnits
    quantity_picked: HeldUnits = 0
    quantity_shipped: HeldUnits = 0
    quantity_short: HeldUnits = 0
    discrepancy: Discrepancy = Discrepancy.NONE
    reason: Text | None = None


class ParcelLine(msgspec.Struct, frozen=True, kw_only=True):
    """Units of one order line inside a parcel."""

    line_id: Key
    quantity: HeldUnits


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """One parcel. Numbers are as the WMS wrote them: nothing is checked here."""

    parcel_id: Key
    lines: tuple[ParcelLine, ...]
    shipped_at: Moment
    carrier_code: Text | None = None
    tracking_number: Text | None = None
    tracking_url: Text | None = None
    return_carrier_code: Text | None = None
    return_tracking_number: Text | None = None
    weight_g: Units | None = None

    def __post_init__(self) -> None:
        check_time(self.shipped_at)


class FulfilmentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened in the warehouse; `event_id` is stable over repeated reads."""

    event_id: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    kind: EventKind
    occurred_at: Moment
    order_ref: Key
    wms_order_id: Name | None = None
    wms_dispatch_id: Name | None = None
    lines: tuple[LineOutcome, ...] = ()
    parcels: tuple[Parcel, ...] = ()

    def __post_init__(self) -> None:
        check_time(self.occurred_at)


class FulfilmentPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of events in feed order. Re-reading from an old cursor repeats events."""

    events: tuple[FulfilmentEvent, ...]
    next_cursor: str
    has_more: bool
    unreadable: tuple[str, ...] = ()
    """One reason (no personal data) per record of the page that could not be understood."""


class StockLevel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Units of one SKU at one location, true at `as_of` by the WMS's own clock."""

    sku: Key
    """The warehouse's SKU."""
    location: Name
    on_hand: Units
    reserved: HeldUnits
    blocked: HeldUnits
    as_of: Moment
    sellable: Units | None = None
    """The WMS's own figure; None = on hand without reserved and blocked."""

    def __post_init__(self) -> None:
        check_time(self.as_of)

    @property
    def free(self) -> int:
        """Units that the WMS has promised to nobody; below zero where it promised too many."""
        if self.sellable is not None:
            return self.sellable
        return self.on_hand - self.reserved - self.blocked


class StockPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of levels. `complete`: the pages together are to show all stock, so a SKU that is on
    none of them has none; never true of named SKUs, nor of a page with unreadable levels.
    """

    levels: tuple[StockLevel, ...]
    next_page: str | None
    snapshot_at: datetime
    complete: bool
    unreadable: tuple[str, ...] = ()
    """One reason per level that could not be understood."""


class StockChanges(msgspec.Struct, frozen=True, kw_only=True):
    """SKUs whose stock changed, repeats included. Ask `stock_snapshot` for their levels."""

    skus: tuple[Key, ...]
    next_cursor: Cursor
    has_more: bool


class Condition(StrEnum):
    """How a returned unit looks, as the warehouse graded it."""

    NEW = "NEW"
    MINT = "MINT"
    USED_LIGHT = "USED_LIGHT"
    USED_HEAVY = "USED_HEAVY"
    DEFECT = "DEFECT"
    MISSING = "MISSING"
    UNKNOWN = "UNKNOWN"


class Disposition(StrEnum):
    """What the warehouse does with a returned unit."""

    RESTOCK = "RESTOCK"
    QUARANTINE = "QUARANTINE"
    SCRAP = "SCRAP"


class ReturnedLine(msgspec.Struct, frozen=True, kw_only=True):
    """Returned units of one SKU in one condition; `line_id` where the warehouse knows the unit."""

    sku: Key
    """The warehouse's SKU."""
    quantity: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    condition: Condition
    disposition: Disposition
    line_id: Name | None = None
    """OTTO positionItemId."""
    reason: Text | None = None
    """The warehouse's own code; the operating model maps it."""


class ReturnReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """Goods that came back; `receipt_id` is stable over repeated reads.

    A blind return has no `order_ref`: nobody knows yet whose it is.
    """

    receipt_id: Key
    received_at: Moment
    lines: Annotated[tuple[ReturnedLine, ...], msgspec.Meta(min_length=1)]
    order_ref: Name | None = None
    return_tracking_number: Text | None = None

    def __post_init__(self) -> None:
        check_time(self.received_at)


class ReturnPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of return receipts in feed order. A later grading repeats a receipt as a whole."""

    receipts: tuple[ReturnReceipt, ...]
    next_cursor: str
    has_more: bool
    unreadable: tuple[str, ...] = ()
    """One reason (no personal data) per receipt of the page that could not be understood."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the WMS answers, and what it says of itself."""

    ok: bool
    detail: str


class WmsPort(Protocol):
    """What any warehouse adapter offers. Every method may raise a `WmsError`."""

    faults: Counter[str]
    """Transport faults met, kind to count."""

    def capabilities(self) -> Capabilities:
        """What this adapter can do; it asks nobody."""
        ...

    def health(self) -> Health:
        """Whether the WMS is reachable with this key."""
        ...

    def submit_orders(self, orders: list[OutboundOrder]) -> list[SubmitResult]:
        """Create or repeat orders; one result per order, idempotent by `order_ref`."""
        ...

    def cancel_order(
        self, order_ref: str, line_ids: tuple[str, ...] | None, reason: str
    ) -> CancelResult:
        """Cancel whole (`line_ids=None`) or in part; repeating it is harmless."""
        ...

    def get_orders(self, order_refs: list[str]) -> list[OrderSnapshot]:
        """Return snapshots of those orders that the WMS knows; an unknown one is absent."""
        ...

    def poll_fulfilment(self, cursor: str | None, limit: int = 200) -> FulfilmentPage:
        """Events after `cursor` (None = from the beginning), oldest first."""
        ...

    def acknowledge(self, event_ids: list[str]) -> None:
        """Tell the WMS that events are recorded; a no-op where unsupported."""
        ...

    def stock_snapshot(self, skus: list[str] | None, page: str | None = None) -> StockPage:
        """One page of the levels of `skus` (at most 100), or of all SKUs.

        `page` is the `next_page` of the page before, None for the first.
        """
        ...

    def poll_stock_changes(self, cursor: str | None) -> StockChanges:
        """SKUs changed after `cursor` (None = from the beginning of what the WMS remembers)."""
        ...

    def poll_returns(self, cursor: str | None, limit: int = 200) -> ReturnPage:
        """Return receipts after `cursor` (None = from the beginning), oldest first."""
        ...
