"""Notices (an alert is to be told on a channel) and deliveries (messages that left, or nearly).

Belongs here: reading and writing both tables. A delivery is written down before the call, so that
after a crash it is known that a message may have left; it is then sent once more, after a wait.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.alerts_schema import alert_deliveries, alert_notices

_NOTICE, _DELIVERY = alert_notices.c, alert_deliveries.c
_LONGEST_ERROR = 300
# A wait between two attempts no longer grows after so many.
_COUNTED_FAILURES = 20


@dataclass(frozen=True)
class Health:
    """How a channel did lately: attempts in vain since its last success, the last one's start."""

    failures: int
    last_started_at: datetime | None
    error: str | None


def add_notices(
    conn: Connection, alert_id: int, channels: Iterable[str], reason: str, due_at: datetime
) -> None:
    """An alert is to be told on these channels from `due_at` on."""
    rows = [
        {
            "alert_id": alert_id,
            "channel": channel,
            "reason": reason,
            "due_at": due_at,
            "state": "waiting",
        }
        for channel in channels
    ]
    if rows:
        conn.execute(sa.insert(alert_notices), rows)


def channels_told(conn: Connection, alert_id: int) -> list[str]:
    """Channels that were told of an alert, or are still to be told."""
    query = sa.select(_NOTICE.channel).where(
        _NOTICE.alert_id == alert_id, _NOTICE.state.in_(("sent", "waiting"))
    )
    return list(conn.scalars(query.distinct().order_by(_NOTICE.channel)))


def told_since(conn: Connection, alert_ids: Collection[int]) -> dict[int, datetime]:
    """For each alert from when on people were, or are, to be told of it."""
    query = (
        sa.select(_NOTICE.alert_id, sa.func.min(_NOTICE.due_at))
        .where(_NOTICE.alert_id.in_(alert_ids), _NOTICE.state != "dropped")
        .group_by(_NOTICE.alert_id)
    )
    return {row.alert_id: row[1] for row in conn.execute(query)}


def drop_notices(conn: Connection, alert_id: int) -> None:
    """Nobody needs to be told of this alert any more."""
    waiting = (_NOTICE.alert_id == alert_id, _NOTICE.state == "waiting")
    conn.execute(sa.update(alert_notices).where(*waiting).values(state="dropped"))


def due_alerts(conn: Connection, now: datetime) -> dict[str, list[int]]:
    """Channel to the ids of alerts that are due to be told there, oldest first."""
    query = (
        sa.select(_NOTICE.channel, _NOTICE.alert_id)
        .where(_NOTICE.state == "waiting", _NOTICE.due_at <= now)
        .distinct()
        .order_by(_NOTICE.channel, _NOTICE.alert_id)
    )
    found: dict[str, list[int]] = {}
    for channel, alert_id in conn.execute(query):
        found.setdefault(channel, []).append(alert_id)
    return found


def told_on(conn: Connection, channel: str, alert_ids: Collection[int]) -> set[int]:
    """Those of the alerts of which a message left on the channel before."""
    query = sa.select(_NOTICE.alert_id).where(
        _NOTICE.channel == channel, _NOTICE.state == "sent", _NOTICE.alert_id.in_(alert_ids)
    )
    return set(conn.scalars(query))


def waiting_of(conn: Connection, channel: str) -> list[int]:
    """Ids of all alerts that wait to be told on a channel, due or not."""
    query = sa.select(_NOTICE.alert_id).where(
        _NOTICE.channel == channel, _NOTICE.state == "waiting"
    )
    return list(conn.scalars(query.distinct().order_by(_NOTICE.alert_id)))


def begin(
    conn: Connection, channel: str, alerts: int, now: datetime, *, digest: bool = False
) -> int:
    """Write down that a message is about to leave; returns the delivery's id."""
    row = {
        "channel": channel,
        "started_at": now,
        "outcome": "unknown",
        "alerts": alerts,
        "digest": digest,
    }
    return int(conn.scalar(sa.insert(alert_deliveries).values(row).returning(_DELIVERY.id)) or 0)


def finish(
    conn: Connection, delivery_id: int, channel: str, alert_ids: Sequence[int], error: str | None
) -> None:
    """Write down how it ended. What was told of waits no longer, whether due or not."""
    outcome = "sent" if error is None else "failed"
    text = None if error is None else error[:_LONGEST_ERROR]
    conn.execute(
        sa.update(alert_deliveries)
        .where(_DELIVERY.id == delivery_id)
        .values(outcome=outcome, error=text)
    )
    if error is None and alert_ids:
        told = sa.update(alert_notices).where(
            _NOTICE.channel == channel,
            _NOTICE.state == "waiting",
            _NOTICE.alert_id.in_(alert_ids),
        )
        conn.execute(told.values(state="sent", delivery_id=delivery_id))


def health(conn: Connection, channel: str) -> Health:
    """How a channel did lately; an attempt whose outcome is unknown counts as in vain."""
    query = (
        sa.select(alert_deliveries)
        .where(_DELIVERY.channel == channel)
        .order_by(_DELIVERY.id.desc())
        .limit(_COUNTED_FAILURES)
    )
    failures, last, error = 0, None, None
    for row in conn.execute(query):
        last = last or row.started_at
        if row.outcome == "sent":
            break
        failures += 1
        error = error or row.error
    return Health(failures, last, error)


def sent_since(conn: Connection, channel: str, since: datetime) -> tuple[int, int]:
    """How many messages left for a channel after `since`, and how many of them were digests.

    One whose outcome is unknown may have left, so it counts.
    """
    query = sa.select(_DELIVERY.digest).where(
        _DELIVERY.channel == channel, _DELIVERY.started_at > since, _DELIVERY.outcome != "failed"
    )
    digests = list(conn.scalars(query))
    return len(digests), sum(digests)


def drop_channels_except(conn: Connection, channels: Collection[str]) -> None:
    """Drop what waits for channels that nobody uses any more."""
    gone = (_NOTICE.state == "waiting", _NOTICE.channel.not_in(channels))
    conn.execute(sa.update(alert_notices).where(*gone).values(state="dropped"))


def channels_used(conn: Connection) -> list[str]:
    """Every channel for which a message left, or should have."""
    return list(conn.scalars(sa.select(_DELIVERY.channel).distinct().order_by(_DELIVERY.channel)))
