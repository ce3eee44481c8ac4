"""Overselling: what counts as oversold, what an observer without delay could have prevented."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from otto_pipelines.sandbox.catalogue import PRODUCTS
from otto_pipelines.sandbox.world import World

SKU = PRODUCTS[0].sku
PATH = "/v1/availability/quantities"
SCARCE = {
    "orders": 400,
    "days": 3,
    "sell_what_is_shown": True,
    "scarce_share": 0.7,
    "data_fault_rate": 0.0,
}


@pytest.fixture
def shop(open_sandbox: Callable[..., Any]) -> Any:
    """OTTO shows three units of one article, and three are there."""
    seller = open_sandbox(sell_what_is_shown=True, stock_moves_per_day=0)
    seller.log_in("orders shipments availability")
    for level in seller.wms.get("/v1/stock", params={"sku": SKU}).json()["levels"]:
        seller.control("stock/adjust", {"sku": SKU, "on_hand": 0, "location": level["location"]})
    seller.control("stock/adjust", {"sku": SKU, "on_hand": 3})
    _show(seller, 3)
    seller.advance(hours=12)
    return seller


def _show(seller: Any, quantity: int) -> None:
    answer = seller.otto.post(PATH, json=[{"sku": SKU, "quantity": quantity}])
    assert answer.status_code == 200


def _buy(seller: Any, lines: int = 1) -> Any:
    made = seller.control("orders", {"lines": lines, "sku": SKU})
    return seller.otto.get(f"/v4/orders/{made['sales_order_id']}").json()


def _truth(seller: Any) -> Any:
    return seller.control(f"stock?sku={SKU}")["skus"][0]


def _oversold(seller: Any) -> tuple[int, int]:
    ledger = seller.control("ledger")
    return ledger["oversold_units"], ledger["oversold_avoidable"]


def test_units_that_are_there_are_not_oversold(shop: Any) -> None:
    _buy(shop, 3)
    assert _oversold(shop) == (0, 0)


def test_a_unit_sold_by_an_old_figure_is_oversold_and_avoidable(shop: Any) -> None:
    _buy(shop, 2)
    order = _buy(shop, 2)
    assert _oversold(shop) == (1, 1)
    (unit,) = shop.control("ledger")["oversold"]
    assert (unit["sku"], unit["avoidable"]) == (SKU, True)
    assert unit["sales_order_id"] == order["salesOrderId"]
    assert unit["position_item_id"] == order["positionItems"][1]["positionItemId"]


def test_a_unit_that_the_record_knew_nothing_of_missing_was_not_avoidable(shop: Any) -> None:
    shop.control("stock/adjust", {"sku": SKU, "missing": 1})
    _buy(shop, 3)
    assert _oversold(shop) == (1, 0)


def test_an_order_is_one_claim_before_and_after_the_warehouse_counts_it(shop: Any) -> None:
    order = _buy(shop, 2)
    assert (_truth(shop)["available"], _truth(shop)["uncounted"]) == (1, 2)
    shop.submit(shop.outbound(order))
    assert _truth(shop)["available"] == 1
    shop.advance(minutes=11)
    assert (_truth(shop)["available"], _truth(shop)["uncounted"]) == (1, 0)
    assert _truth(shop)["reserved"] == 2
    shop.advance(hours=12)
    assert (_truth(shop)["available"], _truth(shop)["on_hand"]) == (1, 1)


def test_a_cancelled_order_claims_nothing(shop: Any) -> None:
    order = _buy(shop, 2)
    shop.otto.post(f"/v4/orders/{order['salesOrderId']}/cancellation")
    shop.advance(minutes=6)
    assert _truth(shop)["available"] == 3


def test_what_otto_does_not_show_is_not_oversold(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(scarce_share=1.0, orders=200)
    seller.advance(days=2)
    assert seller.control("truth")["orders"] == 200
    assert _oversold(seller) == (0, 0)


def test_the_control_tells_when_a_figure_was_last_accepted(shop: Any) -> None:
    first = _truth(shop)
    assert (first["otto_shown"], first["last_modified"]) == (3, "2026-06-07T22:00:00Z")
    _show(shop, 2)
    second = _truth(shop)
    assert (second["otto_shown"], second["last_modified"]) == (2, "2026-06-08T10:00:00Z")
    assert second["accepted_at"] > first["accepted_at"]


def test_a_short_is_settled_when_its_unit_is_cancelled_at_otto(shop: Any) -> None:
    order = _buy(shop)
    shop.submit(shop.outbound(order))
    shop.control("stock/short", {"sku": SKU})
    truth = shop.control("truth")
    assert (truth["shorts"], truth["shorts_settled"]) == (1, 0)
    shop.otto.post(f"/v4/orders/{order['salesOrderId']}/cancellation")
    assert shop.control("truth")["shorts_settled"] == 0
    shop.advance(minutes=6)
    assert shop.control("ledger")["shorts_settled"] == 1


def test_a_backordered_short_is_settled_when_it_is_sent(shop: Any) -> None:
    shop.submit(shop.outbound(_buy(shop)))
    shop.control("stock/short", {"sku": SKU, "backorder": True})
    for _ in range(48):
        shop.advance(hours=1)
        shop.work()
    truth = shop.control("truth")
    assert (truth["shorts"], truth["shorts_settled"]) == (1, 1)
    assert truth["position_items"][0]["otto_status"] == "SENT"


def _push_all(world: World) -> None:
    for sku in world.goods.at_otto:
        world.shelf.accept(sku, max(0, world.stock_truth.available(sku)))


def _watch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let OTTO show the truth after each sale and each change of the WMS's stock."""
    truth, stock = world.stock_truth, world.warehouse.stock
    sold, counted, changed = truth.sold, truth.counted, stock.on_change

    def push(sku: str) -> None:
        world.shelf.accept(sku, max(0, truth.available(sku)))

    def after_sale(order: Any) -> None:
        sold(order)
        for item in order.items:
            push(item.product.sku)

    def after_count(item_id: str) -> None:
        counted(item_id)
        _push_all(world)

    def after_change(sku: str) -> None:
        changed(sku)
        push(sku)

    monkeypatch.setattr(truth, "sold", after_sale)
    monkeypatch.setattr(truth, "counted", after_count)
    monkeypatch.setattr(stock, "on_change", after_change)


def _run(seller: Any, before_each_hour: Callable[[World], None] = lambda world: None) -> Any:
    for _ in range(24 * 7):
        before_each_hour(seller.sandbox.world)
        seller.advance(hours=1)
        seller.work()
    return seller.control("truth")


def test_an_observer_without_delay_oversells_nothing_that_could_be_avoided(
    open_sandbox: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seller = open_sandbox(**SCARCE, hidden_losses_per_day=40)
    _push_all(seller.sandbox.world)
    _watch(seller.sandbox.world, monkeypatch)
    truth = _run(seller)
    assert truth["orders"] > 200
    assert truth["oversold_avoidable"] == 0
    assert truth["oversold_units"] > 0
    assert truth["shorts"] > 8


def _step(seller: Any, to: datetime) -> None:
    body = {"to": to.isoformat(), "stop_before_overselling": True}
    seller.control("clock/advance", body)


def test_who_looks_before_each_sale_that_would_oversell_oversells_nothing_avoidable(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(**SCARCE, hidden_losses_per_day=40)
    end = seller.now() + timedelta(days=4)
    looks = 0
    while (now := seller.now()) < end:
        _push_all(seller.sandbox.world)
        looks += 1
        _step(seller, min(end, now + timedelta(hours=3)))
        seller.work()
    truth = seller.control("truth")
    assert truth["orders"] > 200
    assert truth["oversold_avoidable"] == 0 < truth["oversold_units"]
    assert 4 * 8 < looks < truth["orders"]


def test_an_order_waits_once_and_then_oversells_if_nobody_corrects_the_figures(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(**SCARCE)
    _push_all(seller.sandbox.world)
    end = seller.now() + timedelta(days=3)
    stops = 0
    while seller.now() < end:
        _step(seller, end)
        stops += 1
    truth = seller.control("truth")
    assert truth["oversold_avoidable"] >= stops - 1 > 10
    assert truth["orders"] + seller.control("ledger")["harmless"]["turned_away"] == 400


def test_an_hourly_observer_oversells_what_could_be_avoided(
    open_sandbox: Callable[..., Any],
) -> None:
    truth = _run(open_sandbox(**SCARCE), before_each_hour=_push_all)
    assert truth["oversold_avoidable"] > 0
    assert truth["oversold_avoidable"] == truth["oversold_units"]
    assert truth["shorts"] == truth["shorts_settled"] > 0


def test_a_hundred_thousand_articles_are_made_and_sent(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(skus=100_000, stock_moves_per_day=1000)
    seller.log_in("availability")
    world = seller.sandbox.world
    assert len(world.goods.at_otto) == 100_000
    seller.advance(days=1)
    rows = [{"sku": sku, "quantity": 1} for sku in sorted(world.goods.at_otto)]
    for begin in range(0, 20_000, 200):
        assert seller.otto.post(PATH, json=rows[begin : begin + 200]).status_code == 200
    assert sum(1 for sku in world.goods.at_otto if world.shelf.figure(sku)) == 20_000
