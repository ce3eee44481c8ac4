"""Stock files: the whole list of what lies in the warehouse.

Belongs here: what a row means, and when a whole file is not believed: because it is older than the
one we have, or because it lacks too many of its articles.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from resources.wms.files.books import Snapshot, replace_stock, snapshot, stock_levels
from resources.wms.files.policy import StockFiles
from resources.wms.files.table import Row, UnreadableFile
from resources.wms.port import StockLevel


def stock_row(row: Row, changed_at: datetime) -> StockLevel:
    """Check one row; `changed_at` is the time of the file, for rows without one.

    Raises:
        BadValue: a value is missing or has another form than agreed.
    """
    return StockLevel(
        sku=row.needed("sku"),
        location=row.text("location") or row.policy.stock.location,
        on_hand=row.units("on_hand", least=-999_999_999),
        reserved=row.units("reserved", 0),
        blocked=row.units("blocked", 0),
        as_of=row.moment("as_of", changed_at),
        sellable=row.units("sellable", least=-999_999_999) if row.text("sellable") else None,
    )


def take_stock(
    conn: sqlite3.Connection,
    policy: StockFiles,
    name: str,
    changed_at: datetime,
    levels: Sequence[StockLevel],
    faults: Sequence[str],
) -> list[str]:
    """Put the file in the place of the one before; returns why it was not, where it is no news.

    Raises:
        UnreadableFile: the file is not believed; the one before stays.
    """
    taken_at = min((level.as_of for level in levels), default=changed_at)
    before = snapshot(conn)
    if before is not None and taken_at < before.taken_at:
        return [f"stock of {taken_at.isoformat()}, older than {before.name}: nothing was taken"]
    places = [(level.sku, level.location) for level in levels]
    if len(set(places)) < len(places):
        raise UnreadableFile(
            "an article stands twice at the same location, so neither figure can be believed; "
            "ask the partner to add them up"
        )
    had = {level.sku for level in stock_levels(conn)}
    lost = had - {level.sku for level in levels}
    if len(lost) > policy.shrink_limit * len(had) and policy.confirmed not in name:
        raise UnreadableFile(
            f"it lacks {len(lost)} of {len(had)} articles: it was refused, the stock before stays. "
            f"If it is right, put it back with {policy.confirmed!r} in its name"
        )
    replace_stock(conn, Snapshot(name, taken_at, not faults, tuple(faults)), levels)
    return []
