"""What becomes of a returned unit: only what the operating model says is decided by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.rules.returns import OTTO_CONDITION, Decided, ForPerson, ReturnedUnit, decide
from resources.returns_policy import ReturnsPolicy
from resources.wms.port import Condition

SENT = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
PLAIN = ReturnsPolicy()


def unit(**changes: Any) -> ReturnedUnit:
    fields: dict[str, Any] = {
        "condition": Condition.NEW,
        "reason": None,
        "right_article": True,
        "received_at": SENT + timedelta(days=10),
        "sent_at": SENT,
        "announced_at": None,
        **changes,
    }
    return ReturnedUnit(**fields)


def test_a_good_unit_in_time_is_accepted_with_its_condition() -> None:
    assert decide(unit(), PLAIN) == Decided(
        "ACCEPT", "A", "RETURN_RECEIVED", "condition NEW accepts"
    )
    found = decide(unit(condition=Condition.MINT), PLAIN)
    assert isinstance(found, Decided)
    assert found.condition == "B"


def test_each_condition_of_the_warehouse_has_a_letter() -> None:
    assert "".join(OTTO_CONDITION[condition] for condition in Condition) == "ABCDEEE"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"condition": Condition.USED_LIGHT}, "left to a person"),
        ({"condition": Condition.DEFECT}, "left to a person"),
        ({"condition": Condition.MISSING}, "left to a person"),
        ({"right_article": False}, "another article"),
        ({"received_at": SENT + timedelta(days=31)}, "more than 30 days"),
        ({"sent_at": None}, "return window is unknown"),
    ],
)
def test_every_doubt_is_left_to_a_person(changes: dict[str, Any], why: str) -> None:
    found = decide(unit(**changes), PLAIN)
    assert isinstance(found, ForPerson)
    assert why in found.explanation


def test_announcing_in_time_keeps_the_window() -> None:
    late = {"received_at": SENT + timedelta(days=40)}
    in_time = unit(**late, announced_at=SENT + timedelta(days=30))
    assert isinstance(decide(in_time, PLAIN), Decided)
    too_late = unit(**late, announced_at=SENT + timedelta(days=30, seconds=1))
    assert isinstance(decide(too_late, PLAIN), ForPerson)


@pytest.mark.parametrize(
    ("policy", "changes", "reason"),
    [
        (
            {"auto_reject": {"DEFECT": "ITEM_DAMAGED"}},
            {"condition": Condition.DEFECT},
            "ITEM_DAMAGED",
        ),
        (
            {"reject_reasons": {"SEAL": "DAMAGE_TO_THE_HYGIENE_SEAL"}},
            {"reason": "SEAL"},
            "DAMAGE_TO_THE_HYGIENE_SEAL",
        ),
        (
            {"reject_late": True},
            {"received_at": SENT + timedelta(days=31)},
            "RETURN_PERIOD_EXCEEDED",
        ),
        ({"reject_wrong_article": True}, {"right_article": False}, "WRONG_ITEM"),
    ],
)
def test_a_rejection_is_automatic_only_where_the_model_names_the_case(
    policy: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    found = decide(unit(**changes), ReturnsPolicy.model_validate(policy))
    assert isinstance(found, Decided)
    assert (found.decision, found.reason) == ("REJECT", reason)
    plain = decide(unit(**changes), PLAIN)
    assert not isinstance(plain, Decided) or plain.decision == "ACCEPT"


def test_the_warehouses_reason_is_told_in_ottos_words() -> None:
    policy = ReturnsPolicy(accept_reasons={"R07": "COMPLAINT"})
    reasons = [decide(unit(reason=code), policy) for code in ("R07", "R08", None)]
    assert [found.reason for found in reasons if isinstance(found, Decided)] == [
        "COMPLAINT",
        "RETURN_RECEIVED",
        "RETURN_RECEIVED",
    ]


@given(
    condition=st.sampled_from(Condition),
    reason=st.none() | st.text(max_size=3),
    right=st.booleans(),
    days=st.integers(-5, 90),
    sent=st.booleans(),
)
def test_by_default_nothing_is_rejected_and_only_good_units_are_accepted(
    condition: Condition, reason: str | None, right: bool, days: int, sent: bool
) -> None:
    received = SENT + timedelta(days=days)
    known = unit(
        condition=condition,
        reason=reason,
        right_article=right,
        received_at=received,
        sent_at=SENT if sent else None,
    )
    good = condition in {Condition.NEW, Condition.MINT} and right and sent and days <= 30
    found = decide(known, PLAIN)
    assert isinstance(found, Decided) == good
    if isinstance(found, Decided):
        assert found.decision == "ACCEPT"


@pytest.mark.parametrize("condition", ["MISSING", "UNKNOWN"])
def test_what_nobody_has_seen_cannot_be_set_to_be_accepted(condition: str) -> None:
    with pytest.raises(ValidationError, match="leave it to a person"):
        ReturnsPolicy.model_validate({"auto_accept": [condition]})
