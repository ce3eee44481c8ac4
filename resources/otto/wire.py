"""The records that cross OTTO's interface, as they are written there.

Belongs here: field names and types. Fields that OTTO may add are ignored, and times stay text until
`parse_time` reads them, since one page holds hundreds that nobody needs. Amounts are exact decimals
in units of the currency, all gross. What a value means, and whether it is acceptable, does not
belong here (`assets.contracts`).
"""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from resources.keys import Key, Name


class FulfilmentStatus(StrEnum):
    """States of a position item; ANNOUNCED reserves stock, only PROCESSABLE may be shipped."""

    ANNOUNCED = "ANNOUNCED"
    PROCESSABLE = "PROCESSABLE"
    SENT = "SENT"
    RETURNED = "RETURNED"
    CANCELLED_BY_PARTNER = "CANCELLED_BY_PARTNER"
    CANCELLED_BY_MARKETPLACE = "CANCELLED_BY_MARKETPLACE"


def parse_time(text: str) -> datetime:
    """Read a time of any of OTTO's forms as aware UTC.

    Forms: `2026-03-31T09:45:52.313+0000`, `2026-04-21T12:00:00.000+02:00`,
    `2026-07-18T07:20:06.260124Z`. Digits beyond microseconds are dropped.

    Raises:
        ValueError: no such time, no offset, or outside the years 1 to 9999 in UTC.
    """
    try:
        at = datetime.fromisoformat(text)
        utc = at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _no_time(text) from error
    if at.tzinfo is None:
        raise _no_time(text)
    return utc


def _no_time(text: str) -> ValueError:
    return ValueError(
        f"{text[:40]!r} is no time with an offset, such as 2026-03-31T09:45:52.313+0000"
    )


def format_time(at: datetime) -> str:
    """Write an aware time as OTTO takes it everywhere: `2026-11-20T15:04:00.000Z`.

    Raises:
        ValueError: the time is naive.
    """
    if at.tzinfo is None:
        raise ValueError(f"naive time {at!r}: pass an aware one (UTC)")
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


class _Received(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """What all received records share."""


class _Sent(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What all records that we send share: absent values are left out."""


class Amount(_Received, frozen=True, kw_only=True):
    """Money; `currency` is ISO 4217."""

    amount: Decimal
    currency: str


class Address(_Received, frozen=True, kw_only=True):
    """An address. Personal data: it is never shown, logged or put into a message."""

    salutation: str = ""
    title: str | None = None
    first_name: str = ""
    last_name: str = ""
    street: str = ""
    house_number: str = ""
    addition: str | None = None
    zip_code: str = ""
    city: str = ""
    country_code: str = ""
    """ISO 3166-1 alpha-3."""
    phone_number: str | None = None
    email: str | None = None

    def __repr__(self) -> str:
        """Show nothing."""
        return "Address(personal data)"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        """Show nothing in rich tracebacks either."""
        return []


class Dimension(_Received, frozen=True, kw_only=True):
    """A property of the variation, such as its colour."""

    display_name: str | None = None
    type: str | None = None
    value: str | None = None


class Product(_Received, frozen=True, kw_only=True):
    """The variation that was sold."""

    sku: Name
    product_title: str
    article_number: str
    vat_rate: Decimal
    """Per cent."""
    ean: str | None = None
    shop_url: str | None = None
    dimensions: list[Dimension] | None = None


class TrackingInfo(_Received, frozen=True, kw_only=True):
    """The parcel of a sent item."""

    carrier: str | None = None
    carrier_service_code: str | None = None
    tracking_number: str | None = None


class PositionItem(_Received, frozen=True, kw_only=True):
    """One physical unit; `fulfillment_status` stays text, since OTTO may add states."""

    position_item_id: Key
    fulfillment_status: str
    item_value_gross_price: Amount
    product: Product
    item_value_reduced_gross_price: Amount | None = None
    item_value_discount: Amount | None = None
    expected_delivery_date: str | None = None
    processable_date: str | None = None
    sent_date: str | None = None
    returned_date: str | None = None
    cancellation_date: str | None = None
    cancellation_reason: str | None = None
    deal_id: str | None = None
    deal_name: str | None = None
    return_accepted_by_marketplace: bool | None = False
    weee_pickup: bool | None = False
    tracking_info: TrackingInfo | None = None


class OrderLifecycleInformation(_Received, frozen=True, kw_only=True):
    """When the order last changed its state."""

    lifecycle_change_date: str


class Payment(_Received, frozen=True, kw_only=True):
    """How the buyer pays; an open list."""

    payment_method: str


class InitialDeliveryFee(_Received, frozen=True, kw_only=True):
    """A fee of the whole order part; `vat_rate` is the highest of its items."""

    name: str
    delivery_fee_amount: Amount
    position_item_ids: list[str]
    vat_rate: Decimal


class InitialDiscount(_Received, frozen=True, kw_only=True):
    """A discount given on several items together."""

    name: str
    discount_id: str
    discount_name: str
    discount_amount: Amount
    position_item_ids: list[str]
    vat_rate: Decimal


class PartnerOrder(_Received, frozen=True, kw_only=True):
    """One partner's part of a sales order. There are no addresses while it is ANNOUNCED."""

    sales_order_id: Key
    order_number: Name
    order_date: str
    order_lifecycle_information: OrderLifecycleInformation
    position_items: list[PositionItem]
    last_modified_date: str | None = None
    payment: Payment | None = None
    delivery_address: Address | None = None
    invoice_address: Address | None = None
    initial_delivery_fees: list[InitialDeliveryFee] | None = None
    initial_discounts: list[InitialDiscount] | None = None
    suspected_fraud_case: bool | None = False


class TrackingKey(_Sent, frozen=True, kw_only=True):
    """A carrier code that OTTO knows, and the number of a parcel."""

    carrier: str
    tracking_number: str


class ShipFromAddress(_Sent, frozen=True, kw_only=True):
    """Place of departure; `country_code` is ISO 3166-1 alpha-3."""

    city: str
    country_code: str
    zip_code: str


class ShipmentItem(_Sent, frozen=True, kw_only=True):
    """A unit in a parcel; `return_tracking_key` is required by OTTO for parcels."""

    position_item_id: str
    sales_order_id: str
    return_tracking_key: TrackingKey | None = None
    return_address_carrier_id: str | None = None


class ShipmentRequest(_Sent, frozen=True, kw_only=True):
    """Body of a new shipment; `ship_date` is written by `format_time`."""

    tracking_key: TrackingKey
    ship_date: str
    ship_from_address: ShipFromAddress
    position_items: list[ShipmentItem]


class ShipmentState(_Received, frozen=True, kw_only=True):
    """A step of the parcel; only SENT comes from us."""

    state: str
    occurred_on: str


class Shipment(_Received, frozen=True, kw_only=True):
    """A shipment as OTTO holds it; lists of shipments leave `position_items` empty."""

    shipment_id: str
    creation_date: str | None = None
    tracking_key: TrackingKey | None = None
    ship_date: str | None = None
    ship_from_address: ShipFromAddress | None = None
    position_items: list[ShipmentItem] = []
    states: list[ShipmentState] | None = None
