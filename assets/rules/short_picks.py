"""What becomes of a unit that the warehouse did not find: wait for it, give it up, ask a person.

Belongs here: the decision, from what both systems say, the policy and the time. Reading the units
(`resources.operations.short_picks`) and acting on the decision (`assets.short_picks`) do not.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from resources.operating_model import ShortPickPolicy
from resources.operations.short_picks import OpenShort

_ENDED = ("failed", "blocked", "ignored")


class Step(StrEnum):
    """What is to be done next."""

    WAIT = "wait"
    STOP = "stop it at the warehouse"
    CANCEL = "cancel it at OTTO"
    PERSON = "a person decides"


@dataclass(frozen=True, slots=True)
class Decision:
    """The next step and why; `until` is when waiting ends, None where OTTO promised no day."""

    step: Step
    why: str
    until: datetime | None


def decide(short: OpenShort, policy: ShortPickPolicy, now: datetime) -> Decision:
    """Decide the next step for one unit.

    A unit of which the warehouse did not say that it is over for good is stopped there first: only
    when the warehouse has confirmed that, it is cancelled at OTTO. Else it ships after all.
    """
    until = None
    if short.ship_by_at is not None:
        until = short.ship_by_at - timedelta(hours=policy.give_up_hours_before_ship_by)
    step, why = _kept(short, policy, until, now) or _given_up(short)
    return Decision(step, why, until)


def _kept(
    short: OpenShort, policy: ShortPickPolicy, until: datetime | None, now: datetime
) -> tuple[Step, str] | None:
    """Why the unit is not given up by itself, or None."""
    course = _course(short, policy)
    if course == "person":
        return Step.PERSON, f"short_pick.by_reason leaves {short.reason!r} to a person"
    if course == "wait":
        if until is None:
            return Step.PERSON, "OTTO promised no day of delivery, so nothing ends the waiting"
        if now < until:
            return Step.WAIT, "it is to follow"
    if not policy.cancel_at_otto:
        return Step.PERSON, "short_pick.cancel_at_otto is off"
    return None


def _given_up(short: OpenShort) -> tuple[Step, str]:
    """Stop it at the warehouse, which may still ship it; then cancel it at OTTO."""
    if short.wms_state == "SHORT" and short.discrepancy != "COMPLETE":
        if short.stop == "confirmed":
            return Step.WAIT, "the warehouse could not stop it any more: it ships after all"
        if short.stop in _ENDED:
            return Step.PERSON, f"asking the warehouse to stop it is {short.stop}: see its reason"
        return Step.STOP, "it is not awaited any longer"
    if short.cancellation in _ENDED:
        return Step.PERSON, f"asking OTTO to cancel it is {short.cancellation}: see its reason"
    return Step.CANCEL, "the warehouse will not ship it"


def _course(short: OpenShort, policy: ShortPickPolicy) -> str:
    """Wait, cancel or person, by the reason if it is named, else by whether it is to follow."""
    named = policy.by_reason.get((short.reason or "").strip().casefold())
    if named is not None:
        return named
    # A snapshot may show a line as short before the event tells why: the event is awaited.
    to_follow = short.wms_state == "SHORT" and short.discrepancy in {None, "BACKORDER"}
    return policy.backorder if to_follow else "cancel"
