"""Products as OTTO holds them: prices, whether they are offered, what the shop says.

Belongs here: storing the three lists, each of which fills its own columns of a SKU's row. Which
price is right does not belong here.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from resources.operations.bulk import Row
from resources.operations.held import Kept, keep
from resources.operations.money_schema import products


def store_prices(conn: Connection, rows: Sequence[Row], now: datetime) -> Kept:
    """Keep prices: sku, standard_price_cents, sale_price_cents, sale_from, sale_to, currency."""
    return keep(conn, products, rows, now)


def store_active(conn: Connection, rows: Sequence[Row], now: datetime) -> Kept:
    """Keep whether SKUs are offered: sku, active."""
    return keep(conn, products, rows, now)


def store_marketplace_status(conn: Connection, rows: Sequence[Row], now: datetime) -> Kept:
    """Keep the shop's view if it is not older than ours.

    Columns: sku, marketplace_status, status_errors, status_at.
    """
    return keep(conn, products, rows, now, newer_by="status_at")
