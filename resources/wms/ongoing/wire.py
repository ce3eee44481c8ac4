"""Ongoing's records as they come over its REST interface, as far as we read them.

Belongs here: names and types of fields. Absent members come as null, numbers of items as decimals.
What a record means to us stands in the other modules of this package.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec


class _Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """camelCase on the wire; unknown members are ignored."""


class Status(_Record, frozen=True):
    """A status, with the installation's own number."""

    number: int
    text: str | None = None


class Code(_Record, frozen=True):
    """A code with a name."""

    code: str | None = None


class BackOrder(_Record, frozen=True):
    """Which order this one follows up."""

    back_order_for_order_id: int | None = None


class Advanced(_Record, frozen=True):
    """Rare fields of an order."""

    back_order_info: BackOrder | None = None


class OrderInfo(_Record, frozen=True):
    """Head of an order."""

    order_id: int
    order_number: str
    order_status: Status
    free_text3: str | None = None
    delivery_date: str | None = None
    goods_owner_order_id: str | None = None
    created_date: datetime | None = None
    shipped_time: datetime | None = None
    way_bill: str | None = None
    return_way_bill: str | None = None
    advanced: Advanced | None = None

    @property
    def follows(self) -> int | None:
        """Id of the order of which this is the back order."""
        info = self.advanced.back_order_info if self.advanced else None
        return info.back_order_for_order_id if info else None


class Tracking(_Record, frozen=True):
    """Number and link of a parcel."""

    waybill: str | None = None
    tracking_url: str | None = None


class Parcel(_Record, frozen=True):
    """A parcel of an order; return labels are parcels, too."""

    id: int | None = None
    parcel_number: str | None = None
    is_return_parcel: bool = False
    tracking: Tracking | None = None


class ItemParcel(_Record, frozen=True):
    """The parcel that units were packed into."""

    id: int | None = None


class PickedItem(_Record, frozen=True):
    """Units that were picked for a line."""

    number_of_items: Decimal = Decimal(0)
    is_picked: bool = False
    is_returned: bool = False
    picked_time: datetime | None = None
    parcel: ItemParcel | None = None


class Article(_Record, frozen=True):
    """The article of a line."""

    article_number: str


class Prices(_Record, frozen=True):
    """The price that we sent with a line."""

    line_price: Decimal | None = None
    currency_code: str | None = None


class OrderLine(_Record, frozen=True):
    """A line; `row_number` is ours."""

    id: int
    row_number: str
    article: Article
    ordered_number_of_items: Decimal = Decimal(0)
    allocated_number_of_items: Decimal | None = None
    picked_number_of_items: Decimal | None = None
    reported_number_of_items: Decimal | None = None
    picked_article_items: tuple[PickedItem, ...] | None = None
    prices: Prices | None = None

    @property
    def ordered(self) -> int:
        """Whole units ordered."""
        return int(self.ordered_number_of_items)

    @property
    def picked(self) -> int:
        """Whole units picked."""
        return int(self.picked_number_of_items or 0)


class Order(_Record, frozen=True):
    """An order with everything below it. `consignee` is personal and only ever sent back."""

    order_info: OrderInfo
    order_lines: tuple[OrderLine, ...] | None = None
    parcels: tuple[Parcel, ...] | None = None
    transporter: Code | None = None
    return_transporter: Code | None = None
    consignee: dict[str, Any] | None = None

    @property
    def lines(self) -> tuple[OrderLine, ...]:
        """Its lines."""
        return self.order_lines or ()


class Inventory(_Record, frozen=True):
    """Numbers of items of an article."""

    number_of_items: Decimal | None = None
    allocated_number_of_items: Decimal | None = None
    number_of_booked_items: Decimal | None = None
    number_of_locked_items: Decimal | None = None
    locked_for_sale_number_of_items: Decimal | None = None
    sellable_number_of_items: Decimal | None = None


class ArticleStock(_Record, frozen=True):
    """An article with its inventory."""

    article_system_id: int
    article_number: str
    inventory_info: Inventory | None = None


class ReturnInfo(_Record, frozen=True):
    """Head of a return order."""

    return_order_id: int
    return_order_number: str | None = None


class ReturnedOrder(_Record, frozen=True):
    """The order that goods came back from."""

    order_number: str | None = None


class ReturnedOrderLine(_Record, frozen=True):
    """The line that goods came back from."""

    customer_order_row_number: str | None = None


class ReturnedItem(_Record, frozen=True):
    """Units that came back, as they were booked."""

    number_of_items: Decimal = Decimal(0)
    return_time: datetime | None = None
    is_return_removed_by_inventory: bool = False
    return_cause: Code | None = None
    article_item_status: Code | None = None


class ReturnLine(_Record, frozen=True):
    """A line of a return order."""

    article: Article
    customer_order_line: ReturnedOrderLine | None = None
    return_cause: Code | None = None
    returned_article_items: tuple[ReturnedItem, ...] | None = None


class ReturnOrder(_Record, frozen=True):
    """Goods that are to come back, and those that did."""

    return_order_info: ReturnInfo
    customer_order_info: ReturnedOrder | None = None
    return_order_lines: tuple[ReturnLine, ...] | None = None
    tracking: tuple[Tracking, ...] | None = None
    """Labels of the parcel that came back, where they are shown."""


def utc(moment: datetime) -> datetime:
    """Aware UTC; Ongoing leaves the zone out in places where it means UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
