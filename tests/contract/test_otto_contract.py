"""The judge itself: it passes right requests and names what is wrong with others."""

import json
from copy import deepcopy
from typing import Any

import pytest

from tests.contract.otto_contract import violations

AUTH = {"authorization": "Bearer abc"}
JSON = {**AUTH, "content-type": "application/json"}
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
SHIPMENT: dict[str, Any] = {
    "trackingKey": {"carrier": "DHL", "trackingNumber": "577546565072"},
    "shipDate": "2026-11-20T15:04:00.000Z",
    "shipFromAddress": {"city": "Dresden", "countryCode": "DEU", "zipCode": "01067"},
    "positionItems": [
        {
            "positionItemId": UUID,
            "salesOrderId": UUID,
            "returnTrackingKey": {"carrier": "DHL", "trackingNumber": "406522044489"},
        }
    ],
}


def judge(target: str, method: str = "GET") -> list[str]:
    return violations(method, target, AUTH, b"")


def judge_shipment(**changes: Any) -> list[str]:
    body = json.dumps(deepcopy(SHIPMENT) | changes).encode()
    return violations("POST", "/v1/shipments", JSON, body)


def test_right_requests_pass() -> None:
    assert judge("/v4/orders?fulfillmentStatus=SENT&fulfillmentStatus=RETURNED&limit=256") == []
    assert judge("/v4/orders?fromDate=2019-08-01T01:00:00%2B02:00") == []
    assert judge("/v4/orders?nextcursor=QlVD%3D&limit=128") == []
    assert judge_shipment() == []


@pytest.mark.parametrize(
    "target",
    [
        "/v4/orders?nextCursor=QlVD",
        "/v4/orders?orderDateFrom=2026-01-01T00:00:00Z",
        "/v4/orders?limit=257",
        "/v4/orders?limit=0",
        "/v4/orders?mode=bucket",
        "/v4/orders?fulfillmentStatus=SENT,RETURNED",
        "/v4/orders?fromDate=2026-01-01",
        "/v4/orders?nextcursor=QlVD&mode=BUCKET",
        "/v4/orders?limit=1&limit=2",
        "/v1/shipments",
        "/v1/shipments?datefrom=2026-01-01&limit=101",
        "/v3/orders",
    ],
)
def test_a_wrong_address_or_parameter_is_caught(target: str) -> None:
    assert judge(target)


def test_a_call_without_a_token_is_caught() -> None:
    assert violations("GET", "/v4/orders", {}, b"") == ["bearer token is missing"]


@pytest.mark.parametrize(
    "changes",
    [
        {"trackingKey": {"carrier": "DHL-PAKET", "trackingNumber": "1"}},
        {"trackingKey": {"carrier": "DHL"}},
        {"shipDate": "2026-11-20"},
        {"shipDate": "2026-11-20T15:04:00.000+01:00"},
        {"shipFromAddress": {"city": "Dresden", "countryCode": "DE", "zipCode": "01067"}},
        {"shipFromAddress": {"city": "", "countryCode": "DEU", "zipCode": "01067"}},
        {"shipFromAddress": {"city": "D", "countryCode": "DEU", "postCode": "01067"}},
        {"positionItems": []},
        {"positionItems": [{**SHIPMENT["positionItems"][0], "salesOrderId": "4711"}]},
        {"positionItems": [{"positionItemId": UUID, "salesOrderId": UUID}]},
        {"positionItems": "none"},
        {"trackingUrl": "https://example.org"},
    ],
)
def test_a_wrong_shipment_is_caught(changes: dict[str, Any]) -> None:
    assert judge_shipment(**changes)


def judge_quantities(*items: Any) -> list[str]:
    return violations("POST", "/v1/availability/quantities", JSON, json.dumps(items).encode())


def test_right_quantities_pass() -> None:
    assert judge_quantities({"sku": "A", "quantity": 0}) == []
    assert judge_quantities(*[{"sku": "A", "quantity": 999_999_999}] * 200) == []
    assert judge("/v1/availability/quantities?cursor=A%20B") == []


@pytest.mark.parametrize(
    "items",
    [
        [],
        [{"sku": "A", "quantity": 1}] * 201,
        [{"sku": "", "quantity": 1}],
        [{"sku": "A", "quantity": -1}],
        [{"sku": "A", "quantity": 1_000_000_000}],
        [{"sku": "A", "quantity": True}],
        [{"sku": "A", "quantity": "1"}],
        [{"sku": "A"}],
        [{"sku": "A", "quantity": 1, "lastModified": "2026-11-20T15:04:00Z"}],
    ],
)
def test_wrong_quantities_are_caught(items: list[Any]) -> None:
    assert judge_quantities(*items)


def test_a_cancellation_with_a_body_is_caught() -> None:
    found = violations("POST", "/v4/orders/1/cancellation", JSON, b"{}")
    assert found == ["there must be no body"]


DECIDED = {
    "positionItemId": UUID,
    "salesOrderId": UUID,
    "condition": "A",
    "reason": "RETURN_RECEIVED",
}
REDUCTION = {
    "positionItemId": UUID,
    "salesOrderId": UUID,
    "priceReduction": {"amount": 5.05, "currency": "EUR"},
}


def judge_post(path: str, body: Any) -> list[str]:
    return violations("POST", path, JSON, json.dumps(body).encode())


def test_right_requests_about_money_pass() -> None:
    assert judge("/v3/receipts?receiptTypes=PURCHASE,REFUND&from=2026-11-01&limit=128") == []
    assert judge("/v3/receipts?next=abc&limit=128") == []
    assert judge("/v3/receipts/R-DE-1.pdf") == []
    assert judge("/v3/returns?status=ACCEPTED&limit=50&page=2") == []
    assert judge("/v1/return-shipments?datefrom=2026-11-01T00:00:00.000Z") == []
    assert judge(f"/v1/price-reductions?positionItemId={UUID}&page=1") == []
    assert judge("/v5/products/prices?limit=100&page=0") == []
    assert judge_post("/v3/returns/acceptance", {"positionItems": [DECIDED]}) == []
    assert judge_post("/v1/price-reductions", REDUCTION) == []


@pytest.mark.parametrize(
    "target",
    [
        "/v3/receipts?fromDate=2026-11-01",
        "/v3/receipts?from=2026-11-01T00:00:00Z",
        "/v3/receipts?receiptTypes=PURCHASES",
        "/v3/receipts?next=abc&from=2026-11-01",
        "/v3/receipts?limit=129",
        "/v3/returns?status=accepted",
        "/v3/returns?limit=51",
        "/v3/returns?datefrom=2026-11-01T00:00:00.000Z",
        "/v1/return-shipments",
        "/v1/price-reductions?salesOrderId=1",
        "/v5/products/prices?limit=101",
    ],
)
def test_a_wrong_question_about_money_is_caught(target: str) -> None:
    assert judge(target)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v3/returns/acceptance", {"positionItems": []}),
        ("/v3/returns/acceptance", {"positionItems": [DECIDED] * 201}),
        ("/v3/returns/acceptance", {"positionItems": [{**DECIDED, "condition": "A/B/C/D/E"}]}),
        ("/v3/returns/rejection", {"positionItems": [DECIDED]}),
        ("/v1/price-reductions", {**REDUCTION, "positionItemId": "1"}),
        ("/v1/price-reductions", {**REDUCTION, "priceReduction": {"amount": "5.05"}}),
        (
            "/v1/price-reductions",
            {**REDUCTION, "priceReduction": {"amount": 5.055, "currency": "EUR"}},
        ),
        ("/v1/price-reductions", {**REDUCTION, "priceReduction": {"amount": 0, "currency": "EUR"}}),
    ],
)
def test_a_wrong_request_about_money_is_caught(path: str, body: Any) -> None:
    assert judge_post(path, body)
