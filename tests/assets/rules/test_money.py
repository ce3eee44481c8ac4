from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.rules.money import InexactAmountError, split_largest_remainder, to_cents

CENTS = st.integers(min_value=0, max_value=10**9)


@pytest.mark.parametrize(
    ("amount", "cents"),
    [("19.99", 1999), ("0", 0), ("-4.5", -450), ("19.9900", 1999), ("1E+3", 100_000)],
)
def test_an_amount_becomes_its_exact_cents(amount, cents):
    assert to_cents(Decimal(amount)) == cents


@pytest.mark.parametrize(
    "amount",
    [
        "19.999",
        "0.001",
        "0.010000000000000000000000000000000001",
        "1E-400",
        "1E-999999",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        "1000000000000.01",
        "1E+999999",
    ],
)
def test_an_amount_that_is_no_whole_number_of_cents_is_refused(amount):
    with pytest.raises(InexactAmountError, match="amount"):
        to_cents(Decimal(amount))


@given(st.integers(min_value=-(10**14), max_value=10**14))
def test_cents_survive_the_way_through_a_decimal_amount(cents):
    assert to_cents(Decimal(cents) / 100) == cents


@given(st.decimals())
def test_any_decimal_is_exact_cents_or_refused(amount):
    try:
        cents = to_cents(amount)
    except InexactAmountError:
        return
    assert Decimal(cents) / 100 == amount


@given(CENTS, st.lists(CENTS, min_size=1, max_size=30))
def test_shares_add_up_to_the_total_for_any_weights(total, weights):
    shares = split_largest_remainder(total, weights)
    assert sum(shares) == total
    assert len(shares) == len(weights)


@given(st.lists(CENTS, min_size=1, max_size=30), st.data())
def test_each_share_is_within_a_cent_of_its_proportion_and_never_above_its_weight(weights, data):
    total = data.draw(st.integers(min_value=0, max_value=sum(weights)))
    for share, weight in zip(split_largest_remainder(total, weights), weights, strict=True):
        assert share <= weight
        assert abs(share * sum(weights) - total * weight) <= sum(weights)


def test_the_odd_cents_go_to_the_largest_remainders_first():
    assert split_largest_remainder(10, [1, 1, 4]) == [2, 2, 6]
    assert split_largest_remainder(100, [2, 5, 4]) == [18, 46, 36]


def test_equal_remainders_are_served_in_the_order_of_the_items():
    assert split_largest_remainder(100, [1, 1, 1]) == [34, 33, 33]
    assert split_largest_remainder(2, [5, 5, 5]) == [1, 1, 0]


def test_a_weight_of_zero_carries_nothing_beside_others():
    assert split_largest_remainder(7, [0, 3, 0]) == [0, 7, 0]


def test_weights_that_are_all_zero_count_the_same():
    assert split_largest_remainder(5, [0, 0]) == [3, 2]


def test_nothing_is_spread_over_nothing():
    assert split_largest_remainder(0, []) == []


@pytest.mark.parametrize(("total", "weights"), [(-1, [1]), (1, [2, -1]), (1, [])])
def test_a_negative_or_homeless_amount_is_refused(total, weights):
    with pytest.raises(ValueError, match=r"negative|no position"):
        split_largest_remainder(total, weights)
