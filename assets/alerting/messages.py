"""What people read: one alert as a message, or many as a digest.

Belongs here: titles and texts, bounded in length, without personal data. When they leave does not
belong here (`dispatch`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from assets.rules.alerting import RANK
from resources.alerts_policy import Severity
from resources.operations.alerts import Alert

# Lines of a digest; the rest is counted.
DIGEST_LINES = 20
_PRODUCT = "otto_pipelines"


@dataclass(frozen=True)
class Message:
    """What a channel gets."""

    title: str
    body: str
    severity: Severity


@dataclass(frozen=True)
class Writer:
    """Writes messages: times in `zone`, links below `ui_url` if there is one."""

    zone: ZoneInfo
    ui_url: str | None

    def of(self, alerts: Sequence[Alert], told: set[int]) -> Message:
        """One message about these alerts; `told` are those of which the reader knows already."""
        severity = max((alert.severity for alert in alerts), key=RANK.__getitem__)
        if len(alerts) == 1:
            alert = alerts[0]
            title = f"[{_PRODUCT}] {_state(alert, told)}: {alert.title}{_count(alert)}"
            return Message(title, self._single(alert, told), severity)
        ranked = sorted(alerts, key=lambda a: (a.resolved_at is not None, -RANK[a.severity], a.id))
        still_open = [alert for alert in ranked if alert.resolved_at is None]
        title = f"[{_PRODUCT}] {len(alerts)} alerts, {len(still_open)} of them open"
        return Message(title, self._digest(ranked, told), severity)

    def _single(self, alert: Alert, told: set[int]) -> str:
        over = alert.resolved_at is not None
        until = f" until {self._time(alert.resolved_at)}" if alert.resolved_at else ""
        lines = {
            "What": alert.what,
            "State": f"{_state(alert, told).lower()}; {alert.resolution}" if over else None,
            "Where": self._link(alert) or alert.title,
            "Since": self._time(alert.opened_at) + until,
            "Rows": alert.failing_rows,
            "At risk": _euros(alert.at_risk_cents),
            "For example": "; ".join(alert.examples) or None,
            "To do": None if over else alert.remedy,
            "Owner": alert.owner,
            "Deadline": None if over or not alert.deadline_at else self._time(alert.deadline_at),
            "Taken on": f"by {alert.acknowledged_by}" if alert.acknowledged_at else None,
        }
        text = [f"{name}: {value}" for name, value in lines.items() if value is not None]
        if not over and alert.acknowledged_at is None:
            text.append(f"Take it on: otto-pipelines alerts ack {alert.id}")
        return "\n".join(text)

    def _digest(self, alerts: Sequence[Alert], told: set[int]) -> str:
        owners = Counter(alert.owner for alert in alerts)
        text = ["By owner: " + ", ".join(f"{name} {n}" for name, n in owners.most_common())]
        for alert in alerts[:DIGEST_LINES]:
            since = self._time(alert.opened_at)
            text.append(f"{_state(alert, told)}: {alert.title}{_count(alert)}, since {since}")
            if alert.resolved_at is None:
                text.append(f"  to do: {alert.remedy}")
        if len(alerts) > DIGEST_LINES:
            text.append(f"and {len(alerts) - DIGEST_LINES} more")
        text.append("All of them: otto-pipelines alerts list")
        return "\n".join(text)

    def _link(self, alert: Alert) -> str | None:
        if not self.ui_url or not alert.place:
            return None
        return self.ui_url.rstrip("/") + alert.place

    def _time(self, moment: datetime) -> str:
        return moment.astimezone(self.zone).strftime("%Y-%m-%d %H:%M %Z")


def trial_message(route: str) -> Message:
    """What the test button sends."""
    body = (
        f"This is a trial of the route {route!r} of your alerts. Nothing is wrong.\n"
        "Sent by otto-pipelines alerts test, or by the job test_alerts."
    )
    return Message(f"[{_PRODUCT}] Trial of the route {route!r}", body, "warning")


def _state(alert: Alert, told: set[int]) -> str:
    if alert.resolved_at is None:
        step = "ESCALATED " if alert.escalations else ""
        return step + alert.severity.upper()
    return "Recovered" if alert.id in told else "Was wrong, is in order again"


def _euros(cents: int | None) -> str | None:
    return None if cents is None else f"{cents // 100}.{cents % 100:02} EUR"


def _count(alert: Alert) -> str:
    shown = alert.failing_rows is not None and alert.resolved_at is None
    return f" ({alert.failing_rows} rows)" if shown else ""
