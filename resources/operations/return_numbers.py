"""The pool of return tracking numbers that a seller bought ahead; each is given out once.

Belongs here: filling the pool and taking from it. Whether a parcel needs a number is the tracking
gate's business (`assets.rules`).
"""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import upsert
from resources.operations.database import hold
from resources.operations.schema import return_numbers

_POOL = "return numbers"


def fill(conn: Connection, carrier: str, numbers: Iterable[str]) -> int:
    """Add numbers to the pool of `carrier`; returns how many are new, known ones stay as is."""
    rows = [{"carrier": carrier, "number": number} for number in numbers]
    return upsert(conn, return_numbers, rows, ["carrier", "number"], update=())


def take(conn: Connection, parcel_id: str, carrier: str, now: datetime) -> str | None:
    """Take a number for a parcel: the one it has already, else a free one; None = pool empty.

    A parcel whose carrier changed gets a number of the new carrier; its old one stays spent.
    """
    hold(conn, _POOL)
    owned = conn.execute(
        sa.select(return_numbers).where(return_numbers.c.parcel_id == parcel_id)
    ).one_or_none()
    if owned is not None and owned.carrier == carrier:
        return str(owned.number)
    number: str | None = conn.scalar(
        sa.select(return_numbers.c.number)
        .where(return_numbers.c.carrier == carrier, return_numbers.c.taken_at.is_(None))
        .order_by(return_numbers.c.number)
        .limit(1)
    )
    if number is None:
        return None
    if owned is not None:
        conn.execute(
            sa.update(return_numbers)
            .where(return_numbers.c.parcel_id == parcel_id)
            .values(parcel_id=None)
        )
    conn.execute(
        sa.update(return_numbers)
        .where(return_numbers.c.carrier == carrier, return_numbers.c.number == number)
        .values(parcel_id=parcel_id, taken_at=now)
    )
    return number
