"""Every adapter: what may be sold, what changed, and what came back in which condition."""

from collections.abc import Callable

import pytest

from resources.wms.capabilities import Feature
from resources.wms.port import Disposition, ReturnReceipt
from tests.conformance.journal import Journal, ids, new_order
from tests.conformance.operator import Operator


def test_units_in_quarantine_are_not_sold(operator: Operator, journal: Journal) -> None:
    sku = operator.article(10)
    assert journal.free(sku) == 10
    operator.quarantine(sku, 3)
    assert journal.free(sku) == 7
    assert sum(level.on_hand for level in journal.levels(sku)) == 10
    assert sum(level.blocked for level in journal.levels(sku)) == 3


def test_an_accepted_order_is_reserved_until_it_is_picked(
    operator: Operator, journal: Journal
) -> None:
    sku = operator.article(10)
    order = new_order([sku, sku])
    operator.port.submit_orders([order])
    operator.take_up(order.order_ref)
    assert (sum(level.reserved for level in journal.levels(sku)), journal.free(sku)) == (2, 8)
    operator.pick(order.order_ref)
    levels = journal.levels(sku)
    assert sum(level.reserved for level in levels) == 0
    assert sum(level.on_hand for level in levels) == 8
    operator.ship(order.order_ref, [ids(order)])
    assert journal.free(sku) == 8


def test_the_whole_list_is_complete_and_names_each_article(operator: Operator) -> None:
    skus = {operator.article(3) for _ in range(3)}
    seen: dict[str, int] = {}
    page, complete = None, True
    while True:
        found = operator.port.stock_snapshot(None, page)
        complete &= found.complete
        for level in found.levels:
            seen[level.sku] = seen.get(level.sku, 0) + level.free
        page = found.next_page
        if page is None:
            break
    assert complete
    assert {sku: seen[sku] for sku in skus} == dict.fromkeys(skus, 3)


def test_an_unknown_article_has_no_level(operator: Operator) -> None:
    page = operator.port.stock_snapshot(["no such article"])
    assert (page.levels, page.complete) == ((), False)


def test_too_many_articles_at_once_are_a_mistake_of_the_caller(operator: Operator) -> None:
    with pytest.raises(ValueError, match="100"):
        operator.port.stock_snapshot([f"sku-{n}" for n in range(101)])


def test_articles_that_changed_are_named(operator: Operator, needs: Callable[..., None]) -> None:
    needs(Feature.STOCK_CHANGES)
    counted, ordered, cancelled, quiet = (operator.article(10) for _ in range(4))
    order = new_order([cancelled, ordered])
    operator.port.submit_orders([order])
    operator.take_up(order.order_ref)
    cursor = _changed(operator, None)[1]
    operator.quarantine(counted, 1)
    second = new_order([ordered])
    operator.port.submit_orders([second])
    operator.take_up(second.order_ref)
    operator.cancel(order.order_ref, ids(order)[0])
    changed, cursor = _changed(operator, cursor)
    assert {counted, ordered, cancelled} <= changed
    assert quiet not in changed
    assert _changed(operator, cursor) == (set(), cursor)


def _changed(operator: Operator, cursor: str | None) -> tuple[set[str], str]:
    found: set[str] = set()
    while True:
        page = operator.port.poll_stock_changes(cursor)
        found |= set(page.skus)
        cursor = page.next_cursor
        if not page.has_more:
            return found, cursor


def _received(journal: Journal, number: str) -> ReturnReceipt:
    (receipt,) = [r for r in journal.receipts().values() if r.return_tracking_number == number]
    return receipt


def test_a_return_names_its_units_and_is_graded_later(
    operator: Operator, journal: Journal, needs: Callable[..., None]
) -> None:
    needs(Feature.RETURNS, Feature.REGRADING)
    sku = operator.article(10)
    order = new_order([sku, sku, operator.article(10)])
    operator.port.submit_orders([order])
    operator.pick(order.order_ref)
    operator.ship(order.order_ref, [ids(order)])
    key = operator.take_back(order.order_ref, ids(order), f"BACK-{order.order_ref}")
    arrived = _received(journal, f"BACK-{order.order_ref}")
    assert arrived.order_ref == order.order_ref
    assert sorted(line.line_id or "" for line in arrived.lines) == ids(order)
    operator.grade(key, ["RESTOCK", "QUARANTINE", "SCRAP"])
    graded = _received(journal, f"BACK-{order.order_ref}")
    assert (graded.receipt_id, graded.received_at) == (arrived.receipt_id, arrived.received_at)
    assert {line.line_id: line.disposition for line in graded.lines} == dict(
        zip(
            ids(order),
            (Disposition.RESTOCK, Disposition.QUARANTINE, Disposition.SCRAP),
            strict=True,
        )
    )
    assert len({line.condition for line in graded.lines}) == 3
    assert journal.free(sku) == 9


def test_a_blind_return_names_articles_only(
    operator: Operator, journal: Journal, needs: Callable[..., None]
) -> None:
    needs(Feature.BLIND_RETURNS)
    sku = operator.article(10)
    operator.take_back(None, [sku], f"BLIND-{sku}")
    receipt = _received(journal, f"BLIND-{sku}")
    assert receipt.order_ref is None
    assert [(line.sku, line.line_id, line.quantity) for line in receipt.lines] == [(sku, None, 1)]


def test_returns_come_page_by_page(
    operator: Operator, journal: Journal, needs: Callable[..., None]
) -> None:
    needs(Feature.BLIND_RETURNS)
    numbers = []
    for _ in range(3):
        sku = operator.article(1)
        operator.take_back(None, [sku], f"BLIND-{sku}")
        numbers.append(f"BLIND-{sku}")
    found = {receipt.return_tracking_number for receipt in journal.receipts(limit=1).values()}
    assert set(numbers) <= found
