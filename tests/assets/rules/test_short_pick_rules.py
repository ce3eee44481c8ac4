"""What becomes of a unit that came up short: by policy, reason and time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.rules.short_picks import Step, decide
from resources.operating_model import ShortPickPolicy
from resources.operations.short_picks import OpenShort

SHIP_BY = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
BEFORE, MARGIN = SHIP_BY - timedelta(days=1), SHIP_BY - timedelta(hours=2)


def short(discrepancy: str | None = "BACKORDER", **values: Any) -> OpenShort:
    fields: dict[str, Any] = {
        "sales_order_id": "o",
        "position_item_id": "1",
        "sku": "A",
        "wms_state": "SHORT",
        "discrepancy": discrepancy,
        "reason": "OUT_OF_STOCK",
        "since": BEFORE,
        "ship_by_at": SHIP_BY,
        "stop": None,
        "cancellation": None,
        **values,
    }
    return OpenShort(**fields)


def step(unit: OpenShort, now: datetime = BEFORE, **policy: Any) -> Step:
    return decide(unit, ShortPickPolicy.model_validate(policy), now).step


@pytest.mark.parametrize("discrepancy", ["COMPLETE", "NONE", "OVER"])
def test_a_unit_that_is_not_to_follow_is_given_up_at_once(discrepancy: str) -> None:
    certain = discrepancy == "COMPLETE"
    assert step(short(discrepancy)) is (Step.CANCEL if certain else Step.STOP)


def test_a_unit_that_is_to_follow_is_awaited_until_the_margin_before_its_ship_by_time() -> None:
    a_moment = timedelta(microseconds=1)
    assert step(short(), MARGIN - a_moment) is Step.WAIT
    assert step(short(), MARGIN) is Step.STOP
    assert step(short(), MARGIN, give_up_hours_before_ship_by=0) is Step.WAIT
    assert step(short(), SHIP_BY, give_up_hours_before_ship_by=0) is Step.STOP
    assert decide(short(), ShortPickPolicy(), BEFORE).until == MARGIN


def test_a_unit_that_is_to_follow_can_be_given_up_at_once_by_policy() -> None:
    assert step(short(), backorder="cancel") is Step.STOP


def test_a_short_line_of_which_only_a_snapshot_told_is_awaited_like_one_to_follow() -> None:
    assert step(short(None)) is Step.WAIT
    assert step(short(None), MARGIN) is Step.STOP


def test_a_line_that_the_warehouse_cancelled_is_cancelled_at_otto() -> None:
    assert step(short("NONE", wms_state="CANCELLED")) is Step.CANCEL
    assert step(short("BACKORDER", wms_state="CANCELLED")) is Step.CANCEL


def test_without_a_promised_day_nothing_ends_the_waiting_so_a_person_is_asked() -> None:
    decision = decide(short(ship_by_at=None), ShortPickPolicy(), SHIP_BY)
    assert (decision.step, decision.until) == (Step.PERSON, None)
    assert step(short("COMPLETE", ship_by_at=None)) is Step.CANCEL


def test_a_reason_goes_before_the_other_settings_whatever_its_capitals() -> None:
    by_reason = {" Not_Found ": "wait", "damaged": "person", "OUT_OF_STOCK": "cancel"}
    policy: dict[str, Any] = {"by_reason": by_reason}
    assert step(short("COMPLETE", reason="NOT_FOUND"), **policy) is Step.WAIT
    assert step(short("COMPLETE", reason="not_found"), MARGIN, **policy) is Step.CANCEL
    assert step(short("COMPLETE", reason="Damaged"), SHIP_BY, **policy) is Step.PERSON
    assert step(short("BACKORDER"), **policy) is Step.STOP
    assert step(short("COMPLETE", reason=None), **policy) is Step.CANCEL


def test_a_reason_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="more than once"):
        ShortPickPolicy.model_validate({"by_reason": {"a": "wait", "A ": "cancel"}})


def test_with_the_switch_off_a_person_decides_what_would_be_given_up() -> None:
    off: dict[str, Any] = {"cancel_at_otto": False}
    assert step(short("COMPLETE"), **off) is Step.PERSON
    assert step(short(), BEFORE, **off) is Step.WAIT
    assert step(short(), MARGIN, **off) is Step.PERSON


def test_a_unit_that_the_warehouse_could_not_stop_ships_after_all() -> None:
    assert step(short(stop="confirmed"), SHIP_BY) is Step.WAIT
    assert step(short(stop="sent"), SHIP_BY) is Step.STOP


@pytest.mark.parametrize("state", ["failed", "ignored", "blocked"])
def test_a_refused_request_is_a_persons_task(state: str) -> None:
    assert step(short(stop=state), MARGIN) is Step.PERSON
    assert step(short("COMPLETE", cancellation=state)) is Step.PERSON


@given(
    discrepancy=st.sampled_from([None, "NONE", "BACKORDER", "COMPLETE", "OVER"]),
    wms_state=st.sampled_from(["SHORT", "CANCELLED"]),
    reason=st.none() | st.sampled_from(["OUT_OF_STOCK", "DAMAGED", "", "x"]),
    ship_by_at=st.none() | st.just(SHIP_BY),
    stop=st.none() | st.sampled_from(["pending", "sent", "confirmed", "failed"]),
    hours=st.integers(-100, 100),
    policy=st.builds(
        ShortPickPolicy,
        backorder=st.sampled_from(["wait", "cancel"]),
        cancel_at_otto=st.booleans(),
        by_reason=st.dictionaries(
            st.sampled_from(["out_of_stock", "damaged"]), st.sampled_from(["wait", "person"])
        ),
    ),
)
def test_otto_is_never_asked_for_a_unit_that_may_still_ship(
    discrepancy: str | None,
    wms_state: str,
    reason: str | None,
    ship_by_at: datetime | None,
    stop: str | None,
    hours: int,
    policy: ShortPickPolicy,
) -> None:
    unit = short(discrepancy, wms_state=wms_state, reason=reason, ship_by_at=ship_by_at, stop=stop)
    decision = decide(unit, policy, SHIP_BY + timedelta(hours=hours))
    over = wms_state == "CANCELLED" or discrepancy == "COMPLETE"
    assert decision.step is not Step.CANCEL or (over and policy.cancel_at_otto)
    assert decision.step is not Step.STOP or (not over and policy.cancel_at_otto)
    assert decision.why
