"""Outbox rows that need a person, as rows for checks: keys, reason, attempts."""

from typing import Any

from resources.operations import outbox_lists
from resources.operations.database import OperationsDatabase

NEEDS_A_PERSON = ("failed", "blocked")


def outbox_rows(db: OperationsDatabase, kind: str) -> list[dict[str, Any]]:
    """Failed and blocked rows of one kind, oldest first."""
    with db.read() as conn:
        rows = outbox_lists.rows(conn, states=NEEDS_A_PERSON, limit=10_000)
    return [
        {
            "id": row["id"],
            "business_key": row["business_key"],
            "sales_order_id": row["order_ref"],
            "state": row["state"],
            "attempts": row["attempts"],
            "reason": row["reason"],
        }
        for row in rows
        if row["kind"] == kind
    ]
