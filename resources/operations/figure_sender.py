"""The sender's side of figures: take a batch, send it, record what came of it.

Belongs here: leases of batches, and what an answer, or none, means for each figure. OTTO keeps what
arrives last, so a SKU is under way with one sender at a time, always with its newest figure, and
what a sender reports counts only while its lease holds. A lease must be longer than any one call;
where an older request may still arrive after a newer one (an answer that never came, a lease that
ran out), the newest figure is sent once more as soon as that is no longer possible.

Times of leases and waiting are of real machines (`machine`), all others are business time.

Does not belong here: the figures themselves (`resources.operations.availability`), and the request
to OTTO (`resources.otto.availability`).
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from resources.clock import Clock, SystemClock
from resources.operations.availability import Lane, update_figures
from resources.operations.database import OperationsDatabase
from resources.operations.schema import availability

# OTTO gives a request up after 10 s; by then an older one has arrived or never will.
_REQUEST_LIFE = timedelta(seconds=15)


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
        """Whether the request may wait behind urgent ones: none of its figures is urgent itself."""
        return all(due.lane is not Lane.URGENT for due in self.figures)


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
            "owed_since": sa.case((newest, None), else_=row.sent_at),
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
            update_figures(conn, ours.intersection(accepted), {**took, **ended})
            for sku, reason in refused.items():
                if sku in ours:
                    said = {"refused_reason": reason, "refused_at": now, "pending": ~newest}
                    update_figures(conn, {sku}, {**said, "next_attempt_at": None, **ended})
            update_figures(conn, ours - set(accepted) - refused.keys(), {**unknown, **ended})
            lost = set(skus) - ours
            update_figures(conn, lost, _repeat_after(at + _REQUEST_LIFE))
        return len(lost)


def _repeat_after(moment: datetime) -> dict[str, Any]:
    waiting = availability.c.pending
    at = sa.literal(moment, availability.c.doubt_until.type)
    next_attempt_at = sa.case((waiting, availability.c.next_attempt_at), else_=at)
    return {"pending": True, "doubt_until": moment, "next_attempt_at": next_attempt_at}


def _passed(column: sa.Column[Any], at: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(column.is_(None), column <= at)
