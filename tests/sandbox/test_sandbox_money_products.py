"""Products over HTTP, as far as they are read: prices, sales, states."""

from collections.abc import Callable
from typing import Any

import pytest

from otto_pipelines.sandbox.catalogue import PRODUCTS


@pytest.fixture
def buyer(open_sandbox: Callable[..., Any]) -> Any:
    seller = open_sandbox(skus=130, orphan_skus=2)
    seller.log_in("products")
    return seller


def test_every_article_has_a_price_and_some_a_sale_below_it(buyer: Any) -> None:
    prices = {p["sku"]: p for p in buyer.pages("/v5/products/prices", "variationPrices", limit=50)}
    assert len(prices) == 132
    for product in PRODUCTS:
        standard = prices[product.sku]["standardPrice"]
        assert round(100 * standard["amount"]) == product.price_cents
        assert standard["currency"] == "EUR"
    sales = [price for price in prices.values() if "sale" in price]
    assert 5 < len(sales) < 60
    for price in sales:
        assert price["sale"]["salePrice"]["amount"] < price["standardPrice"]["amount"]
        assert price["sale"]["startDate"] < price["sale"]["endDate"]


def test_states_are_filtered_and_the_newest_comes_first(buyer: Any) -> None:
    url, key = "/v5/products/marketplace-status", "marketPlaceStatus"
    everything = buyer.pages(url, key, limit=100)
    assert len(everything) == 132
    times = [entry["lastModified"] for entry in everything]
    assert times == sorted(times, reverse=True)
    restricted = buyer.pages(url, key, marketPlaceStatus=["RESTRICTED", "REJECTED"])
    assert 0 < len(restricted) < 60
    assert all(entry["errors"][0]["code"].startswith("800020") for entry in restricted)
    recent = buyer.pages(url, key, fromDate=times[10])
    assert {entry["lastModified"] for entry in recent} == set(times[: len(recent)])
    inactive = buyer.pages(url, key, marketPlaceStatus="INACTIVE")
    assert [entry["sku"] for entry in inactive if not entry["sku"].startswith("Auslauf")] == []
    assert len(inactive) == 2


def test_one_article_is_found_by_path_and_by_filter(buyer: Any) -> None:
    sku = PRODUCTS[0].sku
    for tail, key in (
        ("", "productVariations"),
        ("/prices", "variationPrices"),
        ("/active-status", "status"),
        ("/marketplace-status", "marketPlaceStatus"),
    ):
        one = buyer.otto.get(f"/v5/products/{sku}{tail}").json()
        assert one["sku"] == sku
        assert buyer.pages(f"/v5/products{tail}", key, sku=sku) == [one]
        assert buyer.otto.get(f"/v5/products/nobody{tail}").status_code == 404


@pytest.mark.parametrize(
    ("tail", "query"),
    [
        ("/prices", {"limit": 101}),
        ("/prices", {"page": -1}),
        ("/marketplace-status", {"limit": 1001}),
        ("/marketplace-status", {"marketPlaceStatus": "GONE"}),
        ("/marketplace-status", {"sort-order": "up"}),
        ("/marketplace-status", {"fromDate": "soon"}),
    ],
)
def test_values_out_of_bounds_are_refused(buyer: Any, tail: str, query: dict[str, Any]) -> None:
    assert buyer.otto.get(f"/v5/products{tail}", params=query).status_code == 400
