"""What people and checks ask about figures: what is late, refused, frozen, oversold or drifting.

Belongs here: questions over the table of figures. What is done about an answer does not belong here
(`assets`), nor does changing a figure (`resources.operations.availability`).
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.availability import Lane
from resources.operations.bulk import chunks
from resources.operations.schema import availability, quarantine

_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True)
class FigureState:
    """One SKU of OTTO: our figure with its terms, what OTTO accepted last, and what stands between.

    `oversold` are units that OTTO sold beyond what the warehouse has.
    """

    sku: str
    quantity: int
    terms: dict[str, Any]
    computed_at: datetime
    frozen_reason: str | None
    lane: int
    pending: bool
    accepted_quantity: int | None
    accepted_at: datetime | None
    seen_quantity: int | None
    refused_reason: str | None
    last_error: str | None

    @property
    def oversold(self) -> int:
        """Zero where the terms know of none."""
        return int(self.terms.get("oversold", 0))


@dataclass(frozen=True)
class Drift:
    """OTTO shows another quantity than it accepted from us; None: it shows none, or unreadably."""

    sku: str
    accepted: int | None
    shown: int | None


@dataclass(frozen=True)
class Overview:
    """Counts of SKUs; `oldest_accepted_at` is None before anything was accepted."""

    skus: int
    pending_by_lane: dict[int, int]
    never_accepted: int
    refused: int
    frozen: int
    oldest_accepted_at: datetime | None


_COLUMNS = [availability.c[name] for name in FigureState.__dataclass_fields__]


def all_figures(conn: Connection) -> Iterator[FigureState]:
    """Every figure, by SKU; rows are fetched as they are asked for."""
    yield from _states(conn, sa.true())


def figure_of(conn: Connection, sku: str) -> FigureState | None:
    """The figure of one SKU, if there is one."""
    return next(_states(conn, availability.c.sku == sku), None)


def without_update(conn: Connection, since: datetime) -> list[FigureState]:
    """SKUs of which OTTO accepted nothing since then (or never), while there is news to send."""
    accepted_at = availability.c.accepted_at
    late = sa.or_(accepted_at.is_(None), accepted_at < since)
    news = availability.c.sequence.is_distinct_from(availability.c.accepted_sequence)
    waiting = sa.and_(news, availability.c.owed_since < since)
    return list(_states(conn, sa.and_(late, waiting)))


def not_accepted_since(conn: Connection, since: datetime) -> list[FigureState]:
    """SKUs of which OTTO accepted nothing since then (or never), news or not."""
    accepted_at = availability.c.accepted_at
    return list(_states(conn, sa.or_(accepted_at.is_(None), accepted_at < since)))


def refused(conn: Connection) -> list[FigureState]:
    """SKUs whose last figure OTTO refused: mostly such as it does not know."""
    return list(_states(conn, availability.c.refused_reason.is_not(None)))


def frozen(conn: Connection) -> list[FigureState]:
    """SKUs whose figure is not what its terms say."""
    return list(_states(conn, availability.c.frozen_reason.is_not(None)))


def oversold(conn: Connection) -> list[FigureState]:
    """SKUs of which OTTO sold more than the warehouse has."""
    # An oversold SKU is offered with 0, whatever the policy.
    return [state for state in _states(conn, availability.c.quantity == 0) if state.oversold > 0]


def unknown_to_wms(conn: Connection) -> list[FigureState]:
    """SKUs of which the warehouse never told a level."""
    none_told = (state for state in _states(conn, availability.c.quantity == 0))
    return [state for state in none_told if state.terms.get("as_of") is None]


def drift(conn: Connection, shown: Mapping[str, int | None]) -> list[Drift]:
    """Compare what OTTO shows (by SKU) with what it accepted from us, by SKU.

    A SKU that has a figure under way or in doubt is not compared: it may differ rightly. One that
    OTTO shows and that has no figure of ours comes with `accepted` None.
    """
    busy = sa.or_(availability.c.lease_token.is_not(None), availability.c.doubt_until.is_not(None))
    query = sa.select(availability.c.sku, availability.c.accepted_quantity, busy)
    found: list[Drift] = []
    ours: set[str] = set()
    for sku, accepted, under_way in conn.execute(query):
        ours.add(sku)
        if not under_way and shown.get(sku) != accepted:
            found.append(Drift(sku, accepted, shown.get(sku)))
    found += [Drift(sku, None, number) for sku, number in shown.items() if sku not in ours]
    return sorted(found, key=lambda drift: drift.sku)


def quantities(conn: Connection) -> dict[str, int]:
    """Our figures by SKU."""
    query = sa.select(availability.c.sku, availability.c.quantity)
    return dict(row._tuple() for row in conn.execute(query))


def accepted_quantities(conn: Connection) -> dict[str, int | None]:
    """What OTTO accepted last of every SKU that has a figure; None: nothing yet."""
    query = sa.select(availability.c.sku, availability.c.accepted_quantity)
    return dict(row._tuple() for row in conn.execute(query))


def open_units_allowed(conn: Connection, skus: Collection[str]) -> dict[str, int]:
    """How many open units the figures of `skus` allow for; SKUs without a figure are absent."""
    row, found = availability.c, dict[str, int]()
    for part in chunks(sorted(skus)):
        query = sa.select(row.sku, row.otto_open).where(row.sku.in_(part))
        found |= dict(row._tuple() for row in conn.execute(query))
    return found


def allowing_for_open_units(conn: Connection) -> dict[str, int]:
    """All SKUs whose figure allows for open units, with how many."""
    query = sa.select(availability.c.sku, availability.c.otto_open)
    found = conn.execute(query.where(availability.c.otto_open > 0))
    return dict(row._tuple() for row in found)


def any_due(conn: Connection, lane: Lane, at: datetime) -> bool:
    """Whether a sender could take a figure of `lane`, or of a more urgent one, now."""
    row = availability.c
    times = (row.lease_until, row.next_attempt_at)
    free = (sa.or_(time.is_(None), time <= at) for time in times)
    query = sa.select(row.sku).where(row.pending, row.lane <= int(lane), *free).limit(1)
    return conn.scalar(query) is not None


def not_as_accepted(conn: Connection) -> list[FigureState]:
    """SKUs of which OTTO, when last read back, showed another quantity than it had accepted.

    Those that it accepted again since are left out.
    """
    row = availability.c
    differs = row.seen_quantity.is_distinct_from(row.accepted_quantity)
    return list(_states(conn, sa.and_(row.seen_at > row.accepted_at, differs)))


def overview(conn: Connection) -> Overview:
    """Count the figures."""
    row = availability.c
    numbers = conn.execute(
        sa.select(
            sa.func.count(),
            sa.func.count(row.accepted_at),
            sa.func.count(row.refused_reason),
            sa.func.count(row.frozen_reason),
            sa.func.min(row.accepted_at),
        )
    ).one()
    pending = sa.select(row.lane, sa.func.count()).where(row.pending).group_by(row.lane)
    return Overview(
        skus=numbers[0],
        pending_by_lane=dict(found._tuple() for found in conn.execute(pending.order_by(row.lane))),
        never_accepted=numbers[0] - numbers[1],
        refused=numbers[2],
        frozen=numbers[3],
        oldest_accepted_at=numbers[4],
    )


def fingerprint(conn: Connection, sources: Collection[str]) -> str:
    """Some text that changes whenever a guard, OTTO or reading back finds, or no longer finds.

    `sources` are those of the quarantine's rows that count. A row that is merely found again is no
    news: the run that found it has judged it.
    """
    row, held = availability.c, quarantine.c
    figures = sa.select(
        sa.func.count(row.refused_reason),
        sa.func.max(row.refused_at),
        sa.func.count(row.frozen_reason),
        sa.func.max(row.seen_at),
    )
    rows = (
        sa.select(held.source, held.business_key, held.rule)
        .where(held.source.in_(sources), held.resolved_at.is_(None))
        .order_by(held.source, held.business_key, held.rule)
    )
    found = [tuple(each) for each in conn.execute(rows)]
    digest = hashlib.blake2b(repr(found).encode(), digest_size=8).hexdigest()
    return ", ".join(map(str, (*conn.execute(figures).one(), len(found), digest)))


def _states(conn: Connection, condition: sa.ColumnElement[bool]) -> Iterator[FigureState]:
    query = sa.select(*_COLUMNS).where(condition).order_by(availability.c.sku)
    rows = conn.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)).mappings()
    for row in rows:
        terms = msgspec.json.decode(row["terms"], type=dict[str, Any])
        yield FigureState(**{**row, "terms": terms})
