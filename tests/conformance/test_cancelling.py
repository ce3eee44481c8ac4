"""Every adapter: a cancellation in each state of the order, repeated at will."""

from collections.abc import Callable

import pytest

from resources.wms.capabilities import Feature
from resources.wms.port import CancelOutcome, EventKind, LineState
from tests.conformance.journal import Journal, ids, new_order
from tests.conformance.operator import Operator

CANCELLED, PICKED, SHIPPED = LineState.CANCELLED, LineState.PICKED, LineState.SHIPPED


@pytest.fixture(autouse=True)
def _answered(needs: Callable[..., None]) -> None:
    needs(Feature.CANCEL_ANSWERED)


def test_an_unknown_order_is_not_found(operator: Operator) -> None:
    result = operator.port.cancel_order(new_order(["any"]).order_ref, None, "test")
    assert (result.outcome, result.cancelled_line_ids) == (CancelOutcome.NOT_FOUND, ())


@pytest.mark.parametrize("picked", [False, True], ids=["waiting", "picked"])
def test_a_whole_order_is_cancelled_until_it_is_packed(
    operator: Operator, journal: Journal, needs: Callable[..., None], picked: bool
) -> None:
    if picked:
        needs(Feature.CANCEL_PICKED)
    order = new_order([operator.article(5), operator.article(5)])
    operator.port.submit_orders([order])
    if picked:
        operator.pick(order.order_ref)
    for _ in range(2):
        result = operator.port.cancel_order(order.order_ref, None, "cancelled at OTTO")
        assert result.outcome is CancelOutcome.CANCELLED
        assert sorted(result.cancelled_line_ids) == ids(order)
    assert journal.states(order) == [CANCELLED, CANCELLED]
    assert journal.lines(order, EventKind.CANCELLED) == ids(order)
    reserved = [level.reserved for line in order.lines for level in journal.levels(line.sku)]
    assert sum(reserved) == 0


@pytest.mark.parametrize("picked", [False, True], ids=["waiting", "picked"])
def test_one_line_is_cancelled_and_the_rest_ships(
    operator: Operator, journal: Journal, needs: Callable[..., None], picked: bool
) -> None:
    needs(Feature.CANCEL_LINES, *([Feature.CANCEL_PICKED] if picked else []))
    order = new_order([operator.article(5), operator.article(5)])
    operator.port.submit_orders([order])
    if picked:
        operator.pick(order.order_ref)
    gone, stays = ids(order)
    for _ in range(2):
        result = operator.port.cancel_order(order.order_ref, (gone,), "cancelled at OTTO")
        assert (result.outcome, result.cancelled_line_ids) == (CancelOutcome.CANCELLED, (gone,))
    if not picked:
        operator.pick(order.order_ref)
    operator.ship(order.order_ref, [[stays]])
    assert journal.states(order) == [CANCELLED, SHIPPED]
    assert journal.lines(order, EventKind.CANCELLED) == [gone]
    assert journal.lines(order, EventKind.DISPATCHED) == [stays]
    assert journal.of(order, EventKind.SHORT_PICKED) == []


@pytest.mark.parametrize("shipped", [False, True], ids=["packed", "shipped"])
def test_what_is_packed_or_gone_is_too_late(
    operator: Operator, journal: Journal, shipped: bool
) -> None:
    order = new_order([operator.article(5)])
    operator.port.submit_orders([order])
    operator.pick(order.order_ref)
    if shipped:
        operator.ship(order.order_ref, [ids(order)])
    else:
        operator.pack(order.order_ref)
    result = operator.port.cancel_order(order.order_ref, None, "cancelled at OTTO")
    assert (result.outcome, result.cancelled_line_ids) == (CancelOutcome.TOO_LATE, ())
    assert journal.states(order) == [SHIPPED if shipped else PICKED]
    assert journal.of(order, EventKind.CANCELLED) == []


def test_of_a_split_order_the_part_that_has_not_left_is_cancelled(
    operator: Operator, journal: Journal, needs: Callable[..., None]
) -> None:
    needs(Feature.PARCEL_LINES)
    order = new_order([operator.article(5), operator.article(5)])
    first, second = ids(order)
    operator.port.submit_orders([order])
    operator.split(order.order_ref, [second])
    operator.pick(order.order_ref)
    operator.ship(order.order_ref, [[first]])
    result = operator.port.cancel_order(order.order_ref, None, "cancelled at OTTO")
    assert (result.outcome, result.cancelled_line_ids) == (CancelOutcome.PARTIAL, (second,))
    assert journal.states(order) == [SHIPPED, CANCELLED]


def test_a_line_that_the_warehouse_cancels_is_told(operator: Operator, journal: Journal) -> None:
    order = new_order([operator.article(5), operator.article(5)])
    operator.port.submit_orders([order])
    operator.take_up(order.order_ref)
    gone = ids(order)[0]
    operator.cancel(order.order_ref, gone)
    assert journal.lines(order, EventKind.CANCELLED) == [gone]
    operator.pick(order.order_ref)
    assert journal.states(order) == [CANCELLED, PICKED]
