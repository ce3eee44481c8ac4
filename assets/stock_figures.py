"""Figures for OTTO from what the operations database holds: of which SKUs, and by which rules.

Belongs here: which SKUs exist at OTTO, which of them are left out because nobody can say what they
stand for, and computing figures anew. The arithmetic stands in `assets.rules.availability`; asking
the WMS and sending to OTTO do not belong here (`assets.stock_intake`, `assets.stock_flow`).

A SKU of OTTO is one that OTTO named (in an order, in its list of quantities, by accepting a
figure) or that the SKU map names; besides, each article of the warehouse is offered under its own
name, unless it is merely another spelling of one of those. What OTTO does not know it refuses, SKU
by SKU; that is shown and not repeated until the figure changes or everything is pushed.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from assets.rules.availability import (
    Figure,
    SkuCollision,
    available_to_sell,
    lane_of,
    offer,
    plain_sku,
    rank_of,
    sku_collisions,
)
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations import quarantine, watermarks
from resources.operations.availability import Basis, Held, NewFigure, refresh_figures
from resources.operations.availability_desk import allowing_for_open_units, open_units_allowed
from resources.operations.bulk import chunks
from resources.operations.database import OperationsDatabase
from resources.operations.schema import availability, position_items, stock_levels
from resources.operations.stock import units_not_counted, units_sold
from resources.otto.client import OttoClient
from resources.wms.port import WmsPort

LISTED = "wms_stock_list"
"""Watermark: when the WMS's whole list was last taken over. Nothing is computed before."""
LISTED_COMPLETE = "wms_stock_complete"
"""Watermark: the same, of a list that named everything."""
COLLISIONS = "sku_map"
COLLISION = "sku_collision"

VELOCITY_SPAN = timedelta(days=1)
_SKUS_AT_ONCE = 2_000
_COLLIDES = (
    "set to 0: nobody can say which article this SKU means; see the check sku_map_unambiguous"
)


@dataclass(frozen=True)
class Parts:
    """What the flow of stock works with."""

    operations: OperationsDatabase
    wms: WmsPort
    otto: OttoClient
    model: OperatingModel
    clock: Clock

    def article(self, sku: str) -> str:
        """The warehouse's name of a SKU of OTTO."""
        return self.model.sku_map.get(sku, sku)

    def articles(self, skus: Collection[str]) -> set[str]:
        """The same of several."""
        return {self.article(sku) for sku in skus}

    def otto_skus(self, articles: Collection[str]) -> set[str]:
        """The names at OTTO of articles of the warehouse."""
        names = {article: sku for sku, article in self.model.sku_map.items()}
        return {names.get(article, article) for article in articles}


@dataclass
class StockReport:
    """What the rounds of a run did: levels taken, figures computed, quantities sent."""

    rounds: int = 0
    levels: Counter[str] = field(default_factory=Counter)
    figures: Counter[str] = field(default_factory=Counter)
    quantities: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Rule:
    """The rule for `refresh_figures`.

    A SKU in `short` came up short just now; `whole`: the SKUs are all there are, and need not have
    moved.
    """

    model: OperatingModel
    now: datetime
    sold: Mapping[str, int]
    left_out: Collection[str]
    short: Collection[str]
    whole: bool
    complete: bool

    def __call__(self, basis: Basis) -> NewFigure | None:
        held = basis.held
        if basis.sku in self.left_out and held is None:
            return None
        if basis.as_of is None and not self.complete:
            # No list has yet named everything: the WMS may know this SKU all the same.
            return None
        policy = self.model.availability
        figure = figure_of(basis, self.model)
        shown = offer(figure, None if held is None else held.quantity, policy, self.now)
        quantity, frozen_reason = shown.quantity, shown.frozen_reason
        if basis.sku in self.left_out:
            quantity, frozen_reason = 0, _COLLIDES
        return NewFigure(
            basis.sku,
            quantity,
            figure.terms(),
            lane_of(
                quantity,
                None if held is None else held.accepted_quantity,
                moved=self._moved(held, quantity),
                short_picked=basis.sku in self.short,
            ),
            rank_of(quantity, self.sold.get(basis.sku, 0)),
            frozen_reason,
        )

    def _moved(self, held: Held | None, quantity: int) -> bool:
        """Of a whole list, what is new is the start of the assortment, and no news."""
        return not self.whole or (held is not None and held.quantity != quantity)


def figure_of(basis: Basis, model: OperatingModel) -> Figure:
    """All terms of one SKU, by the operating model."""
    return available_to_sell(
        basis.sku,
        basis.levels,
        model.availability,
        basis.otto_open,
        basis.short_at if model.short_pick.on_short == "zero" else None,
    )


def may_compute(conn: sa.Connection) -> bool:
    """Whether a whole list of the WMS was ever taken over."""
    return watermarks.get(conn, LISTED) is not None


def left_out(conn: sa.Connection) -> set[str]:
    """SKUs of OTTO that stand for no certain article."""
    return {row["business_key"] for row in quarantine.open_rows(conn, COLLISIONS)}


def refresh(
    parts: Parts,
    skus: Collection[str],
    report: StockReport,
    *,
    short: Collection[str] = (),
    whole: bool = False,
) -> None:
    """Compute the figures of these SKUs of OTTO anew; does nothing before the first whole list."""
    now = parts.clock.now()
    with parts.operations.read() as conn:
        if not may_compute(conn):
            return
        rule = _Rule(
            parts.model,
            now,
            units_sold(conn, now - VELOCITY_SPAN),
            left_out(conn),
            set(short),
            whole,
            complete=watermarks.get(conn, LISTED_COMPLETE) is not None,
        )
    for part in chunks(sorted(skus), _SKUS_AT_ONCE):
        with parts.operations.write() as conn:
            counts = refresh_figures(
                conn,
                part,
                parts.model.sku_map,
                rule,
                now,
                backorder_reserved=parts.model.short_pick.backorder_reserved,
            )
        report.figures.update(
            new=counts.new, changed=counts.changed, unchanged=counts.unchanged, queued=counts.queued
        )


def refresh_articles(
    parts: Parts, articles: Collection[str], report: StockReport, *, short: Collection[str] = ()
) -> None:
    """Compute the figures that depend on these articles of the warehouse."""
    refresh_some(parts, parts.otto_skus(articles), report, short=parts.otto_skus(short))


def refresh_some(
    parts: Parts, skus: Collection[str], report: StockReport, *, short: Collection[str] = ()
) -> None:
    """Compute figures of what may be SKUs of OTTO; those that are none stay without one."""
    with parts.operations.read() as conn:
        known = set(open_units_allowed(conn, skus))
    if known != set(skus):
        # A name without a figure may be new, or a second spelling of one that is on sale.
        known |= judge_assortment(parts) & set(skus)
        with parts.operations.read() as conn:
            known |= left_out(conn)
    refresh(parts, known, report, short=short)


def outdated_by_sales(parts: Parts) -> set[str]:
    """SKUs whose figure allows for another number of open units than wait by the orders we hold.

    That is a question of state, not of events, so it also finds what a crash left behind. A unit
    that the WMS reserved since the level's moment is counted by the figure alone: such a SKU is
    among the answers until its level was told anew.
    """
    with parts.operations.read() as conn:
        waiting = _waiting(conn, parts.model)
        allowed = allowing_for_open_units(conn)
    return {sku for sku in waiting.keys() | allowed.keys() if waiting.get(sku) != allowed.get(sku)}


def sold_since(conn: sa.Connection, model: OperatingModel) -> bool:
    """Whether more units wait, of any SKU, than its figure allows for: it must fall."""
    waiting = _waiting(conn, model)
    allowed = open_units_allowed(conn, waiting.keys())
    return any(waiting[sku] > units for sku, units in allowed.items())


def _waiting(conn: sa.Connection, model: OperatingModel) -> dict[str, int]:
    reserved = model.short_pick.backorder_reserved
    return units_not_counted(conn, {}, backorder_reserved=reserved)


def judge_assortment(parts: Parts) -> set[str]:
    """Put SKU collisions into the quarantine, and those that are none any more out of it.

    Returns:
        All SKUs of OTTO, the colliding ones included.
    """
    with parts.operations.read() as conn:
        skus = _all_otto_skus(conn, parts)
        articles = set(conn.scalars(sa.select(stock_levels.c.sku).distinct()))
    collisions = sku_collisions(skus, articles, parts.model.sku_map)
    rows = {sku: _collision_row(sku, found) for found in collisions for sku in found.otto_skus}
    now = parts.clock.now()
    with parts.operations.write() as conn:
        quarantine.replace(conn, COLLISIONS, list(rows.values()), now)
    return skus


def _all_otto_skus(conn: sa.Connection, parts: Parts) -> set[str]:
    row = availability.c
    by_otto = sa.or_(row.accepted_quantity.is_not(None), row.seen_quantity.is_not(None))
    named = set(conn.scalars(sa.select(position_items.c.sku).distinct()))
    named |= set(conn.scalars(sa.select(row.sku).where(by_otto)))
    named |= parts.model.sku_map.keys()
    spellings = {plain_sku(sku) for sku in (*named, *parts.model.sku_map.values())}
    offered = parts.otto_skus(set(conn.scalars(sa.select(stock_levels.c.sku).distinct())))
    return named | {sku for sku in offered if plain_sku(sku) not in spellings}


def _collision_row(sku: str, collision: SkuCollision) -> dict[str, str | None]:
    return {
        "source": COLLISIONS,
        "business_key": sku,
        "rule": COLLISION,
        "field": "sku",
        "shown": collision.reason,
        "owner": "operations",
        "remedy": "Say in sku_map of the operating model which article is meant, then: "
        "otto-pipelines sync stock",
        "evidence_ref": None,
    }
