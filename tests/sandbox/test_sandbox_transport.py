"""Faults of the connection: what a client sees is what the ledger counts."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest


def _seen(request: Callable[[], httpx.Response]) -> str | None:
    """The kind of fault that a client sees, or None."""
    try:
        answer = request()
    except httpx.TimeoutException:
        return "timeout"
    except httpx.RemoteProtocolError as error:
        return "truncated" if "message body" in str(error) else "connection_broken"
    except httpx.ReadError:
        return "connection_broken"
    if answer.status_code == 429:
        return "rate_limited"
    if answer.status_code == 403:
        return "firewall"
    return "server_error" if answer.status_code >= 500 else None


@pytest.mark.parametrize("server", ["otto", "wms"])
def test_the_ledger_counts_exactly_what_a_client_sees(
    open_sandbox: Callable[..., Any], server: str
) -> None:
    seller = open_sandbox(stall_seconds=2, retry_after_seconds=0)
    seller.new_order()
    client = seller.otto if server == "otto" else seller.wms
    client.timeout = httpx.Timeout(0.2)
    seller.control("faults", {"transport_rate": 0.5})
    path = "/v4/orders" if server == "otto" else "/v1/fulfilment-events"
    posted = "/v4/orders/x/cancellation" if server == "otto" else "/v1/orders/x/cancellation"
    seen: Counter[str | None] = Counter()
    for _ in range(150):
        seen[_seen(lambda: client.get(path))] += 1
        seen[_seen(lambda: client.post(posted, json={}))] += 1
    seller.control("faults", {"transport_rate": 1.0, "kinds": ["timeout"]})
    for _ in range(3):
        seen[_seen(lambda: client.get(path))] += 1
    del seen[None]
    assert seller.control("ledger")["transport"][server] == seen
    expected = {"rate_limited", "server_error", "timeout", "connection_broken", "truncated"}
    assert set(seen) - {"firewall"} == expected
    assert ("firewall" in seen) == (server == "otto")


def test_a_request_never_fails_more_than_three_times_in_a_row(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(stall_seconds=0.05)
    seller.control("faults", {"transport_rate": 1.0, "kinds": ["server_error"]})
    row = [seller.wms.get("/v1/health").status_code >= 500 for _ in range(8)]
    assert row == [True, True, True, False] * 2


def test_a_token_request_is_only_limited_or_met_with_a_server_error(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox()
    seller.control("faults", {"transport_rate": 1.0})
    seen = {_seen(seller.token) for _ in range(60)}
    assert seen == {"rate_limited", "server_error", None}


def test_the_control_api_never_fails(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(transport_fault_rate=1.0, log_in=False)
    assert {_seen(lambda: seller.otto.get("/_sandbox/clock")) for _ in range(20)} == {None}


def test_no_fault_happens_at_rate_zero(seller: Any) -> None:
    assert {_seen(lambda: seller.otto.get("/v4/orders")) for _ in range(50)} == {None}
    assert seller.control("ledger")["transport"] == {"otto": {}, "wms": {}}


@pytest.mark.parametrize("kind", ["server_error", "connection_broken", "timeout"])
def test_a_failed_post_sometimes_had_its_effect(
    open_sandbox: Callable[..., Any], kind: str
) -> None:
    seller = open_sandbox(stall_seconds=0.02)
    orders = [seller.new_order() for _ in range(24)]
    seller.control("faults", {"transport_rate": 1.0, "kinds": [kind]})
    for order in orders:
        body = {"orders": [seller.outbound(order)]}
        _seen(lambda body=body: seller.wms.post("/v1/orders/batch", json=body))
    seller.control("faults", {"transport_rate": 0.0})
    refs = [order["salesOrderId"] for order in orders]
    effects = len(seller.wms.get("/v1/orders", params={"ref": refs}).json()["orders"])
    succeeded = 24 - seller.control("ledger")["transport"]["wms"][kind]
    assert succeeded < effects < 24


@pytest.mark.parametrize("kind", ["rate_limited", "firewall"])
def test_a_request_that_was_turned_away_had_no_effect(
    open_sandbox: Callable[..., Any], kind: str
) -> None:
    seller = open_sandbox()
    order = seller.new_order()
    seller.control("faults", {"transport_rate": 1.0, "kinds": [kind]})
    url = f"/v4/orders/{order['salesOrderId']}/cancellation"
    for _ in range(3):
        assert _seen(lambda: seller.otto.post(url)) == kind
    seller.control("faults", {"transport_rate": 0.0})
    seller.advance(minutes=10)
    now = seller.otto.get(f"/v4/orders/{order['salesOrderId']}").json()
    assert now["positionItems"][0]["fulfillmentStatus"] == "PROCESSABLE"


def test_a_firewall_answer_is_html_and_a_limit_is_json_or_html(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox()
    seller.control("faults", {"transport_rate": 1.0, "kinds": ["firewall"]})
    assert seller.otto.get("/v4/orders").headers["Content-Type"] == "text/html"
    seller.control("faults", {"transport_rate": 1.0, "kinds": ["rate_limited"]})
    answers = [seller.otto.get("/v4/orders") for _ in range(60)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert {a.headers["Content-Type"] for a in limited} == {"text/html", "application/json"}
    assert {"Retry-After" in answer.headers for answer in limited} == {True, False}


def test_a_repeated_page_names_its_own_cursor_once_and_loses_nothing(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(orders=30)
    seller.advance(days=2)
    seller.control("faults", {"transport_rate": 1.0, "kinds": ["repeated_page"]})
    with_repeats = [order["salesOrderId"] for order in seller.orders(limit=4)]
    counted = seller.control("ledger")["transport"]["otto"]["repeated_page"]
    assert counted >= 2
    assert len(with_repeats) == 30 + 4 * counted
    assert len(set(with_repeats)) == 30


def test_faults_are_the_same_for_the_same_seed(open_sandbox: Callable[..., Any]) -> None:
    rows = []
    for _ in range(2):
        seller = open_sandbox(seed=11, stall_seconds=0.02)
        seller.control("faults", {"transport_rate": 0.4})
        rows.append([_seen(partial(seller.wms.get, "/v1/health")) for _ in range(40)])
    assert rows[0] == rows[1]
    assert len(set(rows[0])) > 2
