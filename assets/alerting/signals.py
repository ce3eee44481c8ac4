"""Signals: that something is wrong, or in order again, whoever saw it.

Belongs here: their shape. Where they are seen does not belong here (`sensors.alert_signals`), nor
what becomes of them (`intake`). No personal data is part of a signal.
"""

from dataclasses import dataclass
from datetime import datetime

from resources.alerts_policy import Severity


@dataclass(frozen=True)
class Event:
    """The event of Dagster's log that a signal was made of, and its time by Dagster's clock."""

    id: int
    at: datetime


@dataclass(frozen=True)
class Failing:
    """Something is wrong.

    `key` names it for good, `kind` is check, run, tick, daemon or channel. `place` is a path in the
    Dagster UI. `examples` are a few keys of what fails; amounts are cents.
    """

    key: str
    kind: str
    owner: str
    severity: Severity
    title: str
    what: str
    remedy: str
    place: str | None = None
    failing_rows: int | None = None
    at_risk_cents: int | None = None
    examples: tuple[str, ...] = ()
    deadline_at: datetime | None = None
    event: Event | None = None


@dataclass(frozen=True)
class Passing:
    """What `key` names is in order."""

    key: str
    event: Event | None = None
    why: str = "in order again"


Signal = Failing | Passing
