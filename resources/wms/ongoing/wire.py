"""Ongoing's records as they come over its REST interface, as far as we read them.

Belongs here: names and types of fields. Absent members come as null, numbers of items as decimals.
What a record means to us stands in the other modules of this package.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from resources.keys import Key, Name
from resources.wms.bounds import Text, check_time

Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number that Ongoing gave to a record."""


_LARGEST = 999_999_999


class _Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """camelCase on the wire; unknown members are ignored."""

    def __post_init__(self) -> None:
        """Refuse numbers and times that nobody counts in, before anything is computed of them."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Decimal):
                _check_number(value)
            elif isinstance(value, datetime):
                check_time(value)


def _check_number(number: Decimal) -> None:
    if not number.is_finite() or number.copy_abs() > _LARGEST:
        raise ValueError(f"a number is not between -{_LARGEST} and {_LARGEST}")


class Status(_Record, frozen=True):
    """A status, with the installation's own number."""

    number: Id
    text: str | None = None


class Code(_Record, frozen=True):
    """A code with a name."""

    code: Text | None = None


class BackOrder(_Record, frozen=True):
    """Which order this one follows up."""

    back_order_for_order_id: Id | None = None


class Advanced(_Record, frozen=True):
    """Rare fields of an order."""

    back_order_info: BackOrder | None = None


class OrderInfo(_Record, frozen=True):
    """Head of an order."""

    order_id: Id
    order_number: Key
    order_status: Status
    free_text3: str | None = None
    delivery_date: str | None = None
    goods_owner_order_id: str | None = None
    created_date: datetime | None = None
    shipped_time: datetime | None = None
    way_bill: Text | None = None
    return_way_bill: Text | None = None
    advanced: Advanced | None = None

    @property
    def follows(self) -> int | None:
        """Id of the order of which this is the back order."""
        info = self.advanced.back_order_info if self.advanced else None
        return info.back_order_for_order_id if info else None


class Tracking(_Record, frozen=True):
    """Number and link of a parcel."""

    waybill: Text | None = None
    tracking_url: Text | None = None


class Parcel(_Record, frozen=True):
    """A parcel of an order; return labels are parcels, too."""

    id: Id | None = None
    parcel_number: Text | None = None
    is_return_parcel: bool = False
    tracking: Tracking | None = None


class ItemParcel(_Record, frozen=True):
    """The parcel that units were packed into."""

    id: Id | None = None


class PickedItem(_Record, frozen=True):
    """Units that were picked for a line."""

    number_of_items: Decimal = Decimal(0)
    is_picked: bool = False
    is_returned: bool = False
    picked_time: datetime | None = None
    parcel: ItemParcel | None = None


class Article(_Record, frozen=True):
    """The article of a line."""

    article_number: Key


class Prices(_Record, frozen=True):
    """The price that we sent with a line."""

    line_price: Decimal | None = None
    currency_code: str | None = None


class OrderLine(_Record, frozen=True):
    """A line; `row_number` is ours."""

    id: Id
    row_number: Key
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

    article_system_id: Id
    article_number: Key
    inventory_info: Inventory | None = None


class ReturnInfo(_Record, frozen=True):
    """Head of a return order."""

    return_order_id: Id
    return_order_number: str | None = None


class ReturnedOrder(_Record, frozen=True):
    """The order that goods came back from."""

    order_number: Name | None = None


class ReturnedOrderLine(_Record, frozen=True):
    """The line that goods came back from."""

    customer_order_row_number: Name | None = None


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
