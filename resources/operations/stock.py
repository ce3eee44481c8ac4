"""The warehouse's stock as last told, and what OTTO has sold of it that it does not show yet.

Belongs here: keeping the newest level of each SKU and location, and the one definition of the units
that must still be taken off a level (`units_not_counted`).

Does not belong here: figures for OTTO and their way there (`resources.operations.availability`),
and whether a snapshot is to be believed (`assets.rules`).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import chunks, upsert
from resources.operations.database import hold
from resources.operations.schema import (
    orders,
    parcel_lines,
    parcels,
    position_items,
    stock_levels,
    wms_order_lines,
)
from resources.wms.port import StockLevel

_Levels = dict[tuple[str, str], StockLevel]
_LEVELS = "stock levels"
_KEYS = ("sku", "location")
_WAITING = ("ANNOUNCED", "PROCESSABLE")
_CANCELLED = ("CANCELLED_BY_PARTNER", "CANCELLED_BY_MARKETPLACE")
_BOTH_SIDES = position_items.outerjoin(
    wms_order_lines,
    sa.and_(
        wms_order_lines.c.order_ref == position_items.c.sales_order_id,
        wms_order_lines.c.line_id == position_items.c.position_item_id,
    ),
)
_WANTED = position_items.c.fulfilment_status.not_in(_CANCELLED)
# A unit that came up short and was to follow.
_BACKORDER = sa.and_(
    wms_order_lines.c.short_discrepancy == "BACKORDER",
    wms_order_lines.c.state != "CANCELLED",
    _WANTED,
)


@dataclass(frozen=True)
class LevelCounts:
    """What became of the levels of one call; `older` ones told of an earlier moment than ours.

    `emptied` levels were absent from a complete snapshot. `changed_skus` are those whose stock is
    another than before, of the warehouse's naming.
    """

    new: int
    changed: int
    unchanged: int
    older: int
    emptied: int
    changed_skus: frozenset[str]


def store_levels(
    conn: Connection,
    levels: Iterable[StockLevel],
    now: datetime,
    *,
    complete_at: datetime | None = None,
) -> LevelCounts:
    """Keep levels that are not older than ours.

    Args:
        conn: a write transaction.
        levels: each SKU at each location once; of two the later one in time counts.
        now: aware UTC; becomes `recorded_at`.
        complete_at: the levels are all that there was at this moment (by the WMS's clock): what
            they do not name becomes empty, unless we know something newer of it. Pass it only for a
            snapshot that the mass-drop guard let pass.
    """
    hold(conn, _LEVELS)
    told = _newest(levels)
    held = _held(conn, None if complete_at is not None else {sku for sku, _ in told})
    taken, gone = _news(told, held, complete_at)
    different = {
        key for key, level in (taken | gone).items() if _units(level) != _units(held.get(key))
    }
    news = [level for key, level in (taken | gone).items() if level != held.get(key)]
    upsert(conn, stock_levels, [_row(level, now) for level in news], _KEYS)
    new = sum(key not in held for key in taken)
    changed = sum(key in held for key in taken if key in different)
    return LevelCounts(
        new=new,
        changed=changed,
        unchanged=len(taken) - new - changed,
        older=len(told) - len(taken),
        emptied=sum(key in different for key in gone),
        changed_skus=frozenset(sku for sku, _ in different),
    )


def levels_after(
    conn: Connection, levels: Iterable[StockLevel], complete_at: datetime | None
) -> dict[str, tuple[StockLevel, ...]]:
    """All levels by the warehouse's SKU, as `store_levels` would leave them."""
    told, held = _newest(levels), _held(conn, None)
    taken, gone = _news(told, held, complete_at)
    return _by_sku(held | taken | gone)


def absent_levels(
    conn: Connection, levels: Iterable[StockLevel], complete_at: datetime
) -> list[StockLevel]:
    """Our levels that are not among `levels`, which were all at that moment: as empty ones."""
    _, gone = _news(_newest(levels), _held(conn, None), complete_at)
    return list(gone.values())


def levels_of(
    conn: Connection, skus: Collection[str] | None = None
) -> dict[str, tuple[StockLevel, ...]]:
    """Levels by the warehouse's SKU, over its locations; of `skus`, or of all."""
    return _by_sku(_held(conn, skus))


def units_not_counted(
    conn: Connection,
    as_of: Mapping[str, datetime],
    skus: Collection[str] | None = None,
    *,
    backorder_reserved: bool = True,
) -> dict[str, int]:
    """Units that OTTO sold and a level does not show as promised, by OTTO's SKU; zeros are absent.

    A position item is one unit. It is counted by the WMS once its line is at least ACCEPTED, and it
    is in the level only if that happened before the level's moment. Hence it is still to be taken
    off the level when

    * it waits (ANNOUNCED, PROCESSABLE) and the WMS has not reserved it (no line, a line not yet
      accepted, an order that the WMS lost), or
    * the WMS reserved it at the level's moment or later, whatever became of it since.

    An item cancelled at OTTO, or whose line the WMS cancelled, takes no stock. A line that came up
    short and is to follow waits for a unit that comes in later: the WMS keeps it among its reserved
    ones, or else it is to be taken off every level until it has left.

    Args:
        conn: a transaction.
        as_of: moment of the level by OTTO's SKU, the oldest one over its locations. Of a SKU that
            is absent only the first rule is applied.
        skus: ask for these SKUs of OTTO only.
        backorder_reserved: the WMS keeps counting a unit that is to follow as reserved.
    """
    # The order of the queries matters: what moves from one to the next meanwhile counts twice, and
    # is never missed.
    line = wms_order_lines.c
    takes_stock = sa.or_(line.state.is_(None), line.state != "CANCELLED")
    unreserved = sa.and_(
        position_items.c.fulfilment_status.in_(_WAITING), line.reserved_at.is_(None), takes_stock
    )
    of_reserved = sa.and_(takes_stock, _WANTED)
    if not backorder_reserved:
        unreserved = sa.or_(unreserved, sa.and_(_BACKORDER, line.state == "SHORT"))
        of_reserved = sa.and_(of_reserved, _BACKORDER.is_not(True))
    waiting = (
        sa.select(position_items.c.sku, sa.func.count())
        .select_from(_BOTH_SIDES)
        .where(unreserved)
        .group_by(position_items.c.sku)
    )
    units: Counter[str] = Counter()
    for sku, number in conn.execute(waiting):
        units[sku] += number
    if as_of:
        oldest = min(as_of.values())
        reserved_since = (
            sa.select(position_items.c.sku, line.reserved_at)
            .select_from(_BOTH_SIDES)
            .where(line.reserved_at >= oldest, of_reserved)
        )
        taken = [reserved_since] if backorder_reserved else [reserved_since, _left_since(oldest)]
        for sku, since in (row for query in taken for row in conn.execute(query)):
            if sku in as_of and since >= as_of[sku]:
                units[sku] += 1
    return {sku: number for sku, number in units.items() if skus is None or sku in skus}


def _left_since(oldest: datetime) -> sa.Select[Any]:
    """Units that were to follow, by SKU, with when their parcel left."""
    packed = sa.and_(
        parcel_lines.c.parcel_id == parcels.c.parcel_id,
        parcel_lines.c.line_id == wms_order_lines.c.line_id,
    )
    return (
        sa.select(position_items.c.sku, parcels.c.shipped_at)
        .select_from(_BOTH_SIDES)
        .join(parcels, parcels.c.order_ref == wms_order_lines.c.order_ref)
        .join(parcel_lines, packed)
        .where(parcels.c.shipped_at >= oldest, _BACKORDER)
    )


def latest_shorts(conn: Connection, since: datetime) -> dict[str, datetime]:
    """When a unit was last not found, since that moment, by the warehouse's SKU."""
    line = wms_order_lines.c
    query = (
        sa.select(line.sku_seen, sa.func.max(line.short_at, type_=line.short_at.type))
        .where(line.short_at >= since, line.sku_seen.is_not(None))
        .group_by(line.sku_seen)
    )
    return dict(row._tuple() for row in conn.execute(query))


def units_sold(conn: Connection, since: datetime) -> dict[str, int]:
    """Units ordered since then and not cancelled, by OTTO's SKU: how fast a SKU moves."""
    # The day narrows by index; a day earlier, since it is a day of Berlin.
    first_day: date = (since - timedelta(days=1)).date()
    query = (
        sa.select(position_items.c.sku, sa.func.count())
        .join(orders, orders.c.sales_order_id == position_items.c.sales_order_id)
        .where(orders.c.order_day >= first_day, orders.c.ordered_at >= since)
        .where(position_items.c.fulfilment_status.not_in(_CANCELLED))
        .group_by(position_items.c.sku)
    )
    return dict(row._tuple() for row in conn.execute(query))


def _newest(levels: Iterable[StockLevel]) -> _Levels:
    told: _Levels = {}
    for level in levels:
        key = level.sku, level.location
        if key not in told or level.as_of >= told[key].as_of:
            told[key] = level
    return told


def _news(told: _Levels, held: _Levels, complete_at: datetime | None) -> tuple[_Levels, _Levels]:
    """What of `told` is not older than ours, and what of ours is empty by not being told."""
    taken = {
        key: level
        for key, level in told.items()
        if key not in held or level.as_of >= held[key].as_of
    }
    gone = {
        key: _emptied(level, complete_at)
        for key, level in held.items()
        if complete_at is not None and key not in told and level.as_of < complete_at
    }
    return taken, gone


def _by_sku(levels: _Levels) -> dict[str, tuple[StockLevel, ...]]:
    found: dict[str, list[StockLevel]] = {}
    for (sku, _), level in sorted(levels.items()):
        found.setdefault(sku, []).append(level)
    return {sku: tuple(of_sku) for sku, of_sku in found.items()}


def _held(conn: Connection, skus: Collection[str] | None) -> dict[tuple[str, str], StockLevel]:
    columns = [column for column in stock_levels.c if column.name != "recorded_at"]
    parts: Iterable[Sequence[str] | None] = [None] if skus is None else chunks(sorted(skus))
    held: dict[tuple[str, str], StockLevel] = {}
    for part in parts:
        query = sa.select(*columns)
        if part is not None:
            query = query.where(stock_levels.c.sku.in_(part))
        for row in conn.execute(query).mappings():
            held[row["sku"], row["location"]] = StockLevel(**row)
    return held


def _emptied(level: StockLevel, at: datetime) -> StockLevel:
    return StockLevel(
        sku=level.sku,
        location=level.location,
        on_hand=0,
        reserved=0,
        blocked=0,
        sellable=None if level.sellable is None else 0,
        as_of=at,
    )


def _units(level: StockLevel | None) -> tuple[int | None, ...] | None:
    if level is None:
        return None
    return level.on_hand, level.reserved, level.blocked, level.sellable


def _row(level: StockLevel, now: datetime) -> dict[str, object]:
    return {
        "sku": level.sku,
        "location": level.location,
        "on_hand": level.on_hand,
        "reserved": level.reserved,
        "blocked": level.blocked,
        "sellable": level.sellable,
        "as_of": level.as_of,
        "recorded_at": now,
    }
