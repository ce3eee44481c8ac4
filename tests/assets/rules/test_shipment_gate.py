from dataclasses import replace
from datetime import UTC, datetime

import pytest

from assets.rules.shipment_gate import GATE_RULES, ParcelFacts, ParcelItem, gate, return_key_of
from resources.operating_model import Carrier, ShipFrom

LINK = "https://carrier.example/{number}"
CARRIERS = {
    "DHL-PAKET": Carrier(otto_code="DHL", tracking_url=LINK),
    "DPD-CLASSIC": Carrier(otto_code="DPD", tracking_url=LINK),
    "SPEDITION": Carrier(otto_code="DACHSER", tracking_url=LINK, kind="forwarder"),
    # The operating model refuses such a template; the gate does not rely on it.
    "BROKEN-LINK": Carrier.model_construct(
        otto_code="DHL", tracking_url="http://carrier.example/{number}", kind="parcel"
    ),
}
SHIP_FROM = ShipFrom(city="Dresden", zip_code="01067", country_code="DEU")
GOOD = ParcelFacts(
    parcel_id="P1",
    carrier_raw="DHL-PAKET",
    tracking_number="577546565072",
    return_carrier="DHL",
    return_tracking_number="406522044489",
    shipped_at=datetime(2026, 11, 20, 15, 4, tzinfo=UTC),
    items=(ParcelItem("S1", "I1", "PROCESSABLE"), ParcelItem("S1", "I2", "PROCESSABLE")),
)


def judge(parcel=GOOD, ship_from=SHIP_FROM):
    return gate(parcel, CARRIERS, ship_from)


def with_statuses(*statuses):
    return replace(
        GOOD, items=tuple(ParcelItem("S1", f"I{n}", status) for n, status in enumerate(statuses))
    )


def rules(result):
    return [refusal.rule for refusal in result.refusals]


def test_a_parcel_with_everything_in_place_is_ready_without_remarks():
    result = judge()
    assert result.refusals == ()
    assert result.warnings == ()
    assert result.ready.carrier == "DHL"
    assert result.ready.tracking_url == "https://carrier.example/577546565072"
    assert result.ready.return_key.tracking_number == "406522044489"
    assert result.ready.shipped_at == GOOD.shipped_at
    assert [item.position_item_id for item in result.ready.items] == ["I1", "I2"]


BLANK_CITY = ShipFrom(city=" ", zip_code="01067", country_code="DEU")


@pytest.mark.parametrize(
    ("rule", "parcel", "ship_from"),
    [
        ("carrier_known", replace(GOOD, carrier_raw="XPRESS-24"), SHIP_FROM),
        ("carrier_known", replace(GOOD, carrier_raw=None), SHIP_FROM),
        ("tracking_number_present", replace(GOOD, tracking_number=None), SHIP_FROM),
        ("tracking_number_present", replace(GOOD, tracking_number="  "), SHIP_FROM),
        ("tracking_number_valid", replace(GOOD, tracking_number="577546565073"), SHIP_FROM),
        ("tracking_number_valid", replace(GOOD, tracking_number="TBD"), SHIP_FROM),
        ("tracking_url_https", replace(GOOD, carrier_raw="BROKEN-LINK"), SHIP_FROM),
        ("return_key_present", replace(GOOD, return_tracking_number=None), SHIP_FROM),
        ("return_key_present", replace(GOOD, return_carrier=None), SHIP_FROM),
        ("return_key_present", replace(GOOD, return_carrier="DPD-CLASSIC"), SHIP_FROM),
        ("return_key_present", replace(GOOD, return_tracking_number="406522044488"), SHIP_FROM),
        ("ship_from_complete", GOOD, BLANK_CITY),
        ("items_processable", with_statuses("PROCESSABLE", "ANNOUNCED"), SHIP_FROM),
        ("items_processable", with_statuses("SENT"), SHIP_FROM),
        ("items_processable", with_statuses(None), SHIP_FROM),
        ("items_processable", with_statuses(), SHIP_FROM),
    ],
)
def test_one_missing_condition_parks_the_parcel_under_its_rule(rule, parcel, ship_from):
    result = judge(parcel, ship_from)
    assert rules(result) == [rule]
    assert result.ready is None
    assert result.refusals[0].reason
    assert result.refusals[0].remedy


def test_every_rule_the_gate_names_is_proven_here():
    proven = {
        mark.args[1][index][0]
        for mark in test_one_missing_condition_parks_the_parcel_under_its_rule.pytestmark
        for index in range(len(mark.args[1]))
    }
    assert proven | {"item_cancelled_at_otto"} == set(GATE_RULES)


def test_all_broken_rules_are_told_at_once():
    parcel = replace(GOOD, carrier_raw=None, tracking_number=None, return_carrier=None)
    assert rules(judge(parcel)) == [
        "carrier_known",
        "tracking_number_present",
        "return_key_present",
    ]


@pytest.mark.parametrize("status", ["CANCELLED_BY_PARTNER", "CANCELLED_BY_MARKETPLACE"])
def test_a_cancelled_item_stays_behind_and_the_rest_of_the_parcel_goes(status):
    result = judge(with_statuses("PROCESSABLE", status))
    assert rules(result) == ["item_cancelled_at_otto"]
    assert result.refusals[0].position_item_ids == ("I1",)
    assert [item.position_item_id for item in result.ready.items] == ["I0"]


def test_a_parcel_of_cancelled_items_only_is_parked():
    result = judge(with_statuses("CANCELLED_BY_PARTNER"))
    assert rules(result) == ["item_cancelled_at_otto"]
    assert result.ready is None


def test_a_forwarder_needs_no_return_number_and_its_own_number_is_a_warning():
    parcel = replace(
        GOOD, carrier_raw="SPEDITION", tracking_number="DACH-4711", return_tracking_number=None
    )
    result = judge(parcel)
    assert result.ready.return_key is None
    assert [warning.rule for warning in result.warnings] == ["tracking_number_valid"]


def test_a_return_carrier_may_stand_as_the_warehouses_code_or_as_ottos():
    for code in ("DHL-PAKET", "DHL"):
        key, refusal, warning = return_key_of(code, "406522044489", CARRIERS)
        assert (key.carrier, refusal, warning) == ("DHL", None, None)


def test_a_return_number_that_cannot_be_checked_is_a_warning():
    key, refusal, warning = return_key_of("HERMES", "H1234567890123456789", CARRIERS)
    assert key is not None
    assert refusal is None
    assert warning.rule == "return_key_present"
