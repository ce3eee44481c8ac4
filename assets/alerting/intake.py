"""From signals to alerts: opened once, made worse, recovered, escalated, and who is to be told.

Belongs here: writing alerts and their notices, so that a repeated signal changes nothing that
people are told. Sending does not belong here (`dispatch`), nor the rules (`assets.rules.alerting`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from assets.alerting.signals import Failing, Passing, Signal
from assets.rules.alerting import (
    channels_of,
    due_at,
    due_steps,
    is_worse,
    route_of,
    stand_ins,
    tell_from,
)
from resources.alerts_policy import AlertsPolicy
from resources.operations import alert_messages, alerts
from resources.operations.alerts import Alert
from resources.operations.database import hold

CHANNEL = "channel"


@dataclass
class _Known:
    """What the database holds of the keys of these signals; kept up while they are taken."""

    open: dict[str, Alert]
    newest: dict[str, int]
    told: dict[str, datetime]
    opened: int = 0
    resolved: int = 0


def take(
    conn: Connection, policy: AlertsPolicy, signals: Sequence[Signal], now: datetime
) -> tuple[int, int]:
    """Take signals in their order; returns how many alerts were opened and how many resolved.

    A signal whose event, or a newer one of its key, was taken before changes nothing.
    """
    hold(conn, "alerts")
    keys = sorted({signal.key for signal in signals})
    known = _Known(
        open={alert.key: alert for alert in alerts.open_alerts(conn)},
        newest=alerts.newest_events(conn, keys),
        told=alerts.last_told(conn, [s.key for s in signals if isinstance(s, Failing)]),
    )
    for signal in signals:
        if signal.event is not None:
            if signal.event.id <= known.newest.get(signal.key, -1):
                continue
            known.newest[signal.key] = signal.event.id
        found = known.open.get(signal.key)
        if isinstance(signal, Passing):
            if found is not None:
                _resolve(conn, policy, found, signal, now)
                del known.open[signal.key]
                known.resolved += 1
        elif found is None:
            known.open[signal.key] = _open(conn, policy, signal, known.told.get(signal.key), now)
            known.opened += 1
        else:
            known.open[signal.key] = _repeat(conn, policy, found, signal, now)
    return known.opened, known.resolved


def escalate(conn: Connection, policy: AlertsPolicy, now: datetime) -> int:
    """Tell others of alerts that nobody took on in time; returns how many steps were taken."""
    waiting = [alert for alert in alerts.open_alerts(conn) if alert.acknowledged_at is None]
    told = alert_messages.told_since(conn, [alert.id for alert in waiting])
    taken = 0
    for alert in waiting:
        if alert.id not in told:
            continue
        steps = due_steps(
            policy,
            alert.owner,
            alert.severity,
            taken=alert.escalations,
            told_at=told[alert.id],
            now=now,
        )
        for step in steps:
            alert_messages.add_notices(conn, alert.id, step.channels, "escalated", step.due_at)
            alerts.update(conn, alert.id, {"escalations": step.number})
        taken += len(steps)
    return taken


def stand_in(conn: Connection, policy: AlertsPolicy, down: Sequence[str], now: datetime) -> int:
    """Let fallback channels tell what waits for channels that are down; returns how many alerts."""
    copied = 0
    for channel in down:
        others = stand_ins(policy, channel, down)
        for alert_id in alert_messages.waiting_of(conn, channel):
            told = set(alert_messages.channels_told(conn, alert_id))
            missing = [name for name in others if name not in told]
            alert_messages.add_notices(conn, alert_id, missing, "fallback", now)
            copied += bool(missing)
    return copied


def channel_key(channel: str) -> str:
    """The key of the alert that a channel does not deliver."""
    return f"{CHANNEL}:{channel}"


def _open(
    conn: Connection,
    policy: AlertsPolicy,
    signal: Failing,
    told_before: datetime | None,
    now: datetime,
) -> Alert:
    since = tell_from(policy, signal.kind, signal.severity, now, told_before)
    row = {
        **_seen(signal, now),
        "key": signal.key,
        "kind": signal.kind,
        "owner": signal.owner,
        "opened_at": now,
        "tell_from": since,
        "times": 1,
        "told_severity": signal.severity,
        "told_rows": signal.failing_rows,
        "escalations": 0,
    }
    opened = alerts.insert(conn, row)
    _tell(conn, policy, signal, opened.id, "opened", since)
    return opened


def _repeat(
    conn: Connection, policy: AlertsPolicy, found: Alert, signal: Failing, now: datetime
) -> Alert:
    changes = {**_seen(signal, now), "times": found.times + 1}
    if is_worse(found.told_severity, found.told_rows, signal.severity, signal.failing_rows):
        changes |= {
            "told_severity": signal.severity,
            "told_rows": signal.failing_rows,
            "tell_from": min(found.tell_from, now),
        }
        _tell(conn, policy, signal, found.id, "worse", now)
    alerts.update(conn, found.id, changes)
    return replace(found, **changes)


def _resolve(
    conn: Connection, policy: AlertsPolicy, found: Alert, signal: Passing, now: datetime
) -> None:
    event = {} if signal.event is None else {"event_id": signal.event.id}
    alerts.update(conn, found.id, {"resolved_at": now, "resolution": signal.why, **event})
    if now < found.tell_from:
        alert_messages.drop_notices(conn, found.id)
        return
    quiet = route_of(policy, found.owner).quiet_hours
    due = due_at(quiet, found.told_severity, now)
    channels = alert_messages.channels_told(conn, found.id)
    alert_messages.add_notices(conn, found.id, channels, "recovered", due)


def _seen(signal: Failing, now: datetime) -> dict[str, Any]:
    """The columns that follow the latest signal."""
    seen = {
        "severity": signal.severity,
        "title": signal.title,
        "what": signal.what,
        "remedy": signal.remedy,
        "place": signal.place,
        "failing_rows": signal.failing_rows,
        "at_risk_cents": signal.at_risk_cents,
        "examples": signal.examples,
        "deadline_at": signal.deadline_at,
        "last_seen_at": now,
    }
    if signal.event is not None:
        seen |= {"event_id": signal.event.id, "event_at": signal.event.at}
    return seen


def _tell(
    conn: Connection,
    policy: AlertsPolicy,
    signal: Failing,
    alert_id: int,
    reason: str,
    moment: datetime,
) -> None:
    route = route_of(policy, signal.owner)
    channels = channels_of(route, signal.severity)
    if signal.kind == CHANNEL:
        # The channel itself would be told last of all.
        broken = signal.key.removeprefix(f"{CHANNEL}:")
        channels = tuple(dict.fromkeys([*channels, *stand_ins(policy, broken, [broken])]))
        channels = tuple(name for name in channels if name != broken)
    due = due_at(route.quiet_hours, signal.severity, moment)
    alert_messages.add_notices(conn, alert_id, channels, reason, due)
