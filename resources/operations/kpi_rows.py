"""Key figures that the database counts: open work, what is stuck, how long confirmations take.

Belongs here: the queries, and the history of all figures. Which figures there are, and what each
means to a person, stands in `assets.kpi.figures`. Queries cost by open work, a week of dispatches
and the number of articles, not by all orders.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import upsert
from resources.operations.money_schema import otto_returns, price_reductions, products
from resources.operations.schema import (
    kpi_history,
    orders,
    outbox,
    parcel_lines,
    parcels,
    position_items,
    stock_levels,
    sync_runs,
    wms_order_lines,
)

_ITEM = position_items.c
_LINE = wms_order_lines.c
_OPEN = ("ANNOUNCED", "PROCESSABLE")
_KEPT_DAYS = 90
_CONFIRMED_WITHIN = timedelta(days=7)


def open_work(conn: Connection, now: datetime) -> dict[str, int | None]:
    """Orders and units that OTTO waits for, by how far the warehouse is."""
    of_item = sa.and_(
        _LINE.order_ref == _ITEM.sales_order_id, _LINE.line_id == _ITEM.position_item_id
    )
    in_parcel = sa.exists().where(
        parcels.c.order_ref == _ITEM.sales_order_id,
        parcel_lines.c.parcel_id == parcels.c.parcel_id,
        parcel_lines.c.line_id == _ITEM.position_item_id,
    )
    released = sa.func.coalesce(
        _ITEM.processable_at, _ITEM.recorded_at, type_=orders.c.ordered_at.type
    )
    unit = (
        sa.select(
            _ITEM.sales_order_id,
            _ITEM.fulfilment_status.label("status"),
            sa.or_(sa.func.coalesce(_LINE.state, "") == "SHIPPED", in_parcel).label("left"),
            released.label("released_at"),
        )
        .select_from(position_items)
        .outerjoin(wms_order_lines, of_item)
        .where(_ITEM.fulfilment_status.in_(_OPEN))
        .subquery()
    )
    to_ship = sa.and_(unit.c.status == "PROCESSABLE", sa.not_(unit.c.left))
    found = conn.execute(
        sa.select(
            sa.func.count(unit.c.sales_order_id.distinct()),
            sa.func.count(),
            sa.func.count().filter(to_ship),
            sa.func.count().filter(unit.c.left),
            sa.func.min(sa.case((to_ship, unit.c.released_at)), type_=released.type),
        )
    ).one()
    oldest = found[4]
    return {
        "open_orders": found[0],
        "open_units": found[1],
        "pending_shipments": found[2],
        "waiting_for_tracking": found[3],
        "oldest_unshipped_minutes": None if oldest is None else _minutes(now - oldest),
    }


def stuck(conn: Connection, now: datetime) -> dict[str, int | None]:
    """What was refused, failed, or waits for the other side."""
    refused = outbox.c.state.in_(("failed", "blocked"))
    failed = sa.and_(
        sync_runs.c.result == "failure", sync_runs.c.started_at >= now - timedelta(days=1)
    )
    asked = sa.and_(
        outbox.c.kind == "otto_price_reduction",
        outbox.c.state.in_(("pending", "retrying", "sent")),
    )
    return {
        "parcels_parked": _count(conn, parcels, parcels.c.state == "parked"),
        "sync_errors": _count(conn, outbox, refused),
        "failed_syncs": _count(conn, sync_runs, failed),
        "open_returns": _count(conn, otto_returns, otto_returns.c.status == "ANNOUNCED"),
        "pending_price_reductions": _count(conn, outbox, asked)
        + _count(conn, price_reductions, price_reductions.c.status == "INITIATED"),
    }


def assortment(conn: Connection, stale_before: datetime) -> dict[str, int | None]:
    """Products of OTTO, and articles of the warehouse whose stock level is older than that."""
    levels = stock_levels.c
    stale = (
        sa.select(levels.sku).group_by(levels.sku).having(sa.func.min(levels.as_of) < stale_before)
    )
    return {
        "products": _count(conn, products),
        "products_active": _count(conn, products, products.c.active.is_(True)),
        "stale_stock": _count(conn, stale.subquery()),
    }


def confirmation_times(conn: Connection, now: datetime) -> dict[str, int | None]:
    """Minutes from order to SENT at OTTO, median and 95th percentile, of units of the last 7 days.

    None where no unit was confirmed.
    """
    seconds = sa.extract("epoch", _ITEM.sent_at) - sa.extract("epoch", orders.c.ordered_at)
    unit = (
        sa.select(
            seconds.label("seconds"),
            sa.func.row_number().over(order_by=seconds).label("place"),
            sa.func.count().over().label("units"),
        )
        .select_from(position_items)
        .join(orders, orders.c.sales_order_id == _ITEM.sales_order_id)
        .where(_ITEM.sent_at >= now - _CONFIRMED_WITHIN)
        .subquery()
    )

    def within(percent: int) -> sa.ColumnElement[float]:
        place = unit.c.place * 100 <= unit.c.units * percent + 99
        return sa.func.max(sa.case((place, unit.c.seconds)))

    median, slow = conn.execute(sa.select(within(50), within(95))).one()
    return {
        "confirmation_median_minutes": None if median is None else int(median) // 60,
        "confirmation_p95_minutes": None if slow is None else int(slow) // 60,
    }


def record(conn: Connection, taken_at: datetime, figures: Mapping[str, int | None]) -> None:
    """Keep the figures of a moment; those older than 90 days are forgotten."""
    row = {"taken_at": taken_at, "figures": msgspec.json.encode(dict(figures)).decode()}
    upsert(conn, kpi_history, [row], ["taken_at"])
    old = kpi_history.c.taken_at < taken_at - timedelta(days=_KEPT_DAYS)
    conn.execute(sa.delete(kpi_history).where(old))


def history(conn: Connection, since: datetime) -> list[tuple[datetime, dict[str, int | None]]]:
    """Figures kept since then, the oldest first."""
    query = sa.select(kpi_history.c.taken_at, kpi_history.c.figures)
    query = query.where(kpi_history.c.taken_at >= since).order_by(kpi_history.c.taken_at)
    return [
        (taken_at, msgspec.json.decode(text, type=dict[str, int | None]))
        for taken_at, text in conn.execute(query)
    ]


def _count(
    conn: Connection, source: sa.FromClause, condition: sa.ColumnElement[bool] | None = None
) -> int:
    query = sa.select(sa.func.count()).select_from(source)
    return conn.scalars(query if condition is None else query.where(condition)).one()


def _minutes(span: timedelta) -> int:
    return max(span, timedelta(0)) // timedelta(minutes=1)
