"""The warehouse's stock into the operations database: named articles, changes, the whole list.

Belongs here: asking the WMS for stock, in which order it is written down, and refusing a whole list
that nobody should believe. What a figure is made of stands in `assets.stock_figures`.

A position in the feed of changes is stored last, after levels and figures. So a crash repeats an
article and never loses one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assets.rules.availability import DropVerdict, available_to_sell, mass_drop
from assets.stock_figures import (
    COLLISIONS,
    LISTED,
    LISTED_COMPLETE,
    Parts,
    StockReport,
    judge_assortment,
    left_out,
    may_compute,
    refresh,
    refresh_articles,
)
from resources.operations import availability_desk, quarantine, watermarks
from resources.operations.availability import record_seen
from resources.operations.bulk import chunks
from resources.operations.stock import (
    LevelCounts,
    absent_levels,
    levels_after,
    store_levels,
    units_not_counted,
)
from resources.wms.errors import WmsContractError
from resources.wms.port import StockLevel

CHANGES = "wms_stock_changes"
"""Watermark: the position in the WMS's feed of stock changes."""
READ_BACK = "otto_quantities"
"""Watermark: when OTTO's own figures were last read."""
LIST = "wms_stock_list"
MASS_DROP = "mass_drop"
UNREADABLE = "wms_stock_levels"
READABLE = "stock_level_readable"
QUARANTINES = (LIST, UNREADABLE, COLLISIONS)
"""Sources of the quarantine's rows that are about stock."""

_ARTICLES_AT_ONCE = 100
_LEVELS_AT_ONCE = 5_000


def take_named(parts: Parts, articles: Collection[str], report: StockReport) -> None:
    """Ask the WMS for the levels of these articles, and keep them."""
    for part in chunks(sorted(articles), _ARTICLES_AT_ONCE):
        levels: list[StockLevel] = []
        unreadable: list[str] = []
        token: str | None = None
        while True:
            page = parts.wms.stock_snapshot(list(part), token)
            levels += page.levels
            unreadable += page.unreadable
            if page.next_page is None or page.next_page == token:
                break
            token = page.next_page
        now = parts.clock.now()
        with parts.operations.write() as conn:
            _count(report, store_levels(conn, levels, now))
            quarantine.put(conn, _unreadable_rows(unreadable, f"{part[0]} to {part[-1]}"), now)


def take_changes(parts: Parts, report: StockReport) -> bool:
    """Read one page of the feed of changes up to the figures; returns whether more is there.

    Does nothing before the first whole list.
    """
    with parts.operations.read() as conn:
        cursor = watermarks.get(conn, CHANGES)
        if not may_compute(conn):
            return False
    page = parts.wms.poll_stock_changes(cursor)
    if page.skus:
        take_named(parts, page.skus, report)
        refresh_articles(parts, page.skus, report)
    if page.next_cursor == cursor:
        # A feed that stands still although it promises more is looked at again in the next round.
        return False
    now = parts.clock.now()
    with parts.operations.write() as conn:
        watermarks.set(conn, CHANGES, page.next_cursor, now)
    return page.has_more


def shown_at_otto(parts: Parts) -> dict[str, int | None]:
    """What OTTO shows of every SKU that it has a quantity of; None where it cannot be read."""
    return {row.sku: row.quantity for row in parts.otto.availability.quantities() if row.sku}


def take_list(parts: Parts, report: StockReport, *, confirm_drop: bool = False) -> DropVerdict:
    """Take the WMS's whole list over, unless the mass-drop guard stops it, and compute all figures.

    A list that says that it is not complete only brings news of the articles that it names. What
    the guard stopped changes nothing, is shown in the quarantine until a list passes, and is let
    through by a person with `confirm_drop`. The position in the feed stays: a list may be older
    than the changes that the feed names.
    """
    with parts.operations.read() as conn:
        read_back = watermarks.get(conn, READ_BACK) is not None
    # What OTTO shows from before our time may be lost, too, and may be of SKUs that are gone.
    shown = {} if read_back else shown_at_otto(parts)
    told = _whole_list(parts)
    with parts.operations.read() as conn:
        verdict = _judge(conn, parts, told, shown)
    stopped = verdict.stopped and not confirm_drop
    now = parts.clock.now()
    with parts.operations.write() as conn:
        quarantine.replace(conn, LIST, [_drop_row(verdict)] if stopped else [], now)
        quarantine.replace(conn, UNREADABLE, _unreadable_rows(told.unreadable, "the list"), now)
        if stopped:
            report.levels["lists_stopped"] += 1
            return verdict
    _store(parts, told, report)
    with parts.operations.write() as conn:
        watermarks.set(conn, LISTED, told.snapshot_at.isoformat(), now)
        if told.complete_at is not None:
            watermarks.set(conn, LISTED_COMPLETE, told.snapshot_at.isoformat(), now)
    report.levels["lists"] += 1
    with parts.operations.read() as conn:
        ours = availability_desk.quantities(conn)
    skus = judge_assortment(parts) | ours.keys() | shown.keys()
    refresh(parts, skus, report, whole=True)
    if not read_back:
        with parts.operations.write() as conn:
            record_seen(conn, shown, now)
            watermarks.set(conn, READ_BACK, now.isoformat(), now)
    return verdict


@dataclass(frozen=True)
class _WholeList:
    """All pages of the list; `complete_at` is None where it did not claim to be complete."""

    levels: list[StockLevel]
    unreadable: list[str]
    snapshot_at: datetime
    complete_at: datetime | None


def _whole_list(parts: Parts) -> _WholeList:
    levels: list[StockLevel] = []
    unreadable: list[str] = []
    complete, moments, tokens = True, list[datetime](), set[str]()
    token: str | None = None
    while True:
        page = parts.wms.stock_snapshot(None, token)
        levels += page.levels
        unreadable += page.unreadable
        complete = complete and page.complete
        moments.append(page.snapshot_at)
        token = page.next_page
        if token is None:
            break
        if token in tokens:
            raise WmsContractError(
                f"the stock list leads back to its page {token!r} after {len(moments)} pages: "
                "nothing of it was taken over; ask the WMS's vendor"
            )
        tokens.add(token)
    # A page may be older than the next one: what is on none was missing at the earliest of them.
    at = min(moments)
    return _WholeList(levels, unreadable, at, at if complete else None)


def _store(parts: Parts, told: _WholeList, report: StockReport) -> None:
    """Keep the list's levels, and empty those that it lacks although it names everything."""
    now = parts.clock.now()
    levels = told.levels
    if told.complete_at is not None:
        with parts.operations.read() as conn:
            absent = absent_levels(conn, levels, told.complete_at)
        report.levels["absent"] += len(absent)
        levels = levels + absent
    for part in chunks(levels, _LEVELS_AT_ONCE):
        # In parts, so that a short-pick need not wait for the whole list to be written.
        with parts.operations.write() as conn:
            _count(report, store_levels(conn, part, now))


def _judge(
    conn: sa.Connection, parts: Parts, told: _WholeList, shown: Mapping[str, int | None]
) -> DropVerdict:
    """Compare our figures with those that the list would lead to."""
    ours = availability_desk.quantities(conn)
    colliding = left_out(conn)
    held = {sku: n or 0 for sku, n in {**shown, **ours}.items() if sku not in colliding}
    after = levels_after(conn, told.levels, told.complete_at)
    levels = {sku: after.get(parts.article(sku), ()) for sku in held}
    as_of = {sku: min(level.as_of for level in its) for sku, its in levels.items() if its}
    units = units_not_counted(
        conn, as_of, backorder_reserved=parts.model.short_pick.backorder_reserved
    )
    policy = parts.model.availability
    new = {
        sku: available_to_sell(sku, its, policy, units.get(sku, 0)).quantity
        if its or told.complete_at is not None
        else held[sku]
        for sku, its in levels.items()
    }
    return mass_drop(held, new if told.levels else {}, policy)


def _count(report: StockReport, counts: LevelCounts) -> None:
    report.levels.update(
        new=counts.new,
        changed=counts.changed,
        unchanged=counts.unchanged,
        older=counts.older,
    )


def _drop_row(verdict: DropVerdict) -> dict[str, Any]:
    return {
        "source": LIST,
        "business_key": "stock snapshot",
        "rule": MASS_DROP,
        "field": "quantities",
        "shown": verdict.reason or "",
        "owner": "warehouse",
        "remedy": "Repair the stock list in the WMS; if the stock is really gone: "
        "otto-pipelines sync stock --confirm-drop",
        "evidence_ref": None,
    }


def _unreadable_rows(reasons: Sequence[str], where: str) -> list[dict[str, Any]]:
    return [
        {
            "source": UNREADABLE,
            "business_key": f"{where}, number {number}",
            "rule": READABLE,
            "field": "level",
            "shown": reason,
            "owner": "warehouse",
            "remedy": "Ask the WMS's vendor to correct the record.",
            "evidence_ref": None,
        }
        for number, reason in enumerate(reasons, start=1)
    ]
