"""Lists of outbox rows that a person looks at: counts, and rows without what they carry.

Does not belong here: delivery (`resources.operations.outbox`), and what may be done with a row
(`resources.operations.outbox_desk`).
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.schema import outbox

_HIDDEN = ("payload", "payload_hash", "lease_token", "lease_until")


def overview(conn: Connection) -> dict[str, dict[str, int]]:
    """Count the rows: kind to state to number."""
    columns = (outbox.c.kind, outbox.c.state)
    query = sa.select(*columns, sa.func.count()).group_by(*columns).order_by(*columns)
    counts: dict[str, dict[str, int]] = {}
    for kind, state, number in conn.execute(query):
        counts.setdefault(kind, {})[state] = number
    return counts


def rows(conn: Connection, states: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """Rows in these states, oldest first, without payload and lease."""
    shown = [column for column in outbox.c if column.name not in _HIDDEN]
    query = sa.select(*shown).where(outbox.c.state.in_(states))
    ordered = query.order_by(outbox.c.created_at, outbox.c.id).limit(limit)
    return [dict(row) for row in conn.execute(ordered).mappings()]
