"""Erasing records of our own work that nobody asks about any more.

Belongs here: past synchronisations, and alerts that are over with what was sent about them. What a
person decided and what was sent to OTTO or the warehouse stays: that is the audit. Personal data is
another matter (`retention`).
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.operations.alerts_schema import alert_deliveries, alert_notices, alerts
from resources.operations.database import hold
from resources.operations.schema import sync_runs


@dataclass(frozen=True)
class OldRecords:
    """How many are old enough to go."""

    synchronisations: int
    alerts: int


def old_records(conn: Connection, before: datetime) -> OldRecords:
    """Count what `erase_old_records` would erase."""
    return OldRecords(
        synchronisations=_count(conn, sync_runs, _old_synchronisation(before)),
        alerts=_count(conn, alerts, _old_alert(before)),
    )


def erase_old_records(conn: Connection, before: datetime) -> OldRecords:
    """Erase synchronisations that began, and alerts that were over, before a moment.

    Stays: of each flow and result the first synchronisation and the last one, which tell since
    when and how lately it was read; of each alert its last occurrence, which tells up to which
    event of Dagster it is known; of each channel its last message.
    """
    hold(conn, "alerts")
    found = old_records(conn, before)
    gone = sa.select(alerts.c.id).where(_old_alert(before))
    told = sa.select(alert_notices.c.delivery_id).where(alert_notices.c.delivery_id.is_not(None))
    conn.execute(sa.delete(sync_runs).where(_old_synchronisation(before)))
    conn.execute(sa.delete(alert_notices).where(alert_notices.c.alert_id.in_(gone)))
    conn.execute(sa.delete(alerts).where(_old_alert(before)))
    conn.execute(
        sa.delete(alert_deliveries).where(
            alert_deliveries.c.started_at < before,
            alert_deliveries.c.id.not_in(told),
            alert_deliveries.c.id.not_in(_last(alert_deliveries.c.id, alert_deliveries.c.channel)),
        )
    )
    return found


def _old_synchronisation(before: datetime) -> sa.ColumnElement[bool]:
    row = sync_runs.c
    first = sa.select(sa.func.min(row.id)).group_by(row.flow, row.result)
    return sa.and_(
        row.started_at < before,
        row.id.not_in(first),
        row.id.not_in(_last(row.id, row.flow, row.result)),
    )


def _old_alert(before: datetime) -> sa.ColumnElement[bool]:
    # One that is open has no such moment, and so is not before it.
    return sa.and_(
        alerts.c.resolved_at < before, alerts.c.id.not_in(_last(alerts.c.id, alerts.c.key))
    )


def _last(key: sa.Column[int], *of: sa.Column[str]) -> sa.Select[tuple[int]]:
    return sa.select(sa.func.max(key)).group_by(*of)


def _count(conn: Connection, table: sa.Table, which: sa.ColumnElement[bool]) -> int:
    return conn.scalar(sa.select(sa.func.count()).select_from(table).where(which)) or 0
