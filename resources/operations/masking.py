"""What another side says of an order, without the buyer's data that it may repeat.

Belongs here: masking texts before they are stored as a reason, which people see in checks, alerts
and on the command line, and which is kept longer than the address.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.schema import orders
from resources.otto.wire import Address

MASK = "***"
_TEXTS = ("reason", "last_error")
# Shorter values say nothing without the others.
_SHORTEST = 3


def masked(
    conn: Connection, order_ref: str, detail: str | None, values: dict[str, Any]
) -> tuple[str | None, dict[str, Any]]:
    """The record of an attempt, `detail` and texts among `values`, without the buyer's address."""
    if detail is None:
        return None, values
    mask = mask_for(conn, order_ref)
    told = {name: mask(values[name]) for name in _TEXTS if values.get(name)}
    return mask(detail), {**values, **told}


def mask_for(conn: Connection, order_ref: str) -> Callable[[str], str]:
    """A function that masks the address which we hold of an order; capitals do not matter to it."""
    held = conn.scalar(
        sa.select(orders.c.delivery_address).where(orders.c.sales_order_id == order_ref)
    )
    if held is None:
        return str
    # The longest first, since one value may be a part of another.
    known = sorted(_parts(msgspec.json.decode(held, type=Address)), key=len, reverse=True)
    found = re.compile("|".join(map(re.escape, known)), re.IGNORECASE)
    return lambda text: found.sub(MASK, text) if known else text


def _parts(address: Address) -> set[str]:
    """Values by which a person is known. A house number alone, as any number, is not."""
    names = (address.first_name, address.last_name)
    parts = (
        *names,
        *(word for name in names for word in name.split()),
        f"{address.street} {address.house_number}",
        address.street,
        address.addition,
        address.zip_code,
        address.city,
        address.phone_number,
        address.email,
    )
    return {part.strip() for part in parts if part and len(part.strip()) >= _SHORTEST}
