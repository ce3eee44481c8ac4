"""Stock over the reference contract, against a server that answers what it is told."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from resources.operating_model import Http
from resources.wms.errors import WmsContractError, WmsRetryable
from resources.wms.http import HttpWms
from resources.wms.port import StockLevel

AT = "2026-11-20T15:00:00Z"
LEVEL = {
    "sku": "A", "location": "MAIN", "on_hand": 9, "reserved": 2, "blocked": 1,
    "sellable": None, "as_of": AT,
}  # fmt: skip


class FakeWms:
    """Answers each request with the next planned (status, body), and keeps what was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[tuple[str, list[tuple[str, str]]]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                split = urlsplit(self.path)
                fake.asked.append((split.path, parse_qsl(split.query)))
                status, body = fake.answers.pop(0)
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def fake() -> Iterator[FakeWms]:
    server = FakeWms()
    yield server
    server.stop()


@pytest.fixture
def wms(fake: FakeWms) -> Iterator[HttpWms]:
    client = HttpWms(fake.url, "key", Http(timeout_seconds=5, attempts=3), sleep=lambda s: None)
    yield client
    client.close()


def page(*levels: Any, **values: Any) -> dict[str, Any]:
    body = {"levels": levels, "next_page": None, "snapshot_at": AT, "complete": True}
    return {**body, **values}


def test_a_snapshot_is_read_page_by_page(fake: FakeWms, wms: HttpWms) -> None:
    fake.answers = [(200, page(LEVEL, next_page="p2")), (200, page({**LEVEL, "sellable": 5}))]
    first = wms.stock_snapshot(None)
    second = wms.stock_snapshot(None, first.next_page)
    at = datetime(2026, 11, 20, 15, tzinfo=UTC)
    expected = StockLevel(
        sku="A", location="MAIN", on_hand=9, reserved=2, blocked=1, sellable=None, as_of=at
    )
    assert (first.levels, first.snapshot_at, first.complete) == ((expected,), at, True)
    assert ([level.free for level in first.levels], second.levels[0].free) == ([6], 5)
    assert second.next_page is None
    assert fake.asked == [("/v1/stock", []), ("/v1/stock", [("page", "p2")])]


def test_named_skus_are_asked_for_by_name(fake: FakeWms, wms: HttpWms) -> None:
    fake.answers = [(200, page(complete=True))]
    found = wms.stock_snapshot(["A&B", "C"])
    assert (found.levels, found.complete) == ((), False)
    assert fake.asked == [("/v1/stock", [("sku", "A&B"), ("sku", "C")])]


@pytest.mark.parametrize("count", [0, 101])
def test_too_many_skus_or_none_are_a_mistake_of_the_caller(wms: HttpWms, count: int) -> None:
    with pytest.raises(ValueError, match="ask for 1 to 100"):
        wms.stock_snapshot(["A"] * count)


@pytest.mark.parametrize(
    "changes",
    [
        {"on_hand": None},
        {"on_hand": 1.5},
        {"on_hand": 10**10},
        {"reserved": -1},
        {"blocked": -1},
        {"sku": ""},
        {"as_of": "2026-11-20T15:00:00"},
        {"as_of": "yesterday"},
    ],
)
def test_a_level_that_breaks_the_contract_costs_only_itself_and_the_completeness(
    fake: FakeWms, wms: HttpWms, changes: dict[str, Any]
) -> None:
    fake.answers = [(200, page({**LEVEL, **changes}, {**LEVEL, "sku": "B"}))]
    found = wms.stock_snapshot(None)
    assert [level.sku for level in found.levels] == ["B"]
    assert len(found.unreadable) == 1
    assert "stock level 1 of page first" in found.unreadable[0]
    assert not found.complete


def test_units_on_hand_may_be_booked_below_zero(fake: FakeWms, wms: HttpWms) -> None:
    fake.answers = [(200, page({**LEVEL, "on_hand": -3}))]
    assert wms.stock_snapshot(None).levels[0].free == -6


@pytest.mark.parametrize("body", [{}, [], page(complete="yes"), page(snapshot_at="now")])
def test_an_answer_of_another_form_is_refused(fake: FakeWms, wms: HttpWms, body: Any) -> None:
    fake.answers = [(200, body)]
    with pytest.raises(WmsContractError, match="GET /v1/stock"):
        wms.stock_snapshot(None)


def test_changed_skus_are_followed_by_cursor(fake: FakeWms, wms: HttpWms) -> None:
    fake.answers = [
        (200, {"skus": ["A", "B", "A"], "next_cursor": "3", "has_more": True}),
        (200, {"skus": [], "next_cursor": "3", "has_more": False}),
    ]
    first = wms.poll_stock_changes(None)
    assert (first.skus, first.has_more) == (("A", "B", "A"), True)
    assert wms.poll_stock_changes(first.next_cursor).skus == ()
    assert fake.asked == [("/v1/stock-changes", []), ("/v1/stock-changes", [("cursor", "3")])]


def test_a_warehouse_that_is_down_for_a_moment_is_asked_again(fake: FakeWms, wms: HttpWms) -> None:
    fake.answers = [(503, {}), (200, page(LEVEL))]
    assert len(wms.stock_snapshot(None).levels) == 1
    fake.answers = [(503, {})] * 3
    with pytest.raises(WmsRetryable, match="given up after 3 attempts"):
        wms.poll_stock_changes(None)
