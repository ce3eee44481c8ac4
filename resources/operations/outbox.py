"""The outbox: every outbound effect is a row before it leaves, and is never lost or doubled.

Belongs here: putting messages in, and the protocol of the worker that delivers them. A worker
leases due rows, writes down that it is about to send (committed before the call leaves), sends, and
records what came of it. A row found in state `sent` may have had its effect: the worker must ask
the other side first (`Message.must_settle`). Every step is fenced by the lease's token, so a worker
that lost its lease changes nothing. The lease must be longer than any one call.

Times here are about real machines: pass `datetime.now(UTC)`.

Does not belong here: what a message means and how it is sent (`assets.outbound`), the lists that a
person looks at (`resources.operations.outbox_lists`), and what a person may do with a row
(`resources.operations.outbox_desk`).
"""

import hashlib
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from resources.operating_model import OutboxPolicy
from resources.operations.bulk import upsert
from resources.operations.database import OperationsDatabase
from resources.operations.masking import masked
from resources.operations.schema import outbox, outbox_attempts

_WAITING = ("pending", "retrying", "sent")

# Made once, because they run once per message: what changes is passed as parameters.
_INSERT = {
    "postgresql": postgresql.insert(outbox).on_conflict_do_nothing(
        index_elements=["kind", "business_key"]
    ),
    "sqlite": sqlite.insert(outbox).on_conflict_do_nothing(index_elements=["kind", "business_key"]),
}
_OF_LEASE = sa.update(outbox).where(
    outbox.c.id == sa.bindparam("row_id"), outbox.c.lease_token == sa.bindparam("token")
)
_ATTEMPT = sa.update(outbox_attempts).where(
    outbox_attempts.c.outbox_id == sa.bindparam("row_id"),
    outbox_attempts.c.attempt == sa.bindparam("number"),
)
_OPEN_ATTEMPT = _ATTEMPT.where(outbox_attempts.c.finished_at.is_(None))

# Outcomes of an attempt that leave open whether the effect is there.
OPEN_OUTCOMES = ("sending", "unknown", "accepted")


@dataclass(frozen=True)
class Message:
    """One leased row. `must_settle`: an earlier attempt may have had its effect, ask first."""

    id: int
    kind: str
    business_key: str
    order_ref: str
    payload: dict[str, Any]
    attempts: int
    must_settle: bool
    lease_token: str
    waited_seconds: float = 0.0


def enqueue(
    conn: Connection,
    *,
    kind: str,
    business_key: str,
    order_ref: str,
    payload: dict[str, Any],
    priority: int,
    now: datetime,
    state: str = "pending",
    reason: str | None = None,
) -> bool:
    """Put a message in, once per kind and business key; smaller `priority` goes first.

    A row in state `blocked` is opened again: the rules that held it back were asked anew. If they
    still block it, only a different payload is taken over. Any other row stays as it is.

    Returns:
        Whether a row was created or opened again.
    """
    text = _json(payload)
    digest = hashlib.sha256(text.encode()).hexdigest()
    values = {
        "order_ref": order_ref,
        "payload": text,
        "payload_hash": digest,
        "priority": priority,
        "state": state,
        "next_attempt_at": now,
        "reason": reason,
        "recorded_at": now,
    }
    created = conn.execute(
        _INSERT[conn.dialect.name],
        {**values, "kind": kind, "business_key": business_key, "attempts": 0, "created_at": now},
        execution_options={"preserve_rowcount": True},
    )
    if created.rowcount:
        return True
    blocked = sa.update(outbox).where(
        outbox.c.kind == kind, outbox.c.business_key == business_key, outbox.c.state == "blocked"
    )
    if state == "blocked":
        blocked = blocked.where(outbox.c.payload_hash != digest)
    return conn.execute(blocked.values(**values, last_error=None)).rowcount > 0


def due_count(conn: Connection, now: datetime, kinds: Sequence[str] | None = None) -> int:
    """How many rows a worker could lease now."""
    query = sa.select(sa.func.count()).select_from(outbox).where(*_due(now, kinds))
    return conn.scalar(query) or 0


def any_ended(conn: Connection, kinds: Sequence[str], since: datetime) -> bool:
    """Whether a row of these kinds came to an end of its tries since then."""
    ended = sa.exists().where(
        outbox.c.recorded_at >= since, outbox.c.kind.in_(kinds), outbox.c.state.not_in(_WAITING)
    )
    return bool(conn.scalar(sa.select(ended)))


class Outbox:
    """The worker's side of the outbox.

    Each method is a transaction of its own, or part of `conn` where one is given; then what it
    records and what the caller records beside it become true together.
    """

    def __init__(self, db: OperationsDatabase, policy: OutboxPolicy) -> None:
        self._db = db
        self._policy = policy

    def lease(
        self, kinds: Sequence[str], limit: int, now: datetime, *, due_by: datetime | None = None
    ) -> list[Message]:
        """Take up to `limit` due rows for this worker alone, by priority, then by age.

        `due_by`: only those that were due at that moment already.
        """
        token = uuid.uuid4().hex
        chosen = (
            sa.select(outbox.c.id)
            .where(*_due(now, kinds), outbox.c.next_attempt_at <= (due_by or now))
            .order_by(outbox.c.priority, outbox.c.created_at, outbox.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._db.write() as conn:
            ids = list(conn.scalars(chosen))
            if not ids:
                return []
            taken = sa.update(outbox).where(outbox.c.id.in_(ids))
            conn.execute(taken.values(lease_token=token, lease_until=self._lease_end(now)))
            rows = conn.execute(
                sa.select(outbox)
                .where(outbox.c.id.in_(ids))
                .order_by(outbox.c.priority, outbox.c.created_at, outbox.c.id)
            ).mappings()
            return [_message(row) for row in rows]

    def mark_sending(self, messages: Sequence[Message], now: datetime) -> list[Message]:
        """Write down that these are about to leave, and prolong their lease.

        Returns:
            Those that are still ours, with their new count of attempts. Send only these.
        """
        if not messages:
            return []
        held = sa.tuple_(outbox.c.id, outbox.c.lease_token).in_(
            [(message.id, message.lease_token) for message in messages]
        )
        with self._db.write() as conn:
            ours = set(conn.scalars(sa.select(outbox.c.id).where(held).with_for_update()))
            marked = [replace(m, attempts=m.attempts + 1) for m in messages if m.id in ours]
            conn.execute(
                sa.update(outbox)
                .where(outbox.c.id.in_(ours))
                .values(
                    state="sent",
                    attempts=outbox.c.attempts + 1,
                    lease_until=self._lease_end(now),
                    recorded_at=now,
                )
            )
            attempts = [
                {"outbox_id": m.id, "attempt": m.attempts, "started_at": now, "outcome": "sending"}
                for m in marked
            ]
            upsert(conn, outbox_attempts, attempts, ["outbox_id", "attempt"])
        return marked

    def confirm(
        self,
        message: Message,
        result: dict[str, Any],
        now: datetime,
        conn: Connection | None = None,
    ) -> bool:
        """The effect is there. False: the lease was lost, nothing was changed (so for all)."""
        settled = {"state": "confirmed", "result": _json(result)}
        values = {**settled, "last_error": None, "reason": None}
        return self._settle(message, now, conn, outcome="confirmed", values=values)

    def accept(
        self,
        message: Message,
        result: dict[str, Any],
        check_at: datetime,
        now: datetime,
        conn: Connection | None = None,
    ) -> bool:
        """The other side will act later: the row stays `sent` and is asked about at `check_at`."""
        taken = {"state": "sent", "result": _json(result)}
        values = {**taken, "last_error": None, "next_attempt_at": check_at}
        return self._settle(message, now, conn, outcome="accepted", values=values)

    def retry(
        self,
        message: Message,
        error: str,
        next_attempt_at: datetime,
        now: datetime,
        conn: Connection | None = None,
    ) -> bool:
        """It certainly had no effect: send again later, or give up after the last attempt."""
        values = self._later(message, "retrying", error, next_attempt_at)
        if values["state"] == "failed":
            values["reason"] = (
                f"given up after {message.attempts} attempts without effect; last error: {error}"
            )
        return self._settle(message, now, conn, outcome="retryable", values=values, detail=error)

    def unknown(
        self,
        message: Message,
        error: str,
        next_attempt_at: datetime,
        now: datetime,
        conn: Connection | None = None,
    ) -> bool:
        """It may have had its effect: ask later, or give up after the last attempt."""
        values = self._later(message, "sent", error, next_attempt_at)
        if values["state"] == "failed":
            values["reason"] = (
                f"given up after {message.attempts} attempts; WHETHER IT HAD ITS EFFECT IS UNKNOWN:"
                f" look at the other side before you retry or ignore it; last error: {error}"
            )
        return self._settle(message, now, conn, outcome="unknown", values=values, detail=error)

    def refuse(
        self, message: Message, reason: str, now: datetime, conn: Connection | None = None
    ) -> bool:
        """The other side refuses it for good."""
        values = {"state": "failed", "reason": reason, "last_error": reason}
        return self._settle(message, now, conn, outcome="refused", values=values, detail=reason)

    def block(
        self, message: Message, reason: str, now: datetime, conn: Connection | None = None
    ) -> bool:
        """A rule of ours holds it back; it was not sent by this attempt."""
        values = {"state": "blocked", "reason": reason}
        return self._settle(message, now, conn, outcome="not_sent", values=values, detail=reason)

    def drop(
        self, message: Message, reason: str, now: datetime, conn: Connection | None = None
    ) -> bool:
        """It is no longer wanted; it was not sent by this attempt."""
        values = {"state": "ignored", "reason": reason}
        return self._settle(message, now, conn, outcome="not_sent", values=values, detail=reason)

    def release(self, message: Message, conn: Connection | None = None) -> bool:
        """Give the lease back and change nothing else."""
        with self._within(conn) as own:
            return self._update(own, message, {})

    def confirm_by_observation(
        self,
        kind: str,
        business_key: str,
        result: dict[str, Any],
        now: datetime,
        conn: Connection | None = None,
    ) -> bool:
        """Confirm a row because another flow saw its effect; a worker on it loses its lease.

        False: there is no such row, or it is confirmed or ignored already.
        """
        row = sa.and_(outbox.c.kind == kind, outbox.c.business_key == business_key)
        values = {"state": "confirmed", "result": _json(result), "last_error": None, "reason": None}
        with self._within(conn) as own:
            seen = own.execute(
                sa.update(outbox)
                .where(row, outbox.c.state.not_in(("confirmed", "ignored")))
                .values(**values, lease_token=None, lease_until=None, recorded_at=now)
            )
            if seen.rowcount == 0:
                return False
            own.execute(
                sa.update(outbox_attempts)
                .where(
                    outbox_attempts.c.outbox_id.in_(sa.select(outbox.c.id).where(row)),
                    outbox_attempts.c.outcome.in_(OPEN_OUTCOMES),
                )
                .values(finished_at=now, outcome="confirmed", detail="its effect was seen")
            )
            return True

    def _settle(
        self,
        message: Message,
        now: datetime,
        conn: Connection | None,
        *,
        outcome: str,
        values: dict[str, Any],
        detail: str | None = None,
    ) -> bool:
        with self._within(conn) as own:
            detail, values = masked(own, message.order_ref, detail, values)
            if not self._update(own, message, {**values, "recorded_at": now}):
                return False
            # "Not sent" says nothing about an earlier attempt whose outcome is still unknown.
            attempt = _OPEN_ATTEMPT if outcome == "not_sent" else _ATTEMPT
            own.execute(
                attempt,
                {
                    "row_id": message.id,
                    "number": message.attempts,
                    "finished_at": now,
                    "outcome": outcome,
                    "detail": detail,
                },
            )
            return True

    def _update(self, conn: Connection, message: Message, values: dict[str, Any]) -> bool:
        """Change the row and end its lease, if the lease is still this worker's."""
        lease = {"row_id": message.id, "token": message.lease_token}
        ended = {"lease_token": None, "lease_until": None}
        return conn.execute(_OF_LEASE, {**lease, **ended, **values}).rowcount == 1

    def _later(
        self, message: Message, state: str, error: str, next_attempt_at: datetime
    ) -> dict[str, Any]:
        spent = message.attempts >= self._policy.give_up_after
        return {
            "state": "failed" if spent else state,
            "last_error": error,
            "next_attempt_at": next_attempt_at,
        }

    def _within(self, conn: Connection | None) -> AbstractContextManager[Connection]:
        return self._db.write() if conn is None else nullcontext(conn)

    def _lease_end(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self._policy.lease_seconds)


def _due(now: datetime, kinds: Sequence[str] | None) -> list[sa.ColumnElement[bool]]:
    due = [
        outbox.c.state.in_(_WAITING),
        outbox.c.next_attempt_at <= now,
        sa.or_(outbox.c.lease_until.is_(None), outbox.c.lease_until <= now),
    ]
    return due if kinds is None else [*due, outbox.c.kind.in_(kinds)]


def _message(row: sa.RowMapping) -> Message:
    return Message(
        id=row["id"],
        kind=row["kind"],
        business_key=row["business_key"],
        order_ref=row["order_ref"],
        payload=msgspec.json.decode(row["payload"]),
        attempts=row["attempts"],
        must_settle=row["state"] == "sent",
        lease_token=row["lease_token"],
        waited_seconds=max(0.0, (row["next_attempt_at"] - row["recorded_at"]).total_seconds()),
    )


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()
