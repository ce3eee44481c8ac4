"""Price reductions: what OTTO says of them, and what we asked for.

Belongs here: storing both, and what is left of a unit's price. The way of a request to OTTO, and
which reduction is whose, stand in `assets.outbound.otto_price_reduction`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import Row, upsert
from resources.operations.database import hold
from resources.operations.held import Kept, keep
from resources.operations.money_schema import price_reduction_requests, price_reductions
from resources.operations.schema import outbox, position_items

_REQUESTS = "price reduction requests"


@dataclass(frozen=True, kw_only=True)
class ReductionRequest:
    """A reduction that somebody wants for a unit."""

    request_id: str
    sales_order_id: str
    position_item_id: str
    amount_cents: int
    currency: str
    reason: str
    requested_by: str
    requested_at: datetime


@dataclass(frozen=True)
class ReducibleItem:
    """A unit's state, price and reductions at OTTO that were not rejected."""

    fulfilment_status: str
    buyer_price_cents: int
    currency: str
    reduced_cents: int


def store_reductions(conn: Connection, rows: Sequence[Row], now: datetime) -> Kept:
    """Keep what OTTO says now; `rows` are columns of `price_reductions` without `recorded_at`."""
    return keep(conn, price_reductions, rows, now)


def record_request(conn: Connection, request: ReductionRequest, now: datetime) -> bool:
    """Write a request down; False: it is there already.

    Raises:
        ValueError: its id stands for another reduction.
    """
    hold(conn, _REQUESTS)
    columns = [price_reduction_requests.c[name] for name in _COLUMNS]
    query = sa.select(*columns).where(price_reduction_requests.c.request_id == request.request_id)
    held = conn.execute(query).mappings().one_or_none()
    if held is not None:
        ours = ReductionRequest(**held)
        same = ("sales_order_id", "position_item_id", "amount_cents", "currency")
        if any(getattr(ours, name) != getattr(request, name) for name in same):
            raise ValueError(
                f"request {request.request_id} exists already, for another unit or amount: "
                "use a new id"
            )
        return False
    row = {name: getattr(request, name) for name in _COLUMNS}
    upsert(conn, price_reduction_requests, [{**row, "recorded_at": now}], ["request_id"])
    return True


def reducible_item(
    conn: Connection, sales_order_id: str, position_item_id: str
) -> ReducibleItem | None:
    """The unit, or None where we hold no such unit."""
    reduced = (
        sa.select(sa.func.coalesce(sa.func.sum(price_reductions.c.amount_cents), 0))
        .where(
            price_reductions.c.sales_order_id == sales_order_id,
            price_reductions.c.position_item_id == position_item_id,
            price_reductions.c.status != "REJECTED",
        )
        .scalar_subquery()
    )
    query = sa.select(
        position_items.c.fulfilment_status,
        position_items.c.buyer_price_cents,
        position_items.c.currency,
        reduced,
    ).where(
        position_items.c.sales_order_id == sales_order_id,
        position_items.c.position_item_id == position_item_id,
    )
    row = conn.execute(query).one_or_none()
    return None if row is None else ReducibleItem(row[0], row[1], row[2], int(row[3]))


def requests_with_state(conn: Connection, kind: str) -> list[dict[str, Any]]:
    """What we asked for, the newest first, with the state of its outbox row of `kind`, and why."""
    ours = price_reduction_requests.c
    query = (
        sa.select(
            *(ours[name] for name in _COLUMNS),
            outbox.c.state,
            sa.func.coalesce(outbox.c.reason, outbox.c.last_error).label("why"),
        )
        .join(outbox, sa.and_(outbox.c.kind == kind, outbox.c.business_key == ours.request_id))
        .order_by(ours.requested_at.desc(), ours.request_id)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


_COLUMNS = tuple(ReductionRequest.__dataclass_fields__)
