"""OTTO's orders as we hold them: storing new versions, and the questions that flows ask.

Belongs here: writing `orders` and `position_items` so that repeated, stale and parallel imports all
end in the newest version, and reading orders for the warehouse.

Does not belong here: judging an order (`assets.contracts`) and building requests
(`assets.outbound`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import chunks, upsert
from resources.operations.database import hold
from resources.operations.schema import orders, outbox, position_items

_IMPORT = "orders"
_Version = tuple[datetime, datetime]
_NEVER = datetime.min.replace(tzinfo=UTC)
_OLDEST: _Version = (_NEVER, _NEVER)
_UPDATED = [c.name for c in orders.c if c.name not in {"sales_order_id", "first_seen_at"}]


@dataclass(frozen=True)
class StoreCounts:
    """What became of the orders of one call; a version older than ours counts as unchanged."""

    new: int
    changed: int
    unchanged: int


def store_orders(
    conn: Connection,
    order_rows: Sequence[dict[str, Any]],
    item_rows: Sequence[dict[str, Any]],
    now: datetime,
) -> StoreCounts:
    """Store orders with all their items; what we hold already, or newer, stays untouched.

    Args:
        conn: a write transaction.
        order_rows: columns of `orders` without `first_seen_at` and `recorded_at`.
        item_rows: columns of `position_items` without `recorded_at`, for the same orders.
        now: aware UTC; becomes `recorded_at` and, for new orders, `first_seen_at`.
    """
    # Alone until the commit: whether a version is newer must still be true when it is written.
    hold(conn, _IMPORT)
    newest = _newest_of_each(order_rows)
    held = _held_hashes(conn, list(newest))
    differing = [row for key, row in newest.items() if held.get(key) != row["payload_hash"]]
    versions = _held_versions(conn, [row["sales_order_id"] for row in differing])
    taken = [
        row for row in differing if _version(row) >= versions.get(row["sales_order_id"], _OLDEST)
    ]
    upsert(
        conn,
        orders,
        [{**row, "first_seen_at": now, "recorded_at": now} for row in taken],
        ["sales_order_id"],
        update=_UPDATED,
        keep_when_null=["delivery_address"],
    )
    refs = {row["sales_order_id"] for row in taken}
    upsert(
        conn,
        position_items,
        [{**row, "recorded_at": now} for row in item_rows if row["sales_order_id"] in refs],
        ["sales_order_id", "position_item_id"],
    )
    new = len(newest) - len(held)
    return StoreCounts(new=new, changed=len(taken) - new, unchanged=len(newest) - len(taken))


def processable_without_wms_order(conn: Connection, limit: int | None = None) -> list[str]:
    """Orders ready for the warehouse that no outbox row of kind `wms_order` stands for.

    Ready means: an item is PROCESSABLE and none is still ANNOUNCED. Oldest first.
    """
    announced = position_items.alias("announced")
    ready = (
        sa.select(position_items.c.sales_order_id)
        .where(position_items.c.fulfilment_status == "PROCESSABLE")
        .where(
            ~sa.exists().where(
                announced.c.sales_order_id == position_items.c.sales_order_id,
                announced.c.fulfilment_status == "ANNOUNCED",
            ),
            ~sa.exists().where(
                outbox.c.kind == "wms_order",
                outbox.c.business_key == position_items.c.sales_order_id,
            ),
        )
        .distinct()
        .subquery()
    )
    query = (
        sa.select(orders.c.sales_order_id)
        .join(ready, ready.c.sales_order_id == orders.c.sales_order_id)
        .order_by(orders.c.ordered_at, orders.c.sales_order_id)
        .limit(limit)
    )
    return list(conn.scalars(query))


def order_with_items(conn: Connection, sales_order_id: str) -> dict[str, Any]:
    """One order as a dict of its columns, with its items as a list of dicts under `items`.

    Raises:
        LookupError: we hold no such order.
    """
    found = conn.execute(
        sa.select(orders).where(orders.c.sales_order_id == sales_order_id)
    ).mappings()
    order = found.one_or_none()
    if order is None:
        raise LookupError(
            f"order {sales_order_id} is not in the operations database: "
            "import it again (`otto-pipelines sync orders`)"
        )
    items = conn.execute(
        sa.select(position_items)
        .where(position_items.c.sales_order_id == sales_order_id)
        .order_by(position_items.c.position_item_id)
    ).mappings()
    return {**order, "items": [dict(item) for item in items]}


def _version(row: Any) -> _Version:
    return row["lifecycle_changed_at"], row["last_modified_at"] or _NEVER


def _newest_of_each(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    newest: dict[str, dict[str, Any]] = {}
    for row in rows:
        known = newest.get(row["sales_order_id"])
        if known is None or _version(row) >= _version(known):
            newest[row["sales_order_id"]] = row
    return newest


def _held_hashes(conn: Connection, ids: Sequence[str]) -> dict[str, str]:
    held: dict[str, str] = {}
    for part in chunks(ids):
        query = sa.select(orders.c.sales_order_id, orders.c.payload_hash).where(
            orders.c.sales_order_id.in_(part)
        )
        held.update(row._tuple() for row in conn.execute(query))
    return held


def _held_versions(conn: Connection, ids: Sequence[str]) -> dict[str, _Version]:
    held: dict[str, _Version] = {}
    for part in chunks(ids):
        query = sa.select(
            orders.c.sales_order_id, orders.c.lifecycle_changed_at, orders.c.last_modified_at
        ).where(orders.c.sales_order_id.in_(part))
        held.update(
            (row["sales_order_id"], _version(row)) for row in conn.execute(query).mappings()
        )
    return held
