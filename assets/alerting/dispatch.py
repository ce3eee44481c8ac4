"""Sending what is due: by channel, few messages or one digest, at least once, with a record.

Belongs here: the order write down, send, record; back-off of channels that fail, and the alert
that one does. Nothing here raises because a channel fails. Who is told is decided in `intake`.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from assets.alerting import intake
from assets.alerting.messages import Message, Writer
from assets.alerting.signals import Failing, Passing, Signal
from assets.rules.alerting import DOWN_AFTER, Form, channels_named, form_of, next_attempt
from resources.alerts.channels import ChannelError, Sender, variable_of
from resources.alerts_policy import AlertsPolicy
from resources.operations import alert_messages, alerts
from resources.operations.alerts import Alert
from resources.operations.database import OperationsDatabase

# No further message is begun after so long; what is left is sent by the next tick.
BUSY_SECONDS = 25.0


@dataclass
class Report:
    """What a round of sending did, for the tick's message."""

    messages: int = 0
    told: int = 0
    waiting: int = 0
    errors: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line."""
        parts = [f"{self.messages} message(s) about {self.told} alert(s) sent"]
        if self.waiting:
            parts.append(f"{self.waiting} wait")
        return "; ".join([*parts, *self.errors])


@dataclass(frozen=True)
class Dispatcher:
    """Sends notices that are due in one operations database."""

    db: OperationsDatabase
    policy: AlertsPolicy
    sender: Sender
    writer: Writer

    def send_due(self, now: datetime) -> Report:
        """Send what is due, as far as channels and time allow."""
        report, until = Report(), time.monotonic() + BUSY_SECONDS
        self._mind_broken_channels(now)
        with self.db.read() as conn:
            due = alert_messages.due_alerts(conn, now)
        for channel, ids in due.items():
            report.waiting += len(ids)
            for bundle, digest in self._bundles(channel, ids, now):
                if time.monotonic() > until:
                    break
                if not self._send(channel, bundle, now, report, digest=digest):
                    break
        return report

    def _bundles(
        self, channel: str, ids: list[int], now: datetime
    ) -> list[tuple[list[Alert], bool]]:
        """The messages that may leave for a channel now, each with whether it is a digest."""
        with self.db.read() as conn:
            health = alert_messages.health(conn, channel)
            since = now - timedelta(minutes=self.policy.digest_minutes)
            sent, digests = alert_messages.sent_since(conn, channel, since)
            found = alerts.by_id(conn, ids)
        if health.failures and health.last_started_at is not None:
            if now < next_attempt(health.failures, health.last_started_at):
                return []
            # One message shows whether it is back; it holds all, since more may have gathered.
            return [(found, len(found) > 1)]
        form = form_of(
            len(found),
            urgent=any(alert.severity == "urgent" for alert in found),
            sent=sent,
            digests=digests,
            at_once=self.policy.messages_at_once,
        )
        if form is Form.WAIT:
            return []
        return [(found, True)] if form is Form.DIGEST else [([alert], False) for alert in found]

    def _send(
        self, channel: str, bundle: list[Alert], now: datetime, report: Report, *, digest: bool
    ) -> bool:
        ids = [alert.id for alert in bundle]
        with self.db.write() as conn:
            told = alert_messages.told_on(conn, channel, ids)
            delivery = alert_messages.begin(conn, channel, len(ids), now, digest=digest)
        message: Message = self.writer.of(bundle, told)
        error = None
        try:
            self.sender.send(channel, message.title, message.body, message.severity)
        except ChannelError as failure:
            error = str(failure)
            report.errors.append(error)
        with self.db.write() as conn:
            alert_messages.finish(conn, delivery, channel, ids, error)
        if error is None:
            report.messages += 1
            report.told += len(ids)
            report.waiting -= len(ids)
        return error is None

    def _mind_broken_channels(self, now: datetime) -> None:
        """Raise or end the alert that a channel does not deliver; let others stand in for it."""
        named = channels_named(self.policy)
        with self.db.write() as conn:
            alert_messages.drop_channels_except(conn, named)
            signals: list[Signal] = []
            down: list[str] = []
            for channel in alert_messages.channels_used(conn):
                health = alert_messages.health(conn, channel)
                key = intake.channel_key(channel)
                if channel not in named:
                    signals.append(Passing(key, why="no route uses it any more"))
                elif health.failures >= DOWN_AFTER:
                    down.append(channel)
                    signals.append(_does_not_deliver(self.policy, channel, health))
                elif health.failures == 0:
                    signals.append(Passing(key, why="it delivers again"))
            intake.take(conn, self.policy, signals, now)
            intake.stand_in(conn, self.policy, down, now)


def _does_not_deliver(policy: AlertsPolicy, channel: str, health: alert_messages.Health) -> Failing:
    return Failing(
        key=intake.channel_key(channel),
        kind=intake.CHANNEL,
        owner=policy.system_owner,
        severity="error",
        title=f"alert channel {channel} does not deliver",
        what=f"{health.failures} attempts in a row were in vain: {health.error or 'no answer'}",
        remedy=(
            f"Correct {variable_of(channel)} or the service behind it, then: "
            "otto-pipelines alerts test. What waits is sent by itself."
        ),
    )
