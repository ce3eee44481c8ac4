"""How the simulated OTTO writes: orders, shipments and error bodies as JSON values.

Belongs here: field names, date formats, amounts. Rules belong to `otto_rules`, state to `model`.
Amounts are written with `Decimal`, never a float; every sixteenth order writes its numbers as
strings and carries fields that no contract names, because the real interface does such things.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from otto_pipelines.sandbox.catalogue import Product
from otto_pipelines.sandbox.model import Discount, Item, SalesOrder, Shipment
from otto_pipelines.sandbox.worktime import BERLIN

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_ON_THE_WAY = timedelta(hours=6)
_DELIVERED = timedelta(hours=30)


def encode(value: Any) -> bytes:
    """JSON bytes; a Decimal becomes a number."""
    return _ENCODER.encode(value)


def orders_time(moment: datetime) -> str:
    """`2021-03-31T09:45:52.313+0000`: offset without a colon."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "+0000"


@lru_cache(maxsize=1024)
def local_time(moment: datetime) -> str:
    """`2021-04-21T12:00:00.000+02:00`: Berlin time with its offset."""
    return moment.astimezone(BERLIN).isoformat(timespec="milliseconds")


def zulu_time(moment: datetime) -> str:
    """`2026-11-20T15:04:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def order_json(order: SalesOrder) -> msgspec.Raw:
    """The order as bytes; they are kept until the order changes."""
    if order.rendered is None:
        order.rendered = msgspec.Raw(encode(_order(order)))
    return order.rendered  # type: ignore[no-any-return]


def _order(order: SalesOrder) -> dict[str, Any]:
    changed = orders_time(order.changed_at or order.ordered_at)
    odd = order.order_id.endswith("0")
    body: dict[str, Any] = {
        "salesOrderId": order.order_id,
        "orderNumber": order.number,
        "orderDate": orders_time(order.ordered_at),
        "lastModifiedDate": changed,
        "orderLifecycleInformation": {"lifecycleChangeDate": changed},
        "positionItems": [_item(item, as_text=odd) for item in order.items],
        "payment": {"paymentMethod": order.payment},
        "initialDeliveryFees": _fees(order),
        "initialDiscounts": [_discount(discount, order) for discount in order.discounts],
        "suspectedFraudCase": False,
        "links": [{"rel": "self", "href": f"/v4/orders/{order.order_id}"}],
    }
    if order.released:
        body["deliveryAddress"] = order.address
        invoice = {key: value for key, value in order.address.items() if key != "phoneNumber"}
        body["invoiceAddress"] = invoice | {"email": f"{order.number}@pseudonym.example.org"}
    if odd:
        body["salesChannelHint"] = {"origin": "APP", "revision": "3"}
    return body


@lru_cache(maxsize=4096)
def amount_json(cents: int, *, as_text: bool = False) -> dict[str, Any]:
    """An amount in euros with two decimals, as a number or as text."""
    amount = Decimal(cents).scaleb(-2)
    return {"amount": str(amount) if as_text else amount, "currency": "EUR"}


def _item(item: Item, *, as_text: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "positionItemId": item.item_id,
        "fulfillmentStatus": item.status,
        "itemValueGrossPrice": amount_json(item.gross_cents, as_text=as_text),
        "product": _product(item.product, as_text=as_text),
        "expectedDeliveryDate": local_time(item.expected_delivery),
        "returnAcceptedByMarketplace": item.accepted_by_marketplace,
        "weeePickup": False,
    }
    if item.discount_cents:
        body["itemValueDiscount"] = amount_json(item.discount_cents, as_text=as_text)
        body["itemValueReducedGrossPrice"] = amount_json(item.reduced_cents, as_text=as_text)
    for name, moment in (
        ("processableDate", item.processable_at),
        ("sentDate", item.sent_at),
        ("returnedDate", item.returned_at),
        ("cancellationDate", item.cancelled_at),
    ):
        if moment is not None:
            body[name] = orders_time(moment)
    if item.cancellation_reason:
        body["cancellationReason"] = item.cancellation_reason
    if item.carrier:
        body["trackingInfo"] = {"carrier": item.carrier, "trackingNumber": item.tracking_number}
    if as_text:
        body["presentationGroup"] = 7
    return body


@lru_cache(maxsize=1024)
def _product(product: Product, *, as_text: bool) -> msgspec.Raw:
    return msgspec.Raw(
        encode(
            {
                "sku": product.sku,
                "productTitle": product.title,
                "articleNumber": product.article_number,
                "ean": product.ean,
                "vatRate": str(product.vat_rate) if as_text else product.vat_rate,
                "shopUrl": f"https://www.otto.example/p/{product.article_number}",
                "dimensions": [{"displayName": "Farbe", "type": "COLOR", "value": product.colour}],
            }
        )
    )


def _fees(order: SalesOrder) -> list[dict[str, Any]]:
    if not order.fee_cents:
        return []
    return [
        {
            "name": "DELIVERY_FEE_STANDARD",
            "deliveryFeeAmount": amount_json(order.fee_cents),
            "positionItemIds": [item.item_id for item in order.items],
            "vatRate": max(item.product.vat_rate for item in order.items),
        }
    ]


def _discount(discount: Discount, order: SalesOrder) -> dict[str, Any]:
    touched = [item for item in order.items if item.item_id in discount.item_ids]
    return {
        "name": "DISCOUNT",
        "discountId": discount.discount_id,
        "discountName": discount.name,
        "discountAmount": amount_json(discount.cents),
        "positionItemIds": list(discount.item_ids),
        "vatRate": max(item.product.vat_rate for item in touched),
    }


def shipment_json(shipment: Shipment, now: datetime, *, brief: bool = False) -> dict[str, Any]:
    """A shipment; `brief` is the form of the list. Carrier states follow from its age."""
    key: dict[str, Any] = {"carrier": shipment.carrier}
    if shipment.tracking_number is not None:
        key["trackingNumber"] = shipment.tracking_number
    body: dict[str, Any] = {
        "shipmentId": shipment.shipment_id,
        "creationDate": zulu_time(shipment.created_at),
        "trackingKey": key,
        "states": [
            {"state": state, "occurredOn": zulu_time(shipment.created_at + delay)}
            for state, delay in (
                ("SENT", timedelta()),
                ("ON_THE_WAY", _ON_THE_WAY),
                ("DELIVERED", _DELIVERED),
            )
            if shipment.created_at + delay <= now
        ],
    }
    if not brief:
        body |= {
            "shipDate": shipment.ship_date,
            "shipFromAddress": shipment.ship_from,
            "positionItems": shipment.position_items,
        }
    return body
