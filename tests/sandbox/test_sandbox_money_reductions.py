"""Price reductions over HTTP: asked for now, decided later."""

from typing import Any

import pytest

URL = "/v1/price-reductions"


def _sent(seller: Any) -> dict[str, Any]:
    order: dict[str, Any] = seller.new_order(1)
    seller.send(order)
    seller.advance(minutes=10)
    return order


def _ask(seller: Any, order: dict[str, Any], amount: Any = 1.5, **changes: Any) -> Any:
    body = {
        "salesOrderId": order["salesOrderId"],
        "positionItemId": order["positionItems"][0]["positionItemId"],
        "priceReduction": {"amount": amount, "currency": "EUR"},
    }
    return seller.otto.post(URL, json=body | changes)


def _states(seller: Any, order: dict[str, Any]) -> list[tuple[str, str | None]]:
    item_id = order["positionItems"][0]["positionItemId"]
    (entry,) = seller.pages(URL, "results", positionItemId=item_id)
    return [(one["status"], one["receiptNumber"]) for one in entry["priceReductions"]]


def test_a_reduction_is_initiated_and_processed_with_a_receipt(money_seller: Any) -> None:
    order = _sent(money_seller)
    answer = _ask(money_seller, order)
    assert answer.status_code == 202
    assert answer.json()["results"][0]["title"] == "Accepted"
    assert _states(money_seller, order) == [("INITIATED", None)]
    money_seller.advance(minutes=30)
    (receipt,) = money_seller.receipts(receiptTypes="PARTIAL_REFUND")
    assert _states(money_seller, order) == [("PROCESSED", receipt["receiptNumber"])]
    (line,) = receipt["lineItems"]["itemPartialRefundPositions"]
    assert float(line["partialRefundAmount"]["gross"]["amount"]) == 1.5
    assert line["positionItemIds"] == [order["positionItems"][0]["positionItemId"]]
    assert receipt["partialRefundType"] == "REFUND_COMPLAINT_ITEM"
    (purchase,) = money_seller.receipts(receiptTypes="PURCHASE")
    assert receipt["linkedReceiptNumber"] == purchase["receiptNumber"]


def test_the_entry_of_an_item_sums_up(money_seller: Any) -> None:
    order = _sent(money_seller)
    for amount in (1.5, 1.5, "0.25"):
        _ask(money_seller, order, amount)
    (entry,) = money_seller.pages(URL, "results")
    assert float(entry["totalPriceReduction"]["amount"]) == 3.25
    assert [float(one["priceReduction"]["amount"]) for one in entry["priceReductions"]] == [
        1.5,
        1.5,
        0.25,
    ]
    (purchase,) = money_seller.receipts()
    (line,) = purchase["lineItems"]["itemPositions"]
    assert float(entry["invoicePrice"]["amount"]) == float(line["positionSum"]["gross"]["amount"])


def test_what_reaches_the_remaining_amount_is_rejected_later(money_seller: Any) -> None:
    order = _sent(money_seller)
    item_id = order["positionItems"][0]["positionItemId"]
    world = money_seller.sandbox.world
    held = world.market.orders[order["salesOrderId"]]
    price = world.money.billing.charge(held, held.items[0]).to_pay_cents
    for cents in (price, price - 1, 1):
        assert _ask(money_seller, order, f"{cents // 100}.{cents % 100:02d}").status_code == 202
    money_seller.advance(minutes=30)
    assert [status for status, _ in _states(money_seller, order)] == [
        "REJECTED",
        "PROCESSED",
        "REJECTED",
    ]
    assert len(money_seller.receipts(receiptTypes="PARTIAL_REFUND")) == 1
    (item,) = [
        entry
        for entry in money_seller.control("money")["position_items"]
        if entry["position_item_id"] == item_id
    ]
    assert item["partially_refunded_cents"] == price - 1


def test_a_return_in_between_rejects_the_reduction(money_seller: Any) -> None:
    order = _sent(money_seller)
    _ask(money_seller, order)
    item = {
        "salesOrderId": order["salesOrderId"],
        "positionItemId": order["positionItems"][0]["positionItemId"],
    }
    money_seller.otto.post("/v3/returns/acceptance", json={"positionItems": [item]})
    money_seller.advance(minutes=30)
    assert _states(money_seller, order) == [("REJECTED", None)]
    answer = _ask(money_seller, order)
    assert answer.status_code == 409
    assert "has been returned" in answer.json()["errors"][0]["detail"]


def test_a_refund_takes_reductions_into_account(money_seller: Any) -> None:
    order = _sent(money_seller)
    _ask(money_seller, order, 2)
    money_seller.advance(minutes=30)
    item = {
        "salesOrderId": order["salesOrderId"],
        "positionItemId": order["positionItems"][0]["positionItemId"],
    }
    money_seller.otto.post("/v3/returns/acceptance", json={"positionItems": [item]})
    money_seller.advance(minutes=5)
    (truth,) = money_seller.control("money")["position_items"]
    assert truth["partially_refunded_cents"] == 200
    assert truth["refunded_cents"] == truth["purchased_cents"] - 200
    assert truth["purchased_cents"] == truth["buyer_price_cents"]


def test_only_a_sent_item_can_be_reduced(money_seller: Any) -> None:
    answer = _ask(money_seller, money_seller.new_order())
    assert answer.status_code == 409
    (error,) = answer.json()["errors"]
    assert (error["code"], error["path"]) == (409, URL)


def test_an_item_without_reductions_is_404(money_seller: Any) -> None:
    order = _sent(money_seller)
    item_id = order["positionItems"][0]["positionItemId"]
    answer = money_seller.otto.get(URL, params={"positionItemId": item_id})
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["detail"].startswith("No PriceReduction applied for item")
    assert money_seller.otto.get(URL).json()["results"] == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"positionItemId": "6a5ae0b8-9e1b-4a51-9c1d-5a2f7d1f0000"}, 404),
        ({"salesOrderId": "6a5ae0b8-9e1b-4a51-9c1d-5a2f7d1f0000"}, 404),
        ({"positionItemId": "17"}, 400),
        ({"priceReduction": {"amount": 1, "currency": "USD"}}, 400),
        ({"priceReduction": {"amount": 1.005, "currency": "EUR"}}, 400),
        ({"priceReduction": {"amount": 0, "currency": "EUR"}}, 400),
        ({"priceReduction": {"amount": "NaN", "currency": "EUR"}}, 400),
        ({"priceReduction": 1}, 400),
    ],
)
def test_requests_that_name_nothing_real_are_refused(
    money_seller: Any, changes: dict[str, Any], status: int
) -> None:
    assert _ask(money_seller, _sent(money_seller), **changes).status_code == status
    assert money_seller.otto.get(URL).json()["results"] == []


def test_items_come_in_pages_last_asked_first(money_seller: Any) -> None:
    orders = [_sent(money_seller) for _ in range(3)]
    for order in orders:
        _ask(money_seller, order)
    found = money_seller.pages(URL, "results", limit=1)
    assert [entry["salesOrderId"] for entry in found] == [o["salesOrderId"] for o in orders[::-1]]
    for query in ({"limit": 129}, {"page": 0}):
        assert money_seller.otto.get(URL, params=query).status_code == 400
