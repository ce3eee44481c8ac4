"""Every adapter: an order stands in the warehouse once, whoever sends it and however often."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import msgspec
import pytest

from resources.wms.capabilities import Feature
from resources.wms.errors import WmsAuthError, WmsRetryable, WmsUnknownOutcome
from resources.wms.port import EventKind, LineState, SubmitOutcome
from tests.conformance.journal import Journal, ids, new_order
from tests.conformance.operator import Operator


def test_a_new_order_is_created_and_can_be_read_again(operator: Operator, journal: Journal) -> None:
    order = new_order([operator.article(5), operator.article(5)])
    (result,) = operator.port.submit_orders([order])
    assert (result.order_ref, result.outcome) == (order.order_ref, SubmitOutcome.CREATED)
    operator.take_up(order.order_ref)
    (snapshot,) = operator.port.get_orders([order.order_ref])
    assert [line.line_id for line in snapshot.lines] == ids(order)
    assert [(line.sku, line.quantity, line.unit_price_cents) for line in snapshot.lines] == [
        (line.sku, 1, line.unit_price_cents) for line in order.lines
    ]
    assert journal.lines(order, EventKind.ACCEPTED) == ids(order)


def test_an_order_that_nobody_sent_is_absent(operator: Operator) -> None:
    assert operator.port.get_orders([new_order(["any"]).order_ref]) == []


def test_the_same_order_again_changes_nothing(operator: Operator) -> None:
    order = new_order([operator.article(5)])
    (first,) = operator.port.submit_orders([order])
    (again,) = operator.second_port().submit_orders([order])
    assert (again.outcome, again.wms_order_id) == (SubmitOutcome.UNCHANGED, first.wms_order_id)


def test_parallel_callers_create_one_order(operator: Operator, journal: Journal) -> None:
    order = new_order([operator.article(5), operator.article(5)])
    ports = [operator.port, *(operator.second_port() for _ in range(3))]
    with ThreadPoolExecutor(len(ports)) as pool:
        results = [
            r for rs in pool.map(lambda port: port.submit_orders([order]), ports) for r in rs
        ]
    outcomes = sorted(result.outcome for result in results)
    assert outcomes == [SubmitOutcome.CREATED, *[SubmitOutcome.UNCHANGED] * 3]
    operator.take_up(order.order_ref)
    assert len(journal.of(order, EventKind.ACCEPTED)) == 1
    assert len(operator.port.get_orders([order.order_ref])[0].lines) == 2
    assert [sum(level.reserved for level in journal.levels(line.sku)) for line in order.lines] == [
        1,
        1,
    ]


def test_a_bad_order_costs_only_itself(operator: Operator) -> None:
    good = new_order([operator.article(5)])
    bad = new_order(["  "])
    results = operator.port.submit_orders([bad, good])
    assert [(r.order_ref, r.outcome) for r in results] == [
        (bad.order_ref, SubmitOutcome.REJECTED),
        (good.order_ref, SubmitOutcome.CREATED),
    ]
    assert results[0].error
    assert operator.port.get_orders([bad.order_ref]) == []


def test_another_content_replaces_the_order_before_the_pick(
    operator: Operator, journal: Journal, needs: Callable[..., None]
) -> None:
    needs(Feature.UPDATE)
    order = new_order([operator.article(5), operator.article(5)])
    operator.port.submit_orders([order])
    kept = order.lines[0]
    added = msgspec.structs.replace(kept, line_id=f"{order.order_ref}-9", sku=operator.article(5))
    changed = msgspec.structs.replace(order, lines=(kept, added), payload_hash="second")
    (result,) = operator.port.submit_orders([changed])
    assert result.outcome is SubmitOutcome.UPDATED
    (snapshot,) = operator.port.get_orders([order.order_ref])
    states = {line.line_id: line.state for line in snapshot.lines}
    assert states.pop(ids(order)[1]) is LineState.CANCELLED
    assert sorted(states) == [kept.line_id, added.line_id]
    assert operator.port.submit_orders([changed])[0].outcome is SubmitOutcome.UNCHANGED


def test_another_content_after_the_pick_is_rejected(operator: Operator, journal: Journal) -> None:
    order = new_order([operator.article(5)])
    operator.port.submit_orders([order])
    operator.pick(order.order_ref)
    changed = msgspec.structs.replace(order, payload_hash="second")
    (result,) = operator.port.submit_orders([changed])
    assert result.outcome is SubmitOutcome.REJECTED
    assert result.error
    assert journal.states(order) == [LineState.PICKED]


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_an_order_whose_answer_was_lost_is_not_doubled(
    operator: Operator, journal: Journal, nth: int
) -> None:
    order = new_order([operator.article(5), operator.article(5)])
    results = []
    with operator.losing_answer(nth) as port:
        for _ in range(5):
            with suppress(WmsUnknownOutcome):
                results += port.submit_orders([order])
    # An adapter that finds out by itself what became of its request may answer all five.
    assert len(results) in {4, 5}
    assert results[-1].outcome is SubmitOutcome.UNCHANGED
    operator.take_up(order.order_ref)
    assert len(journal.of(order, EventKind.ACCEPTED)) == 1
    assert len(operator.port.get_orders([order.order_ref])[0].lines) == 2
    reserved = [sum(level.reserved for level in journal.levels(ln.sku)) for ln in order.lines]
    assert reserved == [1, 1]


def test_a_wrong_key_is_told_apart(operator: Operator) -> None:
    port = operator.port_with_wrong_key()
    assert not port.health().ok
    with pytest.raises(WmsAuthError, match="WMS_API_KEY"):
        port.get_orders(["any"])


def test_a_warehouse_that_is_down_is_told_apart(operator: Operator) -> None:
    port = operator.port_without_server()
    assert not port.health().ok
    with pytest.raises(WmsRetryable):
        port.submit_orders([new_order(["any"])])
    with pytest.raises(WmsRetryable):
        port.poll_fulfilment(None)


def test_no_error_names_the_buyer(operator: Operator) -> None:
    order = new_order(["  "])
    (result,) = operator.port.submit_orders([order])
    told = result.error or ""
    assert not any(word in told for word in ("Erika", "Mustermann", "Dresden", "example.invalid"))
