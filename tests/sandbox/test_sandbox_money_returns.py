"""Returns over HTTP: decisions and their refusals, shipments on their way back, refunds."""

from collections.abc import Callable
from typing import Any

import pytest


def _items(order: dict[str, Any], **facts: Any) -> list[dict[str, Any]]:
    return [
        {"salesOrderId": order["salesOrderId"], "positionItemId": item["positionItemId"], **facts}
        for item in order["positionItems"]
    ]


def _decide(seller: Any, verb: str, items: list[dict[str, Any]]) -> Any:
    return seller.otto.post(f"/v3/returns/{verb}", json={"positionItems": items})


def _sent(seller: Any, lines: int = 1) -> dict[str, Any]:
    order: dict[str, Any] = seller.new_order(lines)
    seller.send(order)
    seller.advance(minutes=10)
    return order


ACCEPT = {"condition": "A", "reason": "RETURN_RECEIVED"}
REJECT = {"condition": "E", "reason": "ITEM_NOT_IN_THE_PARCEL"}


def test_accepting_returns_the_item_and_refunds_what_it_cost(money_seller: Any) -> None:
    order = _sent(money_seller, 2)
    answer = _decide(money_seller, "acceptance", _items(order, **ACCEPT))
    assert (answer.status_code, answer.json()) == (200, {})
    (shown,) = money_seller.orders(fulfillmentStatus="RETURNED")
    for item in shown["positionItems"]:
        assert item["fulfillmentStatus"] == "RETURNED"
        assert item["returnedDate"]
        assert item["returnAcceptedByMarketplace"] is False
    money_seller.advance(minutes=5)
    refund, purchase = money_seller.receipts()
    assert (refund["receiptType"], refund["refundType"]) == ("REFUND", "RETURN")
    assert refund["receiptNumber"].startswith("E-DE-")
    assert refund["linkedReceiptNumber"] == purchase["receiptNumber"]
    assert "totalsGrossAmount" not in refund
    assert "deliveryAddress" not in refund
    goods = [line["positionSum"] for line in purchase["lineItems"]["itemPositions"]]
    back = [line["positionSum"] for line in refund["lineItems"]["itemPositions"]]
    assert sum(float(line["gross"]["amount"]) for line in back) == pytest.approx(
        sum(float(line["gross"]["amount"]) for line in goods)
    )
    assert refund["lineItems"]["deliveryCosts"] == []


def test_an_acceptance_is_final(money_seller: Any) -> None:
    order = _sent(money_seller)
    (item,) = _items(order, **ACCEPT)
    _decide(money_seller, "acceptance", [item])
    for verb, facts in (("acceptance", ACCEPT), ("rejection", REJECT)):
        answer = _decide(money_seller, verb, _items(order, **facts))
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["detail"] == "Product Is Already Accepted By The Partner"
        assert error["logref"] == item["positionItemId"]
        assert error["title"] == f"Error while processing request: {item['positionItemId']}"
    money_seller.advance(minutes=5)
    assert [r["receiptType"] for r in money_seller.receipts()] == ["REFUND", "PURCHASE"]


def test_a_rejected_return_can_be_accepted_later(money_seller: Any) -> None:
    order = _sent(money_seller)
    assert _decide(money_seller, "rejection", _items(order, **REJECT)).status_code == 200
    (case,) = money_seller.pages("/v3/returns", "positionItems")
    assert (case["status"], case["details"]) == ("REJECTED", REJECT)
    money_seller.advance(minutes=5)
    assert len(money_seller.receipts()) == 1
    assert _decide(money_seller, "acceptance", _items(order, **ACCEPT)).status_code == 200
    (case,) = money_seller.pages("/v3/returns", "positionItems", status="accepted")
    assert (case["status"], case["details"]) == ("ACCEPTED", ACCEPT)


def test_good_items_are_taken_and_each_bad_one_is_named(money_seller: Any) -> None:
    good, unsent = _sent(money_seller), money_seller.new_order()
    foreign = _items(good, **ACCEPT)[0] | {"salesOrderId": unsent["salesOrderId"]}
    answer = _decide(
        money_seller,
        "acceptance",
        [*_items(good, **ACCEPT), *_items(unsent, **ACCEPT), foreign, *_items(good, **ACCEPT)],
    )
    assert answer.status_code == 207
    assert answer.json()["results"] == _items(good, **ACCEPT)
    assert [error["detail"] for error in answer.json()["errors"]] == [
        "Product Not Sent By The Partner",
        "Product Does Not Belong To Sales Order Id",
        "Product Is Already Accepted By The Partner",
    ]


@pytest.mark.parametrize(
    ("verb", "facts", "detail"),
    [
        ("acceptance", {"condition": "F"}, "Invalid Condition"),
        ("acceptance", {"reason": "ITEM_DAMAGED"}, "Invalid Reason"),
        ("rejection", {"condition": "A"}, "Invalid Reason"),
        ("rejection", {"reason": "RETURN_RECEIVED"}, "Invalid Reason"),
    ],
)
def test_values_outside_of_the_lists_are_refused(
    money_seller: Any, verb: str, facts: dict[str, str], detail: str
) -> None:
    answer = _decide(money_seller, verb, _items(_sent(money_seller), **facts))
    assert answer.status_code == 422
    assert [error["detail"] for error in answer.json()["errors"]] == [detail]


def test_two_hundred_items_are_the_most(money_seller: Any) -> None:
    order = _sent(money_seller)
    answer = _decide(money_seller, "acceptance", _items(order, **ACCEPT) * 201)
    assert answer.status_code == 413
    assert money_seller.orders(fulfillmentStatus="RETURNED") == []


@pytest.mark.parametrize(("verb", "status"), [("acceptance", 422), ("rejection", 400)])
@pytest.mark.parametrize("body", [b"", b"[]", b'{"positionItems": []}', b"{"])
def test_a_body_without_items_is_refused(
    money_seller: Any, verb: str, status: int, body: bytes
) -> None:
    answer = money_seller.otto.post(f"/v3/returns/{verb}", content=body)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["code"] == status


def test_the_newest_change_comes_first_and_pages_follow(money_seller: Any) -> None:
    orders = [_sent(money_seller) for _ in range(5)]
    for order in orders:
        money_seller.control("returns/announce", {"sales_order_id": order["salesOrderId"]})
        money_seller.advance(minutes=1)
    _decide(money_seller, "acceptance", _items(orders[2], **ACCEPT))
    found = money_seller.pages("/v3/returns", "positionItems", limit=2)
    assert [case["salesOrderId"] for case in found] == [
        orders[place]["salesOrderId"] for place in (2, 4, 3, 1, 0)
    ]
    announced = money_seller.pages("/v3/returns", "positionItems", limit=3, status="ANNOUNCED")
    assert [case["status"] for case in announced] == ["ANNOUNCED"] * 4
    key = announced[0]["details"]["returnTrackingKey"]
    assert key["carrier"] == "DHL"
    assert len(key["trackingNumbers"]) == 1
    for query in ({"status": "GONE"}, {"limit": 51}, {"page": 0}):
        assert money_seller.otto.get("/v3/returns", params=query).status_code == 400


def test_a_return_shipment_is_found_by_day_by_id_and_by_number(money_seller: Any) -> None:
    order = _sent(money_seller)
    made = money_seller.control(
        "returns/announce", {"sales_order_id": order["salesOrderId"], "tracking_number": "77"}
    )
    url = "/v1/return-shipments"
    (shipment,) = money_seller.pages(url, "resources", datefrom="2026-06-08T00:00:00Z")
    assert shipment["returnShipmentId"] == made["return_shipment_id"]
    assert shipment["trackingKey"] == {"carrier": "DHL", "trackingNumber": "77"}
    assert [state["state"] for state in shipment["states"]] == ["ANNOUNCED"]
    (item,) = order["positionItems"]
    assert shipment["returnPositionItems"] == [
        {
            "salesOrderId": order["salesOrderId"],
            "salesOrderPositionItemId": item["positionItemId"],
        }
    ]
    found = money_seller.otto.get
    assert found(f"{url}/{made['return_shipment_id']}").json() == shipment
    assert found(f"{url}/carriers/DHL/trackingnumbers/77").json() == shipment
    assert found(f"{url}/carriers/GLS/trackingnumbers/77").status_code == 404
    assert found(f"{url}/carriers/UPS/trackingnumbers/77").status_code == 400
    assert found(f"{url}/1").status_code == 404
    assert found(url).status_code == 400
    assert found(url, params={"datefrom": "2026-06-09"}).json()["resources"] == []
    money_seller.advance(days=43)
    money_seller.log_in("shipments")
    assert found(f"{url}/carriers/DHL/trackingnumbers/77").status_code == 404


def test_return_shipments_come_in_pages(money_seller: Any) -> None:
    for _ in range(5):
        order = _sent(money_seller)
        money_seller.control("returns/announce", {"sales_order_id": order["salesOrderId"]})
    found = money_seller.pages("/v1/return-shipments", "resources", datefrom="2026-06-08", limit=2)
    assert len({shipment["returnShipmentId"] for shipment in found}) == 5


def test_otto_accepts_by_itself_only_where_that_is_switched_on(
    open_sandbox: Callable[..., Any],
) -> None:
    accepted = {}
    for hours in (0.0, 6.0):
        seller = open_sandbox(returns_share=1.0, overdue_credit_hours=hours)
        seller.advance(hours=12)
        for _ in range(6):
            seller.send(seller.new_order())
        seller.advance(days=5)
        seller.log_in("orders returns receipts")
        cases = seller.pages("/v3/returns", "positionItems", status="ACCEPTED")
        accepted[hours] = len(cases)
        assert {case["details"]["reason"] for case in cases} <= {"OVERDUE_CREDIT"}
        returned = [
            item["returnAcceptedByMarketplace"]
            for order in seller.orders(fulfillmentStatus="RETURNED")
            for item in order["positionItems"]
            if item["fulfillmentStatus"] == "RETURNED"
        ]
        assert returned == [True] * len(cases)
        assert len(seller.receipts(receiptTypes="REFUND")) == len(
            {case["salesOrderId"] for case in cases}
        )
    assert accepted[0.0] == 0
    assert accepted[6.0] > 0
