"""The contract page, the port's records and the simulated WMS say the same."""

from collections.abc import Callable
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
    port.StockLevel,
    port.StockChanges,
    port.ReturnReceipt,
    port.ReturnedLine,
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_the_page_names_each_record_and_each_of_its_fields(record: type[msgspec.Struct]) -> None:
    assert record.__name__ in PAGE
    missing = [f.name for f in msgspec.structs.fields(record) if f"`{f.name}`" not in PAGE]
    assert missing == []


@pytest.mark.parametrize(
    "words",
    [
        port.SubmitOutcome,
        port.CancelOutcome,
        port.LineState,
        port.EventKind,
        port.Discrepancy,
        port.Condition,
        port.Disposition,
    ],
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


def test_the_sandbox_shows_stock_in_the_ports_records(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(stock_moves_per_day=0)
    answer = seller.wms.get("/v1/stock").content
    page = msgspec.json.decode(answer, type=port.StockPage)
    assert page.complete
    assert page.levels
    assert [name for name in msgspec.json.decode(answer) if f"`{name}`" not in PAGE] == []
    seller.control("stock/receive", {"sku": page.levels[0].sku, "quantity": 1})
    changes = seller.wms.get("/v1/stock-changes").content
    assert msgspec.json.decode(changes, type=port.StockChanges).skus == (page.levels[0].sku,)


def test_the_sandbox_shows_returns_in_the_ports_records(seller: Any) -> None:
    order = seller.new_order()
    seller.submit(seller.outbound(order))
    seller.advance(hours=12)
    seller.control("returns/receive", {"sales_order_id": order["salesOrderId"]})
    answer = seller.wms.get("/v1/returns").content
    page = msgspec.json.decode(answer, type=port.ReturnPage)
    assert [receipt.order_ref for receipt in page.receipts] == [order["salesOrderId"]]
    assert [name for name in msgspec.json.decode(answer) if f"`{name}`" not in PAGE] == []


def test_the_sandbox_takes_an_order_as_the_port_writes_it(seller: Any) -> None:
    outbound = msgspec.convert(seller.outbound(seller.new_order()), port.OutboundOrder)
    answer = seller.wms.post(
        "/v1/orders/batch", content=msgspec.json.encode({"orders": [outbound]})
    )
    assert answer.json()["results"][0]["outcome"] == "CREATED"
