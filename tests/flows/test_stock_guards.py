"""What is not believed changes nothing at OTTO and is a failed check that says what to do."""

from collections.abc import Callable
from typing import Any

import pytest

from assets import fast_lane
from resources.otto.errors import OttoTransient

QUANTITIES = "/v1/availability/quantities"
Rows = Callable[[Any, str], list[dict[str, Any]]]


def shown(shop: Any) -> dict[str, int]:
    return {sku: figure.quantity for sku, figure in shop.world.shelf._figures.items()}


def article(shop: Any, number: int = 0) -> str:
    stock = shop.world.warehouse.stock
    return [sku for sku in stock if stock.free(sku) >= 20][number]


def remedy(result: Any, check: str) -> str:
    [found] = [e for e in result.get_asset_check_evaluations() if e.check_name == check]
    return str(found.metadata["remedy"].value)


@pytest.mark.parametrize("fault", ["shrunken", "empty", "zeroed"])
def test_a_list_that_lost_the_assortment_changes_nothing_until_a_good_one_comes(
    shop: Any, failing_rows: Rows, fault: str
) -> None:
    shop.sync_stock()
    before = shown(shop)
    shop.advance(minutes=1)
    shop.world.stock_list.use(fault)
    result = shop.sync_stock()
    assert shown(shop) == before
    [row] = failing_rows(result, "stock_list_believable")
    assert "nothing of it was taken over" in row["why"]
    assert "confirm_drop: true" in remedy(result, "stock_list_believable")
    assert "--confirm-drop" in remedy(result, "stock_list_believable")
    shop.world.stock_list.use(None)
    assert failing_rows(shop.sync_stock(), "stock_list_believable") == []
    assert shown(shop) == before


def test_a_person_lets_a_drop_through(shop: Any, failing_rows: Rows) -> None:
    shop.sync_stock()
    shop.advance(minutes=1)
    shop.world.stock_list.use("empty")
    shop.sync_stock()
    result = shop.sync_stock(confirm_drop=True)
    assert failing_rows(result, "stock_list_believable") == []
    assert set(shown(shop).values()) == {0}


def test_the_first_list_does_not_clear_what_otto_shows_from_before(
    any_shop: Any, failing_rows: Rows
) -> None:
    shop = any_shop
    with shop.world.turn() as world:
        for number in range(10):
            world.shelf.accept(article(shop, number), 5)
    shop.world.stock_list.use("empty")
    result = shop.sync_stock()
    assert len(failing_rows(result, "stock_list_believable")) == 1
    shop.world.create_order(1, article(shop))
    shop.sync_orders()
    shop.sync_stock("changes")
    assert shop.sandbox.otto_wire.posts(QUANTITIES) == [], "nothing is computed before a list"
    shop.world.stock_list.use(None)
    shop.sync_stock()
    assert all(shop.shown(sku) == shop.available(sku) for sku in shop.world.goods.at_otto)


def test_a_list_that_says_it_is_incomplete_empties_nothing(shop: Any, failing_rows: Rows) -> None:
    shop.sync_stock()
    before = shown(shop)
    shop.advance(minutes=1)
    shop.world.stock_list.use("incomplete")
    skus = list(shop.world.warehouse.stock.skus())
    shop.world.warehouse.stock.count(skus[0], None, 33)
    result = shop.sync_stock()
    assert failing_rows(result, "stock_list_believable") == []
    assert shown(shop) == before | {skus[0]: 33}


def test_a_first_list_that_is_incomplete_offers_what_it_names(shop: Any) -> None:
    shop.world.stock_list.use("incomplete")
    named = set(shop.world.warehouse.stock.skus()[::2]) & shop.world.goods.at_otto
    shop.sync_stock()
    assert shown(shop).keys() == named


def test_a_stale_figure_may_fall_and_not_rise_until_the_list_is_of_now(
    shop: Any, failing_rows: Rows
) -> None:
    shop.sync_stock()
    sku, other = article(shop), article(shop, 1)
    before = shop.shown(sku)
    shop.world.stock_list.use("stale")
    shop.advance(hours=3)
    shop.world.warehouse.stock.count(other, None, 500)
    shop.world.create_order(1, sku)
    shop.sync_orders()
    result = shop.sync_stock()
    assert shop.shown(sku) == before - 1
    assert shop.shown(other) < 500
    held = {row["sku"]: row["why"] for row in failing_rows(result, "stock_is_of_now")}
    assert {sku, other} <= held.keys()
    assert "180 minutes ago" in held[sku]
    assert "WMS answers" in remedy(result, "stock_is_of_now")
    shop.world.stock_list.use(None)
    result = shop.sync_stock()
    assert failing_rows(result, "stock_is_of_now") == []
    assert shop.shown(other) == 500


def test_a_list_that_is_older_than_the_feed_hides_no_stock_out(shop: Any) -> None:
    shop.sync_stock()
    sku = article(shop)
    shop.world.stock_list.use("stale")
    shop.advance(minutes=1)
    shop.world.warehouse.stock.count(sku, None, 0)
    shop.sync_stock()
    assert shop.shown(sku) > 0, "the list does not know it yet"
    shop.world.stock_list.use(None)
    shop.sync_stock("changes")
    assert shop.shown(sku) == shop.available(sku)


def test_a_sku_with_two_articles_is_never_offered_by_a_guess(
    open_shop: Any, sqlite_db: Any, failing_rows: Rows
) -> None:
    shop = open_shop(sqlite_db)
    sku = article(shop)
    shop.world.warehouse.stock.put(sku.upper(), "DRESDEN", 5)
    shop.world.create_order(1, sku)
    shop.sync_orders()
    result = shop.sync_stock()
    assert sku not in shown(shop)
    [row] = failing_rows(result, "sku_map_unambiguous")
    assert row["what"] == sku
    assert "sku_map" in remedy(result, "sku_map_unambiguous")


def test_a_sku_that_becomes_ambiguous_is_taken_back_and_the_map_settles_it(
    open_shop: Any, sqlite_db: Any, failing_rows: Rows
) -> None:
    shop = open_shop(sqlite_db)
    shop.sync_stock()
    sku = article(shop)
    assert shop.shown(sku) > 0
    shop.world.warehouse.stock.receive(sku.upper(), None, 5)
    shop.sync_stock("changes")
    assert shop.shown(sku) == 0
    result = shop.sync_stock()
    assert shop.shown(sku) == 0
    assert len(failing_rows(result, "sku_map_unambiguous")) == 1
    told = shop.model.model_dump() | {"sku_map": {sku: sku}}
    shop.model = type(shop.model).model_validate(told)
    shop.assemble()
    result = shop.sync_stock()
    assert failing_rows(result, "sku_map_unambiguous") == []
    assert shop.shown(sku) == shop.available(sku)
    assert sku.upper() not in {row["sku"] for row in shop.table("availability")}


def short_pick(shop: Any, sku: str) -> None:
    order = shop.world.create_order(1, sku)
    shop.sync_orders()
    shop.sync_stock("changes")
    with shop.world.turn() as world:
        assert world.warehouse.short_now(sku, order.order_id, backorder=False)


def test_a_short_pick_is_at_otto_before_the_dispatches_of_its_round(shop: Any) -> None:
    shop.sync_stock()
    sku, parcel = article(shop), shop.new_order()
    short_pick(shop, sku)
    shop.dispatch(parcel)
    seen = len(shop.sandbox.otto_wire.requests)
    shop.sync_shipments()
    posted = [
        request.path
        for request in shop.sandbox.otto_wire.requests[seen:]
        if request.method == "POST" and "token" not in request.path
    ]
    assert posted[:2] == [QUANTITIES, "/v1/shipments"]
    assert shop.sandbox.otto_wire.posts(QUANTITIES)[-1] == [{"sku": sku, "quantity": 0}]


def test_parcels_are_reported_although_the_short_pick_cannot_be(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.sync_stock()
    sku, parcel = article(shop), shop.new_order()
    short_pick(shop, sku)
    shop.dispatch(parcel)

    def refuse(*_: object) -> None:
        raise OttoTransient("OTTO takes no quantities now")

    with monkeypatch.context() as patch:
        patch.setattr(fast_lane, "short_picked", refuse)
        with pytest.raises(OttoTransient):
            shop.sync_shipments()
    assert len(shop.shipments()) == 1
    shop.sync_stock("changes")
    assert shop.shown(sku) == 0, "the feed of changes names it, too"


def test_a_level_that_breaks_the_contract_costs_itself(shop: Any, failing_rows: Rows) -> None:
    sku = article(shop)
    shop.world.warehouse.stock.level(sku).blocked = -1
    result = shop.sync_stock()
    [row] = failing_rows(result, "stock_levels_readable")
    assert "blocked" in row["why"]
    assert len(shown(shop)) == 59
    shop.world.warehouse.stock.level(sku).blocked = 0
    assert failing_rows(shop.sync_stock(), "stock_levels_readable") == []
    assert len(shown(shop)) == 60
