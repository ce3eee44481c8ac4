"""The control API, the command line, and the independence of the sandbox."""

import ast
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

import otto_pipelines.sandbox

FOLDER = Path(str(otto_pipelines.sandbox.__file__)).parent


def test_the_clock_tells_its_mode_and_moves_when_told(seller: Any) -> None:
    clock = seller.control("clock")
    assert (clock["mode"], clock["speed"]) == ("stepped", 0.0)
    assert clock["start"] == "2026-06-07T22:00:00Z"
    assert clock["orders_end"] == "2026-06-08T22:00:00Z"
    seller.advance(hours=3)
    moved = datetime.fromisoformat(seller.control("clock")["now"])
    assert moved - datetime.fromisoformat(clock["now"]) == timedelta(hours=3)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("clock/advance", {"to": "2020-01-01T00:00:00Z"}, 409),
        ("clock/advance", {"to": "2030-01-01T00:00:00"}, 400),
        ("clock/advance", {}, 400),
        ("orders", {"lines": 0}, 400),
        ("warehouse/dispatch", {"sales_order_id": "unknown"}, 404),
        ("faults", {"transport_rate": 2}, 400),
        ("faults", {"transport_rate": 0.1, "kinds": ["gremlins"]}, 400),
        ("nothing", {}, 404),
    ],
)
def test_a_wrong_control_request_is_answered_with_its_reason(
    seller: Any, path: str, body: dict[str, Any], status: int
) -> None:
    answer = seller.otto.post(f"/_sandbox/{path}", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_an_order_made_now_is_dispatched_now_and_its_acceptance_is_timed(seller: Any) -> None:
    order = seller.new_order(2)
    seller.submit(seller.outbound(order))
    made = seller.control("warehouse/dispatch", {"sales_order_id": order["salesOrderId"]})
    (parcel,) = [p for e in seller.poll() if e["kind"] == "DISPATCHED" for p in e["parcels"]]
    assert made["parcel_ids"] == [parcel["parcel_id"]]
    assert made["tracking_numbers"] == [parcel["tracking_number"]]
    ids = [line["line_id"] for line in parcel["lines"]]
    key = {"carrier": "DHL", "trackingNumber": parcel["tracking_number"]}
    before = time.time()
    body = seller.shipment(order["salesOrderId"], ids, trackingKey=key)
    seller.otto.post("/v1/shipments", json=body)
    (sent,) = seller.control("sent-shipments")
    assert sent["parcel_id"] == parcel["parcel_id"]
    assert sent["tracking_number"] == parcel["tracking_number"]
    assert before <= sent["accepted_at"] <= time.time()
    again = seller.otto.post(
        "/_sandbox/warehouse/dispatch", json={"sales_order_id": order["salesOrderId"]}
    )
    assert again.status_code == 409


def test_the_truth_links_both_sides_of_each_item(seller: Any) -> None:
    order = seller.new_order()
    item_id = order["positionItems"][0]["positionItemId"]
    seller.submit(seller.outbound(order))
    made = seller.control("warehouse/dispatch", {"sales_order_id": order["salesOrderId"]})
    shipment_id = seller.otto.post(
        "/v1/shipments", json=seller.shipment(order["salesOrderId"], [item_id])
    ).json()["shipmentId"]
    (item,) = seller.control("truth")["position_items"]
    assert item == {
        "sales_order_id": order["salesOrderId"],
        "position_item_id": item_id,
        "sku": order["positionItems"][0]["product"]["sku"],
        "otto_status": "SENT",
        "wms_state": "SHIPPED",
        "parcels": made["parcel_ids"],
        "otto_shipments": [shipment_id],
        "wms_order_count": 1,
        "story": None,
    }


def test_a_unit_in_two_wms_orders_is_a_duplicate(seller: Any) -> None:
    outbound = seller.outbound(seller.new_order())
    seller.submit(outbound, outbound | {"order_ref": "a-second-reference"})
    assert seller.control("truth")["duplicates"]["wms_orders"] == 1


def test_a_parcel_reported_twice_is_a_duplicate(seller: Any) -> None:
    order = seller.new_order(2)
    seller.submit(seller.outbound(order))
    seller.control("warehouse/dispatch", {"sales_order_id": order["salesOrderId"]})
    for number, item in zip(("577546565072", "406522044489"), order["positionItems"], strict=True):
        body = seller.shipment(
            order["salesOrderId"],
            [item["positionItemId"]],
            trackingKey={"carrier": "DHL", "trackingNumber": number},
        )
        assert seller.otto.post("/v1/shipments", json=body).status_code == 201
    assert seller.control("truth")["duplicates"]["otto_shipments_per_parcel"] == 1


def test_a_running_sandbox_catches_up_by_itself(open_sandbox: Callable[..., Any]) -> None:
    start = datetime.now(UTC) - timedelta(days=3)
    seller = open_sandbox(start=start, speed=10_000_000.0, orders=20, after_orders_trickle=1.0)
    deadline = time.monotonic() + 10
    while seller.now() < datetime.now(UTC) - timedelta(seconds=5):
        assert time.monotonic() < deadline, "the clock did not catch up"
    orders = seller.orders()
    assert len(orders) >= 20 + 45
    refused = seller.otto.post("/_sandbox/clock/advance", json={"to": "2099-01-01T00:00:00Z"})
    assert refused.status_code == 409


def test_a_small_tempo_ships_within_minutes_at_any_hour(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(tempo=0.02)
    seller.advance(hours=2)
    order = seller.new_order()
    seller.submit(seller.outbound(order))
    seller.advance(minutes=10)
    assert "DISPATCHED" in {event["kind"] for event in seller.poll()}


def test_the_command_line_tells_its_addresses_and_no_secret() -> None:
    environment = os.environ | {"OTTO_CLIENT_SECRET": "hush-hush", "WMS_API_KEY": "mum-mum"}
    flags = ["--orders", "3", "--speed", "0", "--skus", "70", "--sell-what-is-shown"]
    process = subprocess.Popen(
        [sys.executable, "-m", "otto_pipelines.sandbox", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=FOLDER.parents[1],
    )
    try:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        assert httpx.get(addresses["clock"]).json()["mode"] == "stepped"
        key = {"Authorization": "Bearer mum-mum"}
        assert httpx.get(f"{addresses['wms']}/v1/health", headers=key).status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert errors == ""


def test_the_sandbox_imports_nothing_of_the_product_it_judges() -> None:
    allowed = {"otto_pipelines.sandbox", "msgspec", *sys.stdlib_module_names}
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                top = name.split(".")[0]
                assert top in allowed or name.startswith("otto_pipelines.sandbox"), (path, name)
