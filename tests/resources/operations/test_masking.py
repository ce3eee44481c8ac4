"""A text about an order without the buyer's data that it repeats."""

from datetime import UTC, datetime

import msgspec
import pytest
import sqlalchemy as sa

from resources.operations.database import OperationsDatabase
from resources.operations.masking import mask_for
from resources.operations.schema import orders
from resources.otto.wire import Address

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ADDRESS = Address(
    first_name="Zoë Maria",
    last_name="Al-Amin (GmbH)",
    street="Am Tor",
    house_number="500",
    zip_code="01067",
    city="Dresden",
    country_code="DEU",
    phone_number="+49 351 1",
    email="z@example.org",
)


def hold(db: OperationsDatabase, address: Address | None) -> None:
    values = {
        "sales_order_id": "o-1",
        "order_number": "n",
        "ordered_at": NOW,
        "order_day": NOW.date(),
        "lifecycle_changed_at": NOW,
        "delivery_address": address and msgspec.json.encode(address).decode(),
        "delivery_fee_cents": 0,
        "order_discount_cents": 0,
        "discount_reading": "none",
        "payload_hash": "h",
        "page_ref": "p",
        "first_seen_at": NOW,
        "recorded_at": NOW,
    }
    with db.write() as conn:
        conn.execute(sa.insert(orders), values)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("ZOË unknown", "*** unknown"),
        ("no Maria Al-Amin (GmbH) in Dresden", "no *** *** in ***"),
        ("Am Tor 500 of 01067", "*** of ***"),
        ("call +49 351 1 or z@example.org", "call *** or ***"),
        ("HTTP 500 of DEU", "HTTP 500 of DEU"),
        ("", ""),
    ],
)
def test_what_a_person_is_known_by_is_masked(
    operations_db: OperationsDatabase, told: str, shown: str
) -> None:
    hold(operations_db, ADDRESS)
    with operations_db.read() as conn:
        assert mask_for(conn, "o-1")(told) == shown


@pytest.mark.parametrize("address", [None, Address(), Address(first_name="Jo", city=" X ")])
def test_without_an_address_a_text_stays(
    operations_db: OperationsDatabase, address: Address | None
) -> None:
    hold(operations_db, address)
    with operations_db.read() as conn:
        assert mask_for(conn, "o-1")("Jo at X") == "Jo at X"
        assert mask_for(conn, "unknown")("Jo at X") == "Jo at X"
