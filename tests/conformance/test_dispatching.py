"""Every adapter: what was picked, what was short, what left in which parcel, and the feed of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from resources.wms.capabilities import Feature
from resources.wms.port import Discrepancy, EventKind, LineState
from tests.conformance.journal import Journal, ids, new_order
from tests.conformance.operator import Operator

SHIPPED, SHORT = LineState.SHIPPED, LineState.SHORT


def test_a_whole_order_leaves_in_one_parcel(operator: Operator, journal: Journal) -> None:
    order = new_order([operator.article(5), operator.article(5)])
    operator.port.submit_orders([order])
    operator.pick(order.order_ref)
    assert journal.lines(order, EventKind.PICKED) == ids(order)
    (label,) = operator.ship(order.order_ref, [ids(order)])
    (parcel,) = journal.parcels(order)
    assert parcel.tracking_number == label.tracking
    assert parcel.carrier_code
    assert sorted((line.line_id, line.quantity) for line in parcel.lines) == [
        (line_id, 1) for line_id in ids(order)
    ]
    (event,) = journal.of(order, EventKind.DISPATCHED)
    assert [(ln.quantity_ordered, ln.quantity_shipped) for ln in event.lines] == [(1, 1), (1, 1)]
    assert parcel.shipped_at.tzinfo is not None
    assert journal.states(order) == [SHIPPED, SHIPPED]


def test_each_parcel_tells_its_units_and_its_return_number(
    operator: Operator, journal: Journal, needs: Callable[..., None]
) -> None:
    needs(Feature.PARCEL_LINES, Feature.RETURN_TRACKING)
    sku = operator.article(5)
    order = new_order([sku, sku, operator.article(5)])
    one, two, three = ids(order)
    operator.port.submit_orders([order])
    operator.pick(order.order_ref)
    labels = operator.ship(order.order_ref, [[one, three], [two]])
    told = {
        parcel.tracking_number: (
            parcel.return_tracking_number,
            sorted(line.line_id for line in parcel.lines),
        )
        for parcel in journal.parcels(order)
    }
    assert told == {
        labels[0].tracking: (labels[0].return_number, [one, three]),
        labels[1].tracking: (labels[1].return_number, [two]),
    }
    assert len({parcel.parcel_id for parcel in journal.parcels(order)}) == 2


def test_a_split_order_leaves_in_parts(
    operator: Operator, journal: Journal, needs: Callable[..., None]
) -> None:
    needs(Feature.PARCEL_LINES)
    order = new_order([operator.article(5), operator.article(5)])
    first, second = ids(order)
    operator.port.submit_orders([order])
    operator.split(order.order_ref, [second])
    operator.pick(order.order_ref)
    operator.ship(order.order_ref, [[first]])
    assert journal.states(order)[0] is SHIPPED
    assert journal.states(order)[1] not in {SHIPPED, SHORT, LineState.CANCELLED}
    operator.pick(order.order_ref)
    operator.ship(order.order_ref, [[second]])
    assert journal.states(order) == [SHIPPED, SHIPPED]
    assert [[ln.line_id for ln in p.lines] for p in journal.parcels(order)] == [[first], [second]]
    assert journal.of(order, EventKind.SHORT_PICKED) == []
    assert journal.of(order, EventKind.CANCELLED) == []


def test_a_line_that_is_not_found_is_short_for_good(operator: Operator, journal: Journal) -> None:
    sku = operator.article(5)
    order = new_order([sku, sku])
    found, lost = ids(order)
    operator.port.submit_orders([order])
    operator.take_up(order.order_ref)
    operator.pick_without(order.order_ref, lost, backorder=False)
    assert journal.lines(order, EventKind.SHORT_PICKED, Discrepancy.COMPLETE) == [lost]
    operator.ship(order.order_ref, [[found]])
    assert journal.states(order) == [SHIPPED, SHORT]
    (event,) = journal.of(order, EventKind.SHORT_PICKED)
    (line,) = event.lines
    assert (line.quantity_ordered, line.quantity_short, line.quantity_shipped) == (1, 1, 0)
    assert journal.lines(order, EventKind.DISPATCHED) == [found]


def test_a_line_that_follows_later_is_a_backorder_and_ships(
    operator: Operator, journal: Journal, needs: Callable[..., None]
) -> None:
    needs(Feature.BACKORDER)
    order = new_order([operator.article(5), operator.article(5)])
    found, later = ids(order)
    operator.port.submit_orders([order])
    operator.take_up(order.order_ref)
    operator.pick_without(order.order_ref, later, backorder=True)
    operator.ship(order.order_ref, [[found]])
    assert journal.lines(order, EventKind.SHORT_PICKED, Discrepancy.BACKORDER) == [later]
    assert journal.lines(order, EventKind.SHORT_PICKED, Discrepancy.COMPLETE) == []
    operator.pick(order.order_ref)
    operator.ship(order.order_ref, [[later]])
    assert journal.states(order) == [SHIPPED, SHIPPED]
    assert journal.lines(order, EventKind.DISPATCHED) == [found, later]


def test_a_number_that_is_corrected_after_the_dispatch_is_told(
    operator: Operator, journal: Journal, needs: Callable[..., None]
) -> None:
    needs(Feature.TRACKING_CORRECTION)
    order = new_order([operator.article(5)])
    operator.port.submit_orders([order])
    operator.pick(order.order_ref)
    (label,) = operator.ship(order.order_ref, [ids(order)])
    (sent,) = journal.parcels(order)
    assert journal.of(order, EventKind.TRACKING_CHANGED) == []
    new = operator.renumber(order.order_ref, label.tracking)
    (event,) = journal.of(order, EventKind.TRACKING_CHANGED)
    (parcel,) = event.parcels
    assert (parcel.parcel_id, parcel.tracking_number) == (sent.parcel_id, new)
    assert [line.line_id for line in parcel.lines] == ids(order)
    assert len(journal.of(order, EventKind.DISPATCHED)) == 1


def test_the_feed_is_silent_when_nothing_happens(operator: Operator, journal: Journal) -> None:
    order = new_order([operator.article(5)])
    operator.port.submit_orders([order])
    operator.take_up(order.order_ref)
    journal.read()
    page = operator.port.poll_fulfilment(journal.cursor)
    assert (page.events, page.has_more, page.next_cursor) == ((), False, journal.cursor)


def test_an_old_cursor_repeats_the_same_events(operator: Operator, journal: Journal) -> None:
    before = journal.cursor
    orders = [new_order([operator.article(5)]) for _ in range(3)]
    operator.port.submit_orders(orders)
    for order in orders:
        operator.take_up(order.order_ref)
    first = operator.port.poll_fulfilment(before)
    again = operator.second_port().poll_fulfilment(before)
    told = {event.event_id: event.order_ref for event in first.events}
    assert {event.event_id: event.order_ref for event in again.events} == told
    assert set(told.values()) >= {order.order_ref for order in orders}


def test_small_pages_tell_the_same_as_one(operator: Operator, journal: Journal) -> None:
    before = journal.cursor
    orders = [new_order([operator.article(5)]) for _ in range(4)]
    operator.port.submit_orders(orders)
    for order in orders:
        operator.take_up(order.order_ref)
        operator.pick(order.order_ref)
        operator.ship(order.order_ref, [ids(order)])
    journal.read(limit=1)
    for order in orders:
        assert journal.lines(order, EventKind.DISPATCHED) == ids(order)
    whole = operator.port.poll_fulfilment(before, limit=200)
    told = {e.event_id for order in orders for e in journal.of(order, EventKind.DISPATCHED)}
    assert told <= {event.event_id for event in whole.events}


def test_nothing_is_lost_while_the_warehouse_works_and_the_feed_is_read(
    operator: Operator, journal: Journal
) -> None:
    orders = [new_order([operator.article(5)]) for _ in range(6)]
    operator.port.submit_orders(orders)

    def work(place: int) -> None:
        order = orders[place]
        operator.take_up(order.order_ref)
        operator.pick(order.order_ref)
        operator.ship(order.order_ref, [ids(order)])

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(work, place) for place in range(len(orders))]
        while not all(each.done() for each in done):
            journal.read(limit=2)
        for each in done:
            each.result()
    for order in orders:
        assert journal.lines(order, EventKind.DISPATCHED) == ids(order)
        assert len(journal.parcels(order)) == 1
