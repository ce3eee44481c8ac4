"""Receipts as rows: one per unit, exact to the cent, whatever OTTO groups on a line."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.money_judge import Judge
from assets.receipt_rows import receipt_rows
from resources.operations.receipts import ReceiptRows
from resources.otto.receipts import Receipt
from tests.resources.otto.test_otto_receipts import receipt_json

KINDS = (
    "itemPositions", "itemPartialRefundPositions", "servicePositions",
    "servicePartialRefundPositions", "deliveryCosts", "deliveryFeePartialRefundPositions",
)  # fmt: skip


def amount(cents: int, currency: str = "EUR") -> dict[str, Any]:
    return {"amount": f"{cents / 100:.2f}", "currency": currency}


def price(cents: int, net: int | None = None) -> dict[str, Any]:
    body = {"taxType": "VAT", "taxRate": "19.0", "gross": amount(cents)}
    return body if net is None else {**body, "net": amount(net), "tax": amount(cents - net)}


def discount(cents: int, **details: Any) -> dict[str, Any]:
    return {
        "priceModificationType": "PARTNER_DISCOUNT",
        "details": {"description": "d", **details},
        "priceModificationAmount": price(cents),
    }


def position(unit: int, total: int, *ids: str, **changes: Any) -> dict[str, Any]:
    return {
        "sku": "A", "articleNumber": "1", "productTitle": "t", "positionItemIds": list(ids),
        "quantity": len(ids), "unitPrice": price(unit), "positionSum": price(total),
        "priceModifications": [], **changes,
    }  # fmt: skip


def to_pay(*groups: tuple[int, list[str]]) -> list[dict[str, Any]]:
    return [{"positionItemIds": ids, "priceToPay": price(cents)} for cents, ids in groups]


def read(**changes: Any) -> tuple[ReceiptRows, Judge]:
    """Rows of a receipt; names of line kinds fill these, other names change the receipt."""
    lines = {kind: changes.pop(kind, []) for kind in KINDS}
    body = receipt_json(1, **{"lineItems": lines, "totals": [], **changes})
    receipt = msgspec.json.decode(msgspec.json.encode(body), type=Receipt, strict=False)
    judge = Judge()
    return receipt_rows(receipt, judge, "page"), judge


def amounts(rows: ReceiptRows) -> list[tuple[str, str | None, int]]:
    return [(row["kind"], row["position_item_id"], row["amount_cents"]) for row in rows.lines]


def test_equal_units_of_a_line_become_a_row_each_at_the_price_that_each_pays() -> None:
    groups = to_pay((1895, ["a", "c"]), (1894, ["b"]))
    line = position(
        1995, 5684, "a", "b", "c",
        priceToPayPerPositionItems=groups, priceModifications=[discount(301)],
    )  # fmt: skip
    rows, judge = read(itemPositions=[line], totalsGrossAmount=amount(5684))
    assert judge.flaws == []
    assert amounts(rows) == [("item", "a", 1895), ("item", "b", 1894), ("item", "c", 1895)]
    assert [row["unit_price_cents"] for row in rows.lines] == [1995] * 3
    assert [(row["line_no"], row["amount_cents"]) for row in rows.modifications] == [
        (1, 100),
        (2, 101),
        (3, 100),
    ]
    assert rows.receipt["gross_cents"] == 5684


def test_a_price_that_can_only_be_that_of_the_group_is_spread_over_it() -> None:
    line = position(1000, 1901, "a", "b", priceToPayPerPositionItems=to_pay((1901, ["a", "b"])))
    rows, _ = read(itemPositions=[line])
    assert amounts(rows) == [("item", "a", 951), ("item", "b", 950)]


def test_without_a_price_per_unit_the_line_is_spread_less_what_is_taken_off() -> None:
    before = position(1000, 2000, "a", "b", priceModifications=[discount(101)])
    after = position(1000, 950, "c", priceModifications=[discount(50)])
    rows, _ = read(itemPositions=[before, after])
    assert amounts(rows) == [("item", "a", 950), ("item", "b", 949), ("item", "c", 950)]


def test_fees_services_and_partial_refunds_have_rows_of_their_own() -> None:
    fee = {
        "deliveryCostType": "DELIVERY_FEE_STANDARD", "unitPrice": price(595),
        "positionSum": price(595, net=500), "priceModifications": [],
    }  # fmt: skip
    service = {
        "serviceType": "DISPOSAL", "serviceName": "s", "servicePositionItemIds": ["s"],
        "quantity": 1, "unitPrice": price(1000), "positionSum": price(1000),
        "priceModifications": [discount(100)],
    }  # fmt: skip
    partial = {
        "sku": "A", "articleNumber": "1", "productTitle": "t", "positionItemIds": ["a", "b"],
        "partialRefundAmount": price(501),
    }  # fmt: skip
    rows, judge = read(
        deliveryCosts=[fee],
        servicePositions=[service],
        itemPartialRefundPositions=[partial],
        servicePartialRefundPositions=[{"partialRefundAmount": price(50)}],
        deliveryFeePartialRefundPositions=[{"partialRefundAmount": price(95)}],
    )
    assert judge.flaws == []
    assert amounts(rows) == [
        ("item_partial_refund", "a", 251),
        ("item_partial_refund", "b", 250),
        ("service", None, 900),
        ("service_partial_refund", None, 50),
        ("delivery_cost", None, 595),
        ("delivery_fee_partial_refund", None, 95),
    ]
    assert [(row["net_cents"], row["tax_cents"]) for row in rows.lines[-2:]] == [
        (500, 95),
        (None, None),
    ]
    assert rows.receipt["gross_cents"] == sum(row["amount_cents"] for row in rows.lines)


def test_refunds_written_below_zero_count_by_their_size() -> None:
    line = position(-1995, -1995, "a")
    rows, judge = read(
        receiptType="REFUND", refundType="RETURN", itemPositions=[line], totals=[price(-1995)]
    )
    assert judge.flaws == []
    assert (amounts(rows), rows.receipt["gross_cents"]) == ([("item", "a", 1995)], 1995)


def test_vouchers_and_links_are_kept_and_the_buyer_is_not() -> None:
    voucher = {"type": "VOUCHER", "gross": amount(500), "details": {"voucherCode": "****1234"}}
    rows, judge = read(
        totalsReductions=[voucher],
        linkedReceiptNumber="R-DE-0",
        fulfillmentDate="2026-11-20T12:00:00.000+01:00",
    )
    assert judge.flaws == []
    assert (rows.receipt["voucher_cents"], rows.receipt["linked_receipt_number"]) == (500, "R-DE-0")
    assert rows.receipt["fulfilled_at"].isoformat() == "2026-11-20T11:00:00+00:00"
    assert "Dresden" not in repr(rows)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"receiptType": "INVOICE"}, "known_value"),
        ({"refundType": "SOON"}, "known_value"),
        ({"receiptNumber": " "}, "key_present"),
        ({"creationDate": "2026-11-20"}, "date_readable"),
        ({"totalsGrossAmount": {"amount": 1.005, "currency": "EUR"}}, "whole_cents"),
        ({"amountDue": {"amount": "NaN", "currency": "EUR"}}, "whole_cents"),
        ({"amountDue": amount(5, "PLN")}, "in_euro"),
        ({"totals": [price(-5)]}, "not_negative"),
        ({"itemPositions": [position(1, 0)]}, "units_named"),
        ({"itemPositions": [position(1, 2, "a", "a")]}, "units_named"),
        ({"itemPositions": [position(1, 2, "a", quantity=2)]}, "units_named"),
        ({"itemPositions": [position(1, 1, "a"), position(1, 1, "a")]}, "units_named"),
        (
            {
                "itemPositions": [
                    position(
                        1000,
                        1901,
                        "a",
                        "b",
                        priceToPayPerPositionItems=to_pay((1000, ["a", "b"]), (901, [])),
                    )
                ]
            },
            "units_named",
        ),
        (
            {"itemPositions": [position(1, 2, "a", priceToPayPerPositionItems=to_pay((1, ["b"])))]},
            "units_named",
        ),
        ({"itemPositions": [position(1, 1, "a", priceModifications=[discount(0, type="X")])]},
         "known_value"),
        ({"totalsReductions": [{"type": "GIFT", "gross": amount(1)}]}, "known_value"),
        ({"deliveryFeePartialRefundPositions": [{}]}, "row_readable"),
    ],
)  # fmt: skip
def test_each_flaw_has_its_rule(changes: dict[str, Any], rule: str) -> None:
    _, judge = read(**changes)
    assert {flaw.rule for flaw in judge.flaws} == {rule}


@given(
    lines=st.lists(
        st.tuples(
            st.integers(1, 50_000),
            st.lists(st.integers(0, 300), min_size=1, max_size=5),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    ),
    fee=st.none() | st.integers(1, 2_000),
)
def test_the_rows_of_any_basket_add_up_to_what_the_receipt_states(
    lines: list[tuple[int, list[int], bool]], fee: int | None
) -> None:
    positions, expected = [], Counter[str]()
    for number, (unit, shares, sum_is_before) in enumerate(lines):
        taken_off = [min(share, unit) for share in shares]
        ids = [f"{number}-{n}" for n in range(len(shares))]
        paid = {item: unit - off for item, off in zip(ids, taken_off, strict=True)}
        by_price: dict[int, list[str]] = {}
        for item, cents in paid.items():
            by_price.setdefault(cents, []).append(item)
        total = unit * len(ids) if sum_is_before else sum(paid.values())
        off = sum(taken_off)
        positions.append(
            position(
                unit, total, *ids,
                priceToPayPerPositionItems=to_pay(*by_price.items()),
                priceModifications=[discount(off)] if off else [],
            )
        )  # fmt: skip
        expected.update(paid)
    costs = [] if fee is None else [
        {"deliveryCostType": "DELIVERY_FEE_STANDARD", "unitPrice": price(fee),
         "positionSum": price(fee), "priceModifications": []}
    ]  # fmt: skip
    rows, judge = read(itemPositions=positions, deliveryCosts=costs)
    assert judge.flaws == []
    found = Counter[str]()
    for row in rows.lines:
        found[row["position_item_id"] or "fee"] += row["amount_cents"]
    assert found.pop("fee", None) == fee
    assert found == expected
    assert rows.receipt["gross_cents"] == sum(expected.values()) + (fee or 0)
    taken = sum(row["amount_cents"] for row in rows.modifications)
    assert taken == sum(min(s, unit) for unit, shares, _ in lines for s in shares)
