"""The simulated warehouse's stock: what moves it, how it is shown, how the list may be wrong."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from otto_pipelines.sandbox.catalogue import PRODUCTS, further_sku
from otto_pipelines.sandbox.wms_stock import FAULTS

SKU = PRODUCTS[0].sku


def _levels(seller: Any, *skus: str) -> list[dict[str, Any]]:
    levels: list[dict[str, Any]] = _page(seller, *skus)["levels"]
    return levels


def _page(seller: Any, *skus: str) -> Any:
    answer = seller.wms.get("/v1/stock", params={"sku": list(skus)} if skus else {})
    assert answer.status_code == 200
    return answer.json()


def _sum(seller: Any, sku: str = SKU) -> tuple[int, int, int]:
    levels = _levels(seller, sku)
    return tuple(
        sum(level[name] for level in levels) for name in ("on_hand", "reserved", "blocked")
    )  # type: ignore[return-value]


def _ordered(seller: Any, lines: int = 1, sku: str = SKU) -> Any:
    made = seller.control("orders", {"lines": lines, "sku": sku})
    order = seller.otto.get(f"/v4/orders/{made['sales_order_id']}").json()
    seller.submit(seller.outbound(order))
    return order


def _only(seller: Any, on_hand: int, sku: str = SKU) -> None:
    """Leave that many units of the SKU, all in one place, and nothing on its way."""
    for level in _levels(seller, sku):
        seller.control(
            "stock/adjust", {"sku": sku, "on_hand": 0, "blocked": 0, "location": level["location"]}
        )
    seller.control("stock/adjust", {"sku": sku, "on_hand": on_hand})


@pytest.fixture
def quiet(open_sandbox: Callable[..., Any]) -> Any:
    """Real shelves on which nothing happens by itself, at noon on a Monday."""
    seller = open_sandbox(sell_what_is_shown=True, stock_moves_per_day=0)
    seller.log_in("orders shipments availability")
    seller.otto.post("/v1/availability/quantities", json=[{"sku": SKU, "quantity": 50}])
    seller.advance(hours=12)
    return seller


def test_an_accepted_order_reserves_and_a_pick_takes_off_the_shelf(quiet: Any) -> None:
    on_hand, reserved, _ = _sum(quiet)
    _ordered(quiet, 2)
    assert _sum(quiet)[:2] == (on_hand, reserved)
    quiet.advance(minutes=11)
    assert _sum(quiet)[:2] == (on_hand, 2)
    quiet.advance(hours=12)
    assert _sum(quiet)[:2] == (on_hand - 2, 0)


def test_a_cancelled_order_gives_its_units_back(quiet: Any) -> None:
    before = _sum(quiet)
    order = _ordered(quiet, 2)
    quiet.advance(minutes=11)
    quiet.wms.post(f"/v1/orders/{order['salesOrderId']}/cancellation", json={"line_ids": None})
    assert _sum(quiet) == before


def test_an_update_keeps_the_promise_of_what_stays_and_frees_the_rest(quiet: Any) -> None:
    on_hand, _, _ = _sum(quiet)
    order = _ordered(quiet, 3)
    quiet.advance(minutes=11)
    outbound = quiet.outbound(order)
    changed = outbound | {"payload_hash": "h2", "lines": outbound["lines"][:2]}
    assert quiet.submit(changed)[0]["outcome"] == "UPDATED"
    assert _sum(quiet)[:2] == (on_hand, 2)


def test_a_pick_finds_no_more_than_is_there(quiet: Any) -> None:
    _only(quiet, 1)
    order = _ordered(quiet, 3)
    quiet.advance(hours=3)
    shorts = [event for event in quiet.poll() if event["kind"] == "SHORT_PICKED"]
    assert [event["order_ref"] for event in shorts] == [order["salesOrderId"]] * 2
    assert {line["discrepancy"] for event in shorts for line in event["lines"]} == {"COMPLETE"}
    assert _sum(quiet)[:2] == (0, 0)


def test_a_loss_that_nobody_saw_shows_at_the_pick(quiet: Any) -> None:
    _only(quiet, 2)
    quiet.control("stock/adjust", {"sku": SKU, "missing": 2})
    assert _sum(quiet)[0] == 2
    _ordered(quiet)
    quiet.advance(hours=3)
    assert "SHORT_PICKED" in {event["kind"] for event in quiet.poll()}
    assert _sum(quiet) == (0, 0, 0)


def test_without_real_shelves_the_warehouse_finds_every_unit(seller: Any) -> None:
    _only(seller, 0)
    _ordered(seller, 2)
    seller.advance(days=1)
    kinds = {event["kind"] for event in seller.poll()}
    assert "DISPATCHED" in kinds
    assert "SHORT_PICKED" not in kinds


@pytest.mark.parametrize(("backorder", "reserved"), [(False, 0), (True, 1)])
def test_a_short_leaves_nothing_free_until_goods_come_in(
    quiet: Any, backorder: bool, reserved: int
) -> None:
    _only(quiet, 20)
    order = _ordered(quiet)
    made = quiet.control("stock/short", {"sku": SKU, "backorder": backorder})
    assert made["position_item_id"] == order["positionItems"][0]["positionItemId"]
    assert _sum(quiet) == (0, reserved, 0)
    quiet.advance(days=2)
    assert _sum(quiet)[0] > 0
    kinds = [event["kind"] for event in quiet.poll()]
    assert ("DISPATCHED" in kinds) is backorder


def test_a_short_needs_an_order_that_waits(quiet: Any) -> None:
    answer = quiet.otto.post("/_sandbox/stock/short", json={"sku": SKU})
    assert (answer.status_code, "waits" in answer.text) == (409, True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("receive", {"sku": "nobody", "quantity": 1}),
        ("receive", {"sku": SKU, "quantity": -1}),
        ("receive", {"sku": SKU}),
        ("adjust", {"sku": SKU}),
        ("adjust", {"sku": SKU, "on_hand": "3"}),
        ("list", {"fault": "upside down"}),
        ("list", {}),
    ],
)
def test_a_wrong_stock_control_is_refused_with_its_reason(
    quiet: Any, path: str, body: dict[str, Any]
) -> None:
    answer = quiet.otto.post(f"/_sandbox/stock/{path}", json=body)
    assert (answer.status_code, bool(answer.json()["error"])) == (400, True)


def test_a_damaged_unit_goes_to_quarantine(quiet: Any) -> None:
    on_hand, _, _ = _sum(quiet)
    quiet.control("stock/adjust", {"sku": SKU, "blocked": 4})
    assert _sum(quiet) == (on_hand, 0, 4)
    free = sum(
        level["on_hand"] - level["reserved"] - level["blocked"] for level in _levels(quiet, SKU)
    )
    assert quiet.control(f"stock?sku={SKU}")["skus"][0]["available"] == free


def test_the_warehouses_own_figure_is_what_the_parts_say(quiet: Any) -> None:
    levels = _levels(quiet)
    own = [level for level in levels if level["sellable"] is not None]
    assert 0 < len(own) < len(levels)
    assert all(
        level["sellable"] == max(0, level["on_hand"] - level["reserved"] - level["blocked"])
        for level in own
    )
    assert len({level["location"] for level in levels}) == 2


def test_the_whole_list_is_read_in_pages_each_level_once(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(skus=2500, unknown_skus=0)
    found, page, pages = [], None, 0
    while page is not None or not pages:
        answer = seller.wms.get("/v1/stock", params={"page": page} if page else {}).json()
        found += [level["sku"] for level in answer["levels"]]
        page, pages = answer["next_page"], pages + 1
        assert answer["complete"]
    assert pages == 3
    assert found == sorted(found)
    assert set(found) == {p.sku for p in PRODUCTS} | {further_sku(n) for n in range(61, 2501)}


def test_an_unknown_sku_is_absent_and_too_many_are_refused(quiet: Any) -> None:
    assert {level["sku"] for level in _levels(quiet, SKU, "nobody")} == {SKU}
    answer = quiet.wms.get("/v1/stock", params={"sku": ["x"] * 101})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "sku")


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("/v1/stock?page=%FF", "page"),
        ("/v1/stock?page=abc", "page"),
        ("/v1/stock-changes?cursor=x", "cursor"),
        ("/v1/stock-changes?limit=0", "limit"),
    ],
)
def test_a_page_that_was_never_given_is_refused(quiet: Any, url: str, field: str) -> None:
    answer = quiet.wms.get(url)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


def test_the_feed_of_changes_names_what_moved_and_goes_on_from_its_cursor(quiet: Any) -> None:
    start = quiet.wms.get("/v1/stock-changes").json()
    assert (start["skus"], start["has_more"]) == ([], False)
    other = PRODUCTS[1].sku
    for sku in (SKU, other, SKU):
        quiet.control("stock/receive", {"sku": sku, "quantity": 1})
    params = {"cursor": start["next_cursor"], "limit": 2}
    first = quiet.wms.get("/v1/stock-changes", params=params).json()
    assert (first["skus"], first["has_more"]) == ([SKU, other], True)
    params = {"cursor": first["next_cursor"]}
    rest = quiet.wms.get("/v1/stock-changes", params=params).json()
    assert (rest["skus"], rest["has_more"]) == ([SKU], False)
    quiet.control("stock/adjust", {"sku": SKU, "missing": 1})
    params = {"cursor": rest["next_cursor"]}
    assert quiet.wms.get("/v1/stock-changes", params=params).json()["skus"] == []


def test_a_cursor_of_one_feed_is_none_of_another(quiet: Any) -> None:
    cursor = quiet.wms.get("/v1/fulfilment-events").json()["next_cursor"]
    assert quiet.wms.get("/v1/stock-changes", params={"cursor": cursor}).status_code == 422


def test_every_change_of_a_level_is_in_the_feed(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(orders=60, stock_moves_per_day=100)
    cursor, before = None, {}
    for hour in range(60):
        seller.advance(hours=1)
        seller.work()
        named, more = set(), True
        while more:
            params = {"cursor": cursor} if cursor else {}
            page = seller.wms.get("/v1/stock-changes", params=params).json()
            named |= set(page["skus"])
            cursor, more = page["next_cursor"], page["has_more"]
        now: dict[str, list[Any]] = {}
        for level in _levels(seller):
            now.setdefault(level["sku"], []).append({**level, "as_of": None})
        if hour:
            assert {sku for sku, levels in now.items() if before[sku] != levels} <= named
        before = now
        assert all(level["on_hand"] >= 0 for levels in now.values() for level in levels)
        assert all(level["reserved"] >= 0 for levels in now.values() for level in levels)
        assert all(level["blocked"] >= 0 for levels in now.values() for level in levels)


def test_a_stale_list_shows_old_levels_under_their_old_time(quiet: Any) -> None:
    before = _sum(quiet)
    quiet.control("stock/list", {"fault": "stale"})
    quiet.control("stock/receive", {"sku": SKU, "quantity": 7})
    quiet.advance(hours=5)
    page = _page(quiet, SKU)
    read, as_of = (
        datetime.fromisoformat(text) for text in (page["snapshot_at"], page["levels"][0]["as_of"])
    )
    assert read - as_of == timedelta(hours=5)
    assert _sum(quiet) == before
    quiet.control("stock/list", {"fault": None})
    assert _sum(quiet)[0] == before[0] + 7


@pytest.mark.parametrize(
    ("fault", "share", "complete"),
    [("shrunken", 0.5, True), ("empty", 0.0, True), ("incomplete", 0.5, False)],
)
def test_a_list_that_shrank_lacks_skus(
    quiet: Any, fault: str, share: float, complete: bool
) -> None:
    whole = {level["sku"] for level in _levels(quiet)}
    quiet.control("stock/list", {"fault": fault})
    page = _page(quiet)
    assert len({level["sku"] for level in page["levels"]}) == round(len(whole) * share + 0.1)
    assert page["complete"] is complete
    assert _levels(quiet, SKU), "a SKU asked for by name is answered"
    assert quiet.control("ledger")["stock_lists"] == {fault: 1}


def test_a_zeroed_list_names_every_sku_and_has_none_of_it(quiet: Any) -> None:
    quiet.control("stock/list", {"fault": "zeroed"})
    levels = _levels(quiet)
    assert len({level["sku"] for level in levels}) == 63
    assert {level["on_hand"] for level in levels} == {0}


def test_planned_faults_come_and_go_within_the_run(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(days=5, snapshot_fault_periods=5)
    wrong = []
    for _ in range(5 * 24 * 2):
        seller.advance(minutes=30)
        before = seller.control("ledger")["stock_lists"]
        _levels(seller)
        after = seller.control("ledger")["stock_lists"]
        wrong.append(next((kind for kind in FAULTS if before.get(kind) != after.get(kind)), None))
    assert set(wrong) == {None, *FAULTS}


def test_a_collision_is_one_article_under_two_spellings(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(skus=70, colliding_skus=2)
    collisions = seller.control("stock")["collisions"]
    skus = {level["sku"] for level in _levels(seller)}
    assert len(collisions) == 2
    for sku, second in collisions:
        assert sku != second
        assert sku.casefold() == second.casefold()
        assert {sku, second} <= skus


def test_stock_lasts_and_moves_by_itself(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(stock_moves_per_day=200)
    before = {(level["sku"], level["location"]): level for level in _levels(seller)}
    seller.advance(days=3)
    assert seller.control("truth")["idle"]
    after = {(level["sku"], level["location"]): level for level in _levels(seller)}
    more = [key for key in before if after[key]["on_hand"] > before[key]["on_hand"]]
    less = [key for key in before if after[key]["on_hand"] < before[key]["on_hand"]]
    blocked = [key for key in before if after[key]["blocked"] > 0]
    assert more
    assert less
    assert blocked


def test_equal_seeds_make_equal_stock(open_sandbox: Callable[..., Any]) -> None:
    one, again, other = (open_sandbox(seed=seed, scarce_share=0.2) for seed in (5, 5, 6))
    for seller in (one, again, other):
        seller.advance(days=2)
    assert _levels(one) == _levels(again)
    assert _levels(one) != _levels(other)


def test_a_scarce_article_has_a_handful_and_comes_in_again(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(scarce_share=1.0)
    assert {level["on_hand"] for level in _levels(seller, *(p.sku for p in PRODUCTS))} <= set(
        range(7)
    )
    _only(seller, 0)
    seller.advance(days=4)
    assert _sum(seller)[0] > 0
