"""Orders of the simulated OTTO: life, list, cancellation."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from otto_pipelines.sandbox.generator import make_orders
from otto_pipelines.sandbox.model import Status
from otto_pipelines.sandbox.otto_rules import in_bucket


def _statuses(order: dict[str, Any]) -> list[str]:
    return [item["fulfillmentStatus"] for item in order["positionItems"]]


def test_an_order_waits_announced_without_address_until_the_hold_is_over(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(orders=1)
    seller.control("clock/advance", {"to": _first_order_time(seller).isoformat()})
    (waiting,) = seller.orders()
    assert set(_statuses(waiting)) == {"ANNOUNCED"}
    assert "deliveryAddress" not in waiting
    seller.advance(minutes=44)
    assert set(_statuses(seller.orders()[0])) == {"ANNOUNCED"}
    seller.advance(minutes=1)
    (released,) = seller.orders()
    assert set(_statuses(released)) == {"PROCESSABLE"}
    assert released["deliveryAddress"]["countryCode"] == "DEU"
    assert released["lastModifiedDate"] > waiting["lastModifiedDate"]


def _first_order_time(seller: Any) -> Any:
    return make_orders(seller.sandbox.config, seller.sandbox.config.start)[0].ordered_at


def test_dates_come_in_the_forms_that_otto_uses(seller: Any) -> None:
    order = seller.new_order()
    assert order["orderDate"] == "2026-06-08T10:00:00.000+0000"
    assert order["positionItems"][0]["expectedDeliveryDate"].endswith("T12:00:00.000+02:00")


def test_an_order_is_found_by_id_and_by_number_and_else_not(seller: Any) -> None:
    order = seller.new_order()
    assert seller.otto.get(f"/v4/orders/{order['orderNumber']}").json() == order
    missing = seller.otto.get("/v4/orders/nonsense")
    assert (missing.status_code, missing.json()["errors"][0]["title"]) == (404, "Not Found")


def test_reduced_price_is_gross_minus_the_items_own_discount(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(orders=200)
    seller.advance(days=2)
    reduced = [
        item
        for order in seller.orders()
        for item in order["positionItems"]
        if "itemValueReducedGrossPrice" in item
    ]
    assert reduced
    for item in reduced:
        gross, discount, rest = (
            round(float(item[name]["amount"]) * 100)
            for name in ("itemValueGrossPrice", "itemValueDiscount", "itemValueReducedGrossPrice")
        )
        assert rest == gross - discount


def test_some_orders_carry_numbers_as_text_and_unknown_fields(
    open_sandbox: Callable[..., Any],
) -> None:
    seller = open_sandbox(orders=200)
    seller.advance(days=2)
    orders = seller.orders()
    kinds = {
        type(item["itemValueGrossPrice"]["amount"]) for o in orders for item in o["positionItems"]
    }
    assert str in kinds
    assert float in kinds
    assert any("salesChannelHint" in order for order in orders)


# Which orders a status asks for.


class _Order:
    def __init__(self, *statuses: Status) -> None:
        self.items = [type("Item", (), {"status": status}) for status in statuses]


@pytest.mark.parametrize(
    ("statuses", "buckets"),
    [
        ((Status.ANNOUNCED, Status.PROCESSABLE), {"ANNOUNCED"}),
        ((Status.PROCESSABLE, Status.SENT), {"PROCESSABLE"}),
        ((Status.SENT, Status.RETURNED), {"SENT"}),
        (
            (Status.RETURNED, Status.CANCELLED_BY_PARTNER),
            {"RETURNED", "CANCELLED_BY_PARTNER"},
        ),
        (
            (Status.PROCESSABLE, Status.CANCELLED_BY_MARKETPLACE),
            {"PROCESSABLE", "CANCELLED_BY_MARKETPLACE"},
        ),
    ],
)
def test_an_order_lies_in_its_buckets_and_in_no_other(
    statuses: tuple[Status, ...], buckets: set[str]
) -> None:
    order: Any = _Order(*statuses)
    assert {s for s in Status if in_bucket(order, frozenset({s}), "BUCKET")} == buckets
    at_least_one = {s for s in Status if in_bucket(order, frozenset({s}), "AT_LEAST_ONE")}
    assert at_least_one == set(statuses)


def test_repeated_statuses_give_the_union_without_duplicates(seller: Any) -> None:
    sent, open_order, cancelled = seller.new_order(), seller.new_order(), seller.new_order()
    ids = [item["positionItemId"] for item in sent["positionItems"]]
    seller.otto.post("/v1/shipments", json=seller.shipment(sent["salesOrderId"], ids))
    seller.otto.post(f"/v4/orders/{cancelled['salesOrderId']}/cancellation")
    seller.advance(minutes=6)
    found = seller.orders(fulfillmentStatus=["SENT", "PROCESSABLE", "SENT"])
    assert {o["salesOrderId"] for o in found} == {sent["salesOrderId"], open_order["salesOrderId"]}


# Pages.


@pytest.mark.parametrize("column", ["ORDER_LIFECYCLE_DATE", "ORDER_DATE"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_pages_hold_every_order_once_in_the_order_asked(
    open_sandbox: Callable[..., Any], column: str, direction: str
) -> None:
    seller = open_sandbox(orders=90)
    seller.advance(days=2)
    orders = seller.orders(limit=7, orderColumnType=column, orderDirection=direction)
    assert len({order["salesOrderId"] for order in orders}) == len(orders) == 90
    times = [
        order["orderDate"]
        if column == "ORDER_DATE"
        else order["orderLifecycleInformation"]["lifecycleChangeDate"]
        for order in orders
    ]
    assert times == sorted(times, reverse=direction == "DESC")


def test_an_order_that_changes_while_a_client_pages_is_seen_again_never_missed(
    seller: Any,
) -> None:
    created = [seller.new_order()["salesOrderId"] for _ in range(9)]
    first = seller.otto.get("/v4/orders", params={"limit": 4}).json()
    changed = [o["salesOrderId"] for o in first["resources"][:2]] + [created[6]]
    for order_id in changed:
        seller.otto.post(f"/v4/orders/{order_id}/cancellation")
    seller.advance(minutes=10)
    link = next(link["href"] for link in first["links"] if link["rel"] == "next")
    cursor = parse_qs(urlsplit(link).query)["nextcursor"][0]
    rest = []
    while cursor:
        page = seller.otto.get("/v4/orders", params={"nextcursor": cursor, "limit": 2}).json()
        rest += page["resources"]
        links = [link["href"] for link in page["links"] if link["rel"] == "next"]
        cursor = parse_qs(urlsplit(links[0]).query)["nextcursor"][0] if links else ""
    seen = [o["salesOrderId"] for o in first["resources"] + rest]
    assert set(seen) == set(created)
    latest = {o["salesOrderId"]: _statuses(o) for o in first["resources"] + rest}
    assert all(latest[order_id] == ["CANCELLED_BY_PARTNER"] for order_id in changed)


def test_the_cursor_is_base64_and_keeps_the_filters(open_sandbox: Callable[..., Any]) -> None:
    seller = open_sandbox(orders=60)
    seller.advance(days=2)
    page = seller.otto.get(
        "/v4/orders", params={"limit": 5, "fulfillmentStatus": "PROCESSABLE"}
    ).json()
    link = next(link["href"] for link in page["links"] if link["rel"] == "next")
    cursor = parse_qs(urlsplit(link).query)["nextcursor"][0]
    assert base64.b64decode(cursor).startswith(b"BUCKET:")
    following = seller.otto.get(
        "/v4/orders", params={"nextcursor": cursor, "limit": 200, "fulfillmentStatus": "SENT"}
    ).json()["resources"]
    assert following
    assert all("PROCESSABLE" in _statuses(order) for order in following)


def test_from_date_asks_for_changes_and_from_order_date_for_orders(seller: Any) -> None:
    old = seller.new_order()
    seller.advance(hours=2)
    moment = seller.now()
    new = seller.new_order()
    seller.otto.post(f"/v4/orders/{old['salesOrderId']}/cancellation")
    seller.advance(minutes=6)
    changed = seller.orders(fromDate=moment.isoformat())
    ordered = seller.orders(fromOrderDate=moment.isoformat())
    before = seller.orders(toOrderDate=(moment - timedelta(hours=1)).isoformat())
    assert [o["salesOrderId"] for o in changed] == [new["salesOrderId"], old["salesOrderId"]]
    assert [o["salesOrderId"] for o in ordered] == [new["salesOrderId"]]
    assert [o["salesOrderId"] for o in before] == [old["salesOrderId"]]


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 257},
        {"limit": 0},
        {"limit": "many"},
        {"fulfillmentStatus": "LOST"},
        {"mode": "ALL"},
        {"orderDirection": "UP"},
        {"orderColumnType": "PRICE"},
        {"fromDate": "yesterday"},
        {"nextcursor": "garbage"},
    ],
)
def test_a_known_parameter_with_a_wrong_value_is_a_400(
    seller: Any, params: dict[str, object]
) -> None:
    answer = seller.otto.get("/v4/orders", params=params)
    assert (answer.status_code, answer.json()["errors"][0]["title"]) == (400, "Bad Request")
    assert answer.json()["errors"][0]["path"] == "/v4/orders"


def test_an_unknown_parameter_is_silently_ignored(seller: Any) -> None:
    seller.new_order()
    answer = seller.otto.get(
        "/v4/orders", params={"orderDateFrom": "2030-01-01", "nextCursor": "x"}
    )
    assert len(answer.json()["resources"]) == 1


# Cancellation by the partner.


def test_a_cancellation_is_accepted_first_and_takes_effect_later(seller: Any) -> None:
    order = seller.new_order(2)
    url = f"/v4/orders/{order['salesOrderId']}"
    assert seller.otto.post(f"{url}/cancellation").status_code == 202
    seller.advance(minutes=4)
    assert set(_statuses(seller.otto.get(url).json())) == {"PROCESSABLE"}
    seller.advance(minutes=1)
    cancelled = seller.otto.get(url).json()
    assert set(_statuses(cancelled)) == {"CANCELLED_BY_PARTNER"}
    assert cancelled["positionItems"][0]["cancellationReason"] == "CANCELLED_ON_PARTNER_WISH"


def test_several_items_are_cancelled_by_a_comma_list_and_repeating_is_harmless(
    seller: Any,
) -> None:
    order = seller.new_order(3)
    ids = [item["positionItemId"] for item in order["positionItems"]]
    url = f"/v4/orders/{order['salesOrderId']}/positionItems/{ids[0]},{ids[1]}/cancellation"
    assert seller.otto.post(url).status_code == 202
    seller.advance(minutes=6)
    assert seller.otto.post(url).status_code == 202
    now = seller.otto.get(f"/v4/orders/{order['salesOrderId']}").json()
    assert _statuses(now) == ["CANCELLED_BY_PARTNER", "CANCELLED_BY_PARTNER", "PROCESSABLE"]


def test_an_order_without_a_cancellable_item_answers_the_documented_409(seller: Any) -> None:
    order = seller.new_order()
    order_id = order["salesOrderId"]
    item_id = order["positionItems"][0]["positionItemId"]
    seller.otto.post("/v1/shipments", json=seller.shipment(order_id, [item_id]))
    answer = seller.otto.post(f"/v4/orders/{order_id}/cancellation")
    error = answer.json()["errors"][0]
    assert (answer.status_code, error["title"]) == (409, "Conflict")
    assert error["detail"] == (
        f"No position item in sales order [{order_id}] has a fulfillment status that can be changed"
        " to [CANCELLED_BY_PARTNER]. Fulfillment status needs to be [PROCESSABLE]."
    )


def test_one_item_in_the_wrong_status_leaves_all_items_as_they_are(seller: Any) -> None:
    order = seller.new_order(2)
    order_id = order["salesOrderId"]
    sent, other = (item["positionItemId"] for item in order["positionItems"])
    seller.otto.post("/v1/shipments", json=seller.shipment(order_id, [sent]))
    answer = seller.otto.post(f"/v4/orders/{order_id}/positionItems/{other},{sent}/cancellation")
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["detail"] == (
        f"Fulfillment status of position item [{sent}] in sales order [{order_id}] can't be changed"
        " from [SENT] to [CANCELLED_BY_PARTNER]. Fulfillment status needs to be [PROCESSABLE]."
    )
    seller.advance(minutes=10)
    assert _statuses(seller.otto.get(f"/v4/orders/{order_id}").json()) == ["SENT", "PROCESSABLE"]


def test_cancelling_what_does_not_exist_is_a_404(seller: Any) -> None:
    order_id = seller.new_order()["salesOrderId"]
    assert seller.otto.post("/v4/orders/nonsense/cancellation").status_code == 404
    url = f"/v4/orders/{order_id}/positionItems/nonsense/cancellation"
    assert seller.otto.post(url).status_code == 404
