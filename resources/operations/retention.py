"""Erasing personal data of the operations database when nobody needs it any more.

Belongs here: which addresses are due, and what is left. Raw pages lie in files and are erased by
their own store (`resources.otto.evidence`), files of the warehouse by its adapter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import chunks
from resources.operations.schema import orders, position_items

_OPEN = ("ANNOUNCED", "PROCESSABLE")
_HAS_OPEN_ITEM = sa.exists().where(
    position_items.c.sales_order_id == orders.c.sales_order_id,
    position_items.c.fulfilment_status.in_(_OPEN),
)
_HAS_ADDRESS = orders.c.delivery_address.is_not(None)


@dataclass(frozen=True)
class AddressesLeft:
    """Addresses that are held: how many, and the last change of the order that changed first.

    `overdue`: sales order ids whose address should be gone; `open_too_long`: those that changed as
    long ago, but have an open item, which keeps the address.
    """

    count: int
    oldest: datetime | None
    overdue: tuple[str, ...]
    open_too_long: tuple[str, ...]


def erase_addresses(conn: Connection, last_change_before: datetime) -> int:
    """Erase the addresses of orders that are over and did not change since; returns how many."""
    due = sa.update(orders).where(
        _HAS_ADDRESS, orders.c.lifecycle_changed_at < last_change_before, ~_HAS_OPEN_ITEM
    )
    return conn.execute(due.values(delivery_address=None)).rowcount


def addresses_left(conn: Connection, last_change_before: datetime) -> AddressesLeft:
    """What is held now, judged by the same moment as `erase_addresses`."""
    changed = orders.c.lifecycle_changed_at
    count, oldest = conn.execute(
        sa.select(sa.func.count(), sa.func.min(changed)).where(_HAS_ADDRESS)
    ).one()
    old = conn.execute(
        sa.select(orders.c.sales_order_id, _HAS_OPEN_ITEM)
        .where(_HAS_ADDRESS, changed < last_change_before)
        .order_by(changed, orders.c.sales_order_id)
    ).all()
    return AddressesLeft(
        count,
        oldest,
        overdue=tuple(order_id for order_id, is_open in old if not is_open),
        open_too_long=tuple(order_id for order_id, is_open in old if is_open),
    )


def without_address(conn: Connection, sales_order_ids: Sequence[str]) -> set[str]:
    """Those of these orders whose address we do not hold (any more), unknown ones left out."""
    found: set[str] = set()
    for part in chunks(sales_order_ids):
        query = sa.select(orders.c.sales_order_id).where(
            orders.c.sales_order_id.in_(part), ~_HAS_ADDRESS
        )
        found.update(conn.scalars(query))
    return found
