"""Rows of OTTO about returns, price reductions and products, as rows of the operations database.

Belongs here: the translation of one row each. Receipts have a module of their own
(`receipt_rows`); storing does not belong here (`money_import`).
"""

from collections import Counter
from typing import Any, get_args

import msgspec

from assets.money_judge import Judge
from resources.otto.price_reductions import ItemReductions
from resources.otto.products import ActiveStatus, MarketplaceStatus, SkuPrices
from resources.otto.returns import ReturnedItem, ReturnShipment
from resources.returns_policy import AcceptReason, RejectReason

Row = dict[str, Any]

CONDITIONS = frozenset("ABCDE")
RETURN_STATUS = frozenset({"ANNOUNCED", "ACCEPTED", "REJECTED", "MISDIRECTED"})
# OTTO gives the last four when it accepts by itself.
RETURN_REASONS = frozenset(
    {
        *get_args(AcceptReason),
        *get_args(RejectReason),
        "OVERDUE_CREDIT",
        "FAST_REFUND",
        "CUSTOMER_CLARIFICATION",
        "LACK_OF_COOPERATION",
    }
)
SHIPMENT_STATES = frozenset({"ANNOUNCED", "ON_THE_WAY", "DELIVERED"})
REDUCTION_STATUS = frozenset({"INITIATED", "PROCESSED", "REJECTED"})
SHOP_STATUS = frozenset({"PENDING", "ONLINE", "RESTRICTED", "REJECTED", "INACTIVE"})


def return_row(item: ReturnedItem, judge: Judge) -> Row:
    """A row of `otto_returns`."""
    details = item.details
    status = judge.word(item.status.upper(), RETURN_STATUS, "status")
    occurred_at = judge.moment(item.occurred_time, "occurredTime")
    tracking = details.return_tracking_key if details else None
    numbers = tracking.tracking_numbers if tracking else []
    return {
        "sales_order_id": judge.key(item.sales_order_id, "salesOrderId"),
        "position_item_id": judge.key(item.position_item_id, "positionItemId"),
        "status": status,
        "occurred_at": occurred_at,
        "condition": judge.word_or_none(
            details.condition if details else None, CONDITIONS, "details.condition"
        ),
        "reason": judge.word_or_none(
            details.reason if details else None, RETURN_REASONS, "details.reason"
        ),
        "tracking_carrier": tracking.carrier if tracking else None,
        "tracking_numbers": msgspec.json.encode(numbers).decode() if numbers else None,
        "otto_warehouse_id": details.otto_warehouse_id if details else None,
        "announced_at": occurred_at if status == "ANNOUNCED" else None,
        "decided_at": occurred_at if status in {"ACCEPTED", "REJECTED"} else None,
    }


def return_shipment_rows(shipment: ReturnShipment, judge: Judge) -> tuple[Row, list[Row]]:
    """A row of `return_shipments`, and its rows of `return_shipment_items`.

    The state is the latest one; a parcel without any is announced since it was created.
    """
    number = judge.key(shipment.return_shipment_id, "returnShipmentId")
    created_at = judge.moment(shipment.created_at, "createdAt")
    steps = [
        (judge.moment(s.occurred_on, "states.occurredOn"), s.state) for s in shipment.states or ()
    ]
    state_at, state = max(steps, key=lambda step: step[0], default=(created_at, "ANNOUNCED"))
    head = {
        "return_shipment_id": number,
        "carrier": shipment.tracking_key.carrier,
        "tracking_number": judge.key(
            shipment.tracking_key.tracking_number, "trackingKey.trackingNumber"
        ),
        "created_at": created_at,
        "state": judge.word(state, SHIPMENT_STATES, "states.state"),
        "state_at": state_at,
    }
    items = [
        {
            "return_shipment_id": number,
            "sales_order_id": judge.key(item.sales_order_id, "salesOrderId"),
            "position_item_id": judge.key(
                item.sales_order_position_item_id, "salesOrderPositionItemId"
            ),
        }
        for item in shipment.return_position_items
    ]
    return head, items


def reduction_rows(item: ItemReductions, judge: Judge) -> list[Row]:
    """Rows of `price_reductions`; those of one moment are counted by amount, then as listed."""
    order = judge.key(item.sales_order_id, "salesOrderId")
    unit = judge.key(item.position_item_id, "positionItemId")
    total = judge.cents_or_none(item.total_price_reduction, "totalPriceReduction")
    invoice = judge.cents_or_none(item.invoice_price, "invoicePrice")
    rows: list[Row] = [
        {
            "sales_order_id": order,
            "position_item_id": unit,
            "created_at": judge.moment(reduction.creation_date_time, "creationDateTime"),
            "sequence": 0,
            "amount_cents": judge.cents(reduction.price_reduction, "priceReduction"),
            "currency": "EUR",
            "status": judge.word(reduction.status, REDUCTION_STATUS, "status"),
            "receipt_number": reduction.receipt_number,
            "total_cents": total,
            "invoice_cents": invoice,
        }
        for reduction in item.price_reductions
    ]
    rows.sort(key=lambda row: (row["created_at"], row["amount_cents"]))
    seen: Counter[Any] = Counter()
    for row in rows:
        seen[row["created_at"]] += 1
        row["sequence"] = seen[row["created_at"]]
    return rows


def price_row(prices: SkuPrices, judge: Judge) -> Row:
    """The columns of `products` that prices fill."""
    sale = prices.sale
    return {
        "sku": judge.key(prices.sku, "sku"),
        "standard_price_cents": judge.cents(prices.standard_price, "standardPrice"),
        "sale_price_cents": judge.cents(sale.sale_price, "sale.salePrice") if sale else None,
        "sale_from": judge.moment_or_none(sale.start_date, "sale.startDate") if sale else None,
        "sale_to": judge.moment_or_none(sale.end_date, "sale.endDate") if sale else None,
        "currency": "EUR",
    }


def active_row(status: ActiveStatus, judge: Judge) -> Row:
    """The columns of `products` that the seller's switch fills."""
    return {"sku": judge.key(status.sku, "sku"), "active": status.active}


def marketplace_row(status: MarketplaceStatus, judge: Judge) -> Row:
    """The columns of `products` that the shop's view fills."""
    return {
        "sku": judge.key(status.sku, "sku"),
        "marketplace_status": judge.word(status.status, SHOP_STATUS, "status"),
        "status_errors": (msgspec.json.encode(status.errors).decode() if status.errors else None),
        "status_at": judge.moment_or_none(status.last_modified, "lastModified"),
    }
