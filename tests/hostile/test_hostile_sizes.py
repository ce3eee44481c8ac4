"""Bounds: memory, pages and hosts, whatever the other side sends."""

import gzip
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from resources.answer_body import MOST_BYTES
from resources.otto.errors import OttoError, OttoPermanent, OttoTransient
from resources.otto.orders import OrdersPage, OrdersQuery
from resources.wms.errors import WmsError
from resources.wms.files.adapter import FilesWms
from resources.wms.files.folder import LocalFolder
from resources.wms.files.intake import MOST_BYTES as MOST_BYTES_OF_A_FILE
from resources.wms.files.policy import FilesPolicy
from tests.hostile.campaign import Bench
from tests.hostile.corpus import corpus
from tests.hostile.wire import MOST_REQUESTS, Clients

MOST_MEMORY = 12 * MOST_BYTES
GZIP = {"Content-Encoding": "gzip"}
FEW = 40_000_000
_BOMB = gzip.compress(b" " * (30 * MOST_BYTES), 9)


@pytest.fixture
def clients(bench: Bench) -> Clients:
    return bench.clients


def _pages(clients: Clients) -> list[OrdersPage]:
    return list(clients.otto.order_pages(OrdersQuery()))


def _peak(work: Callable[[], object], error: type[Exception] | tuple[type[Exception], ...]) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(error):
            work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"resources":[' + b"0," * FEW + b"0]}", {}),
        (_BOMB, GZIP),
        (gzip.compress(_BOMB), {"Content-Encoding": "gzip, gzip"}),
        (b'{"resources":[' + b"{}," * 3_000_000 + b"{}]}", {}),
    ],
    ids=["huge", "bomb", "bomb in a bomb", "many rows"],
)  # fmt: skip
def test_a_huge_answer_is_refused_within_bounds_of_memory(
    body: bytes, headers: dict[str, str], clients: Clients
) -> None:
    clients.wire.show(body, headers)
    assert _peak(lambda: _pages(clients), OttoError) < MOST_MEMORY
    assert _peak(lambda: clients.wms.poll_fulfilment(None), WmsError) < MOST_MEMORY


@pytest.mark.parametrize(
    "href",
    [
        "https://evil.example/v4/orders?nextcursor=abc",
        "//evil.example/v4/orders?nextcursor=abc",
        "/v1/token?nextcursor=abc",
        "file:///etc/passwd?nextcursor=abc",
    ],
)
def test_of_a_next_link_only_the_cursor_is_followed(href: str, clients: Clients) -> None:
    """The wire fails at any other host."""
    clients.wire.show(_linked(href))
    with pytest.raises(OttoTransient):
        _pages(clients)
    assert {request.url.path for request in clients.wire.requests} == {"/v4/orders"}


@pytest.mark.parametrize(
    "href",
    ["http://[", "", "?nextcursor=", "x" * 100_000, "/?nextcursor=" + "x" * 100_000, None, 7, {}],
)
def test_a_next_link_of_no_known_form_is_a_named_error(href: object, clients: Clients) -> None:
    clients.wire.show(_linked(href))
    with pytest.raises(OttoPermanent, match="names its next page"):
        _pages(clients)


def test_a_chain_of_ever_new_pages_ends(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[httpx.Request] = []

    def ever_new(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=_linked(f"?nextcursor=c{len(asked)}", str(len(asked))))

    monkeypatch.setattr(clients.wire, "handle_request", ever_new)
    with pytest.raises(OttoPermanent, match="more than"):
        _pages(clients)
    assert len(asked) == MOST_REQUESTS


def test_a_file_of_any_size_is_refused_unread(tmp_path: Path) -> None:
    root = tmp_path / "partner"
    (root / "dispatch").mkdir(parents=True)
    with (root / "dispatch" / "d.csv").open("wb") as file:
        # It takes no place on the disk.
        os.truncate(file.fileno(), MOST_BYTES_OF_A_FILE + 1)
    policy = FilesPolicy(settle_seconds=0, look_every_seconds=0)
    wms = FilesWms(LocalFolder(root), policy, tmp_path / "state.sqlite")
    page = wms.poll_fulfilment(None)
    assert "ask the partner for several files" in page.unreadable[0]
    assert [path.name for path in (root / "dispatch" / "error").iterdir() if "reason" in path.name]
    assert wms.poll_fulfilment(page.next_cursor).unreadable == ()


def _linked(href: object, salt: str = "") -> bytes:
    rows = [{**corpus()["orders"][0], "orderNumber": f"n{salt}"}]
    return json.dumps({"resources": rows, "links": [{"rel": "next", "href": href}]}).encode()
