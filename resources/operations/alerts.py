"""Alerts as rows: what is wrong now, since when, and what persons said about it.

Belongs here: reading and writing the table `alerts`. What makes an alert, and who is told of it, is
decided in `assets.alerting`; notices and messages stand in `alert_messages`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.alerts_policy import Severity
from resources.operations.alerts_schema import alert_deliveries, alert_notices, alerts
from resources.operations.bulk import among


class AlertRefusal(Exception):
    """An alert cannot be acknowledged or closed; the message says why.

    What to do: take the number from `otto-pipelines alerts list`; one that is over needs nothing.
    """


@dataclass(frozen=True)
class Alert:
    """One alert; columns as in `alerts_schema`."""

    id: int
    key: str
    kind: str
    owner: str
    severity: Severity
    title: str
    what: str
    remedy: str
    place: str | None
    failing_rows: int | None
    at_risk_cents: int | None
    examples: tuple[str, ...]
    deadline_at: datetime | None
    opened_at: datetime
    tell_from: datetime
    last_seen_at: datetime
    times: int
    event_id: int | None
    event_at: datetime | None
    told_severity: Severity
    told_rows: int | None
    escalations: int
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    resolved_at: datetime | None
    resolution: str | None


def open_alerts(conn: Connection, kinds: Collection[str] = ()) -> list[Alert]:
    """Alerts that are not resolved, oldest first; of some kinds or of all."""
    query = sa.select(alerts).where(alerts.c.resolved_at.is_(None)).order_by(alerts.c.id)
    if kinds:
        query = query.where(alerts.c.kind.in_(kinds))
    return _read(conn, query)


def recent_alerts(conn: Connection, limit: int) -> list[Alert]:
    """The newest alerts, open or not, newest first."""
    return _read(conn, sa.select(alerts).order_by(alerts.c.id.desc()).limit(limit))


def by_id(conn: Connection, ids: Collection[int]) -> list[Alert]:
    """Alerts by id, oldest first; ids that are not there are left out."""
    return _read(conn, sa.select(alerts).where(alerts.c.id.in_(ids)).order_by(alerts.c.id))


def newest_events(conn: Connection, keys: Sequence[str]) -> dict[str, int]:
    """For each key the newest event that an alert of it, open or not, was made of."""
    query = (
        sa.select(alerts.c.key, sa.func.max(alerts.c.event_id))
        .where(among(conn, alerts.c.key, keys), alerts.c.event_id.is_not(None))
        .group_by(alerts.c.key)
    )
    return {row.key: row[1] for row in conn.execute(query)}


def forget_events(conn: Connection) -> None:
    """Dagster's log is another one than before: its events are counted anew."""
    conn.execute(sa.update(alerts).where(alerts.c.event_id.is_not(None)).values(event_id=None))


def last_told(conn: Connection, keys: Sequence[str]) -> dict[str, datetime]:
    """For each key when a message about it last left; keys of which none did are left out."""
    started = sa.func.max(alert_deliveries.c.started_at)
    query = (
        sa.select(alerts.c.key, started)
        .join(alert_notices, alert_notices.c.alert_id == alerts.c.id)
        .join(alert_deliveries, alert_deliveries.c.id == alert_notices.c.delivery_id)
        .where(among(conn, alerts.c.key, keys), alert_deliveries.c.outcome == "sent")
        .group_by(alerts.c.key)
    )
    return {row.key: row[1] for row in conn.execute(query)}


def insert(conn: Connection, row: Mapping[str, Any]) -> Alert:
    """Open an alert."""
    stored = conn.execute(sa.insert(alerts).returning(*alerts.c), _stored(row))
    return _alert(stored.mappings().one())


def update(conn: Connection, alert_id: int, changes: Mapping[str, Any]) -> None:
    """Change columns of one alert."""
    statement = sa.update(alerts).where(alerts.c.id == sa.bindparam("changed_id"))
    conn.execute(statement, {**_stored(changes), "changed_id": alert_id})


def acknowledge(conn: Connection, alert_id: int, by: str, note: str, now: datetime) -> Alert:
    """A person takes the alert on: it is escalated no further.

    Raises:
        AlertRefusal: there is no such open alert.
    """
    found = _open_one(conn, alert_id)
    update(conn, alert_id, {"acknowledged_at": now, "acknowledged_by": by, "note": note})
    return found


def close(conn: Connection, alert_id: int, by: str, reason: str, now: datetime) -> Alert:
    """A person ends the alert; if it fails again, it is opened anew.

    Raises:
        AlertRefusal: there is no such open alert.
    """
    found = _open_one(conn, alert_id)
    update(conn, alert_id, {"resolved_at": now, "resolution": f"closed by {by}: {reason}"})
    conn.execute(
        sa.update(alert_notices)
        .where(alert_notices.c.alert_id == alert_id, alert_notices.c.state == "waiting")
        .values(state="dropped")
    )
    return found


def _open_one(conn: Connection, alert_id: int) -> Alert:
    found = _read(conn, sa.select(alerts).where(alerts.c.id == alert_id))
    if not found:
        raise AlertRefusal(f"there is no alert {alert_id}: look at otto-pipelines alerts list")
    if found[0].resolved_at is not None:
        raise AlertRefusal(f"alert {alert_id} is over already: {found[0].resolution}")
    return found[0]


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    stored = dict(values)
    if "examples" in stored:
        stored["examples"] = msgspec.json.encode(stored["examples"]).decode()
    return stored


def _read(conn: Connection, query: sa.Select[Any]) -> list[Alert]:
    return [_alert(row) for row in conn.execute(query).mappings()]


def _alert(row: sa.RowMapping) -> Alert:
    return Alert(**{**row, "examples": tuple(msgspec.json.decode(row["examples"]))})
