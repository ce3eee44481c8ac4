"""Trying routes: a harmless message to each of their channels, whatever the hour.

Belongs here: what the test button does, in the UI and at the command line.
"""

from dataclasses import dataclass
from datetime import datetime

from assets.alerting.messages import trial_message
from assets.rules.alerting import channels_of
from resources.alerts.channels import ChannelError, Sender
from resources.alerts_policy import AlertsPolicy, Severity
from resources.operations import alert_messages
from resources.operations.database import OperationsDatabase

FALLBACK = "fallback"
_SEVERITIES: tuple[Severity, ...] = ("urgent", "error", "warning")


class UnknownRoute(Exception):
    """There is no route of that name; the message names those that are.

    What to do: name one of them, or write it into `alerts.routes` of the operating model.
    """


@dataclass(frozen=True)
class Trial:
    """One channel of a route, and what came of it."""

    route: str
    channel: str
    good: bool
    outcome: str


def send_to_routes(
    db: OperationsDatabase,
    policy: AlertsPolicy,
    sender: Sender,
    route: str | None,
    now: datetime,
) -> list[Trial]:
    """Send one message to each channel of one route, or of all and of the fallback.

    A channel that delivers again is used at once, without waiting for the end of its back-off.

    Raises:
        UnknownRoute: there is no such route.
    """
    wanted = {
        name: tuple(dict.fromkeys(c for s in _SEVERITIES for c in channels_of(found, s)))
        for name, found in policy.routes.items()
    }
    wanted |= {FALLBACK: policy.fallback} if policy.fallback else {}
    if route is not None and route not in wanted:
        known = ", ".join(wanted) or "none; write the section `alerts` of the operating model"
        raise UnknownRoute(f"there is no route {route!r}; routes: {known}")
    return [
        _try(db, sender, name, channel, now)
        for name, channels in wanted.items()
        if route in {None, name}
        for channel in channels
    ]


def _try(db: OperationsDatabase, sender: Sender, route: str, channel: str, now: datetime) -> Trial:
    message = trial_message(route)
    with db.write() as conn:
        delivery = alert_messages.begin(conn, channel, 0, now)
    error = None
    try:
        sender.send(channel, message.title, message.body, message.severity)
    except ChannelError as failure:
        error = str(failure)
    with db.write() as conn:
        alert_messages.finish(conn, delivery, channel, [], error)
    return Trial(route, channel, error is None, error or "sent")
