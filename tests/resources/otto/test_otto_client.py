import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import httpx
import pytest

from resources.operating_model import Http
from resources.otto.client import OttoClient, OttoSettings
from resources.otto.errors import OttoPermanent, OttoTransient, OttoUnknownOutcome
from resources.otto.orders import OrdersPage, OrdersQuery
from resources.otto.wire import (
    FulfilmentStatus,
    ShipFromAddress,
    ShipmentItem,
    ShipmentRequest,
    TrackingKey,
    format_time,
)
from tests.resources.otto.fake_otto import HTML, FakeOtto, Reply, order_json

Settings = Callable[..., OttoSettings]
ORDER = "00000000-0000-0000-0000-000000000001"
ITEM = "00000000-0000-0000-0001-000000000001"


def item(number: int = 1) -> ShipmentItem:
    return ShipmentItem(
        position_item_id=f"00000000-0000-0000-0001-{number:012d}",
        sales_order_id=ORDER,
        return_tracking_key=TrackingKey(carrier="DHL", tracking_number="406522044489"),
    )


def parcel(number: str = "577546565072") -> ShipmentRequest:
    return ShipmentRequest(
        tracking_key=TrackingKey(carrier="DHL", tracking_number=number),
        ship_date=format_time(datetime(2026, 11, 20, 15, 4, tzinfo=UTC)),
        ship_from_address=ShipFromAddress(city="Dresden", country_code="DEU", zip_code="01067"),
        position_items=[item()],
    )


def ids(pages: list[OrdersPage]) -> list[str]:
    return [order.sales_order_id for page in pages for order in page.orders]


@pytest.fixture
def ten(otto: FakeOtto) -> list[str]:
    otto.orders = [order_json(number) for number in range(10)]
    return [order["salesOrderId"] for order in otto.orders]


# Orders


@pytest.mark.parametrize("link_style", ["list", "object", "null"])
def test_all_pages_are_read_with_nothing_but_cursor_and_limit(
    otto: FakeOtto, client: OttoClient, ten: list[str], link_style: str
) -> None:
    otto.link_style = link_style
    pages = list(client.order_pages(OrdersQuery(limit=3, mode="AT_LEAST_ONE")))
    assert ids(pages) == ten
    assert [page.number for page in pages] == [1, 2, 3, 4]
    first, *rest = otto.calls("GET", "/v4/orders")
    assert first.query == [("mode", "AT_LEAST_ONE"), ("limit", "3")]
    assert [[name for name, _ in seen.query] for seen in rest] == [["nextcursor", "limit"]] * 3
    assert client.faults == {}


def test_every_parameter_of_a_query_is_sent(otto: FakeOtto, client: OttoClient) -> None:
    berlin = timezone(timedelta(hours=2))
    query = OrdersQuery(
        from_date=datetime(2026, 8, 1, 1, tzinfo=berlin),
        from_order_date=datetime(2026, 7, 1, tzinfo=UTC),
        to_order_date=datetime(2026, 8, 2, tzinfo=UTC),
        fulfilment_status=(FulfilmentStatus.PROCESSABLE, FulfilmentStatus.SENT),
        limit=7,
        order_direction="DESC",
        order_column_type="ORDER_DATE",
        mode="BUCKET",
    )
    (page,) = client.order_pages(query)
    assert page.orders == []
    assert otto.calls("GET", "/v4/orders")[0].query == [
        ("fromDate", "2026-07-31T23:00:00.000Z"),
        ("fromOrderDate", "2026-07-01T00:00:00.000Z"),
        ("toOrderDate", "2026-08-02T00:00:00.000Z"),
        ("fulfillmentStatus", "PROCESSABLE"),
        ("fulfillmentStatus", "SENT"),
        ("orderDirection", "DESC"),
        ("orderColumnType", "ORDER_DATE"),
        ("mode", "BUCKET"),
        ("limit", "7"),
    ]


@pytest.mark.parametrize("limit", [0, 257])
def test_a_page_size_that_otto_refuses_is_refused_here(limit: int) -> None:
    with pytest.raises(ValueError, match="OTTO takes 1 to 256"):
        OrdersQuery(limit=limit)


def test_faults_amid_the_pages_lose_nothing_and_are_tallied(
    otto: FakeOtto, client: OttoClient, ten: list[str]
) -> None:
    faults = [
        Reply(403, HTML, content_type="text/html"),
        Reply(200, cut=20),
        Reply(None),
    ]
    otto.plan("GET", "/v4/orders", *faults)
    assert ids(list(client.order_pages(OrdersQuery(limit=4)))) == ten
    assert client.faults == {"firewall": 1, "truncated": 1, "connection_broken": 1}


def test_a_link_that_repeats_once_costs_no_order(
    otto: FakeOtto, client: OttoClient, ten: list[str]
) -> None:
    pages = client._orders_pages(OrdersQuery(limit=4))
    found = [next(pages)]
    cursor = "MDAwMDAwMDQ="
    repeated = {
        "resources": otto.orders[4:8],
        "links": [{"rel": "next", "href": f"/v4/orders?nextcursor={cursor}&limit=4"}],
    }
    otto.plan("GET", "/v4/orders", Reply(200, json.dumps(repeated).encode()))
    found += pages
    assert ids(found) == ten
    assert client.faults == {"repeated_page": 1}


def test_pages_in_circles_raise_after_what_could_be_read(
    otto: FakeOtto, client: OttoClient, ten: list[str]
) -> None:
    link = [{"rel": "next", "href": "/v4/orders?nextcursor=AAAA"}]
    circle = Reply(200, json.dumps({"resources": otto.orders[:2], "links": link}).encode())
    otto.plan("GET", "/v4/orders", *[circle] * 9)
    found: list[OrdersPage] = []
    with pytest.raises(OttoTransient, match="leads back"):
        found.extend(client.order_pages(OrdersQuery()))
    assert ids(found)[:2] == ten[:2]
    assert client.faults == {"repeated_page": 3}


def test_the_page_cap_is_an_error_with_a_remedy(
    otto: FakeOtto, settings: Settings, ten: list[str]
) -> None:
    with (
        OttoClient(settings(), max_pages=2) as client,
        pytest.raises(OttoPermanent, match="shorter range of dates"),
    ):
        list(client.order_pages(OrdersQuery(limit=3)))


def test_one_bad_order_costs_one_row(otto: FakeOtto, client: OttoClient, ten: list[str]) -> None:
    otto.orders[3] = order_json(3, orderNumber={"secret": "Weiß"})
    otto.orders[5] = {"what": "is this"}
    otto.orders[7] = order_json(7, positionItems=[{"positionItemId": 1}])
    (page,) = client.order_pages(OrdersQuery())
    assert ids([page]) == [ten[number] for number in (0, 1, 2, 4, 6, 8, 9)]
    assert [bad.sales_order_id for bad in page.unreadable] == [ten[3], None, ten[7]]
    assert "order 4 of the page: Expected `str`, got `object` - at `$.orderNumber`" in (
        page.unreadable[0].reason
    )
    assert "Weiß" not in str(page.unreadable)
    assert {bad.evidence_ref for bad in page.unreadable} == {page.evidence_ref}
    assert b"is this" in client.evidence.read(page.evidence_ref)


def test_an_order_that_is_not_utf8_costs_one_row(
    otto: FakeOtto, client: OttoClient, ten: list[str]
) -> None:
    body = json.dumps({"resources": otto.orders[:3]}).encode().replace(b"bk00000001", b"bk\xff")
    otto.plan("GET", "/v4/orders", Reply(200, body))
    (page,) = client.order_pages(OrdersQuery())
    assert ids([page]) == [ten[0], ten[2]]
    assert "UTF-8" in page.unreadable[0].reason
    assert client.faults == {}


def test_each_page_is_kept_as_it_came(otto: FakeOtto, client: OttoClient, ten: list[str]) -> None:
    pages = list(client.order_pages(OrdersQuery(limit=5)))
    assert len({page.evidence_ref for page in pages}) == 2
    for page, part in zip(pages, (ten[:5], ten[5:]), strict=True):
        kept = json.loads(client.evidence.read(page.evidence_ref))
        assert [order["salesOrderId"] for order in kept["resources"]] == part


def test_closing_the_pages_early_stops_fetching(
    otto: FakeOtto, client: OttoClient, ten: list[str]
) -> None:
    pages = client.order_pages(OrdersQuery(limit=1))
    next(pages)
    pages.close()
    asked = len(otto.seen)
    assert asked <= 1 + 4
    assert not [t for t in threading.enumerate() if t.name.startswith("otto-read-ahead")]


def test_an_order_is_read_by_its_id(otto: FakeOtto, client: OttoClient, ten: list[str]) -> None:
    assert client.order(ten[4]).order_number == "bk00000004"


def test_an_unknown_order_is_permanent(otto: FakeOtto, client: OttoClient) -> None:
    with pytest.raises(OttoPermanent, match="HTTP 404 Not Found: no such order") as caught:
        client.order(ORDER)
    assert caught.value.status == 404


def test_an_order_of_another_form_is_named_without_its_content(
    otto: FakeOtto, client: OttoClient
) -> None:
    otto.orders = [order_json(1, deliveryAddress={"lastName": ["Weiß"]})]
    with pytest.raises(OttoPermanent, match=r"documented form.*deliveryAddress.lastName") as caught:
        client.order(ORDER)
    assert "Weiß" not in str(caught.value)


def test_cancellations_are_sent_without_a_body(otto: FakeOtto, client: OttoClient) -> None:
    client.cancel_order(ORDER)
    client.cancel_position_items(ORDER, [ITEM, "a/b"])
    paths = [seen.path for seen in otto.seen if seen.path.startswith("/v4")]
    assert paths == [
        f"/v4/orders/{ORDER}/cancellation",
        f"/v4/orders/{ORDER}/positionItems/{ITEM},a%2Fb/cancellation",
    ]


def test_ids_that_would_name_another_operation_are_refused(client: OttoClient) -> None:
    for call in (
        lambda: client.order(""),
        lambda: client.order(".."),
        lambda: client.cancel_position_items(ORDER, []),
        lambda: client.cancel_position_items(ORDER, [""]),
        lambda: client.find_shipment("DHL", ""),
        lambda: client.create_multiparcel_shipment([parcel()]),
    ):
        with pytest.raises(ValueError, match=r"missing|at least"):
            call()


# Shipments


def test_a_shipment_is_created_and_found_again(otto: FakeOtto, client: OttoClient) -> None:
    number = client.create_shipment(parcel())
    found = client.find_shipment("DHL", "577546565072")
    assert found is not None
    assert found.shipment_id == number == client.shipment(number).shipment_id
    assert [entry.position_item_id for entry in found.position_items] == [ITEM]
    assert client.find_shipment("DHL", "other/number #1") is None


def test_titles_of_a_refusal_are_accessible(otto: FakeOtto, client: OttoClient) -> None:
    client.create_shipment(parcel())
    with pytest.raises(OttoPermanent, match="Tracking key already exists") as caught:
        client.create_shipment(parcel())
    assert (caught.value.status, caught.value.titles) == (409, {"DUPLICATE_TRACKING_KEY"})


def test_a_timeout_after_the_effect_is_unknown_and_sent_once(
    otto: FakeOtto, settings: Settings
) -> None:
    otto.plan("POST", "/v1/shipments", Reply(201, b"{}", stall=0.6, effect=True))
    http = Http(timeout_seconds=0.2)
    with OttoClient(settings(http=http)) as client:
        with pytest.raises(OttoUnknownOutcome, match=r"no answer in 0\.2 s"):
            client.create_shipment(parcel())
        assert len(otto.calls("POST", "/v1/shipments")) == 1
        assert client.faults == {"timeout": 1}
        assert client.find_shipment("DHL", "577546565072") is not None


@pytest.mark.parametrize("body", [b"", b"{}", b'{"shipmentId": ""}', b'{"shipmentId', b"[]"])
def test_a_success_without_its_id_is_unknown(
    otto: FakeOtto, client: OttoClient, body: bytes
) -> None:
    otto.plan("POST", "/v1/shipments", Reply(201, body, effect=True))
    with pytest.raises(OttoUnknownOutcome):
        client.create_shipment(parcel())
    assert len(otto.calls("POST", "/v1/shipments")) == 1


def test_a_refusal_by_the_firewall_is_sent_again(otto: FakeOtto, client: OttoClient) -> None:
    otto.plan("POST", "/v1/shipments", Reply(403, HTML, content_type="text/html"))
    assert client.create_shipment(parcel()) == "1000"
    assert client.faults == {"firewall": 1}


def test_items_are_added_to_a_shipment(otto: FakeOtto, client: OttoClient) -> None:
    client.add_position_items("1000", [item(2)])
    client.add_position_items_by_tracking("DHL", "577546565072", [item(3)])
    sent = [json.loads(seen.body) for seen in otto.seen if seen.path.endswith("/positionitems")]
    assert [len(body) for body in sent] == [1, 1]


def test_a_multiparcel_shipment_is_created(client: OttoClient) -> None:
    assert client.create_multiparcel_shipment([parcel(), parcel("221557927533")]) == "m1"


def test_shipments_are_listed_over_pages(otto: FakeOtto, client: OttoClient) -> None:
    numbers = ["577546565072", "406522044489", "221557927533", "1", "2"]
    for number in numbers:
        client.create_shipment(parcel(number))
    found = list(client.shipments_since(datetime(2026, 11, 1, tzinfo=UTC)))
    assert [s.tracking_key.tracking_number for s in found if s.tracking_key] == numbers
    assert len(otto.calls("GET", "/v1/shipments")) == 3


def test_a_wrong_request_is_caught_by_the_contract(otto: FakeOtto, settings: Settings) -> None:
    wrong = ShipmentRequest(
        tracking_key=TrackingKey(carrier="DHL-PAKET", tracking_number="1"),
        ship_date="20.11.2026",
        ship_from_address=ShipFromAddress(city="Dresden", country_code="DE", zip_code="01067"),
        position_items=[],
    )
    with OttoClient(settings()) as client, pytest.raises(OttoPermanent) as caught:
        client.create_shipment(wrong)
    assert caught.value.status == 400
    assert len(otto.violations) == 4
    answer = httpx.get(f"{otto.base_url}/v4/orders?nextCursor=x")
    assert answer.status_code == 400


def test_settings_refuse_an_unknown_way_to_authenticate(settings: Settings) -> None:
    with pytest.raises(ValueError, match="OTTO_CLIENT_AUTH"):
        settings(client_auth="digest")
