"""Each price rule finds a planted bad row and lets the good one pass."""

from collections.abc import Callable
from typing import Any

import pytest

from assets.contracts.price_rules import PRICE_RULES
from assets.contracts.prices import (
    Broken,
    judge_fees,
    judge_products,
    judge_purchases,
    judge_reductions,
    judge_totals,
    judge_wms_prices,
)
from assets.contracts.violations import FrameShapeError

Rows = list[dict[str, Any]]

UNIT = {
    "receipt_number": "R1", "sales_order_id": "o", "position_item_id": "i", "tax_rate": "19",
    "charged_cents": 1995, "buyer_price_cents": 1995, "purchases": 1,
}  # fmt: skip
TOTAL = {
    "receipt_number": "R1", "sales_order_id": "o", "gross_cents": 2490, "voucher_cents": 500,
    "lines_cents": 2490,
}  # fmt: skip
FEE = {"sales_order_id": "o", "fee_cents": 495, "charged_cents": 495}
REDUCED = {
    "sales_order_id": "o", "position_item_id": "i", "reduced_cents": 1994,
    "buyer_price_cents": 1995,
}  # fmt: skip
SKU = {
    "sku": "A", "standard_price_cents": 1995, "sale_price_cents": 1994,
    "sale_from": 100, "sale_to": 100,
}  # fmt: skip
WMS = {
    "sales_order_id": "o", "position_item_id": "i", "sku": "A", "buyer_price_cents": 1995,
    "wms_price_cents": 2000,
}  # fmt: skip


def purchases(rows: Rows) -> Broken:
    return judge_purchases(rows, {"19", "7"})


def wms(rows: Rows) -> Broken:
    return judge_wms_prices(rows, tolerance_cents=5)


CASES: list[tuple[str, Callable[[Rows], Broken], dict[str, Any], dict[str, Any]]] = [
    ("receipt_charges_buyer_price", purchases, UNIT, {"charged_cents": 1994}),
    ("unit_charged_once", purchases, UNIT, {"purchases": 2}),
    ("receipt_vat_rate_known", purchases, UNIT, {"tax_rate": "16"}),
    ("receipt_lines_make_total", judge_totals, TOTAL, {"lines_cents": 2489}),
    ("receipt_delivery_fee_once", judge_fees, FEE, {"charged_cents": 990}),
    ("receipt_delivery_fee_once", judge_fees, FEE, {"charged_cents": 0}),
    ("reductions_below_price", judge_reductions, REDUCED, {"reduced_cents": 1995}),
    ("product_price_positive", judge_products, SKU, {"sale_price_cents": 0}),
    (
        "product_price_positive",
        judge_products,
        SKU,
        {"standard_price_cents": 0, "sale_price_cents": None},
    ),
    ("sale_below_standard_price", judge_products, SKU, {"sale_price_cents": 1995}),
    ("sale_has_its_period", judge_products, SKU, {"sale_to": 99}),
    ("sale_has_its_period", judge_products, SKU, {"sale_to": None}),
    ("wms_price_within_tolerance", wms, WMS, {"wms_price_cents": 2001}),
    ("wms_price_within_tolerance", wms, WMS, {"wms_price_cents": 1989}),
]


@pytest.mark.parametrize(("rule", "judge", "good", "flaw"), CASES)
def test_a_rule_finds_the_bad_row_and_no_other(
    rule: str, judge: Callable[[Rows], Broken], good: dict[str, Any], flaw: dict[str, Any]
) -> None:
    bad = good | flaw
    found = judge([good, bad, good])
    assert {name: rows for name, rows in found.items() if rows} == {rule: [bad]}
    assert {name for name, rows in judge([good]).items() if rows} == set()
    assert not any(judge([]).values())


def test_every_rule_is_proven() -> None:
    assert {case[0] for case in CASES} == set(PRICE_RULES)


@pytest.mark.parametrize(
    ("judge", "good", "unknown"),
    [
        (purchases, UNIT, {"buyer_price_cents": None}),
        (judge_reductions, REDUCED, {"buyer_price_cents": None}),
        (judge_products, SKU, {"sale_price_cents": None, "sale_from": None, "sale_to": None}),
        (judge_products, SKU, {"standard_price_cents": None}),
        (judge_totals, TOTAL, {"lines_cents": 2990}),
    ],
)
def test_what_nobody_knows_and_what_a_voucher_paid_break_no_rule(
    judge: Callable[[Rows], Broken], good: dict[str, Any], unknown: dict[str, Any]
) -> None:
    assert not any(judge([good | unknown]).values())


def test_a_row_breaks_all_rules_that_it_breaks() -> None:
    bad = UNIT | {"charged_cents": 1, "purchases": 2, "tax_rate": "0"}
    assert all(rows == [bad] for rows in purchases([bad]).values())


def test_rows_of_another_form_are_refused_and_not_passed() -> None:
    with pytest.raises(FrameShapeError, match="fee_cents"):
        judge_fees([{"sales_order_id": "o", "fee": 495, "charged_cents": 495}])
