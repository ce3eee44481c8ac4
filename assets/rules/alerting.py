"""Who is told of an alert, on which channels, when, and in how many messages.

Belongs here: pure decisions on the operating model's section `alerts`. Storing alerts and sending
messages do not belong here (`assets.alerting`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from resources.alerts_policy import AlertsPolicy, QuietHours, Route, Severity

DEFAULT_ROUTE = "default"
RANK: dict[str, int] = {"warning": 0, "error": 1, "urgent": 2}
# So many times the rows that people were told of are worth another message.
WORSE_FACTOR = 10
# After so many attempts without success a channel counts as down.
DOWN_AFTER = 3
_FIRST_BACKOFF = timedelta(minutes=1)
_LONGEST_BACKOFF = timedelta(hours=1)
_NOTHING = Route()


def owner_name(owner: str) -> str:
    """One spelling of `customer care`, `team:customer-care` and the like."""
    return owner.removeprefix("team:").strip().lower().replace("-", "_").replace(" ", "_")


def route_of(policy: AlertsPolicy, owner: str) -> Route:
    """The owner's route, else the default one; without either, a route that leads nowhere."""
    return policy.routes.get(owner) or policy.routes.get(DEFAULT_ROUTE) or _NOTHING


def channels_of(route: Route, severity: Severity) -> tuple[str, ...]:
    """The route's channels for this severity, each once."""
    chosen: dict[Severity, tuple[str, ...]] = {
        "warning": route.warning,
        "error": route.error,
        "urgent": route.urgent or route.error,
    }
    return tuple(dict.fromkeys(chosen[severity]))


def channels_named(policy: AlertsPolicy) -> set[str]:
    """Every channel that a route or the fallback names."""
    routes = policy.routes.values()
    named = (name for r in routes for name in (*r.warning, *r.error, *r.urgent))
    return {*named, *policy.fallback}


def due_at(quiet: QuietHours, severity: Severity, moment: datetime) -> datetime:
    """When to tell what may be told from `moment` on: then, or when quiet hours are over."""
    if severity == "urgent":
        return moment
    zone = ZoneInfo(quiet.timezone)
    local = moment.astimezone(zone)
    # Each step goes to the end of the night or of the day it is in; a week has no more of them.
    for _ in range(16):
        end = _end_of_quiet(quiet, local)
        if end is None:
            return local.astimezone(moment.tzinfo)
        local = end
    return local.astimezone(moment.tzinfo)


def _end_of_quiet(quiet: QuietHours, local: datetime) -> datetime | None:
    """The end of the quiet day or night in which `local` lies; None: it lies in neither."""
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow = midnight + timedelta(days=1)
    if local.weekday() in quiet.days:
        return tomorrow
    if quiet.start is None or quiet.end is None:
        return None
    clock = local.time()
    over_midnight = quiet.start > quiet.end
    if over_midnight and clock >= quiet.start:
        return datetime.combine(tomorrow, quiet.end, local.tzinfo)
    if clock < quiet.end and (over_midnight or clock >= quiet.start):
        return datetime.combine(midnight, quiet.end, local.tzinfo)
    return None


def tell_from(
    policy: AlertsPolicy,
    kind: str,
    severity: Severity,
    opened_at: datetime,
    told_before: datetime | None,
) -> datetime:
    """From when on a new alert is worth a message; what is over before is told to nobody.

    Args:
        policy: patience, and how soon an alert may be told again.
        kind: a failed check is told at once; a run or a look is tried again by itself first.
        severity: what is urgent is told again sooner, after `digest_minutes`.
        opened_at: when it went wrong.
        told_before: when people were last told of the same thing; None: never.
    """
    patience = 0 if kind in {"check", "channel"} else policy.patience_minutes
    earliest = opened_at + timedelta(minutes=patience)
    if told_before is None:
        return earliest
    again = policy.digest_minutes if severity == "urgent" else policy.again_after_minutes
    return max(earliest, told_before + timedelta(minutes=again))


def is_worse(
    told_severity: str, told_rows: int | None, severity: str, failing_rows: int | None
) -> bool:
    """Whether an open alert differs enough from what people were told to be told again."""
    if RANK[severity] > RANK[told_severity]:
        return True
    return bool(told_rows and failing_rows and failing_rows >= told_rows * WORSE_FACTOR)


@dataclass(frozen=True)
class Step:
    """An escalation that is due: its number, counted from 1, and where and when to tell."""

    number: int
    channels: tuple[str, ...]
    due_at: datetime


def due_steps(
    policy: AlertsPolicy,
    owner: str,
    severity: Severity,
    *,
    taken: int,
    told_at: datetime,
    now: datetime,
) -> list[Step]:
    """Escalations of an open, unacknowledged alert that are due and were not taken yet.

    Warnings are never escalated. `told_at` is when people were first told.
    """
    if severity == "warning":
        return []
    steps = []
    for number, step in enumerate(route_of(policy, owner).escalate, start=1):
        if number > taken and now >= told_at + timedelta(minutes=step.after_minutes):
            route = policy.routes[step.to]
            due = due_at(route.quiet_hours, severity, now)
            steps.append(Step(number, channels_of(route, severity), due))
    return steps


class Form(Enum):
    """How alerts that are due on a channel leave."""

    SINGLES = "one message each"
    DIGEST = "one message for all"
    WAIT = "not yet"


def form_of(due: int, *, urgent: bool, sent: int, digests: int, at_once: int) -> Form:
    """Choose the form, so that no more than `at_once` + 1 messages leave per window.

    After a digest what is not urgent waits until the window is over.

    Args:
        due: alerts that are due.
        urgent: whether one of them is urgent.
        sent: messages that left within the window (`alerts.digest_minutes`).
        digests: how many of them were digests.
        at_once: `alerts.messages_at_once`.
    """
    if digests:
        return Form.DIGEST if urgent and sent <= at_once else Form.WAIT
    return Form.SINGLES if due + sent <= at_once else Form.DIGEST


def next_attempt(failures: int, last_started_at: datetime) -> datetime:
    """When a channel with so many failures in a row may be tried again; the wait doubles."""
    doubled: int = 2 ** min(failures - 1, 10)
    return last_started_at + min(_FIRST_BACKOFF * doubled, _LONGEST_BACKOFF)


def stand_ins(policy: AlertsPolicy, channel: str, down: Iterable[str]) -> tuple[str, ...]:
    """Channels that tell what `channel` does not deliver: those of the fallback that are not down.

    If all are down, all are named; one of them may come back first.
    """
    others = [name for name in dict.fromkeys(policy.fallback) if name != channel]
    broken = set(down)
    return tuple(name for name in others if name not in broken) or tuple(others)
