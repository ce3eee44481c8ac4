"""A run of the fast lane stays for further news, and leaves when a person should look."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from assets import fast_lane
from resources.wms.port import FulfilmentPage

LINGER = 1.5


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_lane, "LOOK_EVERY_SECONDS", 0.02)


def work(shop: Any, linger: float = LINGER) -> fast_lane.LaneReport:
    lane = fast_lane.Lane(
        shop.db, shop.wms, shop.otto, shop.model, shop.clock, refresh_order=lambda order_id: None
    )
    return fast_lane.work(lane, linger)


def looks(shop: Any) -> int:
    wire = shop.sandbox.wms_wire
    return sum(request.path == "/v1/fulfilment-events" for request in wire.requests)


@contextmanager
def soon(action: Callable[[], object]) -> Iterator[None]:
    """Let something happen while the run stays."""
    timer = threading.Timer(0.3, action)
    timer.start()
    yield
    timer.join()


def test_news_that_come_while_a_run_stays_reach_otto_by_that_run(shop: Any) -> None:
    order = shop.new_order()
    shop.sync_orders()
    with soon(lambda: shop.dispatch(order)):
        report = work(shop)
    assert report.rounds > 1
    assert report.shipments == {"confirmed": 1}
    assert len(shop.shipments()) == 1


def test_without_lingering_it_is_one_round(shop: Any) -> None:
    assert work(shop, linger=0).rounds == 1
    assert looks(shop) == 1


def test_a_row_that_falls_due_while_a_run_stays_is_delivered_by_it(
    open_shop: Any, sqlite_db: Any
) -> None:
    shop = open_shop(sqlite_db, outbox={"first_backoff_seconds": 0.2})
    order = shop.new_order()
    shop.sync_orders()
    shop.dispatch(order)
    shop.sandbox.otto_wire.lose("POST", "/v1/shipments")
    report = work(shop)
    assert report.shipments == {"unknown": 1, "confirmed_by_asking": 1}
    assert len(shop.shipments()) == 1


class OddFeed:
    """A feed that promises more for ever, and two of whose events nobody understands."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.reads = 0

    def poll_fulfilment(self, cursor: str | None, limit: int = 200) -> FulfilmentPage:
        self.reads += 1
        assert self.reads < 5, "the feed is read without end"
        unreadable = ("event 1: kind is missing", "event 2: kind is missing")
        return FulfilmentPage(events=(), next_cursor="c", has_more=True, unreadable=unreadable)

    def acknowledge(self, event_ids: list[str]) -> None:
        assert event_ids == []


def test_a_feed_that_stands_still_ends_the_round_and_each_unreadable_event_is_kept(
    shop: Any,
) -> None:
    lane = fast_lane.Lane(
        shop.db, OddFeed(), shop.otto, shop.model, shop.clock, refresh_order=lambda order_id: None
    )
    fast_lane.work(lane, linger_seconds=0)
    shown = [row["shown"] for row in shop.table("quarantine")]
    assert shown == ["event 1: kind is missing", "event 2: kind is missing"]
