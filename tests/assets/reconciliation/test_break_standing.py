"""How a break stands: age, overdue, rank, what carries the drift, and when it was true."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from resources.operating_model import GraceOfCarrier, OverdueAfterDays, Reconciliation
from resources.operations import schema

OLD = timedelta(days=3)


def standing(world: Any) -> dict[str, tuple[Any, ...]]:
    rows = world.query(
        "SELECT sales_order_id, age_days, age_bucket, overdue, materiality_rank "
        "FROM reconciliation.breaks"
    )
    return {ref: tuple(rest) for ref, *rest in rows}


def test_age_grows_with_time_alone_through_the_ranges_of_the_operating_model(world: Any) -> None:
    world.waiting("o", line={"price_seen_cents": 2500})
    policy = Reconciliation(age_buckets=(0, 2), overdue_after_days=OverdueAfterDays(medium=2))
    found = []
    for hours in (0, 25, 24, 24):
        world.later(hours=hours)
        world.reconcile(policy)
        found.append(standing(world)["o"][:3])
    assert found == [
        (0, "0-0", False),
        (1, "1-2", False),
        (2, "1-2", False),
        (3, ">2", True),
    ]


def test_age_counts_from_the_business_time_at_which_the_difference_began(world: Any) -> None:
    world.shipped("o", parcel=None, line={"state": "PICKED"}, item={"sent_at": world.now - OLD})
    world.reconcile()
    assert standing(world)["o"] == (3, "2-7", True, 1)


def test_ranks_follow_the_amount_and_end_with_the_break(world: Any) -> None:
    for cents in (1, 500, 20):
        world.waiting(f"{cents}", line={"price_seen_cents": 1999 + cents})
    world.reconcile()
    assert {ref: row[3] for ref, row in standing(world).items()} == {"500": 1, "20": 2, "1": 3}
    world.change_line("500", price_seen_cents=1999)
    world.reconcile()
    assert {ref: row[3] for ref, row in standing(world).items()} == {"500": None, "20": 1, "1": 2}


def test_age_ranges_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValidationError, match="must rise"):
        Reconciliation(age_buckets=(7, 1))


def test_a_carrier_may_have_its_own_grace(world: Any) -> None:
    for carrier in ("DHL", "HERMES"):
        parcel = {"carrier": carrier, "shipped_at": world.now - timedelta(minutes=200)}
        world.dispatched(carrier, parcel=parcel)
    policy = Reconciliation(grace_by_carrier={"HERMES": GraceOfCarrier(confirmation=240)})
    world.reconcile(policy)
    assert world.classes() == {
        "DHL/1": ("break", "dispatched_not_confirmed"),
        "HERMES/1": ("expected", "dispatched_not_confirmed"),
    }
    world.later(minutes=41)
    world.reconcile(policy)
    assert len(world.breaks()) == 2


def test_the_rule_tells_apart_what_one_kind_joins(world: Any) -> None:
    world.shipped("differs", item={"otto_carrier": "HERMES"})
    parked = {"carrier": None, "state": "parked", "parked_rules": '[{"rule": "carrier_known"}]'}
    world.dispatched("unknown", parcel=parked)
    world.reconcile()
    assert dict(world.query("SELECT sales_order_id, rule FROM reconciliation.breaks")) == {
        "differs": "carrier_differs",
        "unknown": "carrier_unknown",
    }


def plant_a_bad_article(world: Any) -> None:
    """SKU BAD has 4 breaks on 4 lines, SKU GOOD 1 break on 16 lines."""
    for number in range(4):
        world.waiting(f"b{number}", item={"sku": "BAD"}, line={"price_seen_cents": 2999})
    for number in range(15):
        world.shipped(f"g{number}", item={"sku": "GOOD"})
    world.shipped("g15", item={"sku": "GOOD"}, line={"price_seen_cents": 2999})


ATTRIBUTION = (
    "SELECT value, breaks, amount_at_risk_cents, lines, share_of_breaks, share_of_lines, lift "
    "FROM reconciliation.attribution WHERE dimension = 'sku'"
)


def test_attribution_names_the_article_that_carries_the_drift_and_no_other(world: Any) -> None:
    plant_a_bad_article(world)
    world.reconcile()
    assert world.query(ATTRIBUTION) == [
        ("BAD", 4, 4000, 4, Decimal("80.0000"), Decimal("20.0000"), Decimal("4.00"))
    ]
    kinds = world.query("SELECT value FROM reconciliation.attribution WHERE dimension = 'kind'")
    assert kinds == [("price_mismatch",)]


def test_counts_of_lines_follow_changes_as_if_counted_anew(world: Any) -> None:
    plant_a_bad_article(world)
    world.reconcile()
    world.change_item("b0", sku="GOOD")
    world.change_item("g1", sku="NEW")
    world.waiting("later", item={"sku": "BAD"})
    world.reconcile()
    counts = "SELECT dimension, value, lines FROM staging.line_counts ORDER BY ALL"
    kept = world.query(counts), world.query(ATTRIBUTION)
    assert ("sku", "BAD", 4) in kept[0]
    world.reconcile(full=True)
    assert (world.query(counts), world.query(ATTRIBUTION)) == kept


AS_OF = "SELECT kind FROM reconciliation.breaks_as_of(?, known_time := ?)"


def as_of(world: Any, business: Any, known: Any) -> list[str]:
    with world.finance.read() as con:
        return [kind for (kind,) in con.execute(AS_OF, [business, known]).fetchall()]


def test_a_dispatch_that_was_told_late_ends_the_break_when_it_happened(world: Any) -> None:
    sent = world.now - timedelta(hours=10)
    world.shipped(
        "o",
        parcel=None,
        line={"state": "PICKED"},
        item={"sent_at": sent, "processable_at": sent},
        wms={"submitted_at": sent, "last_event_at": sent},
    )
    world.reconcile()
    learned = world.now
    world.later(hours=24)
    parcel = {"parcel_id": "P", "order_ref": "o", "carrier": "DHL", "state": "released"}
    happened = learned - timedelta(hours=3)
    number = {"tracking_number": "577546565072", "shipped_at": happened}
    with world.db.write() as conn:
        conn.execute(schema.parcels.insert().values(parcel | number | {"recorded_at": world.now}))
        line = {"parcel_id": "P", "line_id": "1", "quantity": 1}
        conn.execute(schema.parcel_lines.insert().values(line))
    world.change(schema.wms_orders, {"order_ref": "o"}, last_event_at=happened)
    assert world.reconcile().resolved == 1
    before, after = happened - timedelta(hours=1), happened + timedelta(hours=1)
    found = ["confirmed_not_dispatched"]
    assert as_of(world, before, learned) == found
    assert as_of(world, after, learned) == found
    assert as_of(world, before, world.now) == found
    assert as_of(world, after, world.now) == []
    # It became a break when its grace of four hours was over, not when we first looked.
    assert as_of(world, sent + timedelta(hours=3), world.now) == []
    assert as_of(world, sent + timedelta(hours=5), world.now) == found


def test_what_ends_without_a_time_of_its_own_ends_when_we_see_it(world: Any) -> None:
    world.waiting("o", line={"price_seen_cents": 2500})
    world.reconcile()
    opened = world.now
    world.later(hours=5)
    world.change_line("o", price_seen_cents=1999)
    world.reconcile()
    assert as_of(world, opened + timedelta(hours=4), world.now) == ["price_mismatch"]
    assert as_of(world, world.now, world.now) == []


def test_an_order_that_otto_tells_of_late_moves_to_its_day_without_a_trace_of_the_other(
    world: Any,
) -> None:
    world.known_to_wms_alone("o", "1")
    world.shipped("other")
    world.reconcile()
    assert world.breaks() == {"o/1": {"unknown_to_otto"}}
    world.later(hours=1)
    with world.db.write() as conn:
        day = {"order_day": date(2026, 2, 20)}
        conn.execute(schema.orders.insert().values(world._order("o") | day))
        conn.execute(schema.position_items.insert().values(world._item("o", "1")))
    outcome = world.reconcile()
    assert (outcome.resolved, world.breaks()) == (1, {})
    everything = "SELECT * FROM {} ORDER BY ALL"
    tables = (
        "reconciliation.order_lines",
        "reconciliation.daily_summary",
        "staging.otto_fingerprints",
        "staging.wms_fingerprints",
        "staging.open_orders",
        "staging.line_counts",
    )
    kept = [world.query(everything.format(table)) for table in tables]
    world.reconcile(full=True)
    assert [world.query(everything.format(table)) for table in tables] == kept
