"""Returns over the reference contract, against a server that answers what it is told."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from resources.operating_model import Http
from resources.wms.errors import WmsContractError, WmsRetryable
from resources.wms.http import HttpWms
from resources.wms.port import Condition, Disposition
from tests.resources.wms.test_wms_stock import FakeWms

LINE = {"sku": "A", "quantity": 2, "condition": "MINT", "disposition": "RESTOCK"}
RECEIPT = {"receipt_id": "R1", "received_at": "2026-11-20T15:00:00Z", "lines": [LINE]}


@pytest.fixture
def fake() -> Iterator[FakeWms]:
    server = FakeWms()
    yield server
    server.stop()


@pytest.fixture
def wms(fake: FakeWms) -> Iterator[HttpWms]:
    client = HttpWms(fake.url, "key", Http(timeout_seconds=5, attempts=3), sleep=lambda s: None)
    yield client
    client.close()


def page(*receipts: Any, **values: Any) -> dict[str, Any]:
    return {"receipts": receipts, "next_cursor": "7", "has_more": False, **values}


def test_returns_are_followed_by_cursor(fake: FakeWms, wms: HttpWms) -> None:
    known = {**LINE, "line_id": "item", "quantity": 1, "reason": "R07", "future": 1}
    fake.answers = [
        (200, page(RECEIPT, has_more=True)),
        (200, page({**RECEIPT, "order_ref": "o", "lines": [known]})),
    ]
    first = wms.poll_returns(None, limit=10)
    blind = first.receipts[0]
    assert (blind.order_ref, blind.received_at) == (None, datetime(2026, 11, 20, 15, tzinfo=UTC))
    assert (blind.lines[0].condition, blind.lines[0].disposition) == (
        Condition.MINT,
        Disposition.RESTOCK,
    )
    second = wms.poll_returns(first.next_cursor)
    assert (second.receipts[0].order_ref, second.has_more) == ("o", False)
    assert (second.receipts[0].lines[0].line_id, second.receipts[0].lines[0].reason) == (
        "item",
        "R07",
    )
    assert fake.asked == [
        ("/v1/returns", [("limit", "10")]),
        ("/v1/returns", [("limit", "200"), ("cursor", "7")]),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        {**RECEIPT, "receipt_id": ""},
        {**RECEIPT, "received_at": "2026-11-20T15:00:00"},
        {**RECEIPT, "lines": []},
        {**RECEIPT, "lines": [{**LINE, "quantity": 0}]},
        {**RECEIPT, "lines": [{**LINE, "quantity": 1001}]},
        {**RECEIPT, "lines": [{**LINE, "condition": "GOOD"}]},
        {**RECEIPT, "lines": [{**LINE, "sku": ""}]},
        "none",
    ],
)
def test_a_receipt_that_breaks_the_contract_costs_only_itself(
    fake: FakeWms, wms: HttpWms, bad: Any
) -> None:
    fake.answers = [(200, page(bad, {**RECEIPT, "receipt_id": "R2"}))]
    found = wms.poll_returns("3")
    assert [receipt.receipt_id for receipt in found.receipts] == ["R2"]
    assert len(found.unreadable) == 1
    assert found.unreadable[0].startswith("return receipt 1 after cursor 3: ")


def test_an_answer_of_another_form_is_refused(fake: FakeWms, wms: HttpWms) -> None:
    fake.answers = [(200, {"returns": []})]
    with pytest.raises(WmsContractError, match="GET /v1/returns"):
        wms.poll_returns(None)


def test_a_warehouse_that_is_down_for_a_moment_is_asked_again(fake: FakeWms, wms: HttpWms) -> None:
    fake.answers = [(503, {}), (200, page(RECEIPT))]
    assert len(wms.poll_returns(None).receipts) == 1
    fake.answers = [(503, {})] * 3
    with pytest.raises(WmsRetryable, match="given up after 3 attempts"):
        wms.poll_returns(None)
