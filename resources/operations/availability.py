"""The figure for each SKU of OTTO: the newest one, and the bookkeeping of those that send it.

Belongs here: keeping figures, queueing them by lane, and the protocol of a sender. OTTO keeps what
arrives last, so a SKU is under way with one sender at a time, always with its newest figure, and
what a sender reports counts only while its lease holds. A lease must be longer than any one call;
where an older request may still arrive after a newer one (an answer that never came, a lease that
ran out), the newest figure is sent once more as soon as that is no longer possible.

Times of leases and waiting are of real machines (`machine`), all others are business time.

Does not belong here: how a figure is computed (`assets.rules.availability`), the request to OTTO
(`resources.otto.availability`), and the warehouse's levels (`resources.operations.stock`).
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.clock import Clock, SystemClock
from resources.operations.bulk import chunks, upsert
from resources.operations.database import OperationsDatabase, hold
from resources.operations.schema import availability
from resources.operations.stock import levels_of, units_not_counted
from resources.wms.port import StockLevel

_FIGURES = "availability"
_COMPUTED = (
    "quantity",
    "sequence",
    "terms",
    "computed_at",
    "frozen_reason",
    "lane",
    "rank",
    "pending",
    "next_attempt_at",
    "recorded_at",
)
_READ = (
    *("sku", "quantity", "sequence", "terms", "frozen_reason", "lane", "rank", "pending"),
    *("next_attempt_at", "lease_token", "doubt_until", "accepted_quantity", "refused_reason"),
)
# OTTO gives a request up after 10 s; by then an older one has arrived or never will.
_REQUEST_LIFE = timedelta(seconds=15)


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
    """All that a figure is computed from. `as_of` is None where the WMS told of no level."""

    sku: str
    levels: tuple[StockLevel, ...]
    as_of: datetime | None
    otto_open: int
    held: Held | None


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
    """
    hold(conn, _FIGURES)
    wanted = sorted(set(skus))
    names = {sku: sku_map.get(sku, sku) for sku in wanted}
    levels = levels_of(conn, set(names.values()))
    known = {sku: levels[name] for sku, name in names.items() if name in levels}
    as_of = {sku: min(level.as_of for level in told) for sku, told in known.items()}
    units = units_not_counted(conn, as_of, set(wanted))
    rows = _rows(conn, wanted)
    figures = []
    for sku in wanted:
        row = rows.get(sku)
        held = None if row is None else Held(row["quantity"], row["accepted_quantity"])
        figure = compute(Basis(sku, known.get(sku, ()), as_of.get(sku), units.get(sku, 0), held))
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
    _update(conn, found.keys(), queue)
    return len(found)


@dataclass(frozen=True)
class Due:
    """A figure to send."""

    sku: str
    quantity: int
    lane: Lane


@dataclass(frozen=True)
class Batch:
    """Figures that one sender may send now, most urgent first; empty where nothing is due."""

    token: str
    figures: tuple[Due, ...]

    @property
    def bulk(self) -> bool:
        """Whether all of them may wait behind urgent requests."""
        return all(due.lane is Lane.REST for due in self.figures)


class FigureSender:
    """A sender's side: take a batch, send it, record what came of it.

    Args:
        db: the operations database.
        timeout_seconds: of the client, for writing a request and for each piece of its answer.
        machine: real time.
    """

    send_within_seconds = 10.0
    """For the client's `within_seconds`: no request may outlive the lease of its batch."""

    def __init__(
        self, db: OperationsDatabase, *, timeout_seconds: float = 15.0, machine: Clock | None = None
    ) -> None:
        self._db = db
        self._lease = timedelta(seconds=self.send_within_seconds + 2 * timeout_seconds)
        self._machine = machine or SystemClock()

    def take_next(self, lane: Lane, limit: int, now: datetime) -> Batch:
        """Take up to `limit` due figures of `lane` and of the more urgent ones."""
        token, at = uuid.uuid4().hex, self._machine.now()
        row = availability.c
        chosen = (
            sa.select(row.sku, row.quantity, row.lane)
            .where(row.pending, row.lane <= int(lane), _passed(row.lease_until, at))
            .where(_passed(row.next_attempt_at, at))
            .order_by(row.lane, row.rank, row.sku)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        # A lease that ran out: its sender may have sent, and nobody knows.
        doubt = sa.case(
            (row.lease_token.is_not(None), sa.literal(at + _REQUEST_LIFE, row.doubt_until.type)),
            (row.doubt_until <= at, None),
            else_=row.doubt_until,
        )
        with self._db.write() as conn:
            found = tuple(Due(sku, number, Lane(of)) for sku, number, of in conn.execute(chosen))
            if found:
                conn.execute(
                    sa.update(availability)
                    .where(row.sku.in_([due.sku for due in found]))
                    .values(
                        lease_token=token,
                        lease_until=at + self._lease,
                        doubt_until=doubt,
                        sent_quantity=row.quantity,
                        sent_sequence=row.sequence,
                        sent_at=now,
                    )
                )
        return Batch(token, found)

    def record(
        self,
        batch: Batch,
        *,
        accepted: Collection[str],
        refused: Mapping[str, str],
        now: datetime,
        error: str | None = None,
        retry_after_seconds: float = 1.0,
    ) -> int:
        """Record what OTTO said of a batch; SKUs that are in neither list have no known outcome.

        Those are queued again, at the earliest after `retry_after_seconds`, with `error` as the
        reason. A refused figure is not sent again until it changes or `request_push`.

        Returns:
            How many SKUs were not ours any more. Of these nothing is recorded, and their newest
            figure is sent once more: what OTTO shows is not certain.
        """
        row, at = availability.c, self._machine.now()
        skus = [due.sku for due in batch.figures]
        leases = sa.select(row.sku, row.lease_token).where(row.sku.in_(skus)).order_by(row.sku)
        ended = {"lease_token": None, "lease_until": None, "recorded_at": now}
        newest = row.sequence == row.sent_sequence
        certain = row.doubt_until.is_(None)
        took = {
            "accepted_quantity": row.sent_quantity,
            "accepted_sequence": row.sent_sequence,
            "accepted_at": now,
            "refused_reason": None,
            "refused_at": None,
            "last_error": None,
            "pending": sa.not_(sa.and_(newest, certain)),
            "next_attempt_at": sa.case((newest, row.doubt_until), else_=None),
        }
        unknown = {
            "last_error": error,
            "doubt_until": at + _REQUEST_LIFE,
            "next_attempt_at": at + timedelta(seconds=retry_after_seconds),
        }
        with self._db.write() as conn:
            now_with = conn.execute(leases.with_for_update())
            ours = {sku for sku, token in now_with if token == batch.token}
            _update(conn, ours.intersection(accepted), {**took, **ended})
            for sku, reason in refused.items():
                if sku in ours:
                    said = {"refused_reason": reason, "refused_at": now, "pending": ~newest}
                    _update(conn, {sku}, {**said, "next_attempt_at": None, **ended})
            _update(conn, ours - set(accepted) - refused.keys(), {**unknown, **ended})
            lost = set(skus) - ours
            _update(conn, lost, _repeat_after(at + _REQUEST_LIFE))
        return len(lost)


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
        values = _first(figure) if row is None else _next(figure, row)
        if row is None:
            new += 1
        elif values["sequence"] != row["sequence"]:
            changed += 1
        if row is None or any(values[name] != row[name] for name in values):
            queued += values["pending"] and (row is None or values["sequence"] != row["sequence"])
            written.append({**values, "computed_at": now, "recorded_at": now})
    upsert(conn, availability, written, ["sku"], update=_COMPUTED)
    return FigureCounts(new, changed, len(figures) - new - changed, queued)


def _first(figure: NewFigure) -> dict[str, Any]:
    return {
        **_computed(figure),
        "sequence": 1,
        "lane": int(figure.lane),
        "rank": figure.rank,
        "pending": True,
        "next_attempt_at": None,
    }


def _next(figure: NewFigure, row: sa.RowMapping) -> dict[str, Any]:
    """The row's new values. An unchanged figure is not queued, a changed one waits for nothing."""
    values = _computed(figure)
    same = figure.quantity == row["quantity"]
    if same:
        queue = {name: row[name] for name in ("sequence", "pending", "next_attempt_at")}
    else:
        # OTTO shows this very quantity, and nothing is under way that could change it.
        shown = figure.quantity == row["accepted_quantity"] and row["refused_reason"] is None
        certain = row["lease_token"] is None and row["doubt_until"] is None
        queue = {
            "sequence": row["sequence"] + 1,
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


def _update(conn: Connection, skus: Collection[str], values: Mapping[str, Any]) -> None:
    for part in chunks(sorted(skus)):
        conn.execute(sa.update(availability).where(availability.c.sku.in_(part)).values(values))


def _repeat_after(moment: datetime) -> dict[str, Any]:
    waiting = availability.c.pending
    at = sa.literal(moment, availability.c.doubt_until.type)
    next_attempt_at = sa.case((waiting, availability.c.next_attempt_at), else_=at)
    return {"pending": True, "doubt_until": moment, "next_attempt_at": next_attempt_at}


def _passed(column: sa.Column[Any], at: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(column.is_(None), column <= at)
