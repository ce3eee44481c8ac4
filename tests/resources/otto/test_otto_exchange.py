import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.operating_model import Http
from resources.otto.errors import OttoTransient, OttoUnknownOutcome
from resources.otto.exchange import Call, Exchange, retry_after
from resources.otto.limiter import RateLimiter
from tests.resources.otto.fake_otto import HTML, FakeOtto, Reply

GET = Call("GET", "/v4/orders/1", repeatable=True, headers=(("Authorization", "Bearer unknown"),))
POST = Call(
    "POST",
    "/v4/orders/1/cancellation",
    repeatable=False,
    headers=(("Authorization", "Bearer unknown"),),
)
DONE = Reply(200, b'{"ok": true}')
HTTP = Http(timeout_seconds=0.3, attempts=4, first_backoff_seconds=0.5, longest_backoff_seconds=30)


class Bench:
    """An exchange whose waits only move a clock."""

    def __init__(self, otto: FakeOtto, http: Http = HTTP) -> None:
        self.otto = otto
        self.slept: list[float] = []
        self.now = 0.0
        self.limiter = RateLimiter([(1000, 1.0)], clock=lambda: self.now, sleep=self.sleep)
        self.exchange = Exchange(
            otto.base_url, http, sleep=self.sleep, jitter=lambda low, high: high
        )

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def send(self, call: Call, *replies: Reply) -> tuple[int, object]:
        self.otto.plan(call.method, call.path, *replies)
        answer = self.exchange.send(call, msgspec.json.decode, self.limiter)
        return answer.status, answer.value

    @property
    def faults(self) -> dict[str, int]:
        return dict(self.exchange.faults)


@pytest.fixture
def bench(otto: FakeOtto) -> Iterator[Bench]:
    opened = Bench(otto)
    yield opened
    opened.exchange.close()


HARMLESS = [
    (Reply(429, b'{"message": "slow down"}'), "rate_limited"),
    (Reply(429, HTML, content_type="text/html"), "rate_limited"),
    (Reply(403, HTML, content_type="text/html"), "firewall"),
]
UNCERTAIN = [
    (Reply(500, b"{}"), "server_error"),
    (Reply(502, b"<html>bad gateway</html>"), "server_error"),
    (Reply(503), "server_error"),
    (Reply(None), "connection_broken"),
    (Reply(200, b"{}", stall=0.6), "timeout"),
    (Reply(200, b'{"resources": [{"a'), "truncated"),
    (Reply(200, b"<html>all is well</html>"), "truncated"),
    (Reply(200, b""), "truncated"),
]


@pytest.mark.parametrize(("fault", "kind"), [*HARMLESS, *UNCERTAIN])
def test_a_read_outlives_every_transient_answer(bench: Bench, fault: Reply, kind: str) -> None:
    assert bench.send(GET, fault, DONE) == (200, {"ok": True})
    assert bench.faults == {kind: 1}


@pytest.mark.parametrize(("fault", "kind"), HARMLESS)
def test_a_command_is_repeated_after_an_answer_that_had_no_effect(
    bench: Bench, fault: Reply, kind: str
) -> None:
    assert bench.send(POST, fault, DONE) == (200, {"ok": True})
    assert bench.faults == {kind: 1}


@pytest.mark.parametrize(("fault", "kind"), UNCERTAIN)
def test_a_command_of_unknown_outcome_is_never_sent_twice(
    bench: Bench, fault: Reply, kind: str
) -> None:
    with pytest.raises(OttoUnknownOutcome, match="ask OTTO before sending it again"):
        bench.send(POST, fault, DONE)
    assert bench.faults == {kind: 1}
    assert len(bench.otto.seen) == 1


def test_a_body_that_breaks_off_is_truncated_and_read_again(bench: Bench) -> None:
    bench.otto.orders = []
    bench.otto.tokens.add("unknown")
    listing = Call("GET", "/v4/orders", repeatable=True, headers=GET.headers)
    status, value = bench.send(listing, Reply(200, cut=3))
    assert (status, value) == (200, {"resources": [], "links": []})
    assert bench.faults == {"truncated": 1}


def test_a_refusal_is_an_answer_and_is_not_retried(bench: Bench) -> None:
    assert bench.send(GET, Reply(404, b'{"errors": []}'))[0] == 404
    assert bench.send(GET, Reply(403, b'{"message": "Forbidden"}'))[0] == 403
    assert bench.send(GET, Reply(302, headers=(("Location", "/elsewhere"),)))[0] == 302
    assert len(bench.otto.seen) == 3
    assert bench.faults == {}


def test_backoff_doubles_under_full_jitter_and_attempts_are_bounded(bench: Bench) -> None:
    with pytest.raises(OttoTransient, match=r"HTTP 503.*given up after 4 attempts"):
        bench.send(GET, *[Reply(503)] * 9)
    assert bench.slept == [0.5, 1.0, 2.0]
    assert bench.faults == {"server_error": 4}


def test_backoff_never_exceeds_its_limit(otto: FakeOtto) -> None:
    bench = Bench(otto, HTTP.model_copy(update={"attempts": 6, "longest_backoff_seconds": 1.5}))
    with pytest.raises(OttoTransient):
        bench.send(GET, *[Reply(503)] * 6)
    assert bench.slept == [0.5, 1.0, 1.5, 1.5, 1.5]


def test_retry_after_in_seconds_is_obeyed_and_holds_other_callers(bench: Bench) -> None:
    held: list[float] = []
    bench.exchange._sleep = held.append  # the caller's own wait, without moving the clock
    bench.send(GET, Reply(429, headers=(("Retry-After", "7"),)), DONE)
    assert held == [7.0]
    assert bench.slept == [7.0]  # the limiter let nothing start before


def test_retry_after_as_a_date_is_obeyed(bench: Bench) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    bench.send(GET, Reply(503, headers=(("Retry-After", at),)), DONE)
    assert 15 < bench.slept[0] <= 20


@pytest.mark.parametrize("value", ["86400", "999999999999999999999"])
def test_retry_after_is_capped(bench: Bench, value: str) -> None:
    bench.send(GET, Reply(429, headers=(("Retry-After", value),)), DONE)
    assert bench.slept[0] == 30


def test_giving_up_tells_when_to_come_back(bench: Bench) -> None:
    with pytest.raises(OttoTransient) as caught:
        bench.send(GET, *[Reply(429, headers=(("Retry-After", "9"),))] * 4)
    assert caught.value.retry_after_s == 9


def test_a_host_that_cannot_be_reached_is_transient_also_for_commands() -> None:
    slept: list[float] = []
    exchange = Exchange("http://127.0.0.1:1", HTTP, sleep=slept.append)
    with pytest.raises(OttoTransient, match="cannot connect"):
        exchange.send(POST, msgspec.json.decode, RateLimiter([(100, 1.0)]))
    assert exchange.faults == {"connection_broken": 4}
    assert len(slept) == 3


def test_one_connection_serves_many_calls(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    original: Callable[..., None] = bench.otto._server.process_request

    def count(*args: object) -> None:
        opened.append("connection")
        original(*args)

    monkeypatch.setattr(bench.otto._server, "process_request", count)
    for _ in range(5):
        bench.send(GET, DONE)
    assert len(opened) == 1


def test_faults_are_counted_by_many_threads(bench: Bench) -> None:
    threads = [
        threading.Thread(target=lambda: [bench.exchange.count("timeout") for _ in range(500)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.faults == {"timeout": 2000}


@given(st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,30} Jan [0-9]{1,9} .*"))
def test_any_retry_after_is_read_or_left_aside(value: str) -> None:
    told = retry_after(value)
    assert told is None or told >= 0
