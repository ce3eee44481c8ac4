import pandas as pd
import pytest

from assets.contracts.order_lines import OrderLines
from assets.contracts.orders import Orders
from assets.contracts.rules import ORDER_RULES, RULES
from assets.contracts.violations import (
    FrameShapeError,
    line_violations,
    order_violations,
    summarise,
    violations,
)

VAT_RATES = ("19", "7", "0")
GOOD_LINE = {
    "sales_order_id": "S1",
    "position_item_id": "I1",
    "sku": "KÄSE-1",
    "fulfilment_status": "PROCESSABLE",
    "vat_rate": "19",
    "currency": "EUR",
    "gross_cents": 1_999,
    "reduced_cents": 1_799,
    "item_discount_cents": 200,
    "inexact_amount": "",
    "unreadable_date": "",
}
GOOD_ORDER = {
    "sales_order_id": "S1",
    "item_count": 1,
    "processable_items": 1,
    "missing_address_part": "",
    "currency": "EUR",
    "delivery_fee_cents": 495,
    "fee_entries": 1,
    "distinct_fee_entries": 1,
    "order_discount_cents": 100,
    "shares_cents": 100,
    "unknown_discount_item": "",
    "excessive_discount": "",
    "inexact_amount": "",
    "unreadable_date": "",
}
UNPRICED = {"gross_cents": None, "reduced_cents": None, "item_discount_cents": None}
BAD_LINES = [
    ("sku_present", {"sku": "  "}),
    ("sku_present", {"sku": ""}),
    ("status_known", {"fulfilment_status": "DELIVERED"}),
    ("dates_readable", {"unreadable_date": "expectedDeliveryDate tomorrow"}),
    ("currency_eur", {"currency": "CHF"}),
    ("currency_eur", {"currency": "EUR+USD"}),
    ("two_decimals", {"inexact_amount": "19.999", **UNPRICED}),
    ("price_positive", {"gross_cents": 0, "reduced_cents": None, "item_discount_cents": None}),
    ("price_positive", {"gross_cents": 100, "reduced_cents": -5, "item_discount_cents": 105}),
    ("reduced_is_gross_minus_discount", {"item_discount_cents": 199}),
    ("reduced_is_gross_minus_discount", {"reduced_cents": None}),
    ("reduced_is_gross_minus_discount", {"reduced_cents": 2_000, "item_discount_cents": None}),
    ("reduced_is_gross_minus_discount", {"reduced_cents": 2_000, "item_discount_cents": -1}),
    ("vat_rate_known", {"vat_rate": "16"}),
]
GOOD_LINES = [
    {},
    {"reduced_cents": None, "item_discount_cents": None},
    {"reduced_cents": None, "item_discount_cents": 0},
    {"item_discount_cents": None},
    {"reduced_cents": 0, "item_discount_cents": 1_999},
    {"vat_rate": "7"},
    {"fulfilment_status": "CANCELLED_BY_MARKETPLACE"},
]
BAD_ORDERS = [
    ("order_has_items", {"item_count": 0}),
    ("dates_readable", {"unreadable_date": "orderDate 31.12.2025"}),
    ("currency_eur", {"currency": "USD"}),
    ("two_decimals", {"inexact_amount": "4.955", "delivery_fee_cents": None}),
    (
        "discount_items_known",
        {"unknown_discount_item": "discount D names I9", "shares_cents": None},
    ),
    ("discount_within_value", {"excessive_discount": "discount D", "shares_cents": None}),
    ("discount_shares_exact", {"shares_cents": 99}),
    ("delivery_fee_once", {"fee_entries": 2}),
    ("delivery_fee_once", {"delivery_fee_cents": -1}),
    ("address_present_when_processable", {"missing_address_part": "deliveryAddress"}),
]
GOOD_ORDERS = [
    {},
    {"missing_address_part": "deliveryAddress", "processable_items": 0},
    {"delivery_fee_cents": 0, "fee_entries": 0, "distinct_fee_entries": 0},
    {"fee_entries": 2, "distinct_fee_entries": 2},
]


def frame(contract, rows):
    types = {name: column.dtype.type for name, column in contract.to_schema().columns.items()}
    return pd.DataFrame(rows).astype(types)


def lines(*changes):
    rows = [{**GOOD_LINE, "position_item_id": f"I{n}", **row} for n, row in enumerate(changes)]
    return frame(OrderLines, rows)


def orders(*changes):
    return frame(Orders, [{**GOOD_ORDER, **row} for row in changes])


@pytest.mark.parametrize(("rule", "change"), BAD_LINES)
def test_a_bad_item_is_found_under_its_rule_and_its_good_neighbour_is_not(rule, change):
    found = line_violations(lines({}, change, {}), VAT_RATES)
    assert found[["position_item_id", "rule"]].to_numpy().tolist() == [["I1", rule]]
    assert found["field"].tolist() == [RULES[rule].field]


@pytest.mark.parametrize("change", GOOD_LINES)
def test_a_good_item_breaks_nothing(change):
    assert line_violations(lines(change), VAT_RATES).empty


@pytest.mark.parametrize(("rule", "change"), BAD_ORDERS)
def test_a_bad_order_is_found_under_its_rule_and_its_good_neighbour_is_not(rule, change):
    found = order_violations(orders({}, {"sales_order_id": "S2", **change}))
    assert found[["sales_order_id", "rule"]].to_numpy().tolist() == [["S2", rule]]
    assert found["position_item_id"].tolist() == [""]


@pytest.mark.parametrize("change", GOOD_ORDERS)
def test_a_good_order_breaks_nothing(change):
    assert order_violations(orders(change)).empty


def test_an_item_id_that_comes_twice_is_found_on_both_rows():
    twice = lines({}, {"position_item_id": "X"}, {"position_item_id": "X", "sales_order_id": "S2"})
    found = line_violations(twice, VAT_RATES)
    assert found["rule"].tolist() == ["position_item_unique"] * 2
    assert found["sales_order_id"].tolist() == ["S1", "S2"]


def test_every_rule_is_proven_on_a_bad_row_in_this_file():
    proven = {rule for rule, _ in BAD_LINES + BAD_ORDERS} | {"position_item_unique"}
    assert proven | {"order_readable"} == set(RULES)


def test_each_check_of_the_contracts_is_a_registered_rule_of_its_level():
    by_level = {"item": OrderLines.to_schema(), "order": Orders.to_schema()}
    for level, schema in by_level.items():
        checks = {check.name for check in schema.checks}
        checks |= {check.name for column in schema.columns.values() for check in column.checks}
        registered = {name for name, rule in RULES.items() if rule.level in {level, "both"}}
        assert checks == registered - {"order_readable", "vat_rate_known"}


def test_the_vat_rates_of_the_seller_decide_which_rate_is_known():
    assert line_violations(lines({"vat_rate": "16"}), ("19", "16")).empty


def test_a_row_that_breaks_many_rules_is_told_each_of_them_once():
    found = line_violations(
        lines({"sku": "", "currency": "CHF", "gross_cents": -1, "vat_rate": "99"}), VAT_RATES
    )
    assert sorted(found["rule"]) == [
        "currency_eur",
        "price_positive",
        "reduced_is_gross_minus_discount",
        "sku_present",
        "vat_rate_known",
    ]


def test_what_a_person_sees_are_the_values_that_break_the_rule():
    found = line_violations(lines({"item_discount_cents": 1, "reduced_cents": None}), VAT_RATES)
    assert found["shown"].tolist() == [
        "gross_cents=1999, reduced_cents=none, item_discount_cents=1"
    ]


def test_what_a_person_sees_is_bounded():
    found = line_violations(lines({"fulfilment_status": "A" * 500}), VAT_RATES)
    assert len(found["shown"].iloc[0]) < 80


def test_rows_keep_their_identity_whatever_the_index_of_the_frame_is():
    shuffled = lines({}, {"sku": ""}, {}).set_index(pd.Index([7, 7, 7]))
    assert line_violations(shuffled, VAT_RATES)["position_item_id"].tolist() == ["I1"]


def test_a_frame_of_another_shape_is_an_error_and_never_a_pass():
    bad = lines({"sku": ""})
    with pytest.raises(FrameShapeError, match="gross_cents"):
        line_violations(bad.astype({"gross_cents": "float64"}), VAT_RATES)
    with pytest.raises(FrameShapeError, match="currency"):
        line_violations(bad.drop(columns="currency"), VAT_RATES)
    with pytest.raises(FrameShapeError, match="surprise"):
        line_violations(bad.assign(surprise=1), VAT_RATES)


def test_empty_frames_break_nothing():
    assert violations(lines({}).head(0), orders({}).head(0), VAT_RATES).empty


def test_a_summary_counts_every_rule_and_shows_the_first_rows():
    found = violations(lines(*[{"sku": ""}] * 25), orders({"item_count": 0}), vat_rates=VAT_RATES)
    summary = summarise(found)
    assert tuple(summary) == ORDER_RULES
    assert summary["sku_present"].count == 25
    assert len(summary["sku_present"].rows) == 20
    assert summary["order_has_items"].rows == (
        ("S1", "", "order_has_items", "positionItems", "item_count=0"),
    )
    assert summary["currency_eur"].count == 0


def test_every_rule_says_who_owns_it_and_what_to_do():
    for rule in RULES.values():
        assert rule.description.endswith(".")
        assert rule.remedy.endswith(".")
        assert rule.owner in {"operations", "finance", "engineering", "customer care", "warehouse"}
