"""What to do with a returned unit: accept, reject, or leave it to a person.

An acceptance is final and gives the buyer the full price back at once; a rejection leaves a buyer
without money. So a unit is decided without a person only as the operating model says.

Belongs here: the decision on one unit. Sending it does not belong here (`assets.outbound`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from resources.returns_policy import ReturnsPolicy
from resources.wms.port import Condition

OTTO_CONDITION: dict[Condition, str] = {
    Condition.NEW: "A",
    Condition.MINT: "B",
    Condition.USED_LIGHT: "C",
    Condition.USED_HEAVY: "D",
    Condition.DEFECT: "E",
    Condition.MISSING: "E",
    Condition.UNKNOWN: "E",
}
"""The warehouse's condition in OTTO's letters: A original packaging to E mistake, incomplete."""


@dataclass(frozen=True, kw_only=True)
class ReturnedUnit:
    """What is known of a unit that the warehouse received; `reason` is the warehouse's code."""

    condition: Condition
    reason: str | None
    right_article: bool
    received_at: datetime
    sent_at: datetime | None
    announced_at: datetime | None


@dataclass(frozen=True)
class Decided:
    """A decision without a person; condition and reason are OTTO's."""

    decision: Literal["ACCEPT", "REJECT"]
    condition: str
    reason: str
    explanation: str


@dataclass(frozen=True)
class ForPerson:
    """A person decides; why, and what OTTO would be told of the condition."""

    condition: str
    explanation: str


def decide(unit: ReturnedUnit, policy: ReturnsPolicy) -> Decided | ForPerson:
    """Decide on one unit; nothing is rejected unless the operating model names the case."""
    letter = OTTO_CONDITION[unit.condition]
    objection = _objection(unit, policy)
    if objection is not None:
        if objection.reason is None:
            return ForPerson(letter, objection.why)
        return Decided("REJECT", letter, objection.reason, objection.why)
    if unit.sent_at is None:
        return ForPerson(letter, "nobody knows when it was sent, so the return window is unknown")
    if unit.condition.value not in policy.auto_accept:
        return ForPerson(letter, f"condition {unit.condition} is left to a person")
    reason = policy.accept_reasons.get(unit.reason or "", policy.accept_reason)
    return Decided("ACCEPT", letter, reason, f"condition {unit.condition} accepts")


class _Objection(NamedTuple):
    """Why a unit is not simply accepted; with a reason of OTTO it is rejected."""

    reason: str | None
    why: str


def _objection(unit: ReturnedUnit, policy: ReturnsPolicy) -> _Objection | None:
    if not unit.right_article:
        rejects = policy.reject_wrong_article
        return _Objection("WRONG_ITEM" if rejects else None, "another article came back")
    if _is_late(unit, policy):
        why = f"it came back more than {policy.window_days} days after dispatch"
        return _Objection("RETURN_PERIOD_EXCEEDED" if policy.reject_late else None, why)
    if unit.reason is not None and unit.reason in policy.reject_reasons:
        named = policy.reject_reasons[unit.reason]
        return _Objection(named, f"the warehouse's reason {unit.reason!r} rejects")
    if unit.condition.value in policy.auto_reject:
        named = policy.auto_reject[unit.condition.value]
        return _Objection(named, f"condition {unit.condition} rejects")
    return None


def _is_late(unit: ReturnedUnit, policy: ReturnsPolicy) -> bool:
    """The buyer keeps the window by announcing the return; the parcel may take longer."""
    if unit.sent_at is None:
        return False
    told = unit.announced_at or unit.received_at
    return told - unit.sent_at > timedelta(days=policy.window_days)
