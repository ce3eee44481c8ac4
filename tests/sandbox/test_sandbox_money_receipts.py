"""Receipts over HTTP: which there are, how they are found, and what a client must not rely on."""

from collections.abc import Callable
from typing import Any

import pytest

from otto_pipelines.sandbox.model import SalesOrder


def _order(seller: Any, lines: int, **facts: Any) -> dict[str, Any]:
    """A new order with these facts (of the world's record)."""
    order = seller.new_order(lines)
    held: SalesOrder = seller.sandbox.world.market.orders[order["salesOrderId"]]
    for name, value in facts.items():
        setattr(held, name, value)
    return dict(order)


def _ids(order: dict[str, Any]) -> list[str]:
    return [item["positionItemId"] for item in order["positionItems"]]


def test_a_shipment_makes_a_purchase_receipt_a_little_later(money_seller: Any) -> None:
    order = _order(money_seller, 2, fee_cents=595)
    money_seller.send(order)
    assert money_seller.receipts() == []
    money_seller.advance(minutes=5)
    (receipt,) = money_seller.receipts()
    assert receipt["receiptType"] == "PURCHASE"
    assert receipt["receiptNumber"].startswith("R-DE-")
    assert receipt["salesOrderId"] == order["salesOrderId"]
    assert receipt["orderNumber"] == order["orderNumber"]
    assert receipt["shipment"]["shipFromAddress"] == {"zipCode": "01067", "countryCode": "DEU"}
    assert {"creationDate", "fulfillmentDate", "orderDate", "partner", "payment"} <= set(receipt)
    assert receipt["deliveryAddress"]["lastName"] == order["deliveryAddress"]["lastName"]
    (fee,) = receipt["lineItems"]["deliveryCosts"]
    assert float(fee["positionSum"]["gross"]["amount"]) == 5.95
    billed = [i for p in receipt["lineItems"]["itemPositions"] for i in p["positionItemIds"]]
    assert sorted(billed) == sorted(_ids(order))


def test_each_shipment_has_its_receipt_and_the_fee_stands_on_the_first(money_seller: Any) -> None:
    order = _order(money_seller, 3, fee_cents=395)
    first, second, third = _ids(order)
    money_seller.send(order, [first])
    money_seller.advance(minutes=10)
    sent = money_seller.send(order, [second])
    money_seller.advance(minutes=10)
    key = sent["trackingKey"]
    body = money_seller.shipment(order["salesOrderId"], [third])["positionItems"]
    money_seller.otto.post(
        f"/v1/shipments/carriers/DHL/trackingnumbers/{key['trackingNumber']}/positionitems",
        json=body,
    ).raise_for_status()
    money_seller.advance(minutes=10)
    newest_first = money_seller.receipts(salesOrderId=order["salesOrderId"])
    fees = [len(receipt["lineItems"]["deliveryCosts"]) for receipt in newest_first]
    items = [
        [i for p in receipt["lineItems"]["itemPositions"] for i in p["positionItemIds"]]
        for receipt in newest_first
    ]
    assert fees == [0, 0, 1]
    assert items == [[third], [second], [first]]


def test_a_prepaid_purchase_has_nothing_due(money_seller: Any) -> None:
    money_seller.send(_order(money_seller, 1, payment="PREPAYMENT"))
    money_seller.advance(minutes=5)
    (receipt,) = money_seller.receipts()
    assert float(receipt["amountDue"]["amount"]) == 0
    assert float(receipt["totalsGrossAmount"]["amount"]) > 0


def test_a_voucher_lowers_what_is_due_and_nothing_else(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(voucher_share=1.0)
    seller.log_in("orders shipments receipts")
    order = _order(seller, 2, payment="PAYPAL")
    seller.send(order)
    seller.advance(minutes=5)
    (receipt,) = seller.receipts()
    (reduction,) = receipt["totalsReductions"]
    assert reduction["type"] == "VOUCHER"
    assert reduction["details"]["voucherCode"].startswith("****")
    due, gross, voucher = (
        round(100 * float(amount["amount"]))
        for amount in (receipt["amountDue"], receipt["totalsGrossAmount"], reduction["gross"])
    )
    assert due == gross - voucher
    assert voucher > 0


def test_a_service_is_a_line_of_its_own_kind(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(service_share=1.0)
    seller.log_in("orders shipments receipts")
    seller.send(_order(seller, 1, fee_cents=0))
    seller.advance(minutes=5)
    (receipt,) = seller.receipts()
    (service,) = receipt["lineItems"]["servicePositions"]
    assert service["serviceType"] == "DISPOSAL"


def test_a_list_is_newest_first_and_a_cursor_keeps_its_filters(money_seller: Any) -> None:
    order_ids = []
    for _ in range(5):
        order = money_seller.new_order()
        order_ids.append(order["salesOrderId"])
        money_seller.send(order)
        money_seller.advance(minutes=10)
    money_seller.control("price-reductions", {"sales_order_id": order_ids[0], "amount_cents": 100})
    money_seller.advance(hours=1)
    page = money_seller.otto.get("/v3/receipts", params={"receiptTypes": "PURCHASE", "limit": 2})
    assert page.json()["links"][0]["rel"] == "self"
    found = money_seller.receipts(receiptTypes="PURCHASE", limit=2)
    assert [receipt["salesOrderId"] for receipt in found] == order_ids[::-1]
    everything = money_seller.receipts(receiptTypes="PURCHASE,PARTIAL_REFUND", limit=1)
    assert [receipt["receiptType"] for receipt in everything] == [
        "PARTIAL_REFUND",
        *["PURCHASE"] * 5,
    ]
    assert len({receipt["receiptNumber"] for receipt in everything}) == 6


def test_a_repeated_page_names_its_own_cursor_once_and_loses_nothing(money_seller: Any) -> None:
    for _ in range(8):
        money_seller.send(money_seller.new_order())
    money_seller.advance(minutes=5)
    money_seller.control("faults", {"transport_rate": 1.0, "kinds": ["repeated_page"]})
    numbers = [receipt["receiptNumber"] for receipt in money_seller.receipts(limit=2)]
    counted = money_seller.control("ledger")["transport"]["otto"]["repeated_page"]
    assert counted >= 1
    assert len(numbers) == 8 + 2 * counted
    assert len(set(numbers)) == 8


def test_days_are_utc_and_inclusive(money_seller: Any) -> None:
    money_seller.send(money_seller.new_order())
    money_seller.advance(days=1)
    money_seller.log_in("orders shipments receipts")
    money_seller.send(money_seller.new_order())
    money_seller.advance(minutes=5)
    days = [receipt["creationDate"][:10] for receipt in money_seller.receipts()]
    assert days == ["2026-06-09", "2026-06-08"]
    for bounds, count in (
        ({"from": "2026-06-08", "to": "2026-06-08"}, 1),
        ({"from": "2026-06-08", "to": "2026-06-09"}, 2),
        ({"from": "2026-06-09"}, 1),
        ({"to": "2026-06-07"}, 0),
        ({"fromDate": "2030-01-01"}, 2),
    ):
        assert len(money_seller.receipts(**bounds)) == count, bounds


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 129},
        {"receiptTypes": "INVOICE"},
        {"from": "yesterday"},
        {"next": "nonsense"},
        {"next": "YQpiCmMKZAplZQ=="},
    ],
)
def test_values_that_make_no_sense_are_refused(money_seller: Any, query: dict[str, Any]) -> None:
    answer = money_seller.otto.get("/v3/receipts", params=query)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["detail"]


def test_one_receipt_is_found_by_its_number_as_json_and_as_pdf(money_seller: Any) -> None:
    money_seller.send(money_seller.new_order())
    money_seller.advance(minutes=5)
    (receipt,) = money_seller.receipts()
    number = receipt["receiptNumber"]
    assert money_seller.otto.get(f"/v3/receipts/{number}").json() == receipt
    answer = money_seller.otto.get(f"/v3/receipts/{number}.pdf")
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-1.4")
    assert number.encode() in answer.content
    table = int(answer.content.rsplit(b"startxref\n", 1)[1].split()[0])
    assert answer.content[table:].startswith(b"xref")
    for unknown in ("R-DE-0", "R-DE-0.pdf"):
        assert money_seller.otto.get(f"/v3/receipts/{unknown}").status_code == 404


def test_amounts_of_some_orders_are_text_and_bring_unknown_fields(money_seller: Any) -> None:
    order = money_seller.new_order()
    held = money_seller.sandbox.world.market.orders[order["salesOrderId"]]
    money_seller.send(order)
    held.order_id = held.order_id[:-1] + "0"
    money_seller.advance(minutes=5)
    (receipt,) = money_seller.receipts()
    assert isinstance(receipt["amountDue"]["amount"], str)
    assert "documentHint" in receipt


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/v3/receipts", "receipts"),
        ("/v3/returns", "returns"),
        ("/v1/return-shipments?datefrom=2026-06-08", "shipments"),
        ("/v1/price-reductions", "price-reduction"),
        ("/v5/products/prices", "products"),
    ],
)
def test_each_interface_of_money_demands_its_scope(seller: Any, path: str, scope: str) -> None:
    seller.log_in("availability")
    assert seller.otto.get(path).status_code == 403
    seller.log_in(scope)
    assert seller.otto.get(path).status_code == 200
    del seller.otto.headers["Authorization"]
    assert seller.otto.get(path).status_code == 401
