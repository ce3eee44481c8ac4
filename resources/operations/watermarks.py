"""How far each source was read.

Belongs here: reading and moving a position. Written as an aware ISO time it moves forward only,
unless forced. Any other text is a cursor of the other side: it cannot be compared, and moves always
(a feed that is read again repeats events, which are recorded once).
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import upsert
from resources.operations.database import hold
from resources.operations.schema import watermarks


def get(conn: Connection, source: str) -> str | None:
    """Return the position of `source`; None = never read."""
    return conn.scalar(sa.select(watermarks.c.position).where(watermarks.c.source == source))


def set(
    conn: Connection, source: str, position: str, now: datetime, *, force: bool = False
) -> bool:
    """Move `source` to `position`; `force` allows an earlier time. Returns whether it moved."""
    hold(conn, f"watermark {source}")
    held, wanted = _time(get(conn, source)), _time(position)
    if held is not None and wanted is not None and wanted <= held and not force:
        return False
    row = {"source": source, "position": position, "recorded_at": now}
    upsert(conn, watermarks, [row], ["source"])
    return True


def _time(position: str | None) -> datetime | None:
    if position is None:
        return None
    try:
        time = datetime.fromisoformat(position)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
