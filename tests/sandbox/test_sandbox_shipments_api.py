"""Shipments of the simulated OTTO: acceptance and each refusal."""

import uuid
from typing import Any

import httpx
import pytest


@pytest.fixture
def order(seller: Any) -> Any:
    return seller.new_order(3)


def _ids(order: Any) -> list[str]:
    return [item["positionItemId"] for item in order["positionItems"]]


def _refusal(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["errors"][0]
    return answer.status_code, error["title"], error.get("jsonPath")


def test_an_accepted_shipment_marks_its_items_sent_with_date_and_tracking(
    seller: Any, order: Any
) -> None:
    ids = _ids(order)
    answer = seller.otto.post("/v1/shipments", json=seller.shipment(order["salesOrderId"], ids[:2]))
    assert answer.status_code == 201
    now = seller.otto.get(f"/v4/orders/{order['salesOrderId']}").json()["positionItems"]
    assert [item["fulfillmentStatus"] for item in now] == ["SENT", "SENT", "PROCESSABLE"]
    assert now[0]["sentDate"] == "2026-06-08T10:00:00.000+0000"
    assert now[0]["trackingInfo"] == {"carrier": "DHL", "trackingNumber": "577546565072"}
    assert "trackingInfo" not in now[2]


def test_a_shipment_is_read_back_by_id_and_by_tracking_key(seller: Any, order: Any) -> None:
    body = seller.shipment(order["salesOrderId"], _ids(order))
    shipment_id = seller.otto.post("/v1/shipments", json=body).json()["shipmentId"]
    by_id = seller.otto.get(f"/v1/shipments/{shipment_id}").json()
    url = "/v1/shipments/carriers/DHL/trackingnumbers/577546565072"
    assert seller.otto.get(url).json() == by_id
    assert by_id["positionItems"] == body["positionItems"]
    assert [state["state"] for state in by_id["states"]] == ["SENT"]
    seller.advance(days=2)
    states = seller.otto.get(url).json()["states"]
    assert [state["state"] for state in states] == ["SENT", "ON_THE_WAY", "DELIVERED"]


@pytest.mark.parametrize(
    "path", ["/v1/shipments/1", "/v1/shipments/carriers/DHL/trackingnumbers/1"]
)
def test_an_unknown_shipment_is_a_404_without_version_in_its_path(seller: Any, path: str) -> None:
    answer = seller.otto.get(path)
    assert _refusal(answer)[:2] == (404, "RESOURCE_NOT_FOUND")
    assert answer.json()["errors"][0]["path"] == path.removeprefix("/v1")


@pytest.mark.parametrize("name", ["trackingKey", "shipDate", "shipFromAddress", "positionItems"])
def test_each_missing_part_is_named_as_mandatory(seller: Any, order: Any, name: str) -> None:
    body = seller.shipment(order["salesOrderId"], _ids(order))
    del body[name]
    answer = seller.otto.post("/v1/shipments", json=body)
    assert _refusal(answer) == (400, "PROPERTY_IS_MANDATORY", name)


@pytest.mark.parametrize(
    ("change", "title", "path"),
    [
        (
            {"trackingKey": {"carrier": "DHL"}},
            "PROPERTY_IS_MANDATORY",
            "trackingKey.trackingNumber",
        ),
        (
            {"trackingKey": {"carrier": "XPRESS-24", "trackingNumber": "1"}},
            "INVALID_PROPERTY_VALUE",
            "trackingKey.carrier",
        ),
        ({"shipDate": "yesterday"}, "INVALID_PROPERTY_VALUE", "shipDate"),
        ({"shipDate": "2026-06-08T10:00:00"}, "INVALID_PROPERTY_VALUE", "shipDate"),
        (
            {"shipFromAddress": {"city": "Dresden", "zipCode": "01067", "countryCode": "DE"}},
            "INVALID_PROPERTY_VALUE",
            "shipFromAddress.countryCode",
        ),
        (
            {"shipFromAddress": {"city": "x" * 61, "zipCode": "01067", "countryCode": "DEU"}},
            "INVALID_PROPERTY_VALUE",
            "shipFromAddress.city",
        ),
        (
            {"shipFromAddress": {"city": "Dresden", "countryCode": "DEU"}},
            "PROPERTY_IS_MANDATORY",
            "shipFromAddress.zipCode",
        ),
        ({"positionItems": []}, "PROPERTY_IS_MANDATORY", "positionItems"),
    ],
)
def test_each_wrong_part_is_refused_where_it_stands(
    seller: Any, order: Any, change: dict[str, Any], title: str, path: str
) -> None:
    body = seller.shipment(order["salesOrderId"], _ids(order), **change)
    assert _refusal(seller.otto.post("/v1/shipments", json=body)) == (400, title, path)


@pytest.mark.parametrize(
    ("change", "title", "path"),
    [
        ({"positionItemId": None}, "PROPERTY_IS_MANDATORY", "positionItemId"),
        ({"salesOrderId": None}, "PROPERTY_IS_MANDATORY", "salesOrderId"),
        ({"positionItemId": "4711"}, "INVALID_PROPERTY_VALUE", "positionItemId"),
        ({"returnTrackingKey": None}, "PROPERTY_IS_MANDATORY", "returnTrackingKey"),
        (
            {"returnTrackingKey": {"carrier": "UPS", "trackingNumber": "1"}},
            "INVALID_PROPERTY_VALUE",
            "returnTrackingKey.carrier",
        ),
        (
            {"returnTrackingKey": {"carrier": "DHL"}},
            "PROPERTY_IS_MANDATORY",
            "returnTrackingKey.trackingNumber",
        ),
        ({"returnAddressCarrierId": "x"}, "INVALID_PROPERTY_VALUE", "returnAddressCarrierId"),
        ({"positionItemId": str(uuid.UUID(int=1))}, "INSUFFICIENT_PERMISSION", "positionItemId"),
        ({"salesOrderId": str(uuid.UUID(int=1))}, "INSUFFICIENT_PERMISSION", "positionItemId"),
    ],
)
def test_each_wrong_item_is_refused_where_it_stands_and_nothing_is_sent(
    seller: Any, order: Any, change: dict[str, Any], title: str, path: str
) -> None:
    body = seller.shipment(order["salesOrderId"], _ids(order))
    body["positionItems"][1] |= change
    answer = seller.otto.post("/v1/shipments", json=body)
    assert _refusal(answer) == (400, title, f"positionItems[1].{path}")
    now = seller.otto.get(f"/v4/orders/{order['salesOrderId']}").json()["positionItems"]
    assert {item["fulfillmentStatus"] for item in now} == {"PROCESSABLE"}
    assert seller.control("sent-shipments") == []


def test_a_forwarder_needs_neither_number_nor_return_key(seller: Any, order: Any) -> None:
    body = seller.shipment(order["salesOrderId"], _ids(order), trackingKey={"carrier": "DACHSER"})
    for item in body["positionItems"]:
        del item["returnTrackingKey"]
    assert seller.otto.post("/v1/shipments", json=body).status_code == 201


def test_a_tracking_key_is_taken_once(seller: Any, order: Any) -> None:
    ids = _ids(order)
    first = seller.shipment(order["salesOrderId"], ids[:1])
    assert seller.otto.post("/v1/shipments", json=first).status_code == 201
    answer = seller.otto.post("/v1/shipments", json=seller.shipment(order["salesOrderId"], ids[1:]))
    assert _refusal(answer) == (409, "DUPLICATE_TRACKING_KEY", "trackingKey")


def test_an_item_is_sent_once(seller: Any, order: Any) -> None:
    body = seller.shipment(order["salesOrderId"], _ids(order)[:1])
    seller.otto.post("/v1/shipments", json=body)
    again = body | {"trackingKey": {"carrier": "DHL", "trackingNumber": "406522044489"}}
    answer = seller.otto.post("/v1/shipments", json=again)
    assert _refusal(answer)[:2] == (409, "POSITION_ITEM_INCLUDED_IN_OTHER_SHIPMENT")


def test_a_cancelled_item_cannot_be_sent(seller: Any, order: Any) -> None:
    seller.otto.post(f"/v4/orders/{order['salesOrderId']}/cancellation")
    seller.advance(minutes=6)
    answer = seller.otto.post(
        "/v1/shipments", json=seller.shipment(order["salesOrderId"], _ids(order))
    )
    assert _refusal(answer)[:2] == (400, "POSITION_ITEM_CAN_NOT_BE_SENT")


@pytest.mark.parametrize("by", ["id", "tracking key"])
def test_a_forgotten_item_is_added_to_its_shipment(seller: Any, order: Any, by: str) -> None:
    ids = _ids(order)
    whole = seller.shipment(order["salesOrderId"], ids)
    first = whole | {"positionItems": whole["positionItems"][:1]}
    shipment_id = seller.otto.post("/v1/shipments", json=first).json()["shipmentId"]
    base = shipment_id if by == "id" else "carriers/DHL/trackingnumbers/577546565072"
    url = f"/v1/shipments/{base}/positionitems"
    answer = seller.otto.post(url, json=whole["positionItems"][1:])
    assert (answer.status_code, answer.content) == (200, b"")
    now = seller.otto.get(f"/v1/shipments/{shipment_id}").json()
    assert [item["positionItemId"] for item in now["positionItems"]] == ids
    twice = seller.otto.post(url, json=whole["positionItems"][1:])
    assert _refusal(twice)[:2] == (409, "POSITION_ITEM_INCLUDED_IN_OTHER_SHIPMENT")


def test_one_item_in_two_parcels_is_a_multiparcel_shipment(seller: Any, order: Any) -> None:
    one = seller.shipment(order["salesOrderId"], _ids(order)[:1])
    two = one | {"trackingKey": {"carrier": "DHL", "trackingNumber": "406522044489"}}
    assert seller.otto.post("/v1/multiparcel-shipments", json=[one]).status_code == 400
    assert _refusal(seller.otto.post("/v1/multiparcel-shipments", json=[one, one]))[0] == 409
    answer = seller.otto.post("/v1/multiparcel-shipments", json=[one, two])
    assert answer.status_code == 201
    assert answer.json()["multiParcelShipmentId"]
    url = "/v1/shipments/carriers/DHL/trackingnumbers/406522044489"
    assert seller.otto.get(url).status_code == 200


def test_the_list_of_shipments_needs_a_date_and_pages_by_cursor(seller: Any) -> None:
    for serial in range(5):
        order = seller.new_order()
        key = {"carrier": "GLS", "trackingNumber": f"5000000000{serial}"}
        body = seller.shipment(order["salesOrderId"], _ids(order), trackingKey=key)
        seller.otto.post("/v1/shipments", json=body)
    assert _refusal(seller.otto.get("/v1/shipments"))[:2] == (400, "PROPERTY_IS_MANDATORY")
    url, seen = "/v1/shipments?datefrom=2026-06-08&limit=2", []
    while url:
        page = seller.otto.get(url).json()
        assert len(page["resources"]) <= 2
        seen += [entry["trackingKey"]["trackingNumber"] for entry in page["resources"]]
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")
    assert seen == [f"5000000000{serial}" for serial in range(5)]
    assert seller.otto.get("/v1/shipments?datefrom=2026-06-09").json()["resources"] == []


def test_a_body_that_is_no_json_is_a_400(seller: Any) -> None:
    assert seller.otto.post("/v1/shipments", content=b"{").status_code == 400
    assert seller.otto.post("/v1/shipments", json=[1]).status_code == 400
