"""Prices that receipts settled, of orders whose discounts could be read in two ways.

Belongs here: fixing such an order's shares and prices, keeping what they were before, and holding
them against later versions of the order, which OTTO sends without saying which reading holds. Which
reading holds does not belong here (`assets.rules.discounts`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import among, upsert
from resources.operations.database import hold
from resources.operations.money_schema import settled_prices
from resources.operations.schema import orders, position_items

_SAME_ITEM = sa.and_(
    settled_prices.c.sales_order_id == position_items.c.sales_order_id,
    settled_prices.c.position_item_id == position_items.c.position_item_id,
)


@dataclass(frozen=True)
class SettledItem:
    """What settling an order's discounts fixes for a unit, in cents."""

    position_item_id: str
    share_cents: int
    buyer_price_cents: int


def settle_reading(
    conn: Connection,
    sales_order_id: str,
    reading: Literal["included", "on_top"],
    items: Sequence[SettledItem],
    now: datetime,
) -> bool:
    """Fix shares and prices of an order whose reading was open; False: it is open no more."""
    # The same lock as an import's: a version that arrives meanwhile is stored before or after.
    hold(conn, orders.name)
    open_order = sa.update(orders).where(
        orders.c.sales_order_id == sales_order_id, orders.c.discount_reading == "ambiguous"
    )
    if not conn.execute(open_order.values(discount_reading=reading, recorded_at=now)).rowcount:
        return False
    query = sa.select(
        position_items.c.position_item_id,
        position_items.c.order_discount_share_cents,
        position_items.c.buyer_price_cents,
    ).where(position_items.c.sales_order_id == sales_order_id)
    imported = {item: (share, price) for item, share, price in conn.execute(query)}
    rows = [
        {
            "sales_order_id": sales_order_id,
            "position_item_id": item.position_item_id,
            "discount_reading": reading,
            "order_discount_share_cents": item.share_cents,
            "buyer_price_cents": item.buyer_price_cents,
            "imported_share_cents": imported[item.position_item_id][0],
            "imported_price_cents": imported[item.position_item_id][1],
            "recorded_at": now,
        }
        for item in items
        if item.position_item_id in imported
    ]
    upsert(conn, settled_prices, rows, ["sales_order_id", "position_item_id"], update=())
    _apply(conn, [sales_order_id])
    stamp = sa.update(position_items).where(position_items.c.sales_order_id == sales_order_id)
    conn.execute(stamp.values(recorded_at=now))
    return True


def keep_settled(conn: Connection, order_ids: Sequence[str]) -> None:
    """Put settled readings, shares and prices back into orders that were just stored anew."""
    query = sa.select(settled_prices.c.sales_order_id).distinct()
    settled = conn.scalars(query.where(among(conn, settled_prices.c.sales_order_id, order_ids)))
    _apply(conn, list(settled))


def _apply(conn: Connection, order_ids: Sequence[str]) -> None:
    if not order_ids:
        return
    names = ("order_discount_share_cents", "buyer_price_cents")
    fixed = {
        name: sa.select(settled_prices.c[name]).where(_SAME_ITEM).scalar_subquery()
        for name in names
    }
    conn.execute(
        sa.update(position_items)
        .where(
            among(conn, position_items.c.sales_order_id, order_ids),
            sa.exists().where(_SAME_ITEM),
        )
        .values(fixed)
    )
    reading = (
        sa.select(sa.func.min(settled_prices.c.discount_reading))
        .where(settled_prices.c.sales_order_id == orders.c.sales_order_id)
        .scalar_subquery()
    )
    conn.execute(
        sa.update(orders)
        .where(among(conn, orders.c.sales_order_id, order_ids))
        .values(discount_reading=reading)
    )
