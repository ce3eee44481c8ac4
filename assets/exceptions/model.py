"""An exception as people see it, and the order of the list: what costs most soonest.

Belongs here: the row, its urgency and its rank. Finding exceptions does not belong here
(`assets.exceptions.listing`).

The rule of rank: first by urgency (overdue, within 4 hours, within 24 hours, later, no deadline),
then by money at risk, the most first and unknown amounts before known ones, then by deadline and
age. So nothing that can still be saved hides below something that is merely dear.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from assets.exceptions.kinds import Action


class Urgency(StrEnum):
    """How near the deadline is."""

    OVERDUE = "overdue"
    HOURS_4 = "within 4 h"
    HOURS_24 = "within 24 h"
    LATER = "later"
    NONE = "no deadline"


_RANK = {urgency: rank for rank, urgency in enumerate(Urgency)}


@dataclass(frozen=True, kw_only=True)
class OpenException:
    """Something that waits for a person.

    `id` is what commands and jobs take: the number of an outbox row, or a short code. `subject` and
    `content` are our own keys of a person's decision. `at_risk_cents` is what buyers pay for the
    units concerned, None where nobody knows. Times are aware UTC.
    """

    id: str
    kind: str
    state: str
    key: str
    sales_order_id: str | None
    position_item_id: str | None
    sku: str | None
    parcel_id: str | None
    owner: str
    urgency: Urgency
    deadline_at: datetime | None
    at_risk_cents: int | None
    cause: str
    remedy: str
    actions: tuple[Action, ...]
    first_seen_at: datetime
    subject: str
    content: str

    @property
    def rank(self) -> tuple[Any, ...]:
        """Where it stands in the list; smaller is first."""
        known = self.at_risk_cents is not None
        return (
            _RANK[self.urgency],
            known,
            -(self.at_risk_cents or 0),
            self.deadline_at.timestamp() if self.deadline_at else 0.0,
            self.first_seen_at,
            self.id,
        )

    def shown(self) -> dict[str, Any]:
        """Plain values for JSON and tables; times as ISO text. It holds no personal data."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "urgency": self.urgency.value,
            "deadline": None if self.deadline_at is None else _minute(self.deadline_at),
            "at_risk_cents": self.at_risk_cents,
            "owner": self.owner,
            "key": self.key,
            "sales_order_id": self.sales_order_id,
            "position_item_id": self.position_item_id,
            "sku": self.sku,
            "parcel_id": self.parcel_id,
            "cause": self.cause,
            "remedy": self.remedy,
            "actions": " ".join(self.actions),
            "first_seen": _minute(self.first_seen_at),
        }


def urgency_of(deadline: datetime | None, now: datetime) -> Urgency:
    """How near the deadline is at `now`."""
    if deadline is None:
        return Urgency.NONE
    if deadline <= now:
        return Urgency.OVERDUE
    if deadline <= now + timedelta(hours=4):
        return Urgency.HOURS_4
    return Urgency.HOURS_24 if deadline <= now + timedelta(hours=24) else Urgency.LATER


def _minute(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
