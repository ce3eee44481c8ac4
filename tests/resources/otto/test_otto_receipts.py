"""Receipts: what is asked for, what is read, what is never read."""

import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from resources.otto.client import OttoClient
from resources.otto.errors import OttoPermanent, OttoScopeMissing, OttoTransient
from resources.otto.receipts import ReceiptsQuery
from tests.resources.otto.fake_otto import FakeOtto, Reply, error_body

PATH = "/v3/receipts"
ORDER = "00000000-0000-0000-0000-000000000001"


def price(amount: Any) -> dict[str, Any]:
    return {
        "taxType": "VAT",
        "taxRate": "19.0",
        "gross": {"amount": amount, "currency": "EUR"},
        "net": {"amount": "1", "currency": "EUR"},
    }


def receipt_json(number: int, **changes: Any) -> dict[str, Any]:
    """A receipt as OTTO writes it, with the buyer's data and a field that nobody knows."""
    address = {"name": "Jörg Weiß", "street": "Hauptstraße 1a", "city": "Dresden"}
    position = {
        "lineNumber": 1, "sku": "A", "articleNumber": "1", "productTitle": "Kühlschrank",
        "positionItemIds": ["i1"], "quantity": 1, "unitPrice": price(19.95),
        "positionSum": price("19.95"), "priceModifications": [],
        "priceToPayPerPositionItems": [{"positionItemIds": ["i1"], "priceToPay": price(19.95)}],
    }  # fmt: skip
    lines = {
        "itemPositions": [position], "itemPartialRefundPositions": [], "servicePositions": [],
        "servicePartialRefundPositions": [], "deliveryCosts": [],
        "deliveryFeePartialRefundPositions": [],
    }  # fmt: skip
    return {
        "receiptNumber": f"R-DE-{number}", "receiptType": "PURCHASE", "isRealReceipt": True,
        "isDeemedSupplierModel": False, "creationDate": "2026-11-20T15:04:00.000Z",
        "salesOrderId": ORDER, "orderNumber": "bk1", "orderDate": "2026-11-19T15:04:00.000Z",
        "payment": {"paymentProvider": "OTTOPAYMENTS", "paymentMethod": "PAYPAL"},
        "partner": {}, "customer": {"invoiceAddress": address}, "deliveryAddress": address,
        "lineItems": lines, "totals": [price(19.95)],
        "amountDue": {"amount": 0, "currency": "EUR"}, "future": 1, **changes,
    }  # fmt: skip


def page(*receipts: Any, after: str | None = None) -> Reply:
    links = [{"rel": "self", "href": PATH}]
    if after is not None:
        links.append({"rel": "next", "href": f"{PATH}?limit=128&next={after}"})
    return Reply(200, json.dumps({"resources": receipts, "links": links}).encode())


def test_receipts_are_read_over_all_pages_with_their_types_named(
    otto: FakeOtto, client: OttoClient
) -> None:
    otto.plan("GET", PATH, page(receipt_json(1), after="c2"), page(receipt_json(2)))
    query = ReceiptsQuery(from_day=date(2026, 11, 1), to_day=date(2026, 11, 20))
    pages = list(client.receipts.pages(query))
    assert [(p.number, [r.receipt_number for r in p.rows]) for p in pages] == [
        (1, ["R-DE-1"]),
        (2, ["R-DE-2"]),
    ]
    position = pages[0].rows[0].line_items.item_positions[0]
    assert position.unit_price.gross.amount == Decimal("19.95")
    assert [seen.query for seen in otto.calls("GET", PATH)] == [
        [
            ("receiptTypes", "PURCHASE,REFUND,PARTIAL_REFUND"),
            ("from", "2026-11-01"),
            ("to", "2026-11-20"),
            ("limit", "128"),
        ],
        [("limit", "128"), ("next", "c2")],
    ]


def test_the_buyer_is_in_the_evidence_and_nowhere_else(
    otto: FakeOtto, client: OttoClient, tmp_path: Path
) -> None:
    otto.plan("GET", PATH, page(receipt_json(1)))
    [found] = client.receipts.pages(ReceiptsQuery(sales_order_id=ORDER))
    assert found.evidence_ref is not None
    assert b"Dresden" in client.evidence.read(found.evidence_ref)
    assert "Dresden" not in repr(found)
    kept = tmp_path / "state" / "evidence" / found.evidence_ref
    assert kept.stat().st_mode & 0o777 == 0o600
    assert b"Dresden" in gzip.decompress(kept.read_bytes())


def test_a_receipt_that_cannot_be_read_costs_only_itself(
    otto: FakeOtto, client: OttoClient
) -> None:
    bad = receipt_json(1, lineItems={"itemPositions": None})
    otto.plan("GET", PATH, page(bad, {"receiptNumber": 7}, receipt_json(3)))
    [found] = client.receipts.pages(ReceiptsQuery())
    assert [receipt.receipt_number for receipt in found.rows] == ["R-DE-3"]
    assert [row.key for row in found.unreadable] == ["R-DE-1", None]
    assert "row 1 of the page" in found.unreadable[0].reason
    assert "Dresden" not in found.unreadable[0].reason


def test_the_pdf_of_a_receipt_is_read_on_demand(otto: FakeOtto, client: OttoClient) -> None:
    path = f"{PATH}/R-DE-1.pdf"
    otto.plan("GET", path, Reply(200, b"%PDF-1.4 x", content_type="application/pdf"))
    assert client.receipts.pdf("R-DE-1") == b"%PDF-1.4 x"
    assert otto.calls("GET", path)[0].headers["accept"] == "application/pdf"
    with pytest.raises(ValueError, match="no receipt number"):
        client.receipts.pdf("")


def test_what_is_no_pdf_is_asked_for_again_and_a_missing_one_is_said(
    otto: FakeOtto, client: OttoClient
) -> None:
    path = f"{PATH}/R-DE-2.pdf"
    otto.plan("GET", path, Reply(200, b"<html>"), Reply(200, b"%PDF-1.7"))
    assert client.receipts.pdf("R-DE-2") == b"%PDF-1.7"
    otto.plan("GET", path, Reply(404, error_body("Not Found")))
    with pytest.raises(OttoPermanent) as caught:
        client.receipts.pdf("R-DE-2")
    assert caught.value.status == 404


def test_a_page_of_another_form_is_refused(otto: FakeOtto, client: OttoClient) -> None:
    otto.plan("GET", PATH, *[Reply(200, b'{"receipts": []}')] * 4)
    with pytest.raises(OttoTransient, match="given up after 4 attempts"):
        list(client.receipts.pages(ReceiptsQuery()))


def test_a_missing_scope_is_named(otto: FakeOtto, client: OttoClient) -> None:
    otto.granted = "orders shipments"
    with pytest.raises(OttoScopeMissing, match="'receipts'"):
        list(client.receipts.pages(ReceiptsQuery()))
