"""Quantities at OTTO: batches, refusals per SKU, and reading back."""

import json
import time
from typing import Any

import pytest

from resources.otto.client import OttoClient
from resources.otto.errors import (
    OttoScopeMissing,
    OttoTransient,
    OttoUnknownOutcome,
)
from tests.resources.otto.fake_otto import FakeOtto, Reply, error_body

PATH = "/v1/availability/quantities"


def many(count: int) -> list[tuple[str, int]]:
    return [(f"S{number:05d}", number) for number in range(count)]


def sizes(otto: FakeOtto) -> list[int]:
    return [len(json.loads(seen.body)) for seen in otto.calls("POST", PATH)]


def refusal(*details: tuple[str, str | None]) -> bytes:
    errors = [
        {"code": 422, "title": "Unprocessable", "path": PATH, "detail": detail, "logref": logref}
        for detail, logref in details
    ]
    return json.dumps({"errors": errors}).encode()


def test_quantities_travel_in_batches_of_at_most_200(otto: FakeOtto, client: OttoClient) -> None:
    wanted = many(450)
    results = client.availability.send_quantities(wanted)
    assert sizes(otto) == [200, 200, 50]
    assert otto.quantities == results.accepted == dict(wanted)
    assert (results.refused, results.unsettled, results.stopped_by) == ({}, [], None)


def test_nothing_to_send_costs_no_request(otto: FakeOtto, client: OttoClient) -> None:
    assert client.availability.send_quantities([]).accepted == {}
    assert sizes(otto) == []


def test_a_batch_that_is_too_large_is_halved_and_the_next_ones_are_smaller(
    otto: FakeOtto, client: OttoClient
) -> None:
    otto.largest_batch = 60
    assert client.availability.send_quantities(many(230)).accepted == dict(many(230))
    assert sizes(otto) == [200, 100, 50, 50, 50, 50, 30]
    client.availability.send_quantities(many(60))
    assert sizes(otto)[7:] == [50, 10]


def test_a_single_sku_that_is_too_large_is_refused_alone(
    otto: FakeOtto, client: OttoClient
) -> None:
    otto.largest_batch = 0
    results = client.availability.send_quantities(many(2))
    assert results.refused == {"S00000": "Payload Too Large", "S00001": "Payload Too Large"}


def test_a_bad_sku_costs_only_itself(otto: FakeOtto, client: OttoClient) -> None:
    otto.known_skus = {"A", "C"}
    results = client.availability.send_quantities([("A", 1), ("B", 2), ("C", 3)])
    assert results.accepted == {"A": 1, "C": 3}
    assert results.refused == {"B": "Error: SKU is unknown for SKU: B"}
    assert sizes(otto) == [3]


def test_when_all_are_bad_each_has_its_reason(otto: FakeOtto, client: OttoClient) -> None:
    otto.known_skus = set()
    results = client.availability.send_quantities(many(3))
    assert results.accepted == {}
    assert results.refused["S00002"] == "Error: SKU is unknown for SKU: S00002"
    assert len(results.refused) == 3
    assert (sizes(otto), results.unsettled, results.stopped_by) == ([3], [], None)
    alone = client.availability.send_quantities([("S00002", 1)])
    assert alone.refused == {"S00002": results.refused["S00002"]}


def test_a_refusal_without_a_logref_is_read_from_its_detail(
    otto: FakeOtto, client: OttoClient
) -> None:
    detail = "Invalid quantity. Quantity should be an absolute number for SKU: A"
    otto.plan("POST", PATH, Reply(422, refusal((detail, None))))
    results = client.availability.send_quantities([("A", 1), ("B", 2)])
    assert (results.refused, results.accepted) == ({"A": detail}, {"B": 2})


@pytest.mark.parametrize("status", [400, 422])
def test_a_refusal_that_names_nobody_is_narrowed_down(
    otto: FakeOtto, client: OttoClient, status: int
) -> None:
    nameless = Reply(status, error_body("Bad Request", "something is wrong"))
    # Four, then two and two, then the second one of the first two.
    otto.plan("POST", PATH, nameless, nameless, Reply(200, b"{}", effect=True), nameless)
    results = client.availability.send_quantities(many(4))
    assert results.refused == {"S00001": "Bad Request: something is wrong"}
    assert results.accepted.keys() == {"S00000", "S00002", "S00003"}
    assert sizes(otto) == [4, 2, 1, 1, 2]


@pytest.mark.parametrize(("sku", "quantity"), [("", 1), (" ", 1), ("A", -1), ("A", 1_000_000_000)])
def test_what_would_cost_the_batch_is_refused_here(
    otto: FakeOtto, client: OttoClient, sku: str, quantity: int
) -> None:
    results = client.availability.send_quantities([(sku, quantity), ("B", 2)])
    assert results.refused.keys() == {sku}
    assert otto.quantities == {"B": 2}


def test_one_sku_with_two_quantities_is_a_mistake_of_the_caller(client: OttoClient) -> None:
    with pytest.raises(ValueError, match="named twice"):
        client.availability.send_quantities([("A", 1), ("A", 2)])


@pytest.mark.parametrize("body", [b"", b"{}", b'{"results": null, "future": 1}'])
def test_a_success_that_names_nobody_is_about_all(
    otto: FakeOtto, client: OttoClient, body: bytes
) -> None:
    otto.plan("POST", PATH, Reply(200, body))
    assert client.availability.send_quantities(many(2)).accepted == dict(many(2))


@pytest.mark.parametrize(
    ("shown", "accepted"), [(7, True), ("7", True), (None, True), (8, False), ("x", False)]
)
def test_the_quantity_that_otto_answers_with_must_be_the_one_sent(
    otto: FakeOtto, client: OttoClient, shown: Any, accepted: bool
) -> None:
    answer = {"results": [{"sku": "A", "quantity": shown}], "errors": []}
    otto.plan("POST", PATH, Reply(207, json.dumps(answer).encode()))
    results = client.availability.send_quantities([("A", 7)])
    assert (results.accepted == {"A": 7}, "A" in results.refused) == (accepted, not accepted)


def test_a_sku_that_the_answer_does_not_name_is_unsettled(
    otto: FakeOtto, client: OttoClient
) -> None:
    answer = {
        "results": [{"sku": "A", "quantity": 1}, {"sku": "never asked", "quantity": 1}, {}],
        "errors": [{"code": 207, "title": "t", "detail": "not attributable", "logref": None}],
    }
    otto.plan("POST", PATH, Reply(207, json.dumps(answer).encode()))
    results = client.availability.send_quantities([("A", 1), ("B", 2)])
    assert (results.accepted, results.refused, results.unsettled) == ({"A": 1}, {}, ["B"])


def test_errors_that_name_nobody_leave_all_unsettled(otto: FakeOtto, client: OttoClient) -> None:
    otto.plan("POST", PATH, Reply(207, refusal(("who knows", None))))
    assert client.availability.send_quantities([("A", 1)]).unsettled == ["A"]


@pytest.mark.parametrize("fault", [Reply(None, effect=True), Reply(500), Reply(200, cut=1)])
def test_an_unknown_outcome_is_not_repeated_and_keeps_what_is_settled(
    otto: FakeOtto, client: OttoClient, fault: Reply
) -> None:
    otto.plan("POST", PATH, Reply(200, b"{}"), fault)
    results = client.availability.send_quantities(many(500))
    assert results.accepted == dict(many(200))
    assert results.unsettled == [sku for sku, _ in many(500)[200:]]
    assert isinstance(results.stopped_by, OttoUnknownOutcome)
    assert len(sizes(otto)) == 2


def test_too_many_requests_are_waited_for(
    otto: FakeOtto, client: OttoClient, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client._transport._limiter, "pause", lambda seconds: None)
    otto.plan("POST", PATH, Reply(429, headers=(("Retry-After", "3"),)))
    assert client.availability.send_quantities([("A", 1)]).accepted == {"A": 1}
    assert slept == [3.0]


def test_no_request_starts_after_the_callers_right_to_send_has_ended(
    otto: FakeOtto, client: OttoClient
) -> None:
    results = client.availability.send_quantities([("A", 1)], within_seconds=-1)
    assert isinstance(results.stopped_by, OttoTransient)
    assert (results.unsettled, sizes(otto)) == (["A"], [])


def test_a_repeat_that_would_come_too_late_is_not_sent(
    otto: FakeOtto, client: OttoClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    monkeypatch.setattr(
        "resources.otto.exchange.time.monotonic", lambda: began + 9 * len(sizes(otto))
    )
    otto.plan("POST", PATH, Reply(429, headers=(("Retry-After", "0"),)))
    results = client.availability.send_quantities([("A", 1)], within_seconds=5)
    assert isinstance(results.stopped_by, OttoTransient)
    assert len(sizes(otto)) == 1


def test_a_missing_scope_is_named(otto: FakeOtto, client: OttoClient) -> None:
    otto.granted = "orders shipments"
    results = client.availability.send_quantities([("A", 1)])
    assert isinstance(results.stopped_by, OttoScopeMissing)
    assert "'availability'" in str(results.stopped_by)


def test_all_quantities_are_read_back_by_cursor(otto: FakeOtto, client: OttoClient) -> None:
    otto.page_of_quantities = 2
    otto.quantities = {"A": 1, "B&C=ü": 2, "C D": 3, "E+F": 4, "G": 5}
    found = list(client.availability.quantities())
    assert {shown.sku: shown.quantity for shown in found} == otto.quantities
    assert found[0].last_modified is not None
    assert found[0].last_modified.isoformat() == "2026-07-18T07:20:06.260124+00:00"
    cursors = [dict(seen.query).get("cursor") for seen in otto.calls("GET", PATH)]
    assert cursors == [None, "B&C=ü", "E+F"]


def test_an_unreadable_row_of_the_list_costs_only_itself(
    otto: FakeOtto, client: OttoClient
) -> None:
    rows = [
        {"sku": "A", "quantity": "12", "lastModified": "soon"},
        {"sku": "B", "quantity": True},
        {"sku": None},
    ]
    body = json.dumps({"resources": {"variations": rows}, "links": []}).encode()
    otto.plan("GET", PATH, Reply(200, body))
    found = client.availability.quantities()
    assert [(shown.sku, shown.quantity) for shown in found] == [("A", 12), ("B", None), ("", None)]


def test_one_quantity_is_read_and_one_never_sent_is_none(
    otto: FakeOtto, client: OttoClient
) -> None:
    otto.quantities = {"A/1": 7}
    shown = client.availability.quantity("A/1")
    assert shown is not None
    assert (shown.sku, shown.quantity) == ("A/1", 7)
    assert client.availability.quantity("B") is None
    with pytest.raises(ValueError, match="SKU is missing"):
        client.availability.quantity("")
