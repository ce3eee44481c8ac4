"""Price reductions and products: what is sent, what is read."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from resources.otto.client import OttoClient
from resources.otto.errors import OttoPermanent, OttoUnknownOutcome
from tests.resources.otto.fake_otto import FakeOtto, Reply, error_body

PATH = "/v1/price-reductions"
ORDER = "00000000-0000-0000-0000-000000000001"
ITEM = "00000000-0000-0000-0001-000000000001"


def entry(**changes: Any) -> dict[str, Any]:
    reduction = {
        "receiptNumber": None,
        "priceReduction": {"amount": "5.05", "currency": "EUR"},
        "creationDateTime": "2026-11-20T10:00:00Z",
        "status": "INITIATED",
    }
    return {
        "salesOrderId": ORDER,
        "positionItemId": ITEM,
        "totalPriceReduction": {"amount": 5.05, "currency": "EUR"},
        "invoicePrice": {"amount": 19.95, "currency": "EUR"},
        "priceReductions": [reduction],
        **changes,
    }


def listing(name: str, *rows: Any, path: str = PATH, after: int | None = None) -> Reply:
    link = {"rel": "next", "href": f"{path}?page={after}"}
    body = {name: rows, "links": [] if after is None else [link]}
    return Reply(200, json.dumps(body).encode())


def test_a_reduction_is_asked_for_with_exactly_two_decimals(
    otto: FakeOtto, client: OttoClient
) -> None:
    otto.plan("POST", PATH, *[Reply(202, b'{"results": []}')] * 2)
    client.price_reductions.request(ORDER, ITEM, 505)
    client.price_reductions.request(ORDER, ITEM, 500)
    bodies = [seen.body for seen in otto.calls("POST", PATH)]
    assert b'"amount":5.05,' in bodies[0]
    assert b'"amount":5.00,' in bodies[1]
    with pytest.raises(ValueError, match="above zero"):
        client.price_reductions.request(ORDER, ITEM, 0)


def test_a_refusal_says_why_and_a_lost_answer_is_no_refusal(
    otto: FakeOtto, client: OttoClient
) -> None:
    text = "Price reduction cannot be applied as sales order position item is not yet shipped"
    otto.plan("POST", PATH, Reply(409, error_body("Conflict", text)), Reply(None))
    with pytest.raises(OttoPermanent, match="not yet shipped") as caught:
        client.price_reductions.request(ORDER, ITEM, 100)
    assert caught.value.status == 409
    with pytest.raises(OttoUnknownOutcome):
        client.price_reductions.request(ORDER, ITEM, 100)
    assert len(otto.calls("POST", PATH)) == 2


def test_reductions_of_all_units_and_of_one_are_read(otto: FakeOtto, client: OttoClient) -> None:
    other = entry(positionItemId="00000000-0000-0000-0001-000000000002")
    otto.plan("GET", PATH, listing("results", entry(), after=2), listing("results", other))
    rows = [row for page in client.price_reductions.pages() for row in page.rows]
    assert [row.position_item_id[-1] for row in rows] == ["1", "2"]
    otto.plan("GET", PATH, listing("results", other, entry()))
    [reduction] = client.price_reductions.of_item(ORDER, ITEM)
    assert (reduction.price_reduction.amount, reduction.status) == (Decimal("5.05"), "INITIATED")
    assert dict(otto.calls("GET", PATH)[-1].query)["positionItemId"] == ITEM


def test_a_unit_without_reductions_has_none_and_an_unreadable_list_is_no_answer(
    otto: FakeOtto, client: OttoClient
) -> None:
    text = f"No PriceReduction applied for item {ITEM}"
    otto.plan("GET", PATH, Reply(404, error_body("Not Found", text)))
    assert client.price_reductions.of_item(ORDER, ITEM) == []
    otto.plan("GET", PATH, listing("results", entry(priceReductions="none")))
    with pytest.raises(OttoPermanent, match="row 1 of the page"):
        client.price_reductions.of_item(ORDER, ITEM)


def test_prices_and_status_of_products_are_read_from_their_own_arrays(
    otto: FakeOtto, client: OttoClient
) -> None:
    prices, active = "/v5/products/prices", "/v5/products/active-status"
    shop = "/v5/products/marketplace-status"
    money = {"amount": 19.95, "currency": "EUR"}
    sale = {"salePrice": money, "startDate": "2026-11-01T00:00:00.000+01:00", "endDate": None}
    otto.plan(
        "GET",
        prices,
        listing("variationPrices", {"sku": "A", "standardPrice": money}, path=prices, after=1),
        listing("variationPrices", {"sku": "B", "standardPrice": money, "sale": sale}, {"sku": 1}),
    )
    otto.plan("GET", active, listing("status", {"sku": "A", "active": "true"}))
    broken = {"code": "800020 - PRODUCTDATASHEET_MISSING", "title": "missing"}
    status = {"sku": "A", "status": "RESTRICTED", "errors": [broken], "lastModified": "x"}
    otto.plan("GET", shop, listing("marketPlaceStatus", status))

    pages = list(client.products.prices())
    assert [row.sku for page in pages for row in page.rows] == ["A", "B"]
    assert pages[1].rows[0].sale is not None
    assert [row.key for row in pages[1].unreadable] == [None]
    assert [row.active for page in client.products.active_status() for row in page.rows] == [True]
    since = datetime(2026, 11, 1, tzinfo=UTC)
    [found] = [r for page in client.products.marketplace_status(since) for r in page.rows]
    assert (found.status, found.errors[0].code if found.errors else None) == (
        "RESTRICTED",
        "800020 - PRODUCTDATASHEET_MISSING",
    )
    assert otto.calls("GET", shop)[0].query == [
        ("fromDate", "2026-11-01T00:00:00.000Z"),
        ("limit", "100"),
    ]
    assert [dict(seen.query).get("page") for seen in otto.calls("GET", prices)] == [None, "1"]
