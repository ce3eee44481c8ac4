"""Returns: reading newest first, deciding in batches, and what answers mean for each unit."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from resources.otto.client import OttoClient
from resources.otto.errors import OttoPermanent, OttoScopeMissing, OttoTransient, OttoUnknownOutcome
from resources.otto.returns import DecidedItem
from tests.resources.otto.fake_otto import FakeOtto, Reply, error_body

PATH = "/v3/returns"
ACCEPT = f"{PATH}/acceptance"
ORDER = "00000000-0000-0000-0000-000000000001"


def item_id(number: int) -> str:
    return f"00000000-0000-0000-0001-{number:012d}"


def decided(*numbers: int, reason: str = "RETURN_RECEIVED") -> list[DecidedItem]:
    return [
        DecidedItem(
            position_item_id=item_id(number), sales_order_id=ORDER, condition="A", reason=reason
        )
        for number in numbers
    ]


def row(number: int, at: str, status: str = "ACCEPTED", **details: Any) -> dict[str, Any]:
    return {
        "positionItemId": item_id(number),
        "salesOrderId": ORDER,
        "status": status,
        "occurredTime": at,
        "details": details or None,
    }


def page(*rows: Any, after: int | None = None) -> Reply:
    link = {"rel": "next", "href": f"{PATH}?page={after}&limit=50"}
    body = {"positionItems": rows, "links": [] if after is None else [link]}
    return Reply(200, json.dumps(body).encode())


def problem(number: int, detail: str) -> dict[str, Any]:
    return {
        "path": ACCEPT,
        "title": f"Error while processing request: {item_id(number)}",
        "detail": detail,
        "code": 422,
    }


def sizes(otto: FakeOtto, path: str = ACCEPT) -> list[int]:
    return [len(json.loads(seen.body)["positionItems"]) for seen in otto.calls("POST", path)]


def test_returns_are_read_page_by_page_with_the_details_of_each_status(
    otto: FakeOtto, client: OttoClient
) -> None:
    key = {"carrier": "DHL", "trackingNumbers": ["1", "2"]}
    otto.plan(
        "GET",
        PATH,
        page(row(1, "2026-11-20T10:00:00Z", "ANNOUNCED", returnTrackingKey=key), after=2),
        page(
            row(2, "2026-11-19T10:00:00Z", condition="B", reason="RETURN_RECEIVED"),
            row(3, "2026-11-18T10:00:00Z", "MISDIRECTED", orderNumber="x", ottoWarehouseID="W"),
        ),
    )
    rows = [found for page_ in client.returns.pages() for found in page_.rows]
    details = [found.details for found in rows]
    assert all(details)
    assert details[0].return_tracking_key.tracking_numbers == ["1", "2"]
    assert (details[1].condition, details[1].reason) == ("B", "RETURN_RECEIVED")
    assert details[2].otto_warehouse_id == "W"
    assert [dict(seen.query).get("page") for seen in otto.calls("GET", PATH)] == [None, "2"]


def test_a_unit_is_looked_for_no_further_back_than_asked(
    otto: FakeOtto, client: OttoClient
) -> None:
    since = datetime(2026, 11, 19, tzinfo=UTC)
    newest = page(row(1, "2026-11-20T10:00:00Z"), row(2, "2026-11-19T10:00:00Z"), after=2)
    older = page(row(3, "2026-11-18T10:00:00Z"), after=3)
    otto.plan("GET", PATH, newest, older)
    assert client.returns.find(ORDER, item_id(9), "ACCEPTED", since) is None
    assert len(otto.calls("GET", PATH)) == 2
    otto.plan("GET", PATH, newest)
    found = client.returns.find(ORDER, item_id(2), "ACCEPTED", since)
    assert found is not None
    assert found.occurred_time == "2026-11-19T10:00:00Z"


def test_decisions_travel_in_batches_of_at_most_200(otto: FakeOtto, client: OttoClient) -> None:
    otto.plan("POST", ACCEPT, *[Reply(200, b"{}")] * 3)
    results = client.returns.decide("acceptance", decided(*range(450)))
    assert sizes(otto) == [200, 200, 50]
    assert (len(results.done), results.refused, results.unsettled) == (450, {}, [])
    assert client.returns.decide("acceptance", []).done == set()


def test_a_bad_unit_costs_only_itself(otto: FakeOtto, client: OttoClient) -> None:
    answer = {
        "results": [{"positionItemId": item_id(1), "salesOrderId": ORDER}],
        "errors": [problem(2, "Product Not Sent By The Partner")],
    }
    otto.plan("POST", ACCEPT, Reply(207, json.dumps(answer).encode()))
    results = client.returns.decide("acceptance", decided(1, 2, 3))
    assert results.done == {item_id(1)}
    assert results.refused == {item_id(2): "Product Not Sent By The Partner"}
    assert results.unsettled == [item_id(3)]
    assert results.sent == {item_id(1), item_id(2), item_id(3)}


def test_when_all_are_bad_each_has_its_reason(otto: FakeOtto, client: OttoClient) -> None:
    errors = [problem(1, "one"), {**problem(2, "two"), "logref": item_id(2)}]
    otto.plan("POST", ACCEPT, Reply(422, json.dumps({"errors": errors}).encode()))
    results = client.returns.decide("acceptance", decided(1, 2))
    assert results.refused == {item_id(1): "one", item_id(2): "two"}
    assert sizes(otto) == [2]


def test_a_refusal_that_names_nobody_is_narrowed_down(otto: FakeOtto, client: OttoClient) -> None:
    path = f"{PATH}/rejection"
    nameless = Reply(400, error_body("Bad Request", "something is wrong"))
    otto.plan("POST", path, nameless, nameless, Reply(200, b"{}"), nameless, Reply(200, b"{}"))
    results = client.returns.decide("rejection", decided(1, 2, 3, 4, reason="ITEM_DAMAGED"))
    assert sizes(otto, path) == [4, 2, 1, 1, 2]
    assert results.refused == {item_id(2): "Bad Request: something is wrong"}
    assert results.done == {item_id(1), item_id(3), item_id(4)}


def test_a_batch_that_is_too_large_is_halved_and_the_next_ones_are_smaller(
    otto: FakeOtto, client: OttoClient
) -> None:
    large = Reply(413, error_body("Payload Too Large"))
    otto.plan("POST", ACCEPT, large, *[Reply(200, b"{}")] * 3)
    assert len(client.returns.decide("acceptance", decided(*range(150))).done) == 150
    assert sizes(otto) == [150, 75, 75]


@pytest.mark.parametrize("fault", [Reply(None), Reply(500), Reply(200, b"{")])
def test_an_unknown_outcome_is_not_repeated_and_keeps_what_is_settled(
    otto: FakeOtto, client: OttoClient, fault: Reply
) -> None:
    otto.plan("POST", ACCEPT, Reply(200, b"{}"), fault)
    results = client.returns.decide("acceptance", decided(*range(500)))
    assert len(results.done) == 200
    assert isinstance(results.stopped_by, OttoUnknownOutcome)
    assert (len(results.sent), len(results.unsettled)) == (400, 300)


def test_no_request_starts_too_late_and_no_unit_is_decided_twice_in_a_call(
    otto: FakeOtto, client: OttoClient
) -> None:
    results = client.returns.decide("acceptance", decided(1), within_seconds=-1)
    assert isinstance(results.stopped_by, OttoTransient)
    assert sizes(otto) == []
    with pytest.raises(ValueError, match="named twice"):
        client.returns.decide("acceptance", decided(1, 1))


def test_a_refusal_of_the_call_itself_stops_and_a_missing_scope_is_named(
    otto: FakeOtto, client: OttoClient
) -> None:
    otto.plan("POST", ACCEPT, Reply(404, b'{"message": "No Route matched with those values"}'))
    results = client.returns.decide("acceptance", decided(1))
    assert isinstance(results.stopped_by, OttoPermanent)
    assert results.unsettled == [item_id(1)]
    otto.granted = "orders"
    stopped = client.returns.decide("acceptance", decided(1)).stopped_by
    assert isinstance(stopped, OttoScopeMissing)
    assert "'returns'" in str(stopped)


def test_return_parcels_are_read_with_their_states(otto: FakeOtto, client: OttoClient) -> None:
    path = "/v1/return-shipments"
    parcel = {
        "returnShipmentId": "r1",
        "createdAt": "2026-11-18T10:00:00Z",
        "trackingKey": {"carrier": "DHL", "trackingNumber": "7"},
        "returnPositionItems": [{"salesOrderId": ORDER, "salesOrderPositionItemId": item_id(1)}],
        "states": [{"state": "DELIVERED", "occurredOn": "2026-11-19T10:00:00Z", "statusText": ""}],
    }
    body = {"resources": [parcel, {"returnShipmentId": "r2"}], "links": []}
    otto.plan("GET", path, Reply(200, json.dumps(body).encode()))
    [found] = client.returns.shipments(datetime(2026, 11, 1, tzinfo=UTC))
    assert [shipment.tracking_key.tracking_number for shipment in found.rows] == ["7"]
    assert [unread.key for unread in found.unreadable] == ["r2"]
    assert otto.calls("GET", path)[0].query == [
        ("datefrom", "2026-11-01T00:00:00.000Z"),
        ("limit", "100"),
    ]
