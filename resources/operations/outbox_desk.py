"""What may be done with an outbox row besides delivering it: a person tries it again or lets it be
ignored, a look at the other side finds that its effect is gone.

Does not belong here: delivery, and the lists that a person looks at
(`resources.operations.outbox_lists`).
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.bulk import chunks
from resources.operations.outbox import OPEN_OUTCOMES
from resources.operations.schema import outbox, outbox_attempts

_RETRYABLE = ("blocked", "failed", "retrying", "sent")


class OutboxRefusal(Exception):
    """A person's request cannot be carried out; the message says why and what to do.

    What to do: as the message ends. The row is as it was.
    """


def retry_now(
    conn: Connection, ids: Sequence[int] | None, kinds: Sequence[str] | None, now: datetime
) -> int:
    """Make blocked, failed and waiting rows due now; None = of any id, of any kind.

    A row whose last attempt may have had its effect becomes `sent`, so that the worker asks before
    it sends. A row that was given up gets one further attempt each time.

    Returns:
        How many rows are due now by this.
    """
    chosen = [outbox.c.state.in_(_RETRYABLE)]
    if ids is not None:
        chosen.append(outbox.c.id.in_(ids))
    if kinds is not None:
        chosen.append(outbox.c.kind.in_(kinds))
    open_question = sa.exists().where(
        outbox_attempts.c.outbox_id == outbox.c.id,
        outbox_attempts.c.attempt == outbox.c.attempts,
        outbox_attempts.c.outcome.in_(OPEN_OUTCOMES),
    )
    state = sa.case((open_question, "sent"), (outbox.c.attempts > 0, "retrying"), else_="pending")
    values = {"state": state, "next_attempt_at": now, "reason": None, "recorded_at": now}
    return conn.execute(sa.update(outbox).where(*chosen).values(values)).rowcount


def ignore(conn: Connection, row_id: int, reason: str, now: datetime) -> str:
    """Take a row out of delivery, because a person says so; returns its kind.

    Raises:
        OutboxRefusal: no reason, no such row, already confirmed, or being sent at this moment.
    """
    if not reason.strip():
        raise OutboxRefusal(f"outbox row {row_id}: say why it is ignored (--reason)")
    columns = outbox.c.kind, outbox.c.state, outbox.c.lease_until
    query = sa.select(*columns).where(outbox.c.id == row_id)
    found = conn.execute(query.with_for_update()).one_or_none()
    if found is None:
        raise OutboxRefusal(f"outbox has no row {row_id}: see `otto-pipelines errors list`")
    if found.state == "confirmed":
        raise OutboxRefusal(f"outbox row {row_id} is confirmed: its effect is there already")
    if found.lease_until is not None and found.lease_until > now:
        raise OutboxRefusal(
            f"outbox row {row_id} is being delivered until {found.lease_until:%H:%M:%S} UTC: "
            "try again after that"
        )
    conn.execute(
        sa.update(outbox)
        .where(outbox.c.id == row_id)
        .values(state="ignored", reason=reason, lease_token=None, lease_until=None, recorded_at=now)
    )
    return str(found.kind)


def take_up_again(conn: Connection, row_id: int, reason: str, now: datetime) -> None:
    """Make an ignored row failed, so that it is shown and can be retried."""
    row = sa.update(outbox).where(outbox.c.id == row_id, outbox.c.state == "ignored")
    again = f"it was ignored and is taken up again: {reason}"
    conn.execute(row.values(state="failed", reason=again, recorded_at=now))


def doubt(conn: Connection, now: datetime) -> int:
    """After a restore: what was about to leave then may have left since, so ask before sending.

    Returns:
        How many rows are asked about.
    """
    waiting = sa.update(outbox).where(outbox.c.state.in_(("pending", "retrying", "sent")))
    values = {
        "state": "sent",
        "next_attempt_at": now,
        "lease_token": None,
        "lease_until": None,
        "recorded_at": now,
    }
    return conn.execute(waiting.values(values)).rowcount


def revoke(
    conn: Connection, kind: str, business_keys: Sequence[str], reason: str, now: datetime
) -> None:
    """Confirmed rows whose effect is gone from the other side become failed: a person must act."""
    for part in chunks(business_keys):
        gone = sa.update(outbox).where(
            outbox.c.kind == kind,
            outbox.c.business_key.in_(part),
            outbox.c.state == "confirmed",
        )
        conn.execute(gone.values(state="failed", reason=reason, recorded_at=now))
