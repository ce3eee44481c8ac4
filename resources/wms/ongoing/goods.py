"""Ongoing's stock and returns as records of the port.

Belongs here: which of Ongoing's numbers is which of ours, and what a booked return means. When they
are read stands in `adapter`.
"""

import math
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from resources.wms.journal import append, tell_again
from resources.wms.ongoing.policy import OngoingPolicy, ReturnStatus
from resources.wms.ongoing.wire import (
    ArticleStock,
    Inventory,
    ReturnedItem,
    ReturnLine,
    ReturnOrder,
    utc,
)
from resources.wms.port import (
    Disposition,
    ReturnedLine,
    ReturnReceipt,
    StockLevel,
)

RETURNS = "returns"
STOCK_CHANGES = "stock_changes"


def stock_level(article: ArticleStock, location: str, as_of: datetime) -> StockLevel:
    """One article. Parts of units are rounded to the side on which nothing is oversold."""
    info = article.inventory_info or Inventory()
    sellable = info.sellable_number_of_items
    reserved = _sum(info.allocated_number_of_items, info.number_of_booked_items)
    blocked = _sum(info.number_of_locked_items, info.locked_for_sale_number_of_items)
    return StockLevel(
        sku=article.article_number,
        location=location,
        on_hand=math.floor(_sum(info.number_of_items)),
        reserved=max(math.ceil(reserved), 0),
        blocked=max(math.ceil(blocked), 0),
        as_of=as_of,
        sellable=math.floor(sellable) if sellable is not None else None,
    )


def tell_stock(conn: sqlite3.Connection, articles: Sequence[ArticleStock]) -> None:
    """Put articles whose figures changed since the last look into the journal."""
    for article in articles:
        sku, figures = article.article_number, msgspec.json.encode(article.inventory_info).decode()
        tell_again(conn, STOCK_CHANGES, sku, told=figures, body=sku)


def tell_returns(
    conn: sqlite3.Connection, orders: Sequence[ReturnOrder], policy: OngoingPolicy
) -> None:
    """Put receipts that are new or graded anew into the journal."""
    for order in orders:
        receipt = _receipt(order, policy)
        if receipt is not None:
            body = msgspec.json.encode(receipt).decode()
            tell_again(conn, RETURNS, receipt.receipt_id, told=body, body=body)


def tell_faults(
    conn: sqlite3.Connection, feed: str, reasons: Sequence[str], as_of: datetime
) -> None:
    """Show records that cannot be read, each once a day as long as it stays so."""
    for reason in reasons:
        append(conn, feed, f"fault:{as_of.date()}:{reason}", reason, fault=True)


def _receipt(order: ReturnOrder, policy: OngoingPolicy) -> ReturnReceipt | None:
    """What came back of a return order; None as long as nothing did."""
    booked = [
        (line, item)
        for line in order.return_order_lines or ()
        for item in line.returned_article_items or ()
        if item.number_of_items >= 1
    ]
    times = [utc(item.return_time) for _, item in booked if item.return_time is not None]
    if not booked or not times:
        return None
    info = order.return_order_info
    return ReturnReceipt(
        receipt_id=str(info.return_order_id),
        received_at=min(times),
        lines=tuple(_returned(line, item, policy) for line, item in booked),
        order_ref=order.customer_order_info.order_number if order.customer_order_info else None,
        return_tracking_number=next(
            (label.waybill for label in order.tracking or () if label.waybill), None
        ),
    )


def _returned(line: ReturnLine, item: ReturnedItem, policy: OngoingPolicy) -> ReturnedLine:
    status = item.article_item_status.code if item.article_item_status else None
    grade: ReturnStatus = policy.return_statuses.get(status or "", policy.default_return)
    cause = item.return_cause or line.return_cause
    row = line.customer_order_line
    removed = item.is_return_removed_by_inventory
    return ReturnedLine(
        sku=line.article.article_number,
        quantity=int(item.number_of_items),
        condition=grade.condition,
        disposition=Disposition.SCRAP if removed else grade.disposition,
        line_id=row.customer_order_row_number if row else None,
        reason=cause.code if cause else None,
    )


def _sum(*numbers: Decimal | None) -> Decimal:
    return sum((number for number in numbers if number is not None), Decimal(0))
