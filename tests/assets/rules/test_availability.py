"""The figure for OTTO: every term, what it never exceeds, and what is not believed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.rules.availability import (
    Figure,
    available_to_sell,
    lane_of,
    mass_drop,
    offer,
    rank_of,
    sku_collisions,
)
from resources.operating_model import AvailabilityPolicy
from resources.operations.availability import Lane
from resources.wms.port import StockLevel

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
PLAIN = AvailabilityPolicy()


def level(on_hand: int, location: str = "MAIN", **values: Any) -> StockLevel:
    fields: dict[str, Any] = {"reserved": 0, "blocked": 0, "as_of": NOW, **values}
    return StockLevel(sku="A", location=location, on_hand=on_hand, **fields)


def policy(**values: Any) -> AvailabilityPolicy:
    return AvailabilityPolicy.model_validate(values)


def quantity(levels: list[StockLevel], otto_open: int = 0, **values: Any) -> int:
    return available_to_sell("A", levels, policy(**values), otto_open).quantity


units = st.integers(0, 10_000)
any_level = st.builds(
    level,
    units,
    st.sampled_from(["MAIN", "EAST", "RETURNS"]),
    reserved=units,
    blocked=units,
    sellable=st.none() | st.integers(-50, 10_000),
)
any_policy = st.builds(
    policy,
    safety_stock=st.fixed_dictionaries(
        {
            "default": st.integers(0, 50),
            "per_sku": st.dictionaries(st.sampled_from("AB"), st.integers(0, 50)),
            "per_location": st.dictionaries(st.sampled_from(["MAIN", "EAST"]), st.integers(0, 50)),
        }
    ),
    percentage=st.integers(0, 100),
    cap=st.none() | st.integers(0, 9000),
    min_to_list=st.integers(0, 20),
)


def test_each_term_applies_in_its_order_and_can_be_seen() -> None:
    rules = policy(
        safety_stock={"default": 9, "per_sku": {"A": 3}, "per_location": {"EAST": 5}},
        percentage=80,
        cap=25,
        min_to_list=2,
    )
    levels = [
        level(40, reserved=4, blocked=1),
        level(10, "EAST", as_of=NOW - timedelta(minutes=1)),
    ]
    figure = available_to_sell("A", levels, rules, otto_open=2)
    assert figure.terms() == {
        "sku": "A",
        "locations": 2,
        "sellable": 45,
        "doubtful": 0,
        "otto_open": 2,
        "safety_stock": 8,
        "remaining": 35,
        "percentage": 80,
        "share": 28,
        "cap": 25,
        "capped": 25,
        "floor": 2,
        "quantity": 25,
        "oversold": 0,
        "as_of": "2026-11-20T14:59:00+00:00",
    }


@pytest.mark.parametrize(
    ("levels", "otto_open", "rules", "expected"),
    [
        ([level(10, reserved=3, blocked=2)], 0, {}, 5),
        ([level(10, reserved=3, blocked=2, sellable=7)], 0, {}, 7),
        ([level(10), level(5, "EAST")], 0, {}, 15),
        ([level(10)], 4, {}, 6),
        ([level(3)], 4, {}, 0),
        ([level(10)], 0, {"safety_stock": {"default": 2}}, 8),
        ([level(10)], 0, {"safety_stock": {"default": 2, "per_sku": {"A": 0}}}, 10),
        ([level(10)], 0, {"safety_stock": {"default": 2, "per_sku": {"B": 7}}}, 8),
        ([level(10), level(1, "EAST")], 0, {"safety_stock": {"per_location": {"EAST": 4}}}, 10),
        ([level(9)], 0, {"percentage": 50}, 4),
        ([level(1)], 0, {"percentage": 99}, 0),
        ([level(9)], 0, {"cap": 3}, 3),
        ([level(9)], 0, {"cap": 0}, 0),
        ([level(4)], 0, {"min_to_list": 5}, 0),
        ([level(5)], 0, {"min_to_list": 5}, 5),
        ([level(2, reserved=5), level(9, "EAST")], 0, {}, 6),
        ([], 0, {}, 0),
    ],
)
def test_a_term_does_what_the_operating_model_says(
    levels: list[StockLevel], otto_open: int, rules: dict[str, Any], expected: int
) -> None:
    assert quantity(levels, otto_open, **rules) == expected


def test_more_than_otto_takes_is_not_offered() -> None:
    assert quantity([level(999_999_999), level(5, "EAST")]) == 999_999_999


def test_units_that_otto_sold_and_the_warehouse_has_not_are_named() -> None:
    figure = available_to_sell("A", [level(3)], PLAIN, otto_open=5)
    assert (figure.oversold, figure.quantity) == (2, 0)


def test_negative_open_units_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="'A': -1 open units"):
        available_to_sell("A", [level(3)], PLAIN, otto_open=-1)


@given(st.lists(any_level, max_size=4), any_policy, units)
def test_the_figure_is_never_above_what_is_sellable_and_not_sold(
    levels: list[StockLevel], rules: AvailabilityPolicy, otto_open: int
) -> None:
    figure = available_to_sell("A", levels, rules, otto_open)
    assert 0 <= figure.quantity <= max(0, sum(one.free for one in levels) - otto_open)
    assert figure.quantity <= figure.capped <= figure.share <= figure.remaining
    assert rules.cap is None or figure.quantity <= rules.cap
    assert figure.quantity == 0 or figure.quantity >= rules.min_to_list


@given(st.lists(any_level, min_size=1, max_size=4), any_policy, units, st.integers(1, 100))
def test_more_stock_never_lowers_the_figure_and_more_sales_never_raise_it(
    levels: list[StockLevel], rules: AvailabilityPolicy, otto_open: int, more: int
) -> None:
    before = available_to_sell("A", levels, rules, otto_open).quantity
    first = levels[0]
    fuller = level(first.on_hand, first.location, sellable=first.free + more)
    assert available_to_sell("A", [fuller, *levels[1:]], rules, otto_open).quantity >= before
    assert available_to_sell("A", levels, rules, otto_open + more).quantity <= before


@given(st.lists(any_level, max_size=4), any_policy, units, st.randoms())
def test_the_same_facts_give_the_same_figure_in_any_order(
    levels: list[StockLevel], rules: AvailabilityPolicy, otto_open: int, random: Any
) -> None:
    first = available_to_sell("A", levels, rules, otto_open)
    shuffled = list(levels)
    random.shuffle(shuffled)
    assert available_to_sell("A", shuffled, rules, otto_open) == first


# Stale levels


def figure_of(age: timedelta, on_hand: int = 8) -> Figure:
    return available_to_sell("A", [level(on_hand, as_of=NOW - age)], PLAIN, 0)


def test_a_fresh_figure_is_offered_as_it_is() -> None:
    offered = offer(figure_of(timedelta(minutes=120)), 3, PLAIN, NOW)
    assert (offered.quantity, offered.frozen_reason) == (8, None)


@pytest.mark.parametrize(("held", "expected"), [(3, 3), (11, 8), (None, 0)])
def test_a_frozen_figure_may_fall_and_never_rises(held: int | None, expected: int) -> None:
    offered = offer(figure_of(timedelta(minutes=121)), held, PLAIN, NOW)
    assert offered.quantity == expected
    assert offered.frozen_reason is not None
    assert "2026-11-20 12:59 UTC, 121 minutes ago (120 are allowed)" in offered.frozen_reason


def test_a_stale_figure_becomes_zero_where_the_policy_says_so() -> None:
    rules = policy(stale_policy="zero", stale_after_minutes=10)
    offered = offer(figure_of(timedelta(minutes=11)), 3, rules, NOW)
    assert offered.quantity == 0
    assert "set to 0" in (offered.frozen_reason or "")


def test_a_sku_without_any_level_is_offered_with_zero_and_says_why() -> None:
    offered = offer(available_to_sell("A", [], PLAIN, 0), 5, PLAIN, NOW)
    assert offered.quantity == 0
    assert "correct sku_map" in (offered.frozen_reason or "")


@given(st.lists(any_level, max_size=3), any_policy, units, st.none() | units, st.integers(0, 500))
def test_what_is_offered_never_exceeds_the_figure(
    levels: list[StockLevel], rules: AvailabilityPolicy, sold: int, held: int | None, age: int
) -> None:
    figure = available_to_sell("A", levels, rules, sold)
    assert 0 <= offer(figure, held, rules, NOW + timedelta(minutes=age)).quantity <= figure.quantity


# Mass drop

TEN = {f"S{number}": 5 for number in range(10)}


def test_a_snapshot_that_empties_too_many_skus_is_stopped_with_what_to_do() -> None:
    verdict = mass_drop(TEN, dict(list(TEN.items())[:5]), policy(mass_drop_share=0.4))
    assert (verdict.stopped, verdict.listed, verdict.dropped) == (True, 10, 5)
    assert "would take 5 of 10 listed SKUs to 0 (allowed: 40%" in (verdict.reason or "")
    assert "confirm the drop" in (verdict.reason or "")


def test_as_many_as_allowed_may_sell_out() -> None:
    half = TEN | dict.fromkeys(list(TEN)[:5], 0)
    assert not mass_drop(TEN, half, policy(mass_drop_share=0.5)).stopped


def test_a_few_skus_may_sell_out_whatever_their_share() -> None:
    assert not mass_drop({"A": 1, "B": 2}, {"A": 0, "B": 0}, PLAIN).stopped


def test_an_empty_snapshot_is_stopped_even_for_one_sku() -> None:
    verdict = mass_drop({"A": 1}, {}, PLAIN)
    assert verdict.stopped
    assert "is empty" in (verdict.reason or "")


def test_an_empty_snapshot_of_an_empty_assortment_is_none_of_our_business() -> None:
    assert not mass_drop({}, {}, PLAIN).stopped
    assert not mass_drop({"A": 0}, {}, PLAIN).stopped


@given(st.dictionaries(st.text(max_size=3), units), any_policy)
def test_the_figures_that_we_hold_never_stop_themselves(
    held: dict[str, int], rules: AvailabilityPolicy
) -> None:
    assert not mass_drop(held, held, rules).stopped


# Which article is meant


def test_skus_that_match_one_article_each_do_not_collide() -> None:
    assert sku_collisions(["A", "B", "ghost"], ["A", "X", "b2"], {"B": "X"}) == []


def test_a_sku_that_matches_two_spellings_is_an_error_until_the_map_names_one() -> None:
    (collision,) = sku_collisions(["abc"], ["abc", "ABC ", "x"], {})
    assert (collision.otto_skus, collision.wms_skus) == (("abc",), ("ABC ", "abc"))
    assert "name the right one in sku_map" in collision.reason
    assert sku_collisions(["abc"], ["abc", "ABC "], {"abc": "abc"}) == []


def test_two_skus_for_one_article_are_an_error() -> None:
    (collision,) = sku_collisions(["A", "X"], ["X"], {"A": "X"})
    assert (collision.otto_skus, collision.wms_skus) == (("A", "X"), ("X",))
    assert "sold twice" in collision.reason


# Lanes


@pytest.mark.parametrize(
    ("now", "shown", "moved", "short", "expected"),
    [
        (0, 4, True, False, Lane.URGENT),
        (0, 0, True, False, Lane.MOVING),
        (0, None, False, False, Lane.REST),
        (3, 4, True, True, Lane.URGENT),
        (3, 4, True, False, Lane.MOVING),
        (3, 4, False, False, Lane.REST),
    ],
)
def test_stock_outs_and_short_picks_go_first_then_what_moves(
    now: int, shown: int | None, moved: bool, short: bool, expected: Lane
) -> None:
    assert lane_of(now, shown, moved=moved, short_picked=short) is expected


def test_what_sells_fast_and_is_close_to_zero_goes_first() -> None:
    ranks = [rank_of(0, 0), rank_of(2, 9), rank_of(2, 1), rank_of(50, 9), rank_of(50, 0)]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    "wrong",
    [
        {"percentage": 101},
        {"batch_size": 201},
        {"stale_policy": "guess"},
        {"safety_stock": {"default": -1}},
        {"safety_stock": {"per_shelf": {"A": 1}}},
        {"mass_drop_share": 1.5},
    ],
)
def test_a_wrong_policy_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        policy(**wrong)


# A short-pick


def test_a_level_that_is_not_newer_than_the_last_short_pick_offers_nothing() -> None:
    levels = [
        level(10, as_of=NOW - timedelta(minutes=1)),
        level(5, "EAST"),
        level(3, "NEW", as_of=NOW + timedelta(minutes=1)),
    ]
    told = available_to_sell("A", levels, PLAIN, 1, short_at=NOW)
    assert (told.sellable, told.doubtful, told.quantity) == (18, 15, 2)
    assert available_to_sell("A", levels, PLAIN, 1).quantity == 17


def test_a_location_that_owes_units_is_not_made_whole_by_a_short_pick() -> None:
    levels = [level(-4), level(5, "EAST", as_of=NOW + timedelta(minutes=1))]
    assert available_to_sell("A", levels, PLAIN, 0, short_at=NOW).quantity == 1


@given(st.lists(any_level, max_size=4), any_policy, units, st.integers(-2, 2))
def test_a_short_pick_never_raises_a_figure(
    levels: list[StockLevel], rules: AvailabilityPolicy, otto_open: int, minutes: int
) -> None:
    short_at = NOW + timedelta(minutes=minutes)
    told = available_to_sell("A", levels, rules, otto_open, short_at)
    assert told.quantity <= available_to_sell("A", levels, rules, otto_open).quantity
    if minutes >= 0:
        assert told.quantity == 0
