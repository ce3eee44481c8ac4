"""A unit that is cancelled leaves what the buyers pay for the others as it was, to the cent."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.order_import import import_orders
from resources.operating_model import load_operating_model
from resources.operations.database import OperationsDatabase
from resources.operations.schema import orders, position_items
from resources.otto.orders import OrdersPage
from resources.otto.wire import PartnerOrder

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MODEL = load_operating_model(Path(__file__).parents[2] / "operating_model.example.yaml")
ADDRESS = {
    "firstName": "A",
    "lastName": "B",
    "street": "S",
    "houseNumber": "1",
    "zipCode": "01067",
    "city": "Dresden",
    "countryCode": "DEU",
}


def euro(cents: int) -> dict[str, Any]:
    return {"amount": f"{cents // 100}.{cents % 100:02d}", "currency": "EUR"}


def order(
    cents: list[int], discounts: list[tuple[int, list[str]]], cancelled: set[str], minute: int
) -> PartnerOrder:
    """An order with a unit per price; the later the minute, the newer the version."""
    changed = f"2026-11-20T08:{minute:02d}:00.000+0000"
    content = {
        "salesOrderId": "S",
        "orderNumber": "N",
        "orderDate": "2026-11-19T10:00:00.000+0000",
        "lastModifiedDate": changed,
        "orderLifecycleInformation": {"lifecycleChangeDate": changed},
        "positionItems": [
            {
                "positionItemId": f"I{place}",
                "fulfillmentStatus": (
                    "CANCELLED_BY_PARTNER" if f"I{place}" in cancelled else "PROCESSABLE"
                ),
                "itemValueGrossPrice": euro(price),
                "product": {
                    "sku": "SKU",
                    "productTitle": "T",
                    "articleNumber": "1",
                    "vatRate": "19.00",
                },
                "expectedDeliveryDate": "2026-11-24T12:00:00.000+01:00",
            }
            for place, price in enumerate(cents)
        ],
        "payment": {"paymentMethod": "PAYPAL"},
        "deliveryAddress": ADDRESS,
        "initialDeliveryFees": [],
        "initialDiscounts": [
            {
                "name": "DISCOUNT",
                "discountId": f"D{number}",
                "discountName": "Aktion",
                "discountAmount": euro(amount),
                "positionItemIds": items,
                "vatRate": 19,
            }
            for number, (amount, items) in enumerate(discounts)
        ],
    }
    return msgspec.json.decode(msgspec.json.encode(content), type=PartnerOrder)


def imported(db: OperationsDatabase, version: PartnerOrder) -> dict[str, tuple[int, int]]:
    """What the buyer pays for each unit, and its share of the discounts, after this version."""
    outcome = import_orders([OrdersPage(1, [version], [], "page")], db, MODEL, NOW)
    assert outcome.quarantined_orders == 0
    with db.read() as conn:
        rows = conn.execute(sa.select(position_items)).mappings()
        return {
            row["position_item_id"]: (row["buyer_price_cents"], row["order_discount_share_cents"])
            for row in rows
        }


@st.composite
def baskets(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, list[str]]], list[str]]:
    """Prices, discounts that the basket can carry, and the order in which units are cancelled."""
    cents = draw(st.lists(st.integers(100, 20_000), min_size=2, max_size=5))
    names = [f"I{place}" for place in range(len(cents))]
    discounts = []
    for _ in range(draw(st.integers(0, 2))):
        chosen = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
        worth = sum(cents[names.index(name)] for name in chosen)
        discounts.append((draw(st.integers(1, worth // 2 // len(cents))), sorted(chosen)))
    return cents, discounts, draw(st.permutations(names))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(baskets())
def test_cancelled_units_leave_the_prices_of_the_others_as_they_were(
    sqlite_template: Path,
    tmp_path: Path,
    basket: tuple[list[int], list[tuple[int, list[str]]], list[str]],
) -> None:
    cents, discounts, to_cancel = basket
    path = tmp_path / "operations.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    db = OperationsDatabase(f"sqlite:///{path}")
    try:
        before = imported(db, order(cents, discounts, set(), 0))
        paid = sum(price for price, _ in before.values())
        assert paid == sum(cents) - sum(amount for amount, _ in discounts)
        for count in range(1, len(to_cancel)):
            version = order(cents, discounts, set(to_cancel[:count]), count)
            assert imported(db, version) == before
        with db.read() as conn:
            changed_at = conn.scalars(sa.select(orders.c.lifecycle_changed_at)).one()
        assert changed_at.minute == len(cents) - 1, "each version was taken over"
    finally:
        db.close()
