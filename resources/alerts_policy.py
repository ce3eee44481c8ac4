"""The operating model's section `alerts`: who is told of what, where, when, and how often.

Belongs here: the section's settings. Addresses of channels are secrets and come from the
environment (`resources.alerts.channels`); what follows from the settings is decided in
`assets.rules.alerting`.
"""

from datetime import time
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from resources.model_section import Section

Severity = Literal["warning", "error", "urgent"]
# The variable ALERT_URL_<CHANNEL> holds its address.
Channel = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
DayOfWeek = Annotated[int, Field(ge=0, le=6)]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"no time zone {name!r}; an example: Europe/Berlin") from error
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]


class QuietHours(Section):
    """When a route is told only what is urgent; all else waits for the end, then goes at once."""

    start: time | None = Field(default=None, description="e.g. 20:00; may be later than end")
    end: time | None = Field(default=None, description="e.g. 07:00")
    days: tuple[DayOfWeek, ...] = Field(
        default=(), max_length=6, description="days that are quiet as a whole; 0 = Monday"
    )
    timezone: TimeZone = Field(default="Europe/Berlin", description="zone of these hours and days")

    @model_validator(mode="after")
    def _both_ends(self) -> Self:
        if (self.start is None) != (self.end is None) or (
            self.start is not None and self.start == self.end
        ):
            raise ValueError("give both start and end, and not the same time")
        return self


class Escalation(Section):
    """Who else is told when nobody acknowledged an alert and it is still open."""

    after_minutes: int = Field(ge=1, description="from the first message on")
    to: str = Field(description="name of the route that is told then")


class Route(Section):
    """The channels of one owner, by severity."""

    warning: tuple[Channel, ...] = Field(
        default=(), description="channels told of warnings; none: they are only listed"
    )
    error: tuple[Channel, ...] = Field(default=(), description="channels told of errors")
    urgent: tuple[Channel, ...] = Field(
        default=(), description="channels told of what is urgent; none: those of errors"
    )
    quiet_hours: QuietHours = QuietHours()
    escalate: tuple[Escalation, ...] = Field(default=())


class Heartbeat(Section):
    """Sign of life to a switch outside (HEARTBEAT_URL), which tells when it stays away."""

    every_minutes: int = Field(default=5, ge=1, description="between two signs of life")
    flows: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=lambda: {"orders": 60, "shipments": 60, "stock": 120},
        description="flow to the age in minutes of its last success above which no sign is given",
    )


class AlertsPolicy(Section):
    """Who is told of failed checks and runs. Without routes alerts are only listed."""

    routes: dict[str, Route] = Field(
        default_factory=dict,
        description="owner (operations, warehouse, finance, customer_care, engineering) or a name "
        "that escalations use, to its route; `default` is for owners without one",
    )
    fallback: tuple[Channel, ...] = Field(
        default=(), description="channels that stand in for one that does not deliver"
    )
    system_owner: str = Field(
        default="operations",
        description="owner of failed runs, a stopped daemon and channels that do not deliver",
    )
    urgent_checks: tuple[str, ...] = Field(
        default=(
            "cancellations_in_time",
            "item_cancelled_at_otto",
            "no_shipment_at_risk_in_4_hours",
            "no_shipment_overdue",
            "no_unit_oversold",
            "short_picks_open",
        ),
        description="names of checks that cannot wait for the end of quiet hours",
    )
    patience_minutes: int = Field(
        default=15,
        ge=0,
        description="a failed run or look is told when no good one follows within so many minutes",
    )
    again_after_minutes: int = Field(
        default=60,
        ge=0,
        description="the same alert is not opened anew before, however often it comes and goes",
    )
    messages_at_once: int = Field(
        default=5, ge=1, description="more alerts than this for a channel become one digest"
    )
    digest_minutes: int = Field(default=15, ge=1, description="least time between two digests")
    timezone: TimeZone = Field(default="Europe/Berlin", description="zone of times in messages")
    heartbeat: Heartbeat = Heartbeat()

    @model_validator(mode="after")
    def _escalations_lead_somewhere(self) -> Self:
        for name, route in self.routes.items():
            for step in route.escalate:
                if step.to not in self.routes:
                    raise ValueError(f"route {name!r} escalates to {step.to!r}, which is no route")
        return self
