"""Prices side by side: what was sold, charged, reduced and offered, as rows to be judged.

Belongs here: queries across orders, receipts, reductions, products and the warehouse's lines. What
must hold of a row does not belong here (`assets.contracts.prices`). Amounts are cents.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.money_schema import (
    price_reductions,
    products,
    receipt_lines,
    receipts,
)
from resources.operations.schema import orders, position_items, wms_order_lines

Row = dict[str, Any]

_LINE_OF_RECEIPT = receipt_lines.c.receipt_number == receipts.c.receipt_number
_IS_PURCHASE = receipts.c.receipt_type == "PURCHASE"
# These lines will not change any more, or will not be sold.
_OVER = ("SHIPPED", "CANCELLED")


def purchased_units(conn: Connection, since: datetime) -> list[Row]:
    """Units on PURCHASE receipts created since then, each with the price of its order.

    `buyer_price_cents` is None where we do not hold the order; `purchases` counts the lines that
    charge the unit, over all receipts.
    """
    line, item = receipt_lines.c, position_items.c
    other = receipt_lines.alias()
    of_other = receipts.alias()
    purchases = (
        sa.select(sa.func.count())
        .select_from(other.join(of_other, of_other.c.receipt_number == other.c.receipt_number))
        .where(
            of_other.c.receipt_type == "PURCHASE",
            other.c.kind == "item",
            other.c.sales_order_id == line.sales_order_id,
            other.c.position_item_id == line.position_item_id,
        )
        .scalar_subquery()
    )
    same = sa.and_(
        item.sales_order_id == line.sales_order_id, item.position_item_id == line.position_item_id
    )
    query = (
        sa.select(
            line.receipt_number,
            line.sales_order_id,
            line.position_item_id,
            line.tax_rate,
            line.amount_cents.label("charged_cents"),
            item.buyer_price_cents,
            purchases.label("purchases"),
        )
        .join(receipts, _LINE_OF_RECEIPT)
        .join(position_items, same, isouter=True)
        .where(
            _IS_PURCHASE,
            receipts.c.created_at >= since,
            line.kind == "item",
            line.position_item_id.is_not(None),
        )
        .order_by(line.receipt_number, line.line_no)
    )
    return _rows(conn, query)


def receipt_totals(conn: Connection, since: datetime) -> list[Row]:
    """PURCHASE receipts created since then: the total they state and that of their lines."""
    query = (
        sa.select(
            receipts.c.receipt_number,
            receipts.c.sales_order_id,
            receipts.c.gross_cents,
            receipts.c.voucher_cents,
            sa.func.coalesce(sa.func.sum(receipt_lines.c.amount_cents), 0).label("lines_cents"),
        )
        .join(receipt_lines, _LINE_OF_RECEIPT, isouter=True)
        .where(_IS_PURCHASE, receipts.c.created_at >= since)
        .group_by(*receipts.primary_key.columns, receipts.c.sales_order_id)
        .group_by(receipts.c.gross_cents, receipts.c.voucher_cents)
        .order_by(receipts.c.receipt_number)
    )
    return _rows(conn, query)


def delivery_fees(conn: Connection, since: datetime) -> list[Row]:
    """Orders with a PURCHASE receipt since then: the fee as sold, and as all receipts charge it."""
    is_fee = receipt_lines.c.kind == "delivery_cost"
    charged = sa.func.sum(sa.case((is_fee, receipt_lines.c.amount_cents), else_=0))
    recent = sa.select(receipts.c.sales_order_id).where(
        _IS_PURCHASE, receipts.c.created_at >= since
    )
    query = (
        sa.select(
            receipts.c.sales_order_id,
            orders.c.delivery_fee_cents.label("fee_cents"),
            sa.func.coalesce(charged, 0).label("charged_cents"),
        )
        .join(orders, orders.c.sales_order_id == receipts.c.sales_order_id)
        .join(receipt_lines, _LINE_OF_RECEIPT, isouter=True)
        .where(_IS_PURCHASE, receipts.c.sales_order_id.in_(recent))
        .group_by(receipts.c.sales_order_id, orders.c.delivery_fee_cents)
        .order_by(receipts.c.sales_order_id)
    )
    return _rows(conn, query)


def reduced_units(conn: Connection, since: datetime) -> list[Row]:
    """Units with a reduction that is open or was made since then, and all that was taken off.

    Reductions that OTTO rejected took nothing off. `buyer_price_cents` is None where we do not hold
    the order.
    """
    made, item = price_reductions.c, position_items.c
    other = price_reductions.alias()
    recent = sa.exists().where(
        other.c.sales_order_id == made.sales_order_id,
        other.c.position_item_id == made.position_item_id,
        sa.or_(other.c.status == "INITIATED", other.c.created_at >= since),
    )
    same = sa.and_(
        item.sales_order_id == made.sales_order_id, item.position_item_id == made.position_item_id
    )
    query = (
        sa.select(
            made.sales_order_id,
            made.position_item_id,
            sa.func.sum(made.amount_cents).label("reduced_cents"),
            item.buyer_price_cents,
        )
        .join(position_items, same, isouter=True)
        .where(made.status != "REJECTED", recent)
        .group_by(made.sales_order_id, made.position_item_id, item.buyer_price_cents)
        .order_by(made.sales_order_id, made.position_item_id)
    )
    return _rows(conn, query)


def offered_prices(conn: Connection) -> list[Row]:
    """Every SKU with its prices; the bounds of a sale are seconds since 1970, or None."""
    query = sa.select(
        products.c.sku,
        products.c.standard_price_cents,
        products.c.sale_price_cents,
        products.c.sale_from,
        products.c.sale_to,
    ).order_by(products.c.sku)
    rows = _rows(conn, query)
    for row in rows:
        for bound in ("sale_from", "sale_to"):
            row[bound] = None if row[bound] is None else int(row[bound].timestamp())
    return rows


def not_shown_in_shop(conn: Connection) -> list[Row]:
    """SKUs that we offer and that the shop does not show, with its reasons as JSON."""
    query = (
        sa.select(products.c.sku, products.c.marketplace_status, products.c.status_errors)
        .where(
            products.c.active.is_(True),
            products.c.marketplace_status.in_(("RESTRICTED", "REJECTED", "INACTIVE")),
        )
        .order_by(products.c.sku)
    )
    return _rows(conn, query)


def wms_prices(conn: Connection) -> list[Row]:
    """Open lines of the warehouse with the price that it holds, beside the buyer's price.

    Only lines in one currency on both sides, since amounts in two cannot be compared.
    """
    line, item = wms_order_lines.c, position_items.c
    same = sa.and_(item.sales_order_id == line.order_ref, item.position_item_id == line.line_id)
    query = (
        sa.select(
            item.sales_order_id,
            item.position_item_id,
            item.sku,
            item.buyer_price_cents,
            line.price_seen_cents.label("wms_price_cents"),
        )
        .join(position_items, same)
        .where(
            line.price_seen_cents.is_not(None),
            line.currency_seen == item.currency,
            line.state.not_in(_OVER),
        )
        .order_by(item.sales_order_id, item.position_item_id)
    )
    return _rows(conn, query)


def _rows(conn: Connection, query: sa.Select[Any]) -> list[Row]:
    # PostgreSQL sums whole numbers to decimals.
    return [
        {name: int(value) if name.endswith("_cents") and value is not None else value
         for name, value in row.items()}
        for row in conn.execute(query).mappings()
    ]  # fmt: skip
