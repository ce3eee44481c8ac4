import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.otto.wire import (
    Address,
    PartnerOrder,
    ShipFromAddress,
    ShipmentItem,
    ShipmentRequest,
    TrackingKey,
    format_time,
    parse_time,
)
from tests.contract.otto_contract import violations
from tests.resources.otto.fake_otto import order_json

UUID = "00000000-0000-0000-0000-000000000001"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021-03-31T09:45:52.313+0000", datetime(2021, 3, 31, 9, 45, 52, 313000, UTC)),
        ("2021-04-21T12:00:00.000+02:00", datetime(2021, 4, 21, 10, tzinfo=UTC)),
        ("2024-07-18T07:20:06.260124Z", datetime(2024, 7, 18, 7, 20, 6, 260124, UTC)),
        ("2024-07-18T07:20:06Z", datetime(2024, 7, 18, 7, 20, 6, tzinfo=UTC)),
    ],
)
def test_all_forms_of_times_are_read_as_utc(text: str, expected: datetime) -> None:
    assert parse_time(text) == expected
    assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2024-07-18",
        "2024-07-18T07:20:06",
        "2024-02-30T00:00:00Z",
        "2024-07-18T25:00:00Z",
        "9999-12-31T23:59:59-02:00",
        "0001-01-01T00:00:00+0200",
        "1700000000",
        "٢٠٢٤-07-18T07:20:06Z",
        "\ud800",
    ],
)
def test_nonsense_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"no time with an offset, such as 2026-03-31T09:45"):
        parse_time(text)


@given(st.text(max_size=40) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?.{0,12}"))
def test_parsing_gives_an_aware_time_or_a_value_error(text: str) -> None:
    try:
        assert parse_time(text).tzinfo is UTC
    except ValueError as error:
        assert "no time with an offset" in str(error)  # noqa: PT017 - both ends are allowed


@given(
    st.datetimes(
        min_value=datetime(1, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(9999, 12, 30),  # noqa: DTZ001
        timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
    )
)
def test_what_is_written_is_read_back_to_the_millisecond(at: datetime) -> None:
    text = format_time(at)
    assert text.endswith("Z")
    assert timedelta(0) <= at - parse_time(text) < timedelta(milliseconds=1)


def test_a_naive_time_is_not_written() -> None:
    with pytest.raises(ValueError, match="naive time"):
        format_time(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


def test_an_order_is_read_with_unknown_fields_strings_for_numbers_and_nulls() -> None:
    order = msgspec.json.decode(json.dumps(order_json(1)), type=PartnerOrder, strict=False)
    (item,) = order.position_items
    assert item.item_value_gross_price.amount == Decimal("19.95")
    assert item.item_value_reduced_gross_price is not None
    assert item.item_value_reduced_gross_price.amount == Decimal("17.95")
    assert item.product.vat_rate == Decimal(19)
    assert item.weee_pickup is False
    assert order.initial_discounts is None
    assert order.delivery_address is not None
    assert order.delivery_address.first_name == "Jörg"
    assert order.invoice_address is None


def test_an_amount_keeps_every_digit() -> None:
    body = b'{"amount": 12345678901234567.10, "currency": "EUR"}'
    item = {**order_json(1)["positionItems"][0]}
    order = json.dumps({**order_json(1), "positionItems": [{**item, "itemValueGrossPrice": 0}]})
    text = order.replace('"itemValueGrossPrice": 0', f'"itemValueGrossPrice": {body.decode()}')
    read = msgspec.json.decode(text, type=PartnerOrder, strict=False)
    assert str(read.position_items[0].item_value_gross_price.amount) == "12345678901234567.10"


def test_an_address_is_never_shown() -> None:
    address = Address(first_name="Jörg", last_name="Weiß", email="j@example.org")
    order = msgspec.json.decode(json.dumps(order_json(1)), type=PartnerOrder, strict=False)
    for shown in (repr(address), f"{address}", repr(order), repr(list(address.__rich_repr__()))):
        assert "Weiß" not in shown
        assert "example.org" not in shown


def test_a_shipment_request_is_what_the_contract_asks_for() -> None:
    request = ShipmentRequest(
        tracking_key=TrackingKey(carrier="HERMES", tracking_number="H1234567890123456789"),
        ship_date=format_time(datetime(2026, 11, 20, 15, 4, tzinfo=UTC)),
        ship_from_address=ShipFromAddress(city="Dresden", country_code="DEU", zip_code="01067"),
        position_items=[
            ShipmentItem(
                position_item_id=UUID,
                sales_order_id=UUID,
                return_tracking_key=TrackingKey(carrier="DHL", tracking_number="577546565072"),
            )
        ],
    )
    body = msgspec.json.encode(request)
    headers = {"authorization": "Bearer a", "content-type": "application/json"}
    assert violations("POST", "/v1/shipments", headers, body) == []
    assert json.loads(body) == {
        "trackingKey": {"carrier": "HERMES", "trackingNumber": "H1234567890123456789"},
        "shipDate": "2026-11-20T15:04:00.000Z",
        "shipFromAddress": {"city": "Dresden", "countryCode": "DEU", "zipCode": "01067"},
        "positionItems": [
            {
                "positionItemId": UUID,
                "salesOrderId": UUID,
                "returnTrackingKey": {"carrier": "DHL", "trackingNumber": "577546565072"},
            }
        ],
    }
