"""Planted faults: each enters the ledger when it takes effect, and never before."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from otto_pipelines.sandbox.stories import Story
from otto_pipelines.sandbox.world import BREAK_OF_FAULT

QUIET = {
    "orders": 120,
    "days": 2,
    "customer_cancel_rate": 0.05,
    "data_fault_rate": 0.01,
}


def _run(seller: Any, hours: int) -> None:
    for _ in range(hours):
        seller.advance(hours=1)
        seller.work()


def _lines(seller: Any) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = seller.control("ledger")["breaks"]
    return lines


@pytest.fixture(scope="module")
def finished(selling: Callable[..., Any]) -> Iterator[Any]:
    """An honest seller after eight days."""
    with selling(**QUIET) as seller:
        _run(seller, 24 * 8)
        yield seller


def test_a_run_with_an_honest_seller_ends_as_the_ledger_says(finished: Any) -> None:
    ledger, truth = finished.control("ledger"), finished.control("truth")
    items = {item["position_item_id"]: item for item in truth["position_items"]}
    assert truth["idle"]
    assert truth["duplicates"] == {"wms_orders": 0, "otto_shipments_per_parcel": 0}
    kinds = Counter(line["kind"] for line in ledger["breaks"])
    assert set(kinds) == {*BREAK_OF_FAULT.values(), "cancelled_in_otto_open_in_wms"}
    wanted = {
        "missing_in_wms": ("PROCESSABLE", None),
        "tracking_missing": ("PROCESSABLE", "SHIPPED"),
        "carrier_mismatch": ("PROCESSABLE", "SHIPPED"),
        "dispatched_not_confirmed": ("PROCESSABLE", "SHIPPED"),
        "confirmed_not_dispatched": ("SENT", "ACCEPTED"),
        "late_shipment": ("PROCESSABLE", "ACCEPTED"),
        "cancelled_in_wms_open_in_otto": ("PROCESSABLE", "CANCELLED"),
        "cancelled_in_otto_open_in_wms": ("CANCELLED_BY_MARKETPLACE", "SHIPPED"),
        "sku_mismatch": ("SENT", "SHIPPED"),
        "price_mismatch": ("SENT", "SHIPPED"),
        "tracking_mismatch": ("SENT", "SHIPPED"),
    }
    for line in ledger["breaks"]:
        if line["kind"] in wanted:
            item = items[line["position_item_id"]]
            assert (item["otto_status"], item["wms_state"]) == wanted[line["kind"]], line


def test_items_without_a_break_end_alike_on_both_sides(finished: Any) -> None:
    broken = {line["position_item_id"] for line in _lines(finished)}
    ends = Counter(
        (item["otto_status"], item["wms_state"])
        for item in finished.control("truth")["position_items"]
        if item["position_item_id"] not in broken
    )
    assert set(ends) <= {
        ("SENT", "SHIPPED"),
        ("CANCELLED_BY_MARKETPLACE", "CANCELLED"),
        ("CANCELLED_BY_MARKETPLACE", None),
        ("CANCELLED_BY_PARTNER", "SHORT"),
    }
    assert ends["SENT", "SHIPPED"] > 100
    assert ends["CANCELLED_BY_PARTNER", "SHORT"] >= 1


def test_harmless_happenings_are_counted_apart(finished: Any) -> None:
    harmless = finished.control("ledger")["harmless"]
    assert {"return_number_missing", "split", "backordered", "customer_cancellation"} <= set(
        harmless
    )
    events = [event for event in finished.events if event["kind"] == "DISPATCHED"]
    without = [p for e in events for p in e["parcels"] if p["return_tracking_number"] is None]
    assert len(without) == harmless["return_number_missing"]


def test_a_phantom_order_is_accepted_and_never_dispatched(finished: Any) -> None:
    phantoms = {
        line["sales_order_id"] for line in _lines(finished) if line["kind"] == "unknown_to_otto"
    }
    assert phantoms
    kinds = {event["kind"] for event in finished.events if event["order_ref"] in phantoms}
    assert kinds == {"ACCEPTED"}
    for ref in phantoms:
        assert finished.otto.get(f"/v4/orders/{ref}").status_code == 404


def test_a_corrected_number_is_told_only_after_otto_has_the_old_one(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(**QUIET)
    for _ in range(24 * 3):
        seller.advance(hours=2)
        for order in seller.orders(fulfillmentStatus="PROCESSABLE"):
            if order["salesOrderId"] not in seller.submitted:
                seller.submit(seller.outbound(order))
                seller.submitted.add(order["salesOrderId"])
    seller.poll()
    assert "TRACKING_CHANGED" not in {event["kind"] for event in seller.events}
    assert "tracking_mismatch" not in {line["kind"] for line in _lines(seller)}
    assert "dispatched_not_confirmed" not in {line["kind"] for line in _lines(seller)}
    assert "confirmed_not_dispatched" in {line["kind"] for line in _lines(seller)}


def test_without_a_seller_only_phantoms_take_effect(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(**QUIET)
    assert _lines(seller) == []
    seller.advance(days=8)
    assert {line["kind"] for line in _lines(seller)} == {"unknown_to_otto"}
    assert seller.control("truth")["idle"]


def _first_with(seller: Any, story: Story) -> Any:
    """Bring the first order of that story to PROCESSABLE and return it."""
    while True:
        seller.advance(hours=1)
        for order in seller.orders(fulfillmentStatus="PROCESSABLE"):
            if seller.sandbox.world.market.orders[order["salesOrderId"]].story is story:
                return order


@pytest.mark.parametrize(
    ("story", "before_hours", "kind"),
    [
        (Story.SKU_SWAPPED, 0.0, "sku_mismatch"),
        (Story.PRICE_CHANGED, 0.0, "price_mismatch"),
        (Story.ORDER_LOST, 0.3, "missing_in_wms"),
        (Story.PORTAL_SENT, 2.0, "confirmed_not_dispatched"),
        (Story.CANCELLATION_IGNORED, 0.5, "cancelled_in_wms_open_in_otto"),
        (Story.TRACKING_MISSING, 0.7, "tracking_missing"),
        (Story.TRACKING_MALFORMED, 0.7, "tracking_invalid"),
        (Story.CARRIER_UNKNOWN, 0.7, "carrier_mismatch"),
        (Story.STALLED, 24.0, "late_shipment"),
    ],
)
def test_a_fault_is_in_the_ledger_when_it_takes_effect_and_not_before(
    open_sandbox: Callable[..., Any], story: Story, before_hours: float, kind: str
) -> None:
    seller = open_sandbox(**QUIET)
    order = _first_with(seller, story)
    ids = {item["positionItemId"] for item in order["positionItems"]}

    def seen() -> list[tuple[str, str]]:
        lines = _lines(seller)
        return [(ln["kind"], ln["fault"]) for ln in lines if ln["position_item_id"] in ids]

    assert seen() == []
    seller.submit(seller.outbound(order))
    if before_hours:
        seller.advance(hours=before_hours)
        assert seen() == []
    seller.advance(days=6)
    assert set(seen()) == {(kind, story)}


def test_a_lost_order_is_created_then_gone_without_events(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(**QUIET)
    order = _first_with(seller, Story.ORDER_LOST)
    assert seller.submit(seller.outbound(order))[0]["outcome"] == "CREATED"
    seller.advance(hours=1)
    found = seller.wms.get("/v1/orders", params={"ref": order["salesOrderId"]}).json()
    assert found == {"orders": []}
    refs = {event["order_ref"] for event in seller.poll()}
    assert order["salesOrderId"] not in refs


def test_a_refused_shipment_is_refused_for_good_and_noted(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(**QUIET)
    order = _first_with(seller, Story.SHIPMENT_REFUSED)
    ids = [item["positionItemId"] for item in order["positionItems"]]
    body = seller.shipment(order["salesOrderId"], ids)
    seller.submit(seller.outbound(order))
    seller.control("warehouse/dispatch", {"sales_order_id": order["salesOrderId"]})
    assert _lines(seller) == [] or "dispatched_not_confirmed" not in str(_lines(seller))
    for _ in range(2):
        answer = seller.otto.post("/v1/shipments", json=body)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["title"] == "INSUFFICIENT_PERMISSION"
    noted = [ln for ln in _lines(seller) if ln["kind"] == "dispatched_not_confirmed"]
    assert sorted(line["position_item_id"] for line in noted) == sorted(ids)


def test_an_ignored_cancellation_is_accepted_and_never_carried_out(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(**QUIET)
    order = _first_with(seller, Story.CANCELLATION_IGNORED)
    url = f"/v4/orders/{order['salesOrderId']}"
    item_id = order["positionItems"][0]["positionItemId"]
    assert seller.otto.post(f"{url}/positionItems/{item_id}/cancellation").status_code == 202
    seller.advance(days=1)
    assert seller.otto.get(url).json()["positionItems"][0]["fulfillmentStatus"] == "PROCESSABLE"


def test_a_cancellation_at_otto_after_dispatch_is_a_break_at_once(seller: Any) -> None:
    order = seller.new_order()
    seller.submit(seller.outbound(order))
    seller.control("warehouse/dispatch", {"sales_order_id": order["salesOrderId"]})
    seller.otto.post(f"/v4/orders/{order['salesOrderId']}/cancellation")
    assert _lines(seller) == []
    seller.advance(minutes=6)
    (line,) = _lines(seller)
    assert line["kind"] == "cancelled_in_otto_open_in_wms"
    assert line["sales_order_id"] == order["salesOrderId"]


def test_a_cancellation_that_the_warehouse_honours_is_no_break(seller: Any) -> None:
    order = seller.new_order()
    seller.submit(seller.outbound(order))
    seller.otto.post(f"/v4/orders/{order['salesOrderId']}/cancellation")
    seller.advance(minutes=6)
    url = f"/v1/orders/{order['salesOrderId']}/cancellation"
    assert seller.wms.post(url, json={"line_ids": None}).json()["outcome"] == "CANCELLED"
    seller.advance(days=1)
    assert _lines(seller) == []
    assert [event["kind"] for event in seller.poll()].count("DISPATCHED") == 0


def test_a_backorder_is_announced_and_shipped_later(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(**QUIET)
    order = _first_with(seller, Story.BACKORDERED)
    seller.submit(seller.outbound(order))
    seller.advance(days=4)
    events = [e for e in seller.poll() if e["order_ref"] == order["salesOrderId"]]
    short = next(event for event in events if event["kind"] == "SHORT_PICKED")
    assert short["lines"][0]["discrepancy"] == "BACKORDER"
    shipped = [line["line_id"] for e in events if e["kind"] == "DISPATCHED" for line in e["lines"]]
    assert sorted(shipped) == sorted(i["positionItemId"] for i in order["positionItems"])


def test_a_split_order_leaves_in_several_parcels_at_different_times(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(**QUIET)
    order = _first_with(seller, Story.SPLIT)
    seller.submit(seller.outbound(order))
    seller.advance(days=3)
    left = [
        e
        for e in seller.poll()
        if e["kind"] == "DISPATCHED" and e["order_ref"] == order["salesOrderId"]
    ]
    assert len(left) == 2
    assert left[0]["occurred_at"] < left[1]["occurred_at"]
    assert sum(len(event["lines"]) for event in left) == len(order["positionItems"])
