"""OTTO's orders as we hold them: storing new versions, and the questions that flows ask.

Belongs here: writing `orders` and `position_items` so that repeated, stale and parallel imports all
end in the newest version, and reading orders for the warehouse.

Does not belong here: judging an order (`assets.contracts`) and building requests
(`assets.outbound`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import Columns, among, pick, upsert_columns
from resources.operations.database import hold
from resources.operations.schema import orders, outbox, position_items
from resources.operations.settled_prices import keep_settled

_IMPORT = "orders"
_Version = tuple[datetime, datetime]
_NEVER = datetime.min.replace(tzinfo=UTC)
_UPDATED = [c.name for c in orders.c if c.name not in {"sales_order_id", "first_seen_at"}]


@dataclass(frozen=True)
class StoreCounts:
    """What became of the orders of one call; a version older than ours counts as unchanged."""

    new: int
    changed: int
    unchanged: int


@dataclass(frozen=True)
class HeldValue:
    """What the buyers of some orders pay for their units, and how many discounts are uncertain."""

    buyer_cents: int
    ambiguous_discounts: int


def store_orders(
    conn: Connection, order_columns: Columns, item_columns: Columns, now: datetime
) -> StoreCounts:
    """Store orders with all their items; what we hold already, or newer, stays untouched.

    Args:
        conn: a write transaction.
        order_columns: columns of `orders` without `first_seen_at` and `recorded_at`.
        item_columns: columns of `position_items` without `recorded_at`, for the same orders.
        now: aware UTC; becomes `recorded_at` and, for new orders, `first_seen_at`.
    """
    # Alone until the commit: whether a version is newer must still be true when it is written.
    hold(conn, _IMPORT)
    newest = _newest_of_each(order_columns)
    held = _held(conn, list(newest))
    hashes = order_columns["payload_hash"]
    taken = {
        key: position
        for key, (position, version) in newest.items()
        if key not in held
        or (held[key].payload_hash != hashes[position] and version >= held[key].version)
    }
    stored = pick(order_columns, list(taken.values()))
    stamp = [now] * len(taken)
    upsert_columns(
        conn,
        orders,
        {**stored, "first_seen_at": stamp, "recorded_at": stamp},
        ["sales_order_id"],
        update=_UPDATED,
        keep_when_null=["delivery_address"],
    )
    owners = item_columns["sales_order_id"]
    items = pick(item_columns, [position for position, key in enumerate(owners) if key in taken])
    upsert_columns(
        conn,
        position_items,
        {**items, "recorded_at": [now] * len(items["sales_order_id"])},
        ["sales_order_id", "position_item_id"],
    )
    keep_settled(conn, list(taken))
    new = len(newest) - len(held)
    return StoreCounts(new=new, changed=len(taken) - new, unchanged=len(newest) - len(taken))


def held_hashes(conn: Connection, ids: Sequence[str]) -> dict[str, str]:
    """`payload_hash` of those of `ids` that we hold."""
    query = sa.select(orders.c.sales_order_id, orders.c.payload_hash)
    found = conn.execute(query.where(among(conn, orders.c.sales_order_id, ids)))
    return {row.sales_order_id: row.payload_hash for row in found}


def held_value(conn: Connection, ids: Sequence[str]) -> HeldValue:
    """What the orders `ids` are worth, as we hold them."""
    if not ids:
        return HeldValue(0, 0)
    cents = sa.select(sa.func.coalesce(sa.func.sum(position_items.c.buyer_price_cents), 0))
    ambiguous = sa.select(sa.func.count()).where(orders.c.discount_reading == "ambiguous")
    return HeldValue(
        int(conn.scalars(cents.where(among(conn, position_items.c.sales_order_id, ids))).one()),
        conn.scalars(ambiguous.where(among(conn, orders.c.sales_order_id, ids))).one(),
    )


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


class _Held(NamedTuple):
    payload_hash: str
    version: _Version


def _newest_of_each(columns: Columns) -> dict[str, tuple[int, _Version]]:
    """Where the newest version of each order stands."""
    newest: dict[str, tuple[int, _Version]] = {}
    versions = zip(columns["lifecycle_changed_at"], columns["last_modified_at"], strict=True)
    keys = columns["sales_order_id"]
    for position, (key, (changed, modified)) in enumerate(zip(keys, versions, strict=True)):
        version = changed, modified or _NEVER
        known = newest.get(key)
        if known is None or version >= known[1]:
            newest[key] = position, version
    return newest


def _held(conn: Connection, ids: Sequence[str]) -> dict[str, _Held]:
    query = sa.select(
        orders.c.sales_order_id,
        orders.c.payload_hash,
        orders.c.lifecycle_changed_at,
        orders.c.last_modified_at,
    )
    found = conn.execute(query.where(among(conn, orders.c.sales_order_id, ids)))
    return {
        key: _Held(payload_hash, (changed, modified or _NEVER))
        for key, payload_hash, changed, modified in found
    }
