"""Stock from the warehouse to OTTO: what is sold, moves or was lost on the way is in the figure."""

from collections.abc import Callable
from typing import Any

import pytest

from assets import stock_flow, stock_intake
from assets.stock_figures import Parts, StockReport
from resources.operations.availability import Lane
from resources.otto.errors import OttoError

QUANTITIES = "/v1/availability/quantities"


def parts_of(shop: Any) -> Parts:
    return Parts(shop.db, shop.wms, shop.otto, shop.model, shop.clock)


def article(shop: Any, number: int = 0) -> str:
    """An ordered article of which the warehouse has plenty."""
    stock = shop.world.warehouse.stock
    return [sku for sku in stock if stock.free(sku) >= 20][number]


def lose_all_attempts(shop: Any) -> None:
    """OTTO takes the next figures, and no answer comes, as often as a run tries."""
    for _ in range(shop.model.http.attempts):
        shop.sandbox.otto_wire.lose("POST", QUANTITIES)


def requests(shop: Any) -> list[dict[str, int]]:
    """Quantities by SKU of each request to OTTO so far."""
    return [
        {row["sku"]: row["quantity"] for row in body}
        for body in shop.sandbox.otto_wire.posts(QUANTITIES)
    ]


def all_right(shop: Any) -> bool:
    known = shop.world.goods.at_otto
    return all(
        shop.shown(sku) == max(0, shop.available(sku))
        for sku in shop.world.warehouse.stock
        if sku in known
    )


def figures(shop: Any) -> dict[str, dict[str, Any]]:
    return {row["sku"]: row for row in shop.table("availability")}


def test_the_first_list_puts_the_whole_assortment_on_sale(any_shop: Any) -> None:
    any_shop.sync_stock()
    assert all_right(any_shop)
    assert len(any_shop.world.shelf._figures) == 60


def test_a_sold_unit_lowers_the_figure_before_the_warehouse_knows_of_it(any_shop: Any) -> None:
    shop = any_shop
    shop.sync_stock()
    shop.sync_stock("changes")
    sku = article(shop)
    before = shop.shown(sku)
    shop.world.create_order(2, sku)
    assert not stock_flow.has_news(shop.db, shop.wms, shop.model)
    shop.sync_orders()
    assert stock_flow.has_news(shop.db, shop.wms, shop.model), "a run is asked for by state"
    shop.sync_stock("changes")
    assert shop.shown(sku) == before - 2
    assert not stock_flow.has_news(shop.db, shop.wms, shop.model), "and not again and again"


def test_a_unit_is_taken_off_once_from_its_sale_to_its_parcel(shop: Any) -> None:
    shop.sync_stock()
    sku = article(shop)
    before = shop.shown(sku)
    order = shop.world.create_order(1, sku)
    shop.sync_orders()
    shop.sync_stock("changes")
    assert shop.shown(sku) == before - 1, "the WMS does not count it, so we do"
    shop.dispatch(order)
    shop.advance(seconds=30)
    shop.sync_stock("changes")
    assert shop.shown(sku) == before - 2, "the level counts it, and we do not know that yet"
    shop.sync_shipments()
    shop.sync_stock("changes")
    assert shop.shown(sku) == before - 1


def test_a_cancelled_order_gives_its_units_back(shop: Any) -> None:
    shop.sync_stock()
    sku = article(shop)
    before = shop.shown(sku)
    order = shop.world.create_order(2, sku)
    shop.sync_orders()
    shop.sync_stock("changes")
    assert shop.shown(sku) == before - 2
    shop.advance(minutes=1)
    shop.cancel_at_otto(order)
    shop.sync_orders()
    shop.sync_stock("changes")
    assert shop.shown(sku) == before


def test_a_crash_after_the_levels_were_stored_loses_no_change(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.sync_stock()
    sku = article(shop)
    shop.world.warehouse.stock.count(sku, None, 4)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stock_intake, "refresh_articles", crash)
        with pytest.raises(KeyboardInterrupt):
            stock_flow.one_round(parts_of(shop), StockReport())
    assert shop.shown(sku) != 4
    shop.sync_stock("changes")
    assert shop.shown(sku) == 4


def test_what_the_feed_never_named_is_found_by_the_whole_list(shop: Any) -> None:
    shop.sync_stock()
    sku = article(shop)
    shop.world.warehouse.stock.level(sku).on_hand = 3  # lost, and no change was told
    shop.advance(minutes=1)
    shop.sync_stock("changes")
    assert shop.shown(sku) > 3
    shop.sync_stock()
    assert shop.shown(sku) == shop.available(sku)


def test_an_article_that_comes_in_new_goes_on_sale_by_the_feed(shop: Any) -> None:
    shop.sync_stock()
    shop.world.shelf._known |= {"Neuheit-1"}
    shop.world.warehouse.stock.receive("Neuheit-1", None, 7)
    shop.sync_stock("changes")
    assert shop.shown("Neuheit-1") == 7


def test_only_what_changed_is_sent(shop: Any) -> None:
    shop.sync_stock()
    sent = len(requests(shop))
    shop.sync_stock()
    assert len(requests(shop)) == sent
    sku = article(shop)
    shop.world.warehouse.stock.count(sku, None, 9)
    shop.sync_stock()
    assert requests(shop)[sent:] == [{sku: 9}]


def test_a_full_push_sends_every_figure_as_its_schedule_starts_it(shop: Any) -> None:
    shop.sync_stock()
    sent = len(requests(shop))
    shop.definitions.resolve_job_def("push_all_stock").execute_in_process(
        instance=shop.instance, run_config={}
    )
    [pushed] = requests(shop)[sent:]
    assert len(pushed) == 63


def test_a_preset_task_survives_other_run_config(shop: Any) -> None:
    shop.sync_stock()
    sent = len(requests(shop))
    shop.run("push_all_stock")
    assert len(requests(shop)) == sent + 1


def test_a_sku_that_otto_does_not_know_is_shown_and_not_repeated(
    shop: Any, failing_rows: Callable[..., Any]
) -> None:
    result = shop.sync_stock()
    unknown = sorted(row["sku"] for row in failing_rows(result, "skus_known_to_otto"))
    assert unknown == ["Nur-Lager-001", "Nur-Lager-002", "Nur-Lager-003"]
    sent = len(requests(shop))
    shop.sync_stock()
    shop.sync_stock("changes")
    assert len(requests(shop)) == sent
    shop.world.warehouse.stock.count(unknown[0], None, 99)
    shop.sync_stock("changes")
    assert requests(shop)[sent:] == [{unknown[0]: 99}]


def test_named_skus_are_sent_now_although_nothing_changed(shop: Any) -> None:
    shop.sync_stock()
    sku, sent = article(shop), len(requests(shop))
    shop.sync_stock(skus=[sku])
    assert requests(shop)[sent:] == [{sku: shop.available(sku)}]


def test_a_misspelt_sku_is_named_and_leaves_no_trace(shop: Any) -> None:
    shop.sync_stock()
    sku = article(shop)
    with pytest.raises(Exception, match=r"'Kuechenwage'.*spelling") as caught:
        shop.sync_stock(skus=[sku, "Kuechenwage"])
    assert isinstance(caught.value, stock_flow.UnknownSku)
    assert "Kuechenwage" not in figures(shop)
    assert requests(shop)[-1] == {sku: shop.available(sku)}


def test_reading_back_repairs_a_figure_that_someone_changed_at_otto(
    shop: Any, failing_rows: Callable[..., Any]
) -> None:
    shop.sync_stock()
    shop.advance(minutes=5)
    sku = article(shop)
    with shop.world.turn() as world:
        world.shelf.accept(sku, 999)
    result = shop.sync_stock("read_back")
    assert shop.shown(sku) == shop.available(sku)
    assert failing_rows(result, "otto_shows_our_quantities") == []


def test_a_figure_changed_at_otto_is_shown_until_ours_is_accepted(
    shop: Any, failing_rows: Callable[..., Any]
) -> None:
    shop.sync_stock()
    shop.advance(minutes=5)
    sku = article(shop)
    with shop.world.turn() as world:
        world.shelf.accept(sku, 999)
    lose_all_attempts(shop)
    assert not shop.sync_stock("read_back", must_succeed=False).success
    found = failing_rows(shop.run("check_stock"), "otto_shows_our_quantities")
    assert [(row["sku"], row["shown"]) for row in found] == [(sku, 999)]


def test_what_otto_shows_and_the_warehouse_never_had_goes_to_0(
    shop: Any, failing_rows: Callable[..., Any]
) -> None:
    with shop.world.turn() as world:
        world.shelf._known |= {"Auslauf-1", "Auslauf-2"}
        world.shelf.accept("Auslauf-1", 3)
    shop.sync_stock()
    assert shop.shown("Auslauf-1") == 0, "found by the first list"
    with shop.world.turn() as world:
        world.shelf.accept("Auslauf-2", 3)
    result = shop.sync_stock("read_back")
    assert shop.shown("Auslauf-2") == 0, "found by reading back"
    rows = failing_rows(result, "skus_known_to_wms")
    assert [row["sku"] for row in rows] == ["Auslauf-1", "Auslauf-2"]


def test_after_a_lost_answer_the_same_run_sends_the_newest_figure(shop: Any) -> None:
    shop.sync_stock()
    sku = article(shop)
    shop.world.warehouse.stock.count(sku, None, 5)
    sent = len(requests(shop))
    shop.sandbox.otto_wire.lose("POST", QUANTITIES)
    result = shop.sync_stock("changes")
    assert result.success
    assert requests(shop)[sent:] == [{sku: 5}, {sku: 5}]
    [figure] = [row for row in shop.table("availability") if row["sku"] == sku]
    assert figure["accepted_quantity"] == 5
    assert figure["pending"], "it is sent once more when the lost request can no longer arrive"


def test_answers_that_stay_lost_fail_the_run_and_the_next_one_sends_the_newest_figure(
    shop: Any,
) -> None:
    shop.sync_stock()
    sku = article(shop)
    shop.world.warehouse.stock.count(sku, None, 5)
    lose_all_attempts(shop)
    with pytest.raises(OttoError):
        shop.sync_stock("changes")
    shop.world.warehouse.stock.count(sku, None, 6)
    shop.sync_stock("changes")
    assert shop.shown(sku) == 6


def test_a_stock_out_goes_before_everything_else_that_moved(open_shop: Any, sqlite_db: Any) -> None:
    shop = open_shop(sqlite_db, availability={"batch_size": 1})
    shop.sync_stock()
    sent = len(requests(shop))
    for number in range(4):
        shop.world.warehouse.stock.count(article(shop, number), None, 40 + number)
    shop.world.warehouse.stock.count(article(shop, 4), None, 0)
    sold_out = next(
        sku for sku in shop.world.warehouse.stock if shop.available(sku) == 0 < shop.shown(sku)
    )
    shop.sync_stock("changes")
    assert requests(shop)[sent] == {sold_out: 0}
    assert len(requests(shop)) == sent + 5


def test_what_is_urgent_overtakes_a_full_push_under_way(
    open_shop: Any, sqlite_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(sqlite_db, availability={"batch_size": 10, "requests_at_once": 1})
    shop.sync_stock()
    sku, sent = article(shop), len(requests(shop))
    send = shop.otto.availability.send_quantities

    def a_stock_out_meanwhile(*args: Any, **options: Any) -> Any:
        results = send(*args, **options)
        if len(requests(shop)) == sent + 1:
            shop.world.warehouse.stock.count(sku, None, 0)
            stock_intake.take_changes(parts_of(shop), StockReport())
        return results

    monkeypatch.setattr(shop.otto.availability, "send_quantities", a_stock_out_meanwhile)
    shop.sync_stock("push")
    second = requests(shop)[sent + 1]
    assert next(iter(second.items())) == (sku, 0)
    assert shop.shown(sku) == 0


def test_urgent_figures_go_although_the_lane_of_the_rest_is_full(shop: Any) -> None:
    shop.sync_stock()
    parts = parts_of(shop)
    sku, sent = article(shop), len(requests(shop))
    with shop.db.write() as conn:
        stock_flow.request_push(conn, None, Lane.REST, shop.clock.now())
    shop.world.warehouse.stock.count(sku, None, 0)
    stock_flow.short_picked(parts, [sku], StockReport())
    assert requests(shop)[sent:] == [{sku: 0}]


def test_more_sold_than_there_is_shows_as_oversold(
    shop: Any, failing_rows: Callable[..., Any]
) -> None:
    shop.sync_stock()
    sku = article(shop)
    shop.world.warehouse.stock.count(sku, None, 2)
    shop.world.create_order(5, sku)
    shop.sync_orders()
    result = shop.sync_stock()
    rows = failing_rows(result, "no_unit_oversold")
    assert [(row["sku"], row["oversold"]) for row in rows] == [(sku, 3)]
    assert shop.shown(sku) == 0


def test_figures_that_otto_does_not_get_are_shown_as_missed(
    shop: Any, failing_rows: Callable[..., Any]
) -> None:
    shop.sync_stock()
    sku = article(shop)
    shop.world.warehouse.stock.count(sku, None, 1)
    lose_all_attempts(shop)
    shop.sync_stock("changes", must_succeed=False)
    assert failing_rows(shop.run("check_stock"), "no_sku_misses_an_update") == []
    shop.advance(minutes=20)
    checked = shop.run("check_stock")
    missed = failing_rows(checked, "no_sku_misses_an_update")
    assert [row["sku"] for row in missed] == [sku]
    assert failing_rows(checked, "quantities_confirmed_lately") == []
    shop.advance(hours=40)
    silent = failing_rows(shop.run("check_stock"), "quantities_confirmed_lately")
    assert len(silent) == 50, "all of the assortment; a table has 50 rows"
