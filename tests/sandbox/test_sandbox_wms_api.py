"""The simulated WMS: its contract, its warehouse, its event feed."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest


def _states(seller: Any, order: Any) -> list[str]:
    found = seller.wms.get("/v1/orders", params={"ref": order["salesOrderId"]}).json()["orders"]
    return [line["state"] for line in found[0]["lines"]]


def _cancel(seller: Any, order_ref: str, lines: list[str] | None = None) -> Any:
    url = f"/v1/orders/{order_ref}/cancellation"
    return seller.wms.post(url, json={"line_ids": lines, "reason": "test"}).json()


def test_health_needs_the_key(seller: Any) -> None:
    assert seller.wms.get("/v1/health").json()["status"] == "ok"
    stranger = httpx.get(f"{seller.sandbox.wms_url}/v1/health")
    assert (stranger.status_code, stranger.json()["error"]["code"]) == (401, "unauthorized")


def test_an_unknown_path_is_a_404_in_the_contracts_form(seller: Any) -> None:
    answer = seller.wms.get("/v1/nothing")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_submitting_again_changes_nothing_and_a_new_payload_updates(seller: Any) -> None:
    order = seller.new_order(2)
    outbound = seller.outbound(order)
    (created,) = seller.submit(outbound)
    (again,) = seller.submit(outbound)
    assert (created["outcome"], again["outcome"]) == ("CREATED", "UNCHANGED")
    assert created["wms_order_id"] == again["wms_order_id"]
    lines = [outbound["lines"][0] | {"unit_price_cents": 4242}]
    (updated,) = seller.submit(outbound | {"payload_hash": "h2", "lines": lines})
    assert updated["outcome"] == "UPDATED"
    held = seller.wms.get("/v1/orders", params={"ref": order["salesOrderId"]}).json()["orders"][0]
    assert [(line["unit_price_cents"], line["state"]) for line in held["lines"]] == [
        (4242, "NEW"),
        (1000, "CANCELLED"),
    ]


def test_a_picked_order_can_no_longer_be_changed(seller: Any) -> None:
    order = seller.new_order()
    outbound = seller.outbound(order)
    seller.submit(outbound)
    seller.control("warehouse/dispatch", {"sales_order_id": order["salesOrderId"]})
    (refused,) = seller.submit(outbound | {"payload_hash": "h2"})
    assert refused["outcome"] == "REJECTED"
    assert "cannot be changed" in refused["error"]


def test_parallel_callers_create_an_order_once(seller: Any) -> None:
    outbound = seller.outbound(seller.new_order(2))
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: seller.submit(outbound)[0], range(24)))
    assert Counter(result["outcome"] for result in results) == {"CREATED": 1, "UNCHANGED": 23}
    assert len({result["wms_order_id"] for result in results}) == 1
    assert seller.control("truth")["duplicates"]["wms_orders"] == 0


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"order_ref": ""}, "order_ref"),
        ({"ordered_at": "2026-06-08T10:00:00"}, "ordered_at"),
        ({"ship_to": None}, "ship_to"),
        ({"ship_to": {"name": "N"}}, "ship_to.street"),
        ({"lines": []}, "lines"),
        ({"lines": ["x"]}, "lines[0]"),
        ({"lines": [{"line_id": "a", "sku": "s", "quantity": 0}]}, "lines[0].quantity"),
        ({"lines": [{"line_id": "a", "sku": " ", "quantity": 1}]}, "lines[0].sku"),
        (
            {"lines": [{"line_id": "a", "sku": "s", "quantity": 1, "unit_price_cents": 9.99}]},
            "lines[0].unit_price_cents",
        ),
    ],
)
def test_a_bad_order_is_rejected_by_name_and_the_others_go_on(
    seller: Any, change: dict[str, Any], where: str
) -> None:
    good, bad = seller.outbound(seller.new_order()), seller.outbound(seller.new_order())
    results = seller.submit(bad | change, good)
    assert [result["outcome"] for result in results] == ["REJECTED", "CREATED"]
    assert results[0]["error"].startswith(where)


def test_a_line_id_may_occur_once_in_an_order(seller: Any) -> None:
    bad = seller.outbound(seller.new_order())
    (result,) = seller.submit(bad | {"lines": bad["lines"] * 2})
    assert result["error"] == "lines[1].line_id occurs twice"


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/v1/orders/batch", {"orders": []}, "orders"),
        ("POST", "/v1/orders/batch", {"orders": [{}] * 101}, "orders"),
        ("POST", "/v1/orders/batch", [], "$"),
        ("GET", "/v1/orders", None, "ref"),
        ("GET", "/v1/orders?" + "&".join(["ref=a"] * 101), None, "ref"),
        ("GET", "/v1/fulfilment-events?cursor=nonsense", None, "cursor"),
        ("GET", "/v1/fulfilment-events?limit=0", None, "limit"),
        ("POST", "/v1/orders/a/cancellation", {"line_ids": "all"}, "line_ids"),
        ("POST", "/v1/acknowledgements", {"event_ids": None}, "event_ids"),
    ],
)
def test_a_request_of_the_wrong_shape_is_a_422_that_names_the_field(
    seller: Any, method: str, path: str, body: Any, field: str
) -> None:
    answer = seller.wms.request(method, path, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (422, "rejected", field)


def test_unknown_orders_are_absent_from_the_answer(seller: Any) -> None:
    order = seller.new_order()
    seller.submit(seller.outbound(order))
    params = {"ref": [order["salesOrderId"], "unknown"]}
    found = seller.wms.get("/v1/orders", params=params).json()["orders"]
    assert [entry["order_ref"] for entry in found] == [order["salesOrderId"]]


def test_an_order_passes_through_the_warehouse_in_steps(seller: Any) -> None:
    order = seller.new_order(2)
    seller.submit(seller.outbound(order))
    seller.advance(hours=12)
    assert _states(seller, order) == ["SHIPPED", "SHIPPED"]
    kinds = [event["kind"] for event in seller.poll()]
    assert kinds == ["ACCEPTED", "ALLOCATED", "PICKED", "DISPATCHED"]
    times = [event["occurred_at"] for event in seller.events]
    assert times == sorted(times)
    assert all(moment.endswith("Z") for moment in times)
    (parcel,) = seller.events[-1]["parcels"]
    assert parcel["tracking_number"] in parcel["tracking_url"]
    assert parcel["return_carrier_code"] == "DHL"
    assert {line["quantity_shipped"] for line in seller.events[-1]["lines"]} == {1}


def test_every_normal_order_leaves_within_two_days_whenever_it_came(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(
        orders=150, days=8, data_fault_rate=0, customer_cancel_rate=0, short_pick_rate=0
    )
    for _ in range(12 * 10):
        seller.advance(hours=2)
        for order in seller.orders(fulfillmentStatus="PROCESSABLE"):
            if order["salesOrderId"] not in seller.submitted:
                seller.submit(seller.outbound(order))
                seller.submitted.add(order["salesOrderId"])
    seller.poll()
    kinds = ("ACCEPTED", "DISPATCHED")
    accepted, dispatched = (
        {e["order_ref"]: e["occurred_at"][:16] for e in seller.events if e["kind"] == kind}
        for kind in kinds
    )
    assert accepted.keys() == dispatched.keys() == seller.submitted
    waits = [
        datetime.fromisoformat(dispatched[ref]) - datetime.fromisoformat(accepted[ref])
        for ref in accepted
    ]
    assert max(waits) < timedelta(days=2)
    assert sorted(waits)[len(waits) // 2] < timedelta(hours=15)


def test_rereading_from_an_old_cursor_repeats_the_same_events(seller: Any) -> None:
    seller.submit(*(seller.outbound(seller.new_order()) for _ in range(5)))
    seller.advance(hours=12)
    first = seller.wms.get("/v1/fulfilment-events", params={"limit": 3}).json()
    assert first["has_more"]
    params = {"cursor": first["next_cursor"]}
    rest = seller.wms.get("/v1/fulfilment-events", params=params).json()
    assert seller.wms.get("/v1/fulfilment-events", params=params).json() == rest
    ids = [event["event_id"] for event in first["events"] + rest["events"]]
    assert len(ids) == len(set(ids)) == 20
    end = seller.wms.get("/v1/fulfilment-events", params={"cursor": rest["next_cursor"]}).json()
    assert (end["events"], end["has_more"], end["next_cursor"]) == ([], False, rest["next_cursor"])


def test_acknowledging_is_answered_with_nothing(seller: Any) -> None:
    answer = seller.wms.post("/v1/acknowledgements", json={"event_ids": ["EV-000000001"]})
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_cancellation_before_packing_is_honoured_and_told(seller: Any) -> None:
    order = seller.new_order(2)
    seller.submit(seller.outbound(order))
    first, second = (item["positionItemId"] for item in order["positionItems"])
    assert _cancel(seller, order["salesOrderId"], [first]) == {
        "order_ref": order["salesOrderId"],
        "outcome": "CANCELLED",
        "cancelled_line_ids": [first],
    }
    seller.advance(hours=12)
    assert _states(seller, order) == ["CANCELLED", "SHIPPED"]
    assert [event["kind"] for event in seller.poll()].count("CANCELLED") == 1
    whole = _cancel(seller, order["salesOrderId"])
    assert (whole["outcome"], whole["cancelled_line_ids"]) == ("PARTIAL", [first])
    assert _cancel(seller, order["salesOrderId"], [second])["outcome"] == "TOO_LATE"
    assert _cancel(seller, order["salesOrderId"], [first])["outcome"] == "CANCELLED"


def test_cancelling_an_unknown_order_says_not_found(seller: Any) -> None:
    assert _cancel(seller, "unknown")["outcome"] == "NOT_FOUND"


def test_the_feed_holds_no_personal_data(seller: Any, dump: Callable[[Any], str]) -> None:
    order = seller.new_order(2)
    seller.submit(seller.outbound(order))
    seller.advance(hours=12)
    told = dump(seller.poll())
    address = order["deliveryAddress"]
    assert address["lastName"] not in told
    assert address["street"] not in told
