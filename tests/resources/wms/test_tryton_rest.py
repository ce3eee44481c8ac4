"""Tryton's REST interface against a server that answers what it is told."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from resources.operating_model import Http
from resources.wms.errors import (
    WmsAuthError,
    WmsContractError,
    WmsRejected,
    WmsRetryable,
    WmsUnknownOutcome,
)
from resources.wms.tryton.books import cents
from resources.wms.tryton.rest import TrytonRest


class FakeTryton:
    """Answers each request with the next planned (status, body), and keeps what was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[tuple[str, str, dict[str, list[str]], Any]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                split = urlsplit(self.path)
                asked = json.loads(body) if body else None
                fake.asked.append((self.command, split.path, parse_qs(split.query), asked))
                status, answer = fake.answers.pop(0)
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = _answer

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/wms"
        Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def fake() -> Iterator[FakeTryton]:
    server = FakeTryton()
    yield server
    server.stop()


@pytest.fixture
def rest(fake: FakeTryton) -> Iterator[TrytonRest]:
    client = TrytonRest(
        fake.url, "key", Http(timeout_seconds=5, attempts=3), sleep=lambda seconds: None
    )
    yield client
    client.close()


def test_values_are_read_and_written_as_tryton_writes_them(
    fake: FakeTryton, rest: TrytonRest
) -> None:
    moment = {"year": 2026, "month": 6, "day": 8, "hour": 12, "minute": 1, "second": 2}
    row = {
        "price": {"__class__": "Decimal", "decimal": "19.99"},
        "at": {"__class__": "datetime", **moment, "microsecond": 3},
        "on": {"__class__": "date", "year": 2026, "month": 6, "day": 8},
    }
    values = {
        "price": Decimal("19.99"),
        "at": datetime(2026, 6, 8, 12, 1, 2, 3, tzinfo=UTC),
        "on": date(2026, 6, 8),
    }
    fake.answers = [(200, [row]), (200, row)]
    assert rest.read("stock.move", [], ("price",)) == [values]
    rest.create("stock.move", values)
    assert fake.asked[1][3] == row


def test_long_lists_of_keys_are_asked_for_in_portions(fake: FakeTryton, rest: TrytonRest) -> None:
    fake.answers = [(200, [{"id": 1}]), (200, [{"id": 2}])]
    assert rest.read_by("stock.move", "id", list(range(201)), ()) == [{"id": 1}, {"id": 2}]
    assert len(fake.asked) == 2


@pytest.mark.parametrize("status", [423, 429, 503])
def test_a_transaction_that_was_rolled_back_is_sent_again(
    fake: FakeTryton, rest: TrytonRest, status: int
) -> None:
    fake.answers = [(status, {}), (200, {"id": 1})]
    assert rest.create("stock.move", {}) == {"id": 1}
    fake.answers = [(status, {})] * 3
    with pytest.raises(WmsRetryable, match="given up after 3 attempts"):
        rest.create("stock.move", {})


def test_a_broken_change_is_not_sent_again_and_a_broken_read_is(
    fake: FakeTryton, rest: TrytonRest
) -> None:
    fake.answers = [(500, b"<html>")]
    with pytest.raises(WmsUnknownOutcome):
        rest.act("stock.shipment.out", 1, "wait")
    fake.answers = [(500, b"<html>"), (200, [])]
    assert rest.read("stock.move", [], ()) == []


def test_a_refusal_tells_its_reason_and_never_what_tryton_quotes(
    fake: FakeTryton, rest: TrytonRest
) -> None:
    told = 'You are not allowed to modify the field "Code" in record "Erika Muster" of "Party".'
    fake.answers = [(400, {"status": 400, "message": told, "description": "Erika Muster"})]
    with pytest.raises(WmsRejected, match="not allowed to modify") as refusal:
        rest.write("party.party", 1, {})
    assert "Erika" not in str(refusal.value)


def test_a_wrong_key_names_the_variable(fake: FakeTryton, rest: TrytonRest) -> None:
    fake.answers = [(401, b"")]
    with pytest.raises(WmsAuthError, match="WMS_API_KEY"):
        rest.read("stock.move", [], ())


@pytest.mark.parametrize("body", [b"", b"{", b'[{"__class__": "Decimal"}]', b'{"id": 1}'])
def test_an_answer_of_another_form_is_refused(
    fake: FakeTryton, rest: TrytonRest, body: bytes
) -> None:
    fake.answers = [(200, body)]
    with pytest.raises(WmsContractError):
        rest.read("stock.move", [], ())


@pytest.mark.parametrize(
    ("price", "expected"),
    [(Decimal("19.99"), 1999), (Decimal("19.9900"), 1999), (Decimal("0.005"), 1), (None, None)],
)
def test_prices_become_whole_cents(price: Decimal | None, expected: int | None) -> None:
    assert cents(price) == expected
