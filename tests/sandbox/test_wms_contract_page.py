"""The contract page, the port's records and the simulated WMS say the same."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from resources.wms import port

PAGE = (Path(__file__).parents[2] / "docs" / "wms_http.md").read_text(encoding="utf-8")
RECORDS = (
    port.OutboundOrder,
    port.OutboundLine,
    port.ShipTo,
    port.SubmitResult,
    port.OrderSnapshot,
    port.LineSnapshot,
    port.CancelResult,
    port.FulfilmentEvent,
    port.LineOutcome,
    port.Parcel,
    port.ParcelLine,
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_the_page_names_each_record_and_each_of_its_fields(record: type[msgspec.Struct]) -> None:
    assert record.__name__ in PAGE
    missing = [f.name for f in msgspec.structs.fields(record) if f"`{f.name}`" not in PAGE]
    assert missing == []


@pytest.mark.parametrize(
    "words",
    [port.SubmitOutcome, port.CancelOutcome, port.LineState, port.EventKind, port.Discrepancy],
    ids=lambda words: words.__name__,
)
def test_the_page_names_each_value(words: Any) -> None:
    assert [word for word in words if f"`{word}`" not in PAGE] == []


def test_the_sandbox_answers_in_the_ports_records(seller: Any) -> None:
    order = seller.new_order(2)
    (result,) = seller.submit(seller.outbound(order))
    msgspec.convert(result, port.SubmitResult, strict=True)
    seller.advance(hours=12)
    params = {"ref": order["salesOrderId"]}
    snapshot = seller.wms.get("/v1/orders", params=params).json()["orders"][0]
    held = msgspec.convert(snapshot, port.OrderSnapshot)
    assert {line.state for line in held.lines} == {port.LineState.SHIPPED}
    page = msgspec.json.decode(
        seller.wms.get("/v1/fulfilment-events").content, type=port.FulfilmentPage
    )
    assert page.events[-1].kind is port.EventKind.DISPATCHED
    assert len(page.events[-1].parcels) == 1
    url = f"/v1/orders/{order['salesOrderId']}/cancellation"
    answer = seller.wms.post(url, json={"line_ids": None, "reason": "test"})
    cancelled = msgspec.json.decode(answer.content, type=port.CancelResult)
    assert cancelled.outcome is port.CancelOutcome.TOO_LATE


def test_the_sandbox_takes_an_order_as_the_port_writes_it(seller: Any) -> None:
    outbound = msgspec.convert(seller.outbound(seller.new_order()), port.OutboundOrder)
    answer = seller.wms.post(
        "/v1/orders/batch", content=msgspec.json.encode({"orders": [outbound]})
    )
    assert answer.json()["results"][0]["outcome"] == "CREATED"
