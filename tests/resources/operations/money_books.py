"""Orders in the books for tests about money: an order, its units, their prices and states."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from resources.operations.bulk import upsert
from resources.operations.columns import metadata
from resources.operations.database import OperationsDatabase
from resources.operations.schema import orders, position_items

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def put_order(
    db: OperationsDatabase, order: str, items: dict[str, dict[str, Any]], **columns: Any
) -> None:
    """Store an order; `items` maps position items to columns that differ from a SENT unit of A."""
    head = {
        **{column.name: None for column in orders.c},
        "sales_order_id": order,
        "order_number": order,
        "ordered_at": NOW,
        "order_day": NOW.date(),
        "lifecycle_changed_at": NOW,
        "delivery_fee_cents": 0,
        "order_discount_cents": 0,
        "discount_reading": "none",
        "payload_hash": "x",
        "page_ref": "x",
        "first_seen_at": NOW,
        "recorded_at": NOW,
        **columns,
    }
    unit = {
        **{column.name: None for column in position_items.c},
        "sales_order_id": order,
        "sku": "A",
        "title": "t",
        "vat_rate": "19",
        "currency": "EUR",
        "gross_cents": 1995,
        "item_discount_cents": 0,
        "order_discount_share_cents": 0,
        "buyer_price_cents": 1995,
        "fulfilment_status": "SENT",
        "sent_at": NOW,
        "recorded_at": NOW,
    }
    with db.write() as conn:
        upsert(conn, orders, [head], ["sales_order_id"])
        rows = [{**unit, "position_item_id": item, **own} for item, own in items.items()]
        upsert(conn, position_items, rows, ["sales_order_id", "position_item_id"])


def table(db: OperationsDatabase, name: str) -> list[dict[str, Any]]:
    """All rows of a table by primary key."""
    found = metadata.tables[name]
    with db.read() as conn:
        query = sa.select(found).order_by(*found.primary_key.columns)
        return [dict(row) for row in conn.execute(query).mappings()]
