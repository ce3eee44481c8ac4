import random

from hypothesis import given
from hypothesis import strategies as st

from assets.rules.discounts import OrderDiscount, PricedItem, settle, spread_discounts


@st.composite
def baskets(draw):
    """Items with prices, and discounts on some of them, up to what the items are worth."""
    prices = draw(st.lists(st.integers(1, 100_000), min_size=1, max_size=8))
    items = [
        PricedItem(f"i{n}", gross, draw(st.one_of(st.none(), st.integers(0, gross))))
        for n, gross in enumerate(prices)
    ]
    names = [item.position_item_id for item in items]
    discounts = [
        OrderDiscount(f"d{n}", draw(st.integers(0, 30_000)), tuple(sorted(ids)))
        for n, ids in enumerate(draw(st.lists(st.sets(st.sampled_from(names), min_size=1))))
    ]
    return items, discounts


@given(baskets(), st.sampled_from(["included", "on_top"]))
def test_shares_add_up_to_the_discounts_or_the_order_is_refused(basket, reading):
    items, discounts = basket
    spread = spread_discounts(items, discounts, reading)
    if spread.problem:
        assert spread.problem.rule == "discount_within_value"
        assert spread.shares == ()
    else:
        assert sum(s.share_cents for s in spread.shares) == sum(d.cents for d in discounts)
        assert all(share.share_cents >= 0 for share in spread.shares)
        assert all(share.buyer_price_cents >= 0 for share in spread.shares)


@given(baskets())
def test_on_top_the_buyer_pays_the_prices_less_the_discounts(basket):
    items, discounts = basket
    spread = spread_discounts(items, discounts, "on_top")
    if spread.problem is None:
        paid = sum(share.buyer_price_cents for share in spread.shares)
        expected = sum(item.price_cents for item in items) - sum(d.cents for d in discounts)
        assert paid == expected


@given(baskets())
def test_included_discounts_leave_the_prices_as_they_stand(basket):
    items, discounts = basket
    spread = spread_discounts(items, discounts, "included")
    if spread.problem is None:
        assert [s.buyer_price_cents for s in spread.shares] == [i.price_cents for i in items]


@given(baskets(), st.randoms(use_true_random=False))
def test_the_order_in_which_discounts_are_listed_does_not_matter(basket, shuffler: random.Random):
    items, discounts = basket
    shuffled = list(discounts)
    shuffler.shuffle(shuffled)
    assert spread_discounts(items, discounts, "on_top") == spread_discounts(
        items, shuffled, "on_top"
    )


@given(baskets())
def test_a_discount_that_names_all_items_within_their_value_is_never_refused(basket):
    items, _ = basket
    whole = OrderDiscount(
        "d", sum(item.price_cents for item in items), tuple(i.position_item_id for i in items)
    )
    spread = spread_discounts(items, [whole], "on_top")
    assert spread.problem is None
    assert all(share.buyer_price_cents == 0 for share in spread.shares)


def test_ten_euro_over_three_equal_units_puts_the_odd_cent_on_the_first():
    items = [PricedItem(name, 2_000, None) for name in "abc"]
    spread = spread_discounts(items, [OrderDiscount("d", 1_000, ("a", "b", "c"))], "on_top")
    assert [share.share_cents for share in spread.shares] == [334, 333, 333]
    assert [share.buyer_price_cents for share in spread.shares] == [1_666, 1_667, 1_667]


def test_only_the_items_that_a_discount_names_carry_it():
    items = [PricedItem("a", 2_000, 1_500), PricedItem("b", 2_000, None)]
    spread = spread_discounts(items, [OrderDiscount("d", 300, ("a",))], "on_top")
    assert [share.share_cents for share in spread.shares] == [300, 0]
    assert [share.buyer_price_cents for share in spread.shares] == [1_200, 2_000]


def test_a_reduced_price_of_zero_is_a_price():
    assert PricedItem("a", 2_000, 0).price_cents == 0


def test_an_order_without_discounts_is_not_flagged():
    spread = spread_discounts([PricedItem("a", 2_000, 1_500)], [], "on_top")
    assert spread.reading == "none"
    assert spread.shares[0].buyer_price_cents == 1_500


def test_readings_that_give_different_prices_flag_the_order_and_use_the_sellers_reading():
    items = [PricedItem("a", 2_000, 1_500)]
    discounts = [OrderDiscount("d", 500, ("a",))]
    on_top = spread_discounts(items, discounts, "on_top")
    included = spread_discounts(items, discounts, "included")
    assert (on_top.reading, on_top.shares[0].buyer_price_cents) == ("ambiguous", 1_000)
    assert (included.reading, included.shares[0].buyer_price_cents) == ("ambiguous", 1_500)


def test_a_discount_of_nothing_leaves_both_readings_equal():
    spread = spread_discounts(
        [PricedItem("a", 2_000, None)], [OrderDiscount("d", 0, ("a",))], "on_top"
    )
    assert spread.reading == "on_top"


def test_a_reading_that_arithmetic_alone_leaves_is_not_flagged():
    items = [PricedItem("a", 2_000, 500)]
    spread = spread_discounts(items, [OrderDiscount("d", 1_500, ("a",))], "included")
    assert spread.reading == "included"
    assert spread.problem is None


def test_a_discount_on_an_unknown_item_is_a_violation_and_not_an_exception():
    spread = spread_discounts(
        [PricedItem("a", 2_000, None)], [OrderDiscount("d", 10, ("a", "zz"))], "on_top"
    )
    assert spread.problem is not None
    assert spread.problem.rule == "discount_items_known"
    assert "zz" in spread.problem.shown


def test_a_discount_above_the_value_of_its_items_or_below_zero_is_a_violation():
    items = [PricedItem("a", 2_000, 1_500), PricedItem("b", 9_000, None)]
    for cents in (1_501, -1):
        spread = spread_discounts(items, [OrderDiscount("d", cents, ("a",))], "on_top")
        assert spread.problem is not None
        assert spread.problem.rule == "discount_within_value"


def test_a_negative_price_is_a_violation_and_not_an_exception():
    spread = spread_discounts(
        [PricedItem("a", -5, None)], [OrderDiscount("d", 1, ("a",))], "on_top"
    )
    assert spread.problem is not None


def test_a_narrow_discount_is_served_before_a_wide_one():
    items = [PricedItem("a", 1_000, None), PricedItem("b", 1_000, None)]
    discounts = [OrderDiscount("d1", 1_000, ("a", "b")), OrderDiscount("d2", 1_000, ("a",))]
    spread = spread_discounts(items, discounts, "on_top")
    assert [share.buyer_price_cents for share in spread.shares] == [0, 0]


TWO = [PricedItem("a", 2_000, 1_500), PricedItem("b", 1_000, None)]
ONE_DISCOUNT = [OrderDiscount("d", 500, ("a", "b"))]


def test_a_receipt_settles_the_reading_that_it_charges():
    on_top = settle(TWO, ONE_DISCOUNT, {"a": 1_200, "b": 800})
    assert on_top.holds == "on_top"
    assert [share.share_cents for share in on_top.shares] == [300, 200]
    included = settle(TWO, ONE_DISCOUNT, {"a": 1_500})
    assert included.holds == "included"
    assert [share.buyer_price_cents for share in included.shares] == [1_500, 1_000]


def test_a_receipt_that_fits_no_reading_settles_nothing():
    assert settle(TWO, ONE_DISCOUNT, {"a": 1_300, "b": 700}).holds == "none"
    assert settle(TWO, ONE_DISCOUNT, {"a": 1_500, "zz": 1}).holds == "none"


def test_receipts_of_units_without_a_share_leave_the_reading_open():
    only_a = [OrderDiscount("d", 500, ("a",))]
    assert settle(TWO, only_a, {"b": 1_000}).holds == "both"
    assert settle(TWO, only_a, {}).holds == "both"
    assert settle(TWO, only_a, {"b": 1_000, "a": 1_000}).holds == "on_top"


def test_a_cent_of_rounding_is_taken_as_charged_and_must_come_out_in_sum():
    found = settle(TWO, ONE_DISCOUNT, {"a": 1_201, "b": 799})
    assert found.holds == "on_top"
    assert [(s.share_cents, s.buyer_price_cents) for s in found.shares] == [
        (299, 1_201),
        (201, 799),
    ]
    assert settle(TWO, ONE_DISCOUNT, {"a": 1_201, "b": 800}).holds == "none"
    assert settle(TWO, ONE_DISCOUNT, {"a": 1_201}).holds == "none"
    assert settle(TWO, ONE_DISCOUNT, {"a": 1_202, "b": 798}).holds == "none"


@given(baskets(), st.sampled_from(["included", "on_top"]), st.data())
def test_what_a_reading_charges_never_settles_the_other_one(basket, reading, data):
    items, discounts = basket
    spread = spread_discounts(items, discounts, reading)
    if spread.problem is not None:
        return
    prices = {
        item.position_item_id: share.buyer_price_cents
        for item, share in zip(items, spread.shares, strict=True)
    }
    charged = data.draw(st.sets(st.sampled_from(sorted(prices))))
    found = settle(items, discounts, {item: prices[item] for item in charged})
    assert found.holds in {reading, "both"}
    if found.holds == reading:
        assert found.shares == spread.shares
