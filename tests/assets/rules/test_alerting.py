"""Who is told, when, and in how many messages: the rules by themselves."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.rules.alerting import (
    Form,
    channels_named,
    channels_of,
    due_at,
    due_steps,
    form_of,
    is_worse,
    next_attempt,
    owner_name,
    route_of,
    stand_ins,
    tell_from,
)
from resources.alerts_policy import AlertsPolicy, QuietHours, Route

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(start=time(20), end=time(7), days=(5, 6))
POLICY = AlertsPolicy.model_validate(
    {
        "routes": {
            "operations": {
                "warning": ["chat"],
                "error": ["chat", "mail"],
                "escalate": [
                    {"after_minutes": 60, "to": "boss"},
                    {"after_minutes": 240, "to": "boss"},
                ],
            },
            "boss": {"error": ["phone"], "urgent": ["phone", "siren"]},
            "default": {"error": ["mail"]},
        },
        "fallback": ["phone", "mail"],
    }
)


def berlin(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of June 2026; the 8th is a Monday."""
    return datetime(2026, 6, day, hour, minute, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (berlin(8, 12), berlin(8, 12)),
        (berlin(8, 20), berlin(9, 7)),
        (berlin(9, 3), berlin(9, 7)),
        (berlin(9, 7), berlin(9, 7)),
        (berlin(12, 21), berlin(15, 7)),  # Friday night, then the weekend, then Sunday's night
        (berlin(13, 12), berlin(15, 7)),
    ],
)
def test_quiet_hours_hold_back_until_they_are_over(moment: datetime, told: datetime) -> None:
    assert due_at(NIGHT, "error", moment.astimezone(UTC)) == told
    assert due_at(NIGHT, "urgent", moment.astimezone(UTC)) == moment


def test_quiet_hours_within_a_day_and_none_at_all() -> None:
    lunch = QuietHours(start=time(12), end=time(13))
    assert due_at(lunch, "error", berlin(8, 12, 30)) == berlin(8, 13)
    assert due_at(lunch, "error", berlin(8, 11)) == berlin(8, 11)
    assert due_at(QuietHours(), "error", berlin(13, 3)) == berlin(13, 3)


@given(
    minutes=st.integers(0, 366 * 24 * 60),
    start=st.times(),
    end=st.times(),
    days=st.sets(st.integers(0, 6), max_size=6),
    zone=st.sampled_from(["Europe/Berlin", "UTC", "America/New_York"]),
)
def test_nothing_waits_longer_than_a_week_and_never_into_quiet_hours(
    minutes: int, start: time, end: time, days: set[int], zone: str
) -> None:
    if start == end:
        return
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    quiet = QuietHours(start=start, end=end, days=tuple(days), timezone=zone)
    told = due_at(quiet, "error", moment)
    assert moment <= told <= moment + timedelta(days=8)
    local = told.astimezone(ZoneInfo(zone))
    assert local.weekday() not in days


@pytest.mark.parametrize(
    "section",
    [
        {"start": "20:00"},
        {"start": "20:00", "end": "20:00"},
        {"timezone": "Mars/Olympus"},
        {"days": [7]},
        {"days": [0, 1, 2, 3, 4, 5, 6]},
    ],
)
def test_quiet_hours_that_make_no_sense_are_refused(section: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        QuietHours.model_validate(section)


def test_an_escalation_to_a_route_that_is_not_there_is_refused() -> None:
    step = {"after_minutes": 5, "to": "nobody"}
    with pytest.raises(ValidationError, match="'nobody', which is no route"):
        AlertsPolicy.model_validate({"routes": {"finance": {"escalate": [step]}}})


@pytest.mark.parametrize("name", ["Mail", "json://host", "a b", ""])
def test_a_channel_is_a_name_and_never_an_address(name: str) -> None:
    with pytest.raises(ValidationError):
        Route.model_validate({"error": [name]})


def test_owners_are_spelt_one_way() -> None:
    spelt = {owner_name(o) for o in ("team:customer-care", "customer care", "Customer_Care")}
    assert spelt == {"customer_care"}


def test_channels_follow_owner_and_severity() -> None:
    operations = route_of(POLICY, "operations")
    assert channels_of(operations, "warning") == ("chat",)
    assert channels_of(operations, "urgent") == ("chat", "mail"), "as errors, if none are named"
    assert channels_of(route_of(POLICY, "boss"), "urgent") == ("phone", "siren")
    assert channels_of(route_of(POLICY, "finance"), "error") == ("mail",), "the default route"
    assert channels_of(route_of(AlertsPolicy(), "finance"), "urgent") == ()
    assert channels_named(POLICY) == {"chat", "mail", "phone", "siren"}


def test_a_failed_check_is_told_at_once_and_a_failed_run_after_a_while() -> None:
    now = berlin(8, 12)
    assert tell_from(POLICY, "check", "error", now, None) == now
    assert tell_from(POLICY, "run", "error", now, None) == berlin(8, 12, 15)
    assert tell_from(POLICY, "check", "error", now, berlin(8, 11, 50)) == berlin(8, 12, 50)
    assert tell_from(POLICY, "check", "urgent", now, berlin(8, 11, 50)) == berlin(8, 12, 5)
    assert tell_from(POLICY, "check", "error", now, berlin(8, 9)) == now


@pytest.mark.parametrize(
    ("told", "now", "worse"),
    [
        (("error", 3), ("error", 29), False),
        (("error", 3), ("error", 30), True),
        (("warning", 3), ("error", 3), True),
        (("urgent", 3), ("error", 3), False),
        (("error", None), ("error", 500), False),
    ],
)
def test_only_what_is_much_worse_is_told_again(
    told: tuple[str, int | None], now: tuple[str, int | None], worse: bool
) -> None:
    assert is_worse(*told, *now) is worse


def test_escalations_come_in_their_time_and_once_each() -> None:
    told = berlin(8, 12)

    def steps(minutes: int, taken: int = 0, severity: str = "error") -> list[int]:
        now = told + timedelta(minutes=minutes)
        found = due_steps(POLICY, "operations", severity, taken=taken, told_at=told, now=now)  # type: ignore[arg-type]
        return [step.number for step in found]

    assert steps(59) == []
    assert steps(60) == [1]
    assert steps(61, taken=1) == []
    assert steps(300) == [1, 2]
    assert steps(300, severity="warning") == []
    [step] = due_steps(
        POLICY, "operations", "urgent", taken=0, told_at=told, now=told + timedelta(hours=1)
    )
    assert step.channels == ("phone", "siren")


def test_a_few_alerts_are_told_one_by_one_and_many_as_one() -> None:
    def form(due: int, **told: int) -> Form:
        rest = {"sent": 0, "digests": 0} | told
        return form_of(due, urgent=False, at_once=5, **rest)

    assert form(5) is Form.SINGLES
    assert form(6) is Form.DIGEST
    assert form(500) is Form.DIGEST
    assert form(1, sent=5) is Form.DIGEST
    assert form(1, sent=6, digests=1) is Form.WAIT
    assert form(500, sent=1, digests=1) is Form.WAIT


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=60), st.integers(1, 6))
def test_no_more_messages_leave_in_a_window_than_are_allowed(
    rounds: list[tuple[int, bool]], at_once: int
) -> None:
    sent = digests = 0
    for due, urgent in rounds:
        form = form_of(due, urgent=urgent, sent=sent, digests=digests, at_once=at_once)
        sent += {Form.SINGLES: due, Form.DIGEST: 1, Form.WAIT: 0}[form]
        digests += form is Form.DIGEST
    assert sent <= at_once + 1


def test_an_urgent_alert_does_not_wait_behind_a_digest() -> None:
    assert form_of(1, urgent=True, sent=1, digests=1, at_once=5) is Form.DIGEST
    assert form_of(1, urgent=True, sent=6, digests=2, at_once=5) is Form.WAIT


def test_a_channel_that_fails_is_tried_ever_more_rarely_but_at_least_each_hour() -> None:
    started = berlin(8, 12)
    waits = [next_attempt(n, started) - started for n in (1, 2, 3, 7, 50)]
    assert waits == [timedelta(minutes=m) for m in (1, 2, 4, 60, 60)]


def test_others_stand_in_for_a_channel_that_is_down() -> None:
    assert stand_ins(POLICY, "chat", ["chat"]) == ("phone", "mail")
    assert stand_ins(POLICY, "mail", ["mail"]) == ("phone",)
    assert stand_ins(POLICY, "chat", ["chat", "phone"]) == ("mail",)
    assert stand_ins(POLICY, "chat", ["chat", "phone", "mail"]) == ("phone", "mail")
