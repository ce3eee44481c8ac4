"""Goods that come back to the warehouse: the feed, grading, and what goes on the shelf again."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from resources.wms import port

URL = "/v1/returns"


def _receive(seller: Any, order: dict[str, Any], **facts: Any) -> str:
    body = {"sales_order_id": order["salesOrderId"], **facts}
    return str(seller.control("returns/receive", body)["receipt_id"])


def _sent(seller: Any, lines: int = 1) -> dict[str, Any]:
    order: dict[str, Any] = seller.new_order(lines)
    seller.send(order)
    return order


def _page(seller: Any, **params: Any) -> port.ReturnPage:
    answer = seller.wms.get(URL, params=params)
    answer.raise_for_status()
    return msgspec.json.decode(answer.content, type=port.ReturnPage)


def _on_hand(seller: Any, sku: str) -> int:
    levels = seller.wms.get("/v1/stock", params={"sku": sku}).json()["levels"]
    return int(sum(level["on_hand"] for level in levels))


@pytest.fixture
def dock(open_sandbox: Callable[..., Any]) -> Any:
    seller = open_sandbox(stock_moves_per_day=0)
    seller.advance(hours=12)
    return seller


def test_the_feed_answers_in_the_ports_records(dock: Any) -> None:
    order = _sent(dock, 2)
    receipt_id = _receive(dock, order, tracking_number="4711", reason="UNUSED")
    page = _page(dock)
    (receipt,) = page.receipts
    assert receipt.receipt_id == receipt_id
    assert receipt.order_ref == order["salesOrderId"]
    assert receipt.return_tracking_number == "4711"
    assert {line.line_id for line in receipt.lines} == {
        item["positionItemId"] for item in order["positionItems"]
    }
    for line in receipt.lines:
        assert (line.quantity, line.condition, line.disposition, line.reason) == (
            1,
            port.Condition.NEW,
            port.Disposition.RESTOCK,
            "UNUSED",
        )
    assert not page.has_more


def test_a_cursor_goes_on_and_an_old_one_repeats(dock: Any) -> None:
    ids = [_receive(dock, _sent(dock)) for _ in range(5)]
    first = _page(dock, limit=2)
    assert first.has_more
    second = _page(dock, limit=2, cursor=first.next_cursor)
    third = _page(dock, limit=2, cursor=second.next_cursor)
    read = [*first.receipts, *second.receipts, *third.receipts]
    assert [receipt.receipt_id for receipt in read] == ids
    assert not third.has_more
    assert _page(dock, cursor=third.next_cursor).receipts == ()
    assert _page(dock, limit=2, cursor=first.next_cursor) == second


@pytest.mark.parametrize(
    "params", [{"cursor": "nonsense"}, {"limit": 0}, {"limit": 1001}, {"limit": "all"}]
)
def test_parameters_of_the_wrong_shape_are_rejected(dock: Any, params: dict[str, Any]) -> None:
    answer = dock.wms.get(URL, params=params)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == next(iter(params))


def test_the_key_is_needed(dock: Any) -> None:
    dock.wms.headers["Authorization"] = "Bearer wrong"
    assert dock.wms.get(URL).status_code == 401


def test_only_what_is_as_new_goes_back_on_the_shelf(dock: Any) -> None:
    for condition, disposition, back in (
        ("NEW", "RESTOCK", 1),
        ("USED_LIGHT", "QUARANTINE", 0),
        ("DEFECT", "SCRAP", 0),
    ):
        order = _sent(dock)
        sku = order["positionItems"][0]["product"]["sku"]
        before = _on_hand(dock, sku)
        _receive(dock, order, condition=condition, disposition=disposition)
        assert _on_hand(dock, sku) == before + back


def test_a_later_grading_repeats_the_receipt_and_shelves_once(dock: Any) -> None:
    order = _sent(dock)
    sku = order["positionItems"][0]["product"]["sku"]
    before = _on_hand(dock, sku)
    receipt_id = _receive(dock, order, condition="UNKNOWN")
    received_at = _page(dock).receipts[0].received_at
    dock.advance(hours=2)
    for _ in range(2):
        grade = {"receipt_id": receipt_id, "condition": "MINT", "disposition": "RESTOCK"}
        dock.control("returns/regrade", grade)
    first, *later = _page(dock).receipts
    assert first.lines[0].condition is port.Condition.UNKNOWN
    assert [receipt.receipt_id for receipt in later] == [receipt_id] * 2
    assert {receipt.received_at for receipt in later} == {received_at}
    assert {receipt.lines[0].condition for receipt in later} == {port.Condition.MINT}
    assert _on_hand(dock, sku) == before + 1


def test_units_are_unnamed_only_where_nobody_could_mistake_them(dock: Any) -> None:
    order = dock.control("orders", {"lines": 2, "sku": "Kühlbox-24L-blau"})
    shown = dock.otto.get(f"/v4/orders/{order['sales_order_id']}").json()
    dock.send(shown)
    _receive(dock, shown, known="ORDER", position_item_ids=order["position_item_ids"][:1])
    _receive(dock, shown, known="ORDER")
    _receive(dock, shown, known="PARCEL", tracking_number="99")
    one, both, parcel = _page(dock).receipts
    assert [line.line_id for line in one.lines] == order["position_item_ids"][:1]
    assert [(line.line_id, line.quantity) for line in both.lines] == [(None, 2)]
    assert both.order_ref == order["sales_order_id"]
    assert (parcel.order_ref, parcel.return_tracking_number) == (None, "99")


def test_what_never_left_cannot_come_back(dock: Any) -> None:
    order = dock.new_order()
    dock.submit(dock.outbound(order))
    answer = dock.otto.post(
        "/_sandbox/returns/receive", json={"sales_order_id": order["salesOrderId"]}
    )
    assert answer.status_code == 409
    assert _page(dock).receipts == ()
