"""The figure for each SKU of OTTO: the newest one, queued by lane until OTTO took it.

Belongs here: keeping figures, what OTTO was seen to show, and queueing. A figure is computed and
stored in one step, so it is never replaced by one that was computed from older facts.

Does not belong here: how a figure is computed (`assets.rules.availability`), taking figures to send
and recording answers (`resources.operations.figure_sender`), and the warehouse's levels
(`resources.operations.stock`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import chunks, upsert
from resources.operations.database import hold
from resources.operations.schema import availability
from resources.operations.stock import latest_shorts, levels_of, units_not_counted
from resources.wms.port import StockLevel

_FIGURES = "availability"
_COMPUTED = (
    "quantity",
    "sequence",
    "terms",
    "computed_at",
    "frozen_reason",
    "otto_open",
    "owed_since",
    "lane",
    "rank",
    "pending",
    "next_attempt_at",
    "recorded_at",
)
_READ = (
    *("sku", "quantity", "sequence", "terms", "frozen_reason", "lane", "rank", "pending"),
    *("next_attempt_at", "lease_token", "doubt_until", "accepted_quantity", "refused_reason"),
    *("otto_open", "owed_since"),
)


class Lane(IntEnum):
    """What goes first."""

    URGENT = 0
    MOVING = 1
    REST = 2


@dataclass(frozen=True)
class Held:
    """The figure that we hold of a SKU, and the quantity that OTTO shows (None: none yet)."""

    quantity: int
    accepted_quantity: int | None


@dataclass(frozen=True)
class Basis:
    """All that a figure is computed from. `as_of` is None where the WMS told of no level.

    `short_at` is the SKU's last short-pick, if no earlier than the oldest level.
    """

    sku: str
    levels: tuple[StockLevel, ...]
    as_of: datetime | None
    otto_open: int
    held: Held | None
    short_at: datetime | None = None


@dataclass(frozen=True)
class NewFigure:
    """A computed figure. `terms` is what it is made of, `rank` its place in the lane."""

    sku: str
    quantity: int
    terms: dict[str, Any]
    lane: Lane
    rank: int = 0
    frozen_reason: str | None = None


@dataclass(frozen=True)
class FigureCounts:
    """What became of figures; `queued` is how many of the new and changed ones are to be sent."""

    new: int
    changed: int
    unchanged: int
    queued: int


def refresh_figures(
    conn: Connection,
    skus: Collection[str],
    sku_map: Mapping[str, str],
    compute: Callable[[Basis], NewFigure | None],
    now: datetime,
    *,
    backorder_reserved: bool = True,
) -> FigureCounts:
    """Compute and store figures from what we hold now; nobody else computes meanwhile.

    Reading and storing are one step, so a figure is never replaced by one that was computed from
    older facts. Give some thousand SKUs a call, so that others need not wait for long.

    Args:
        conn: a write transaction.
        skus: SKUs of OTTO.
        sku_map: OTTO's SKU to the warehouse's, where they differ.
        compute: the rule; None leaves the SKU as it is.
        now: aware UTC.
        backorder_reserved: see `units_not_counted`.
    """
    hold(conn, _FIGURES)
    wanted = sorted(set(skus))
    names = {sku: sku_map.get(sku, sku) for sku in wanted}
    levels = levels_of(conn, set(names.values()))
    known = {sku: levels[name] for sku, name in names.items() if name in levels}
    as_of = {sku: min(level.as_of for level in told) for sku, told in known.items()}
    units = units_not_counted(conn, as_of, set(wanted), backorder_reserved=backorder_reserved)
    shorts = latest_shorts(conn, min(as_of.values())) if as_of else {}
    rows = _rows(conn, wanted)
    figures = []
    for sku in wanted:
        row = rows.get(sku)
        held = None if row is None else Held(row["quantity"], row["accepted_quantity"])
        short_at = shorts.get(names[sku])
        basis = Basis(sku, known.get(sku, ()), as_of.get(sku), units.get(sku, 0), held, short_at)
        figure = compute(basis)
        if figure is not None:
            figures.append(figure)
    return _store(conn, figures, rows, now)


def store_figures(conn: Connection, figures: Sequence[NewFigure], now: datetime) -> FigureCounts:
    """Store figures as the newest ones, whatever they were computed from; see `refresh_figures`."""
    hold(conn, _FIGURES)
    return _store(conn, figures, _rows(conn, [figure.sku for figure in figures]), now)


def request_push(conn: Connection, skus: Collection[str] | None, lane: Lane, now: datetime) -> int:
    """Queue held figures although they did not change: of `skus`, or of all. Returns how many."""
    hold(conn, _FIGURES)
    earlier = sa.and_(availability.c.pending, availability.c.lane < lane)
    queue = {
        "pending": True,
        "lane": sa.case((earlier, availability.c.lane), else_=int(lane)),
        "next_attempt_at": None,
        "refused_reason": None,
        "recorded_at": now,
    }
    chosen = sa.select(availability.c.sku).order_by(availability.c.sku).with_for_update()
    if skus is None:
        everything = sa.update(availability).where(availability.c.sku.in_(chosen))
        return conn.execute(everything.values(queue)).rowcount
    found = _rows(conn, skus)
    update_figures(conn, found.keys(), queue)
    return len(found)


def record_seen(conn: Connection, shown: Mapping[str, int | None], now: datetime) -> None:
    """Note what OTTO shows of these SKUs (None: nothing); SKUs without a figure are left out.

    Args:
        conn: a write transaction.
        shown: quantity by SKU, as read back.
        now: aware UTC, from before OTTO was asked: what it accepts meanwhile counts as later.
    """
    row = availability.c
    seen = {"seen_quantity": sa.bindparam("shown"), "seen_at": now, "recorded_at": now}
    statement = sa.update(availability).where(row.sku == sa.bindparam("of_sku")).values(seen)
    if shown:
        rows = [{"of_sku": sku, "shown": quantity} for sku, quantity in sorted(shown.items())]
        conn.execute(statement, rows)


def _store(
    conn: Connection,
    figures: Sequence[NewFigure],
    rows: Mapping[str, sa.RowMapping],
    now: datetime,
) -> FigureCounts:
    written: list[dict[str, Any]] = []
    new = changed = queued = 0
    for figure in {figure.sku: figure for figure in figures}.values():
        row = rows.get(figure.sku)
        values = _first(figure, now) if row is None else _next(figure, row, now)
        if row is None:
            new += 1
        elif values["sequence"] != row["sequence"]:
            changed += 1
        if row is None or any(values[name] != row[name] for name in values):
            queued += values["pending"] and (row is None or values["sequence"] != row["sequence"])
            written.append({**values, "computed_at": now, "recorded_at": now})
    upsert(conn, availability, written, ["sku"], update=_COMPUTED)
    return FigureCounts(new, changed, len(figures) - new - changed, queued)


def _first(figure: NewFigure, now: datetime) -> dict[str, Any]:
    return {
        **_computed(figure),
        "sequence": 1,
        "owed_since": now,
        "lane": int(figure.lane),
        "rank": figure.rank,
        "pending": True,
        "next_attempt_at": None,
    }


def _next(figure: NewFigure, row: sa.RowMapping, now: datetime) -> dict[str, Any]:
    """The row's new values. An unchanged figure is not queued, a changed one waits for nothing."""
    values = _computed(figure)
    same = figure.quantity == row["quantity"]
    if same:
        kept = ("sequence", "owed_since", "pending", "next_attempt_at")
        queue = {name: row[name] for name in kept}
    else:
        # OTTO shows this very quantity, and nothing is under way that could change it.
        shown = figure.quantity == row["accepted_quantity"] and row["refused_reason"] is None
        certain = row["lease_token"] is None and row["doubt_until"] is None
        queue = {
            "sequence": row["sequence"] + 1,
            "owed_since": None if shown and certain else row["owed_since"] or now,
            "pending": not (shown and certain),
            "next_attempt_at": None,
        }
    lane, rank = int(figure.lane), figure.rank
    if row["pending"]:
        lane, rank = min((lane, rank), (row["lane"], row["rank"]))
    elif same:
        lane, rank = row["lane"], row["rank"]
    return {**values, **queue, "lane": lane, "rank": rank}


def _computed(figure: NewFigure) -> dict[str, Any]:
    return {
        "sku": figure.sku,
        "quantity": figure.quantity,
        "terms": msgspec.json.encode(figure.terms, order="deterministic").decode(),
        "frozen_reason": figure.frozen_reason,
        "otto_open": figure.terms.get("otto_open", 0),
    }


def _rows(conn: Connection, skus: Collection[str]) -> dict[str, sa.RowMapping]:
    """The rows of these SKUs, locked, so that no sender changes them meanwhile."""
    columns = [availability.c[name] for name in _READ]
    found: dict[str, sa.RowMapping] = {}
    for part in chunks(sorted(set(skus))):
        query = sa.select(*columns).where(availability.c.sku.in_(part)).order_by(columns[0])
        rows = conn.execute(query.with_for_update()).mappings()
        found.update((row["sku"], row) for row in rows)
    return found


def update_figures(conn: Connection, skus: Collection[str], values: Mapping[str, Any]) -> None:
    """Set columns of these SKUs\' rows; for the modules of this package."""
    for part in chunks(sorted(skus)):
        conn.execute(sa.update(availability).where(availability.c.sku.in_(part)).values(values))
