import gc
import itertools
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from assets import order_import
from assets.order_import import ORDERS_PER_CHUNK, SystemicBreak, import_orders
from assets.order_rows import OrderTranslator
from resources.operating_model import OperatingModel, load_operating_model
from resources.operations import quarantine
from resources.operations.schema import orders, position_items
from resources.otto.orders import OrdersPage, UnreadableOrder
from resources.otto.wire import PartnerOrder

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EXAMPLE = Path(__file__).parents[2] / "operating_model.example.yaml"
ADDRESS = {
    "salutation": "MS",
    "firstName": "Änne",
    "lastName": "Canary-Müller",
    "street": "Hauptstraße",
    "houseNumber": "1a",
    "zipCode": "01067",
    "city": "Dresden",
    "countryCode": "DEU",
}


def euro(amount):
    return {"amount": amount, "currency": "EUR"}


def item(item_id="I1", *, price="19.99", **changes):
    return {
        "positionItemId": item_id,
        "fulfillmentStatus": "PROCESSABLE",
        "itemValueGrossPrice": euro(price),
        "product": {
            "sku": "SKU-1",
            "productTitle": "Kanne",
            "articleNumber": "4711",
            "vatRate": "19.00",
        },
        "expectedDeliveryDate": "2026-11-24T12:00:00.000+01:00",
        **changes,
    }


def order(order_id="S1", *items, **changes):
    content = {
        "salesOrderId": order_id,
        "orderNumber": f"N-{order_id}",
        "orderDate": "2026-11-19T23:30:00.000+0000",
        "lastModifiedDate": "2026-11-20T08:00:00.000+0000",
        "orderLifecycleInformation": {"lifecycleChangeDate": "2026-11-20T08:00:00.000+0000"},
        "positionItems": items or [item(f"{order_id}-I1")],
        "payment": {"paymentMethod": "PAYPAL"},
        "deliveryAddress": ADDRESS,
        "initialDeliveryFees": [],
        "initialDiscounts": [],
        **changes,
    }
    return msgspec.json.decode(msgspec.json.encode(content), type=PartnerOrder)


def changed_at(time):
    return {"orderLifecycleInformation": {"lifecycleChangeDate": f"2026-11-20T{time}.000+0000"}}


def discount(amount, *ids):
    return {
        "name": "DISCOUNT",
        "discountId": f"D-{amount}",
        "discountName": "Aktion",
        "discountAmount": euro(amount),
        "positionItemIds": ids,
        "vatRate": 19,
    }


def fee(amount, *ids, name="DELIVERY_FEE_STANDARD"):
    return {
        "name": name,
        "deliveryFeeAmount": euro(amount),
        "positionItemIds": ids,
        "vatRate": 19,
    }


def page(*found, unreadable=(), number=1):
    return OrdersPage(
        number=number,
        orders=list(found),
        unreadable=list(unreadable),
        evidence_ref=f"page-{number}",
    )


@pytest.fixture
def db(operations_db):
    return operations_db


@pytest.fixture
def model():
    return load_operating_model(EXAMPLE)


def rows(db, table):
    with db.read() as conn:
        return [dict(row) for row in conn.execute(sa.select(table)).mappings()]


def waiting(db):
    with db.read() as conn:
        return [(row["business_key"], row["rule"]) for row in quarantine.open_rows(conn)]


def with_model(model: OperatingModel, **policy):
    return model.model_copy(update={"orders": model.orders.model_copy(update=policy)})


def test_an_order_arrives_in_cents_utc_and_the_berlin_day(db, model):
    outcome = import_orders([page(order())], db, model, NOW)
    [stored], [unit] = rows(db, orders), rows(db, position_items)
    assert (outcome.new, outcome.orders_read, outcome.items_read, outcome.pages) == (1, 1, 1, 1)
    assert outcome.buyer_cents == unit["buyer_price_cents"] == unit["gross_cents"] == 1_999
    assert stored["order_day"] == date(2026, 11, 20)
    assert stored["ordered_at"] == datetime(2026, 11, 19, 23, 30, tzinfo=UTC)
    assert stored["page_ref"] == "page-1"
    assert (unit["vat_rate"], unit["currency"]) == ("19", "EUR")
    assert (unit["reduced_cents"], unit["item_discount_cents"]) == (None, 0)
    assert outcome.newest_change == datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    assert msgspec.json.decode(stored["delivery_address"])["lastName"] == "Canary-Müller"


def test_the_deadline_reckons_with_the_slowest_parcel_carrier(db, model):
    import_orders([page(order())], db, model, NOW)
    assert rows(db, position_items)[0]["ship_by_at"] == datetime(2026, 11, 20, 13, 0, tzinfo=UTC)


def test_the_buyer_pays_the_reduced_price_less_the_share_of_the_order_discount(db, model):
    reduced = {"itemValueReducedGrossPrice": euro("15.00"), "itemValueDiscount": euro("5.00")}
    one = order(
        "S1",
        item("I1", price="20.00", **reduced),
        item("I2", price="10.00"),
        item("I3", price="5.00"),
        initialDiscounts=[discount("10.00", "I1", "I2", "I3")],
    )
    outcome = import_orders([page(one)], db, model, NOW)
    units = {row["position_item_id"]: row for row in rows(db, position_items)}
    shares = {name: row["order_discount_share_cents"] for name, row in units.items()}
    paid = {name: row["buyer_price_cents"] for name, row in units.items()}
    assert shares == {"I1": 500, "I2": 333, "I3": 167}
    assert paid == {"I1": 1_000, "I2": 667, "I3": 333}
    assert rows(db, orders)[0]["order_discount_cents"] == 1_000
    assert rows(db, orders)[0]["discount_reading"] == "ambiguous"
    assert outcome.ambiguous_discounts == 1


def test_the_operating_model_decides_how_discounts_are_read(db, model):
    one = order("S1", item("I1", price="20.00"), initialDiscounts=[discount("5.00", "I1")])
    import_orders([page(one)], db, with_model(model, discount_reading="included"), NOW)
    assert rows(db, position_items)[0]["buyer_price_cents"] == 2_000
    outcome = import_orders([page(one)], db, model, NOW)
    assert outcome.changed == 1
    assert rows(db, position_items)[0]["buyer_price_cents"] == 1_500


def test_delivery_fees_stay_with_the_order(db, model):
    fees = [fee("4.95", "I1"), fee("24.95", "I1", name="DELIVERY_FEE_FREIGHT")]
    import_orders([page(order("S1", item("I1"), initialDeliveryFees=fees))], db, model, NOW)
    assert rows(db, orders)[0]["delivery_fee_cents"] == 2_990
    assert rows(db, position_items)[0]["buyer_price_cents"] == 1_999


def test_importing_the_same_pages_again_changes_nothing(db, model):
    pages = [page(order("S1"), order("S2"))]
    import_orders(pages, db, model, NOW)
    before = rows(db, orders), rows(db, position_items)
    outcome = import_orders(pages, db, model, NOW.replace(hour=15))
    assert (outcome.new, outcome.changed, outcome.unchanged) == (0, 0, 2)
    assert (rows(db, orders), rows(db, position_items)) == before


def test_an_import_counts_what_is_held_like_what_it_stores(db, model):
    one = order("S1", item("I1"), item("I2"), initialDiscounts=[discount("1.00", "I1")])
    pages = [page(one, order("S2", **changed_at("11:00:00")))]
    first = import_orders(pages, db, model, NOW)
    again = import_orders(pages, db, model, NOW)
    assert (first.new, again.new, again.unchanged) == (2, 0, 2)
    for name in ("buyer_cents", "items_read", "ambiguous_discounts", "newest_change"):
        assert getattr(first, name) == getattr(again, name) != 0


def test_held_orders_are_not_translated_again(db, model, monkeypatch):
    translated = []
    translate = OrderTranslator.columns

    def watch(self, received):
        translated.extend(entry.order.sales_order_id for entry in received)
        return translate(self, received)

    monkeypatch.setattr(OrderTranslator, "columns", watch)
    import_orders([page(order("S1"), order("S2"))], db, model, NOW)
    import_orders([page(order("S1"), order("S2", **changed_at("09:00:00")))], db, model, NOW)
    assert translated == ["S1", "S2", "S2"]


def test_a_held_order_that_waits_in_quarantine_is_judged_again(db, model):
    good = order("S1", item("I1"))
    worse = order("S1", item("I1", **BAD_ITEMS["sku_present"]), **changed_at("09:00:00"))
    import_orders([page(good)], db, model, NOW)
    import_orders([page(worse)], db, model, NOW)
    assert waiting(db) == [("S1/I1", "sku_present")]
    outcome = import_orders([page(good)], db, model, NOW)
    assert (waiting(db), outcome.unchanged) == ([], 1)


def test_an_order_parked_by_one_chunk_is_judged_again_by_the_next(db, model, monkeypatch):
    monkeypatch.setattr(order_import, "ORDERS_PER_CHUNK", 1)
    good = order("S1", item("I1"))
    worse = order("S1", item("I1", **BAD_ITEMS["sku_present"]), **changed_at("07:00:00"))
    import_orders([page(good)], db, model, NOW)
    import_orders([page(worse), page(good)], db, model, NOW)
    assert waiting(db) == []


def test_a_held_order_whose_item_a_new_order_claims_is_held_back_with_it(db, model):
    held = order("S1", item("X"))
    import_orders([page(held)], db, model, NOW)
    import_orders([page(held), page(order("S2", item("X")), order("S3"))], db, model, NOW)
    assert {key for key, _ in waiting(db)} == {"S1/X", "S2/X"}
    assert {row["sales_order_id"] for row in rows(db, orders)} == {"S1", "S3"}


def test_a_held_version_and_a_newer_one_in_one_chunk_count_as_one_order(db, model):
    held = order("S1", item("I1"))
    newer = order("S1", item("I2", fulfillmentStatus="SENT"), **changed_at("11:00:00"))
    import_orders([page(held)], db, model, NOW)
    outcome = import_orders([page(held), page(newer)], db, model, NOW)
    assert (outcome.changed, outcome.superseded, outcome.unchanged) == (1, 1, 0)
    assert (outcome.items_read, outcome.buyer_cents) == (1, 1_999)
    outcome = import_orders([page(held), page(newer)], db, model, NOW)
    assert (outcome.changed, outcome.superseded, outcome.unchanged) == (0, 1, 1)


def test_a_bad_version_older_than_the_held_one_of_its_chunk_is_not_judged(db, model):
    held = order("S1", item("I1"))
    import_orders([page(held)], db, model, NOW)
    stale = order("S1", item("I1", **BAD_ITEMS["sku_present"]), **changed_at("07:00:00"))
    import_orders([page(held), page(stale)], db, model, NOW)
    assert waiting(db) == []


def test_of_two_versions_of_one_age_the_one_we_do_not_hold_counts(db, model):
    held, corrected = order("S1", item("I1")), order("S1", item("I1", price="9.99"))
    import_orders([page(held)], db, model, NOW)
    import_orders([page(held), page(corrected)], db, model, NOW)
    assert rows(db, position_items)[0]["gross_cents"] == 999


def test_a_held_order_is_judged_again_once_the_operating_model_has_other_vat_rates(db, model):
    import_orders([page(order("S1", item("I1")))], db, model, NOW)
    strict = model.model_copy(update={"vat_rates": ("7",)})
    import_orders([page(order("S1", item("I1")))], db, strict, NOW)
    assert waiting(db) == [("S1/I1", "vat_rate_known")]


def test_the_collector_works_again_after_an_import_that_fails(db, model):
    def pages():
        assert not gc.isenabled()
        yield page(order("S1"))
        raise ConnectionError

    with pytest.raises(ConnectionError):
        import_orders(pages(), db, model, NOW)
    assert gc.isenabled()


BAD_ORDERS = {
    "order_has_items": {"positionItems": []},
    "dates_readable": {"orderDate": "yesterday"},
    "two_decimals": {"initialDeliveryFees": [fee("4.955", "I1")]},
    "currency_eur": {
        "initialDeliveryFees": [
            {**fee("4.95", "I1"), "deliveryFeeAmount": {"amount": 1, "currency": "CHF"}}
        ]
    },
    "discount_items_known": {"initialDiscounts": [discount("1.00", "I9")]},
    "discount_within_value": {"initialDiscounts": [discount("20.00", "I1")]},
    "delivery_fee_once": {"initialDeliveryFees": [fee("4.95", "I1"), fee("4.95", "I1")]},
    "address_present_when_processable": {"deliveryAddress": {**ADDRESS, "street": " "}},
}
BAD_ITEMS = {
    "dates_readable": {"expectedDeliveryDate": "9999-12-31T23:59:59.000-12:00"},
    "two_decimals": {"itemValueGrossPrice": euro("19.999")},
    "currency_eur": {"itemValueGrossPrice": {"amount": 1, "currency": "USD"}},
    "price_positive": {"itemValueGrossPrice": euro("0.00")},
    "reduced_is_gross_minus_discount": {
        "itemValueReducedGrossPrice": euro("15.00"),
        "itemValueDiscount": euro("5.00"),
    },
    "status_known": {"fulfillmentStatus": "LOST"},
    "sku_present": {
        "product": {"sku": " ", "productTitle": "", "articleNumber": "", "vatRate": 19}
    },
    "vat_rate_known": {
        "product": {"sku": "S", "productTitle": "", "articleNumber": "", "vatRate": "1E+999999"}
    },
}


@pytest.mark.parametrize("rule", BAD_ORDERS)
def test_an_order_that_breaks_a_rule_waits_in_quarantine_and_its_neighbour_goes_on(db, model, rule):
    bad = order("BAD", item("I1"), **BAD_ORDERS[rule])
    outcome = import_orders([page(order("GOOD"), bad)], db, model, NOW)
    assert [row["sales_order_id"] for row in rows(db, orders)] == ["GOOD"]
    assert [row["sales_order_id"] for row in rows(db, position_items)] == ["GOOD"]
    assert waiting(db) == [("BAD", rule)]
    assert (outcome.new, outcome.quarantined_orders) == (1, 1)
    assert outcome.violations[rule].count == 1


@pytest.mark.parametrize("rule", BAD_ITEMS)
def test_one_bad_item_holds_back_its_whole_order(db, model, rule):
    bad = order("BAD", item("I1"), item("I2", **BAD_ITEMS[rule]))
    import_orders([page(order("GOOD"), bad)], db, model, NOW)
    assert [row["sales_order_id"] for row in rows(db, orders)] == ["GOOD"]
    assert waiting(db) == [("BAD/I2", rule)]


def test_an_item_id_in_two_orders_holds_back_both(db, model):
    pages = [page(order("S1", item("X")), order("S2", item("X")), order("S3"))]
    import_orders(pages, db, model, NOW)
    assert [row["sales_order_id"] for row in rows(db, orders)] == ["S3"]
    assert {rule for _, rule in waiting(db)} == {"position_item_unique"}


def test_an_unreadable_order_costs_itself_only(db, model):
    unreadable = [
        UnreadableOrder(sales_order_id="BAD", reason="no orderDate", evidence_ref="page-1"),
        UnreadableOrder(sales_order_id=None, reason="Expected object", evidence_ref="page-1"),
    ]
    outcome = import_orders([page(order("GOOD"), unreadable=unreadable)], db, model, NOW)
    assert outcome.orders_read == 3
    assert outcome.quarantined_orders == 2
    assert {rule for _, rule in waiting(db)} == {"order_readable"}
    assert len(waiting(db)) == 2


def test_a_quarantined_order_that_passes_later_is_resolved(db, model):
    bad = order("S1", item("I1", **BAD_ITEMS["sku_present"]), initialDiscounts=[discount(9, "I9")])
    import_orders([page(bad)], db, model, NOW)
    assert len(waiting(db)) == 2
    half_mended = order("S1", item("I1", **BAD_ITEMS["sku_present"]), **changed_at("09:00:00"))
    import_orders([page(half_mended)], db, model, NOW)
    assert waiting(db) == [("S1/I1", "sku_present")]
    import_orders([page(order("S1", item("I1"), **changed_at("10:00:00")))], db, model, NOW)
    assert waiting(db) == []
    assert len(rows(db, orders)) == 1


def test_the_newest_of_two_versions_on_different_pages_counts(db, model):
    newer = order("S1", item("I1", fulfillmentStatus="SENT"), **changed_at("11:00:00"))
    older = order("S1", item("I1"), **changed_at("09:00:00"))
    for number, versions in enumerate(itertools.permutations([newer, older])):
        pages = [page(version, number=n) for n, version in enumerate(versions)]
        outcome = import_orders(pages, db, model, NOW)
        assert (outcome.orders_read, outcome.superseded) == (2, 1)
        assert (outcome.new, outcome.unchanged) == (1 - number, number)
        assert rows(db, position_items)[0]["fulfilment_status"] == "SENT"


def test_an_older_version_read_later_does_not_overwrite_a_newer_one(db, model):
    newer = order("S1", item("I1", fulfillmentStatus="SENT"), **changed_at("11:00:00"))
    import_orders([page(newer)], db, model, NOW)
    import_orders([page(order("S1", item("I1"), **changed_at("09:00:00")))], db, model, NOW)
    assert rows(db, position_items)[0]["fulfilment_status"] == "SENT"


def test_an_announced_order_needs_no_address_and_keeps_it_once_known(db, model):
    announced = order("S1", item("I1", fulfillmentStatus="ANNOUNCED"), deliveryAddress=None)
    outcome = import_orders([page(announced)], db, model, NOW)
    assert outcome.new == 1
    assert rows(db, orders)[0]["delivery_address"] is None


def test_too_many_bad_orders_stop_the_import_before_any_of_the_chunk_is_stored(db, model):
    bad = [order(f"B{n}", item(f"B{n}", fulfillmentStatus="LOST")) for n in range(20)]
    good = [order(f"G{n}") for n in range(70)]
    with pytest.raises(SystemicBreak) as stopped:
        import_orders([page(*bad, *good)], db, model, NOW)
    message = str(stopped.value)
    for part in ("20 of 90", "22.2%", "20.0%", "status_known 20", "orders.bad_row_limit"):
        assert part in message
    assert rows(db, orders) == []
    assert len(waiting(db)) == 20
    assert stopped.value.violations["status_known"].count == 20


@pytest.mark.parametrize(("bad_count", "good_count"), [(19, 0), (20, 80)])
def test_few_bad_orders_or_a_small_share_do_not_stop_the_import(db, model, bad_count, good_count):
    bad = [order(f"B{n}", item(f"B{n}", fulfillmentStatus="LOST")) for n in range(bad_count)]
    good = [order(f"G{n}") for n in range(good_count)]
    outcome = import_orders([page(*bad, *good)], db, model, NOW)
    assert (outcome.new, outcome.quarantined_orders) == (good_count, bad_count)


def test_what_came_before_a_failing_page_stays_and_the_failure_comes_through(db, model):
    def pages():
        yield page(*[order(f"S{n}") for n in range(ORDERS_PER_CHUNK)])
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        import_orders(pages(), db, model, NOW)
    assert len(rows(db, orders)) == ORDERS_PER_CHUNK


def test_every_order_read_is_counted_exactly_once(db, model):
    pages = [
        page(order("S1"), order("S2", item("I2", fulfillmentStatus="LOST")), number=1),
        page(order("S1", **changed_at("09:00:00")), order("S3"), number=2),
    ]
    import_orders([page(order("S3"))], db, model, NOW)
    out = import_orders(pages, db, model, NOW)
    counted = out.new + out.changed + out.unchanged + out.quarantined_orders + out.superseded
    assert (out.orders_read, counted) == (4, 4)


def test_no_personal_data_reaches_the_quarantine_or_a_message(db, model):
    bad = [
        order(f"B{n}", item(f"B{n}", **change), **more)
        for n, (change, more) in enumerate(
            itertools.product(BAD_ITEMS.values(), BAD_ORDERS.values())
        )
    ]
    with pytest.raises(SystemicBreak) as stopped:
        import_orders([page(*bad)], db, model, NOW)
    with db.read() as conn:
        everything = repr(quarantine.open_rows(conn)) + str(stopped.value)
        everything += repr(stopped.value.violations)
    assert len(everything) > 10_000
    for part in ("Canary", "Änne", "Hauptstraße", "Dresden"):
        assert part not in everything


def test_an_import_of_nothing_is_no_error(db, model):
    outcome = import_orders([page()], db, model, NOW)
    assert (outcome.orders_read, outcome.newest_change) == (0, None)
