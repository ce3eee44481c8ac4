"""Erasing personal data of the operations database when nobody needs it any more.

Belongs here: which addresses are due. Raw pages lie in files and are erased by their own store
(`resources.otto.evidence`).
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.schema import orders, position_items

_OPEN = ("ANNOUNCED", "PROCESSABLE")


def erase_addresses(conn: Connection, last_change_before: datetime) -> int:
    """Erase the addresses of orders that are over and did not change since; returns how many."""
    open_item = sa.exists().where(
        position_items.c.sales_order_id == orders.c.sales_order_id,
        position_items.c.fulfilment_status.in_(_OPEN),
    )
    due = sa.update(orders).where(
        orders.c.delivery_address.is_not(None),
        orders.c.lifecycle_changed_at < last_change_before,
        ~open_item,
    )
    return conn.execute(due.values(delivery_address=None)).rowcount
