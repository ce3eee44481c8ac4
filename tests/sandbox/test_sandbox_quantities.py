"""The simulated OTTO's quantities: sent in batches, answered by SKU, read back."""

from collections.abc import Callable
from typing import Any

import pytest

from otto_pipelines.sandbox.catalogue import PRODUCTS, further_sku

PATH = "/v1/availability/quantities"
SKU, OTHER = PRODUCTS[0].sku, PRODUCTS[1].sku


@pytest.fixture
def shop(seller: Any) -> Any:
    seller.log_in("availability orders")
    return seller


def _send(seller: Any, *rows: Any) -> Any:
    return seller.otto.post(PATH, json=list(rows))


def _row(sku: Any, quantity: Any = 1) -> dict[str, Any]:
    return {"sku": sku, "quantity": quantity}


def test_a_good_batch_is_stored_and_the_last_write_wins(shop: Any) -> None:
    assert _send(shop, _row(SKU, 5), _row(OTHER, 0)).status_code == 200
    assert _send(shop, _row(SKU, 9), _row(SKU, 4)).status_code == 200
    shown = shop.otto.get(f"{PATH}/{SKU}").json()
    assert (shown["sku"], int(shown["quantity"])) == (SKU, 4)
    assert shown["lastModified"] == "2026-06-08T10:00:00.000Z"


def test_a_sku_that_was_never_sent_is_not_found(shop: Any) -> None:
    assert shop.otto.get(f"{PATH}/{SKU}").status_code == 404


def test_the_scope_and_a_token_are_needed(seller: Any) -> None:
    answer = _send(seller, _row(SKU))
    assert (answer.status_code, answer.json()) == (403, {"message": "Forbidden"})
    seller.otto.headers["Authorization"] = "Bearer old"
    assert seller.otto.get(PATH).status_code == 401


def test_a_batch_with_bad_skus_stores_the_good_ones_and_names_the_others(shop: Any) -> None:
    answer = _send(shop, _row("nobody"), _row(SKU, 7), _row(OTHER, -1), _row(None), _row("", 1))
    assert answer.status_code == 207
    body = answer.json()
    assert [row["sku"] for row in body["results"]] == [SKU]
    assert {(error["logref"], error["detail"]) for error in body["errors"]} == {
        ("nobody", "Error: SKU is unknown for SKU: nobody"),
        (
            OTHER,
            f"Invalid quantity. Quantity should be an absolute number for SKU: {OTHER}",
        ),
        ("null", "Error: [sku must not be empty] for SKU: null"),
        ("", "Error: [sku must not be empty] for SKU: "),
    }
    assert {int(error["code"]) for error in body["errors"]} == {207}
    assert shop.control(f"stock?sku={OTHER}")["skus"][0]["otto_shown"] is None


def test_a_batch_of_bad_skus_alone_is_a_422(shop: Any) -> None:
    answer = _send(shop, _row("nobody"), _row("no one"))
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 2)
    assert "results" not in answer.json()


@pytest.mark.parametrize("quantity", [-1, 1_000_000_000, 1.5, "3", True, None])
def test_what_is_no_absolute_quantity_is_refused(shop: Any, quantity: Any) -> None:
    (error,) = _send(shop, _row(SKU, quantity)).json()["errors"]
    assert error["detail"].startswith("Invalid quantity.")


@pytest.mark.parametrize("body", ["{}", "[]", "no json", "7"])
def test_what_is_no_list_of_items_is_a_bad_request(shop: Any, body: str) -> None:
    assert shop.otto.post(PATH, content=body).status_code == 400


def test_a_batch_that_is_too_large_is_refused_as_a_whole(
    open_sandbox: Callable[..., Any],
) -> None:
    shop = open_sandbox(skus=201, availability_batch_limit=150)
    shop.log_in("availability")
    rows = [_row(further_sku(n)) for n in range(61, 212)]
    assert _send(shop, *rows).status_code == 413
    assert shop.otto.get(PATH).json()["resources"]["variations"] == []
    assert _send(shop, *rows[:140]).status_code == 200


def test_some_numbers_come_back_as_text(shop: Any) -> None:
    _send(shop, *(_row(product.sku, 3) for product in PRODUCTS))
    listed = shop.otto.get(PATH).json()["resources"]["variations"]
    assert {type(row["quantity"]) for row in listed} == {int, str}
    assert {int(row["quantity"]) for row in listed} == {3}


def test_the_list_is_read_by_sku_and_cursor_each_sku_once(
    open_sandbox: Callable[..., Any],
) -> None:
    shop = open_sandbox(skus=450)
    shop.log_in("availability")
    skus = [product.sku for product in PRODUCTS] + [further_sku(n) for n in range(61, 451)]
    for begin in range(0, len(skus), 150):
        _send(shop, *(_row(sku) for sku in skus[begin : begin + 150]))
    found, url, pages = [], PATH, 0
    while url:
        body = shop.otto.get(url).json()
        found += [row["sku"] for row in body["resources"]["variations"]]
        url = next((link["href"] for link in body["links"] if link["rel"] == "next"), "")
        pages += 1
    assert (found, pages) == (sorted(skus), 3)


@pytest.mark.parametrize(("lowers", "left"), [(False, 5), (True, 3)])
def test_a_sale_lowers_the_figure_only_where_that_is_switched_on(
    open_sandbox: Callable[..., Any], lowers: bool, left: int
) -> None:
    shop = open_sandbox(otto_lowers_stock=lowers)
    shop.log_in("availability")
    _send(shop, _row(SKU, 5))
    shop.control("orders", {"lines": 2, "sku": SKU})
    assert shop.control(f"stock?sku={SKU}")["skus"][0]["otto_shown"] == left


def test_otto_sells_only_what_it_shows_where_that_is_switched_on(
    open_sandbox: Callable[..., Any],
) -> None:
    shop = open_sandbox(sell_what_is_shown=True, orders=40)
    shop.log_in("availability orders")
    refused = shop.otto.post("/_sandbox/orders", json={"lines": 1, "sku": SKU})
    assert (refused.status_code, f"OTTO shows 0 of {SKU}" in refused.text) == (409, True)
    _send(shop, _row(SKU, 2))
    assert shop.otto.post("/_sandbox/orders", json={"lines": 3, "sku": SKU}).status_code == 409
    assert shop.otto.post("/_sandbox/orders", json={"lines": 2, "sku": SKU}).status_code == 201
    shop.advance(days=1)
    turned_away = shop.control("ledger")["harmless"]["turned_away"]
    assert turned_away >= 30
    assert len(shop.orders()) == 41 - turned_away


def test_an_orphan_is_shown_from_earlier_times(open_sandbox: Callable[..., Any]) -> None:
    shop = open_sandbox(orphan_skus=2)
    shop.log_in("availability")
    listed = shop.otto.get(PATH).json()["resources"]["variations"]
    assert [row["sku"] for row in listed] == shop.control("stock")["unknown_to_wms"]
    skus = {level["sku"] for level in shop.wms.get("/v1/stock").json()["levels"]}
    assert not skus & {row["sku"] for row in listed}


def test_goods_that_otto_does_not_know_lie_in_the_warehouse(shop: Any) -> None:
    unknown = shop.control("stock")["unknown_to_otto"]
    assert len(unknown) == 3
    found = {level["sku"] for level in shop.wms.get("/v1/stock").json()["levels"]}
    assert set(unknown) <= found
    assert _send(shop, *(_row(sku) for sku in unknown)).status_code == 422
