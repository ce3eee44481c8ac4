"""The reference adapter: one bad record costs itself, and each answer becomes the right error."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from resources.operating_model import Http
from resources.wms.errors import WmsAuthError, WmsRejected, WmsRetryable, WmsUnknownOutcome
from resources.wms.http import HttpWms

LINE = {"line_id": "l1", "sku": "S", "quantity": 1, "quantity_shipped": 0, "state": "PICKED"}
GOOD = {"order_ref": "a", "wms_order_id": "1", "status": "open", "lines": [LINE]}
EVENT = {
    "event_id": "e1",
    "kind": "PICKED",
    "occurred_at": "2026-06-01T10:00:00Z",
    "order_ref": "a",
}


class Answers:
    """What the server says next, and what it was asked."""

    def __init__(self) -> None:
        self.queue: list[tuple[int, dict[str, str], bytes]] = []
        self.asked: list[str] = []

    def say(self, status: int, body: object, **headers: str) -> None:
        self.queue.append((status, headers, json.dumps(body).encode()))

    def say_half(self, body: object) -> None:
        text = json.dumps(body).encode()
        self.queue.append((200, {"Content-Type": "application/json"}, text[: len(text) // 2]))


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def wms(answers: Answers) -> Iterator[HttpWms]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answers.asked.append(f"{self.command} {self.path}")
            status, headers, body = answers.queue.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    http = Http(attempts=3, first_backoff_seconds=0.01, longest_backoff_seconds=2)
    client = HttpWms(f"http://127.0.0.1:{server.server_port}", "key", http, sleep=lambda _: None)
    yield client
    client.close()
    server.shutdown()
    server.server_close()


def test_an_order_that_cannot_be_read_is_present_with_unknown_lines(
    wms: HttpWms, answers: Answers
) -> None:
    bad = {"order_ref": "b", "lines": "none of your business"}
    answers.say(200, {"orders": [GOOD, bad]})
    good, unreadable = wms.get_orders(["a", "b"])
    assert good.lines[0].sku == "S"
    assert (unreadable.order_ref, unreadable.status, unreadable.lines) == ("b", "unreadable", ())


def test_an_event_that_cannot_be_read_costs_only_itself(wms: HttpWms, answers: Answers) -> None:
    answers.say(200, {"events": [{"kind": "NEWS"}, EVENT], "next_cursor": "2", "has_more": False})
    page = wms.poll_fulfilment(None)
    assert [event.event_id for event in page.events] == ["e1"]
    assert len(page.unreadable) == 1


def test_reading_is_tried_again_and_each_fault_is_counted(wms: HttpWms, answers: Answers) -> None:
    answers.say(429, {"error": {"code": "slow", "message": "wait"}}, Retry_After="1")
    answers.say(502, {})
    answers.say(200, {"orders": [GOOD]})
    assert len(wms.get_orders(["a"])) == 1
    assert wms.faults == {"rate_limited": 1, "server_error": 1}


def test_a_cancellation_that_may_have_had_its_effect_is_not_sent_again(
    wms: HttpWms, answers: Answers
) -> None:
    answers.say(500, {})
    with pytest.raises(WmsUnknownOutcome):
        wms.cancel_order("a/ä", ("l1",), "cancelled at OTTO")
    assert answers.asked == ["POST /v1/orders/a%2F%C3%A4/cancellation"]


def test_a_busy_warehouse_is_asked_so_many_times_and_no_more(
    wms: HttpWms, answers: Answers
) -> None:
    for _ in range(3):
        answers.say(429, {"error": {"code": "slow", "message": "wait"}})
    with pytest.raises(WmsRetryable, match="given up after 3 attempts"):
        wms.cancel_order("a", None, "cancelled at OTTO")


def test_a_wrong_key_names_the_variable_and_a_refusal_names_the_reason(
    wms: HttpWms, answers: Answers
) -> None:
    answers.say(401, {"error": {"code": "unauthorized", "message": "no such key"}})
    with pytest.raises(WmsAuthError, match="WMS_API_KEY"):
        wms.get_orders(["a"])
    answers.say(422, {"error": {"code": "rejected", "message": "line_ids: unknown"}})
    with pytest.raises(WmsRejected, match="line_ids: unknown"):
        wms.cancel_order("a", ("x",), "cancelled at OTTO")


def test_an_answer_whose_json_is_cut_is_read_again(wms: HttpWms, answers: Answers) -> None:
    page = {"events": [EVENT], "next_cursor": "2", "has_more": False}
    answers.say_half(page)
    answers.say(200, page, Content_Type="application/json")
    assert [event.event_id for event in wms.poll_fulfilment(None).events] == ["e1"]
    assert wms.faults == {"truncated": 1}


def test_a_cancellation_whose_answer_is_cut_may_have_had_its_effect(
    wms: HttpWms, answers: Answers
) -> None:
    answers.say_half({"order_ref": "a", "outcome": "CANCELLED", "cancelled_line_ids": ["l1"]})
    with pytest.raises(WmsUnknownOutcome, match="cut"):
        wms.cancel_order("a", ("l1",), "cancelled at OTTO")
    assert len(answers.asked) == 1
