"""Faults that a run asks for by name, and outages: each is really there on the wire."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import msgspec
import pytest

HARDER = ["reset", "cut_json", "token_expired"]


def only(seller: Any, *kinds: str, rate: float = 1.0) -> None:
    seller.control("faults", {"transport_rate": rate, "kinds": list(kinds)})


def variants(seller: Any, server: str) -> Counter[str]:
    return Counter(seller.control("ledger")["transport_variants"][server])


@pytest.mark.parametrize("server", ["otto", "wms"])
def test_a_reset_breaks_the_connection_in_the_middle_of_the_body(
    open_sandbox: Callable[..., Any], server: str
) -> None:
    seller = open_sandbox(orders=40)
    seller.advance(days=2)
    only(seller, "reset")
    client = seller.otto if server == "otto" else seller.wms
    path = "/v4/orders" if server == "otto" else "/v1/stock"
    with client.stream("GET", path) as answer:
        assert answer.status_code == 200
        assert int(answer.headers["Content-Length"]) > 1000
        with pytest.raises(httpx.ReadError):
            answer.read()
    assert variants(seller, server) == {"reset": 1}


@pytest.mark.parametrize("server", ["otto", "wms"])
def test_cut_json_is_a_complete_answer_whose_text_ends_early(
    open_sandbox: Callable[..., Any], server: str
) -> None:
    seller = open_sandbox()
    only(seller, "cut_json")
    client = seller.otto if server == "otto" else seller.wms
    answer = client.get("/v4/orders" if server == "otto" else "/v1/fulfilment-events")
    assert (answer.status_code, len(answer.content)) == (200, int(answer.headers["Content-Length"]))
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(answer.content)
    assert seller.control("ledger")["transport"][server] == {"truncated": 1}


def test_a_token_expires_between_two_pages_and_only_there(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(orders=30)
    seller.advance(days=2)
    only(seller, "token_expired")
    first = seller.otto.get("/v4/orders", params={"limit": 4})
    assert first.status_code == 200
    following = next(link["href"] for link in first.json()["links"] if link["rel"] == "next")
    assert seller.otto.get(following).status_code == 401
    assert seller.otto.get("/v1/shipments?datefrom=2026-06-08").status_code == 401
    seller.log_in()
    assert seller.otto.get(following).status_code == 200
    assert variants(seller, "otto") == {"token_expired": 1}


def test_limits_come_with_and_without_retry_after_from_both_sides(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox()
    only(seller, "rate_limited")
    for client, server, path in (
        (seller.otto, "otto", "/v4/orders"),
        (seller.wms, "wms", "/v1/health"),
    ):
        answers = [client.get(path) for _ in range(60)]
        limited = [answer for answer in answers if answer.status_code == 429]
        told = Counter("Retry-After" in answer.headers for answer in limited)
        html = sum(answer.headers["Content-Type"] == "text/html" for answer in limited)
        counted = variants(seller, server)
        assert counted["429_without_retry_after"] == told[False] > 0
        assert counted["429_html"] == html > 0
        assert counted["429"] == told[True] - html > 0


def test_what_had_its_effect_is_counted_apart(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(stall_seconds=0.02)
    orders = [seller.new_order() for _ in range(24)]
    only(seller, "connection_broken")
    lost = 0
    for order in orders:
        try:
            seller.wms.post("/v1/orders/batch", json={"orders": [seller.outbound(order)]})
        except httpx.RemoteProtocolError:
            lost += 1
    seller.control("faults", {"transport_rate": 0.0})
    refs = [order["salesOrderId"] for order in orders]
    there = len(seller.wms.get("/v1/orders", params={"ref": refs}).json()["orders"])
    counted = variants(seller, "wms")
    assert counted["closed_after_effect"] == there - (24 - lost) > 0
    assert counted["closed"] == 24 - there > 0


def test_the_harder_kinds_happen_only_where_they_are_asked_for(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(transport_fault_rate=0.9, stall_seconds=0.01, log_in=False)
    seller.wms.timeout = httpx.Timeout(0.5)
    for _ in range(80):
        try:
            seller.wms.get("/v1/fulfilment-events")
        except httpx.TransportError:
            continue
    assert variants(seller, "wms").keys().isdisjoint(HARDER)


@pytest.mark.parametrize("server", ["otto", "wms"])
def test_a_server_that_is_down_answers_nothing_until_it_is_up_again(
    open_sandbox: Callable[..., Any], server: str
) -> None:
    seller = open_sandbox()
    client = seller.otto if server == "otto" else seller.wms
    path = "/v4/orders" if server == "otto" else "/v1/health"
    seller.control("outage", {"server": server, "how": "closed"})
    for _ in range(6):
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(path)
    seller.control("outage", {"server": server, "how": "unavailable"})
    answers = [client.get(path) for _ in range(6)]
    assert {(a.status_code, a.headers["Content-Type"]) for a in answers} == {(503, "text/html")}
    seller.control("outage", {"server": server, "how": None})
    assert client.get(path).status_code == 200
    assert variants(seller, server) == {"outage_closed": 6, "outage_unavailable": 6}


@pytest.mark.parametrize(
    "body", [{"server": "otto", "how": "asleep"}, {"server": "bank", "how": "closed"}]
)
def test_an_outage_names_a_server_and_a_way(seller: Any, body: dict[str, str]) -> None:
    assert seller.otto.post("/_sandbox/outage", json=body).status_code == 400


def test_a_clock_may_be_wrong_for_who_asks_it_so(seller: Any) -> None:
    clock = seller.sandbox.clock_url
    right, ahead, behind = (
        datetime.fromisoformat(httpx.get(clock, params=wrong).json()["now"]).timestamp()
        for wrong in ({}, {"ahead_seconds": 300}, {"ahead_seconds": -300})
    )
    assert (ahead - right, right - behind) == (300, 300)


def test_events_come_late_and_twice_and_none_is_lost(open_sandbox: Callable[..., Any]) -> None:
    feeds = []
    for share in (0.0, 0.3):
        seller = open_sandbox(orders=60, event_disorder_share=share)
        for _ in range(20):
            seller.advance(hours=4)
            seller.work()
        seller.advance(hours=12)
        seller.poll()
        feeds.append([event["event_id"] for event in seller.events])
        told = seller.control("ledger")["feed"]
    in_order, disordered = feeds
    assert in_order == sorted(set(in_order))
    assert disordered != sorted(disordered)
    assert set(disordered) == {f"EV-{n + 1:09d}" for n in range(len(set(disordered)))}
    assert len(disordered) - len(set(disordered)) == told["twice"] > 5
    assert told["late"] > 5
