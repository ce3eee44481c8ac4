"""Units that the warehouse did not find or will not ship, as both systems see them.

Belongs here: reading them with all that their next step depends on, and counting how they ended.
What is to be done about one is decided in `assets.rules.short_picks`.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.schema import outbox, position_items, wms_order_lines

_LINE = wms_order_lines.c
_ITEM = position_items.c
_OF_ITEM = sa.and_(_LINE.order_ref == _ITEM.sales_order_id, _LINE.line_id == _ITEM.position_item_id)


@dataclass(frozen=True, slots=True)
class OpenShort:
    """A unit that OTTO waits for and whose line came up short or was cancelled by the warehouse.

    `wms_state` is SHORT or CANCELLED, `discrepancy` and `reason` are as the warehouse told them.
    `since` is when it told so, `stop` and `cancellation` are the states of the outbox rows by which
    we asked the warehouse to stop it and OTTO to cancel it; None: not asked.
    """

    sales_order_id: str
    position_item_id: str
    sku: str
    wms_state: str
    discrepancy: str | None
    reason: str | None
    since: datetime
    ship_by_at: datetime | None
    stop: str | None
    cancellation: str | None

    @property
    def key(self) -> str:
        """Business key of its outbox rows."""
        return f"{self.sales_order_id}:{self.position_item_id}"


@dataclass(frozen=True, slots=True)
class ShortCounts:
    """Units of OTTO that ever came up short: `shorts` is the sum of the three ends."""

    shipped: int
    cancelled: int
    open: int

    @property
    def shorts(self) -> int:
        """All of them."""
        return self.shipped + self.cancelled + self.open

    @property
    def settled(self) -> int:
        """Those that OTTO waits for no more."""
        return self.shipped + self.cancelled


def open_shorts(conn: Connection, stop_kind: str, cancellation_kind: str) -> list[OpenShort]:
    """All open ones, the nearest ship-by time first; the kinds are those of the outbox."""
    key = _ITEM.sales_order_id + ":" + _ITEM.position_item_id
    stop, cancellation = outbox.alias("stop"), outbox.alias("cancellation")
    query = (
        sa.select(
            _ITEM.sales_order_id,
            _ITEM.position_item_id,
            _ITEM.sku,
            _LINE.state.label("wms_state"),
            _LINE.short_discrepancy.label("discrepancy"),
            _LINE.short_reason.label("reason"),
            sa.func.coalesce(_LINE.short_at, _LINE.recorded_at, type_=_LINE.short_at.type).label(
                "since"
            ),
            _ITEM.ship_by_at,
            stop.c.state.label("stop"),
            cancellation.c.state.label("cancellation"),
        )
        .select_from(position_items)
        .join(wms_order_lines, _OF_ITEM)
        .outerjoin(stop, sa.and_(stop.c.kind == stop_kind, stop.c.business_key == key))
        .outerjoin(
            cancellation,
            sa.and_(cancellation.c.kind == cancellation_kind, cancellation.c.business_key == key),
        )
        .where(_ITEM.fulfilment_status == "PROCESSABLE", _LINE.state.in_(("SHORT", "CANCELLED")))
        .order_by(_ITEM.ship_by_at.asc().nulls_last(), _ITEM.sales_order_id, _ITEM.position_item_id)
    )
    return [OpenShort(**row) for row in conn.execute(query).mappings()]


def counts(conn: Connection) -> ShortCounts:
    """How all short-picks of OTTO's units stand now, by OTTO's status."""
    status = _ITEM.fulfilment_status
    shipped = sa.func.count().filter(status.in_(("SENT", "RETURNED")))
    cancelled = sa.func.count().filter(status.startswith("CANCELLED"))
    query = (
        sa.select(shipped, cancelled, sa.func.count())
        .select_from(position_items)
        .join(wms_order_lines, _OF_ITEM)
        .where(_LINE.short_at.is_not(None))
    )
    of_shipped, of_cancelled, total = conn.execute(query).one()
    return ShortCounts(of_shipped, of_cancelled, total - of_shipped - of_cancelled)
