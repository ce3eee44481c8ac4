"""Lists of orders: what can be asked for, and what a page of the answer holds.

Belongs here: the query's parameters, and reading a page's orders one by one where they cannot be
read together. Sending does not belong here (`client.py`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from resources.json_parts import UNREADABLE, elements, reason_of, text_member
from resources.keys import is_key
from resources.otto.wire import FulfilmentStatus, PartnerOrder, format_time

LARGEST_PAGE = 256


@dataclass(frozen=True, kw_only=True)
class OrdersQuery:
    """Parameters of a list of orders; None leaves one to OTTO's default. Times are aware.

    `from_date` is the earliest change; the order dates are those of the order itself. By `mode`
    BUCKET an order counts as its least advanced item, by AT_LEAST_ONE as each of its items.
    """

    from_date: datetime | None = None
    from_order_date: datetime | None = None
    to_order_date: datetime | None = None
    fulfilment_status: tuple[FulfilmentStatus, ...] = ()
    limit: int = LARGEST_PAGE
    order_direction: Literal["ASC", "DESC"] | None = None
    order_column_type: Literal["ORDER_LIFECYCLE_DATE", "ORDER_DATE"] | None = None
    mode: Literal["BUCKET", "AT_LEAST_ONE"] | None = None

    def __post_init__(self) -> None:
        """Refuse a page size that OTTO would refuse."""
        if not 1 <= self.limit <= LARGEST_PAGE:
            raise ValueError(f"limit is {self.limit}; OTTO takes 1 to {LARGEST_PAGE}")

    def params(self, cursor: str | None) -> tuple[tuple[str, str], ...]:
        """Return the query of one page; with a cursor OTTO looks at nothing but the limit."""
        limit = ("limit", str(self.limit))
        if cursor is not None:
            return (("nextcursor", cursor), limit)
        times = (
            ("fromDate", self.from_date),
            ("fromOrderDate", self.from_order_date),
            ("toOrderDate", self.to_order_date),
        )
        words = (
            ("orderDirection", self.order_direction),
            ("orderColumnType", self.order_column_type),
            ("mode", self.mode),
        )
        return (
            *((name, format_time(at)) for name, at in times if at is not None),
            *(("fulfillmentStatus", str(status)) for status in self.fulfilment_status),
            *((name, word) for name, word in words if word is not None),
            limit,
        )


@dataclass(frozen=True, slots=True)
class UnreadableOrder:
    """An order that does not have OTTO's documented form. `reason` shows no value of it."""

    sales_order_id: str | None
    reason: str
    evidence_ref: str


@dataclass(frozen=True, slots=True)
class OrdersPage:
    """One page, numbered from 1; `evidence_ref` leads to it as OTTO sent it."""

    number: int
    orders: list[PartnerOrder]
    unreadable: list[UnreadableOrder]
    evidence_ref: str


_TOGETHER = msgspec.json.Decoder(list[PartnerOrder])
_ONE = msgspec.json.Decoder(PartnerOrder, strict=False)


def orders_page(number: int, resources: msgspec.Raw, evidence_ref: str) -> OrdersPage:
    """Read a page's array of orders; an order that cannot be read costs only itself."""
    try:
        return OrdersPage(number, _TOGETHER.decode(resources), [], evidence_ref)
    except UNREADABLE:
        orders: list[PartnerOrder] = []
        unreadable: list[UnreadableOrder] = []
        for position, raw in enumerate(elements(resources), start=1):
            try:
                orders.append(_ONE.decode(raw))
            except UNREADABLE as error:
                reason = f"order {position} of the page: {reason_of(error)}"
                unreadable.append(UnreadableOrder(_key_of(raw), reason, evidence_ref))
        return OrdersPage(number, orders, unreadable, evidence_ref)


def _key_of(raw: msgspec.Raw) -> str | None:
    key = text_member(raw, "salesOrderId")
    return key if is_key(key) else None
