"""Adapter `ongoing`, against a local server written from the vendor's documents."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resources.operating_model import Http
from resources.wms.errors import WmsAuthError, WmsRetryable
from resources.wms.ongoing.adapter import OngoingWms
from resources.wms.ongoing.policy import OngoingPolicy
from resources.wms.port import (
    CancelOutcome,
    Condition,
    Discrepancy,
    Disposition,
    EventKind,
    FulfilmentEvent,
    LineState,
    SubmitOutcome,
)
from tests.resources.wms.files_partner import an_order
from tests.resources.wms.ongoing_server import KEY, OWNER, OngoingServer

ClientMaker = Callable[..., OngoingWms]
REF = "order-1"


@pytest.fixture
def server() -> Iterator[OngoingServer]:
    running = OngoingServer()
    for sku in ("A", "B"):
        running.receive(sku, 10)
    yield running
    running.close()


@pytest.fixture
def make_client(server: OngoingServer, tmp_path: Path) -> Iterator[ClientMaker]:
    opened: list[OngoingWms] = []

    def make(key: str = KEY, state: str = "journal", **settings: object) -> OngoingWms:
        policy = OngoingPolicy.model_validate(
            {"goods_owner_id": OWNER, "look_every_seconds": 0, **settings}
        )
        http = Http(attempts=3, first_backoff_seconds=0.01, timeout_seconds=5)
        path = tmp_path / f"{state}.sqlite"
        opened.append(OngoingWms(server.url, key, http, policy, path, sleep=lambda _: None))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def wms(make_client: ClientMaker) -> OngoingWms:
    return make_client()


def _kinds(wms: OngoingWms) -> list[tuple[EventKind, list[str]]]:
    events = wms.poll_fulfilment(None).events
    return [(event.kind, [line.line_id for line in event.lines]) for event in events]


def _of(wms: OngoingWms, kind: EventKind) -> list[FulfilmentEvent]:
    return [event for event in wms.poll_fulfilment(None).events if event.kind is kind]


def test_an_order_is_an_upsert_by_number_with_a_row_per_unit(
    wms: OngoingWms, server: OngoingServer
) -> None:
    (result,) = wms.submit_orders([an_order()])
    order = server.held(REF)
    assert (result.outcome, result.wms_order_id) == (SubmitOutcome.CREATED, str(order["id"]))
    body = order["body"]
    assert body["goodsOwnerId"] == OWNER
    assert body["consignee"]["address1"] == "Am Weg; links 1"
    assert body["orderLines"][0] == {
        "rowNumber": "l1",
        "articleNumber": "A",
        "numberOfItems": 1,
        "prices": {"linePrice": 19.99, "currencyCode": "EUR"},
    }
    (again,) = wms.submit_orders([an_order()])
    assert again.outcome is SubmitOutcome.UNCHANGED
    assert server.requests.count("PUT /orders") == 1


def test_two_equal_units_stay_two_rows(wms: OngoingWms) -> None:
    wms.submit_orders([an_order(skus=("A", "A"))])
    (shown,) = wms.get_orders([REF])
    assert [(line.line_id, line.sku, line.quantity) for line in shown.lines] == [
        ("l1", "A", 1),
        ("l2", "A", 1),
    ]
    assert (shown.lines[0].unit_price_cents, shown.lines[0].currency) == (1999, "EUR")


def test_parallel_callers_make_one_order(server: OngoingServer, make_client: ClientMaker) -> None:
    clients = [make_client() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda wms: wms.submit_orders([an_order()]), clients))
    assert len(server.orders) == 1


def test_an_answer_that_is_lost_leads_to_one_order(wms: OngoingWms, server: OngoingServer) -> None:
    server.to_lose = 1
    (result,) = wms.submit_orders([an_order()])
    assert result.outcome is SubmitOutcome.CREATED
    assert len(server.orders) == 1
    assert wms.faults["connection_broken"] == 1


def test_a_busy_server_is_given_the_time_that_it_asks_for(
    server: OngoingServer, make_client: ClientMaker
) -> None:
    waits: list[float] = []
    wms = make_client()
    wms._rest._transport._sleep = waits.append
    server.answers = [(429, {"Retry-After": "7"}), (429, {"Retry-After": "3"})]
    assert wms.get_orders([REF]) == []
    assert waits == [7.0, 3.0]
    server.answers = [(429, {"Retry-After": "1"})] * 3
    with pytest.raises(WmsRetryable):
        wms.get_orders([REF])


def test_an_order_that_cannot_go_now_does_not_cost_the_others(
    wms: OngoingWms, server: OngoingServer
) -> None:
    original = wms._rest.put_order

    def first_fails(body: dict[str, object]) -> int | None:
        if body["orderNumber"] == "one":
            server.answers = [(429, {})] * 3
        return original(body)

    wms._rest.put_order = first_fails  # type: ignore[method-assign]
    one, two = wms.submit_orders([an_order("one"), an_order("two")])
    assert (one.outcome, two.outcome) == (SubmitOutcome.RETRY, SubmitOutcome.CREATED)


def test_a_refusal_names_the_reason_without_the_buyer(
    wms: OngoingWms, server: OngoingServer
) -> None:
    (unknown,) = wms.submit_orders([an_order(skus=("NONE",))])
    assert unknown.outcome is SubmitOutcome.REJECTED
    assert "Article number NONE not found" in (unknown.error or "")
    wms.submit_orders([an_order(name="Erika Mustermann")])
    lookup = wms._orders._by_number

    def begun(numbers: list[str]) -> object:
        found = lookup(numbers)
        server.status(REF, 320)
        return found

    wms._orders._by_number = begun  # type: ignore[method-assign,assignment]
    (late,) = wms.submit_orders([an_order(name="Erika Mustermann", content="v2")])
    assert late.outcome is SubmitOutcome.REJECTED
    assert "is being processed" in (late.error or "")
    assert "Mustermann" not in (late.error or "")


def test_other_content_updates_an_open_order_and_is_refused_later(
    wms: OngoingWms, server: OngoingServer
) -> None:
    wms.submit_orders([an_order()])
    (updated,) = wms.submit_orders([an_order(skus=("A",), content="v2")])
    assert updated.outcome is SubmitOutcome.UPDATED
    assert [line["row"] for line in server.held(REF)["lines"]] == ["l1"]
    server.status(REF, 320)
    (refused,) = wms.submit_orders([an_order(content="v3")])
    assert refused.outcome is SubmitOutcome.REJECTED
    assert "status 320" in (refused.error or "")


def test_lines_are_cancelled_while_the_order_is_open(
    wms: OngoingWms, server: OngoingServer
) -> None:
    wms.submit_orders([an_order()])
    result = wms.cancel_order(REF, ("l1",), "x")
    assert (result.outcome, result.cancelled_line_ids) == (CancelOutcome.CANCELLED, ("l1",))
    order = server.held(REF)
    assert [line["row"] for line in order["lines"]] == ["l2"]
    assert order["body"]["consignee"]["name"] == "Änne"
    assert order["body"]["orderLines"][0]["prices"]["linePrice"] == 19.99
    assert wms.cancel_order(REF, ("l1",), "x").outcome is CancelOutcome.CANCELLED
    assert wms.cancel_order(REF, None, "x").outcome is CancelOutcome.CANCELLED
    assert server.held(REF)["status"] == 1000
    assert wms.cancel_order(REF, None, "x").outcome is CancelOutcome.CANCELLED


def test_a_cancellation_that_comes_too_late_says_so(wms: OngoingWms, server: OngoingServer) -> None:
    wms.submit_orders([an_order()])
    server.status(REF, 320)
    assert wms.cancel_order(REF, None, "x").outcome is CancelOutcome.TOO_LATE
    assert wms.cancel_order("nobody", None, "x").outcome is CancelOutcome.NOT_FOUND


def test_work_that_begins_in_between_makes_a_cancellation_too_late(
    make_client: ClientMaker, server: OngoingServer
) -> None:
    wms = make_client(statuses={"changeable": [200, 320]})
    wms.submit_orders([an_order()])
    server.status(REF, 320)
    result = wms.cancel_order(REF, ("l1",), "x")
    assert (result.outcome, result.cancelled_line_ids) == (CancelOutcome.TOO_LATE, ())


def test_the_whole_way_of_an_order_is_told_once_per_step(
    wms: OngoingWms, server: OngoingServer
) -> None:
    wms.submit_orders([an_order()])
    wms.poll_fulfilment(None)
    server.status(REF, 320)
    wms.poll_fulfilment(None)
    server.pick(REF)
    wms.poll_fulfilment(None)
    numbers = server.pack(REF, [["l1"], ["l2"]], ["R1", "R2"])
    server.send(REF)
    for _ in range(2):
        assert _kinds(wms) == [
            (EventKind.ACCEPTED, ["l1", "l2"]),
            (EventKind.ALLOCATED, ["l1", "l2"]),
            (EventKind.PICKED, ["l1", "l2"]),
            (EventKind.DISPATCHED, ["l1"]),
            (EventKind.DISPATCHED, ["l2"]),
        ]
    parcels = [event.parcels[0] for event in _of(wms, EventKind.DISPATCHED)]
    assert [parcel.tracking_number for parcel in parcels] == numbers
    assert [parcel.return_tracking_number for parcel in parcels] == ["R1", "R2"]
    assert {(parcel.carrier_code, parcel.return_carrier_code) for parcel in parcels} == {
        ("DHL", "DHL")
    }
    assert {line.state for line in wms.get_orders([REF])[0].lines} == {LineState.SHIPPED}


def test_steps_that_nobody_saw_are_told_afterwards(wms: OngoingWms, server: OngoingServer) -> None:
    wms.submit_orders([an_order(skus=("A",))])
    server.pick(REF)
    server.pack(REF, [["l1"]], [])
    server.send(REF)
    assert [kind for kind, _ in _kinds(wms)] == [
        EventKind.ACCEPTED,
        EventKind.ALLOCATED,
        EventKind.PICKED,
        EventKind.DISPATCHED,
    ]


def test_a_number_that_changes_after_the_dispatch_is_told(
    wms: OngoingWms, server: OngoingServer
) -> None:
    wms.submit_orders([an_order(skus=("A",))])
    server.pick(REF)
    (old,) = server.pack(REF, [["l1"]], ["R1"])
    server.send(REF)
    wms.poll_fulfilment(None)
    server.renumber(REF, old, "NEW")
    (event,) = _of(wms, EventKind.TRACKING_CHANGED)
    assert event.parcels[0].tracking_number == "NEW"
    assert event.parcels[0].return_tracking_number == "R1"
    assert [line.line_id for line in event.parcels[0].lines] == ["l1"]


def test_a_unit_that_is_missing_waits_until_the_rest_leaves_without_a_back_order(
    wms: OngoingWms, server: OngoingServer
) -> None:
    wms.submit_orders([an_order()])
    server.pick(REF, without=("l2",))
    (short,) = _of(wms, EventKind.SHORT_PICKED)
    assert [(line.line_id, line.quantity_short, line.discrepancy) for line in short.lines] == [
        ("l2", 1, Discrepancy.BACKORDER)
    ]
    server.send(REF)
    shorts = _of(wms, EventKind.SHORT_PICKED)
    assert [event.lines[0].discrepancy for event in shorts] == [
        Discrepancy.BACKORDER,
        Discrepancy.COMPLETE,
    ]
    states = {line.line_id: line.state for line in wms.get_orders([REF])[0].lines}
    assert states == {"l1": LineState.SHIPPED, "l2": LineState.SHORT}


def test_a_back_order_speaks_for_the_order_that_it_follows(
    wms: OngoingWms, server: OngoingServer
) -> None:
    wms.submit_orders([an_order()])
    server.pick(REF, without=("l2",))
    later = server.back_order(REF, ["l2"])
    server.pack(REF, [["l1"]], [])
    server.send(REF)
    shorts = [
        (line.line_id, line.discrepancy)
        for event in _of(wms, EventKind.SHORT_PICKED)
        for line in event.lines
    ]
    assert set(shorts) == {("l2", Discrepancy.BACKORDER)}
    server.pick(later)
    server.pack(later, [["l2"]], [])
    server.send(later)
    dispatches = _of(wms, EventKind.DISPATCHED)
    assert [(event.order_ref, event.lines[0].line_id) for event in dispatches] == [
        (REF, "l1"),
        (REF, "l2"),
    ]
    states = {line.line_id: line.state for line in wms.get_orders([REF])[0].lines}
    assert states == {"l1": LineState.SHIPPED, "l2": LineState.SHIPPED}


def test_an_order_that_ongoing_cancels_is_told(wms: OngoingWms, server: OngoingServer) -> None:
    wms.submit_orders([an_order()])
    server.status(REF, 1000)
    assert _kinds(wms)[-1] == (EventKind.CANCELLED, ["l1", "l2"])


def test_acknowledging_reports_what_was_recorded_and_no_more(
    wms: OngoingWms, server: OngoingServer
) -> None:
    wms.submit_orders([an_order()])
    server.pick(REF, without=("l2",))
    server.pack(REF, [["l1"]], [])
    server.send(REF)
    events = wms.poll_fulfilment(None).events
    wms.acknowledge([event.event_id for event in events])
    assert [line["reported"] for line in server.held(REF)["lines"]] == [1, None]
    wms.acknowledge([event.event_id for event in events])
    assert sum(request.startswith("PATCH") for request in server.requests) == 1


def test_what_is_not_reported_is_found_whatever_its_time(
    wms: OngoingWms, server: OngoingServer
) -> None:
    wms.submit_orders([an_order(skus=("A",))])
    wms.poll_fulfilment(None)
    server.pick(REF)
    server.send(REF)
    order = server.held(REF)
    order["updated"] = order["updated"].replace(year=2001)
    assert EventKind.DISPATCHED in {kind for kind, _ in _kinds(wms)}


def test_an_order_that_cannot_be_read_costs_itself(
    wms: OngoingWms, server: OngoingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wms.submit_orders([an_order("bad"), an_order("good")])
    shown = OngoingServer._shown

    def broken(self: OngoingServer, order: dict[str, object]) -> dict[str, object]:
        answer = shown(self, order)
        if order["number"] == "bad":
            answer["orderLines"] = "none"
        return answer

    monkeypatch.setattr(OngoingServer, "_shown", broken)
    page = wms.poll_fulfilment(None)
    assert {event.order_ref for event in page.events} == {"good"}
    assert [str(server.held("bad")["id"]) in reason for reason in page.unreadable] == [True]
    assert wms.poll_fulfilment(page.next_cursor).unreadable == ()


def test_orders_articles_and_events_are_read_page_by_page(
    make_client: ClientMaker, server: OngoingServer
) -> None:
    wms = make_client(page_size=3)
    orders = [an_order(f"order-{number}") for number in range(7)]
    wms.submit_orders(orders)
    cursor, refs, more = None, list[str](), True
    while more:
        page = wms.poll_fulfilment(cursor, limit=2)
        refs += [event.order_ref for event in page.events]
        cursor, more = page.next_cursor, page.has_more
    assert sorted(refs) == sorted(order.order_ref for order in orders)
    for number in range(5):
        server.receive(f"S{number}", 1)
    token, skus = None, list[str]()
    while True:
        levels = wms.stock_snapshot(None, token)
        assert levels.complete
        skus += [level.sku for level in levels.levels]
        token = levels.next_page
        if token is None:
            break
    assert sorted(skus) == sorted(server.articles)


def test_stock_keeps_locked_and_allocated_units_out(wms: OngoingWms, server: OngoingServer) -> None:
    server.lock_items("A", 3)
    wms.submit_orders([an_order(skus=("A", "A"))])
    (level,) = wms.stock_snapshot(["A"]).levels
    assert (level.on_hand, level.reserved, level.blocked, level.free) == (10, 2, 3, 5)
    assert level.as_of.tzinfo is not None


def test_changes_of_stock_are_named_once_per_change(wms: OngoingWms, server: OngoingServer) -> None:
    first = wms.poll_stock_changes(None)
    quiet = wms.poll_stock_changes(first.next_cursor)
    server.receive("B", 1)
    changed = wms.poll_stock_changes(quiet.next_cursor)
    assert (set(first.skus), quiet.skus, changed.skus) == ({"A", "B"}, (), ("B",))


def test_returns_carry_line_grade_and_reason_and_come_anew_when_graded(
    make_client: ClientMaker, server: OngoingServer
) -> None:
    wms = make_client(
        return_statuses={"OK": {"condition": "NEW", "disposition": "RESTOCK"}},
    )
    wms.submit_orders([an_order()])
    receipt_id = server.take_back(REF, ["l1", "l2"], None)
    first = wms.poll_returns(None)
    server.returns[receipt_id]["statuses"] = ["OK", None]
    server.returns[receipt_id]["removed"] = [False, True]
    second = wms.poll_returns(first.next_cursor)
    (ungraded,), (graded,) = first.receipts, second.receipts
    assert (ungraded.receipt_id, ungraded.order_ref) == (str(receipt_id), REF)
    assert [line.condition for line in ungraded.lines] == [Condition.UNKNOWN] * 2
    assert [(line.line_id, line.condition, line.disposition) for line in graded.lines] == [
        ("l1", Condition.NEW, Disposition.RESTOCK),
        ("l2", Condition.UNKNOWN, Disposition.SCRAP),
    ]
    assert graded.lines[0].reason == "SIZE"
    assert wms.poll_returns(second.next_cursor).receipts == ()


def test_health_names_a_wrong_key_and_statuses_that_do_not_exist(
    make_client: ClientMaker,
) -> None:
    assert make_client().health().ok
    wrong = make_client(key="rest-user:wrong")
    assert "WMS_API_KEY" in wrong.health().detail
    with pytest.raises(WmsAuthError):
        wrong.get_orders([REF])
    other = make_client(statuses={"shipped_from": 460}).health()
    assert not other.ok
    assert "no order status 460" in other.detail


def test_without_a_goods_owner_nothing_starts(make_client: ClientMaker) -> None:
    with pytest.raises(ValueError, match="goods_owner_id"):
        make_client(goods_owner_id=0)


def test_a_second_process_with_an_own_journal_tells_the_same_ids(
    make_client: ClientMaker, server: OngoingServer
) -> None:
    make_client().submit_orders([an_order()])
    server.pick(REF)
    server.pack(REF, [["l1", "l2"]], [])
    server.send(REF)
    ids = [
        [event.event_id for event in make_client(state=name).poll_fulfilment(None).events]
        for name in ("one", "two")
    ]
    assert ids[0] == ids[1]
    assert json.dumps(ids[0]).count("DISPATCHED") == 1
