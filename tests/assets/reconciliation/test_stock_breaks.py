"""Stock: every kind of break on a planted SKU beside a healthy one, and every term in its table."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.reconciliation.break_kinds import BREAK_KINDS
from assets.reconciliation.decisions import accept_break
from resources.finance import FinanceDatabase
from resources.operating_model import Reconciliation
from resources.operations import schema
from resources.operations.availability import record_seen

LONG_AGO = timedelta(hours=50)
Plant = Callable[[Any, str], Any]
PRESENT: dict[str, Any] = {"on_hand": 0, "reserved": 0, "blocked": 0}


def unsent(world: Any, since: timedelta, **changes: Any) -> dict[str, Any]:
    """Columns of a figure that changed from 5 to 2 so long ago and that OTTO has not yet."""
    return {"quantity": 2, "sequence": 2, "owed_since": world.now - since} | changes


def never_accepted(world: Any, since: timedelta, **changes: Any) -> dict[str, Any]:
    none = {"accepted_quantity": None, "accepted_at": None, "accepted_sequence": None}
    return none | {"owed_since": world.now - since} | changes


BAD: dict[str, tuple[str, Plant]] = {
    "OTTO shows an older figure of ours": (
        "stock_drift",
        lambda w, sku: w.article(sku, figure=unsent(w, timedelta(minutes=30))),
    ),
    "OTTO was never told of the SKU": (
        "stock_drift",
        lambda w, sku: w.article(sku, figure=never_accepted(w, timedelta(minutes=31))),
    ),
    "somebody changed the figure at OTTO": (
        "stock_drift",
        lambda w, sku: w.article(
            sku,
            figure={
                "seen_quantity": 8,
                "seen_at": w.now - timedelta(minutes=30),
                "accepted_at": w.now - timedelta(hours=3),
            },
        ),
    ),
    "OTTO shows nothing of a SKU that it accepted": (
        "stock_drift",
        lambda w, sku: w.article(
            sku,
            figure={
                "seen_quantity": None,
                "seen_at": w.now - timedelta(minutes=30),
                "accepted_at": w.now - timedelta(hours=3),
            },
        ),
    ),
    "OTTO refused the SKU just now": (
        "stock_drift",
        lambda w, sku: w.article(sku, figure=never_accepted(w, timedelta(0), refused_at=w.now)),
    ),
    "the level is old": (
        "stale_stock",
        lambda w, sku: w.article(sku, level={"as_of": w.now - timedelta(minutes=120)}),
    ),
    "one of two levels is old": (
        "stale_stock",
        lambda w, sku: (w.article(sku), w.level(sku, "ANNEX", as_of=w.now - LONG_AGO)),
    ),
    "nothing was accepted for two nights": (
        "stale_stock",
        lambda w, sku: w.article(sku, figure={"accepted_at": w.now - LONG_AGO}),
    ),
    "the WMS told of no level": (
        "stale_stock",
        lambda w, sku: w.figure(sku, {"share": 0}, quantity=0, accepted_quantity=0),
    ),
    "sold, and none left": (
        "oversold",
        lambda w, sku: (
            w.article(sku, level=PRESENT, figure={"quantity": 0}, otto_open=1),
            w.sold(sku, f"order of {sku}", line={"state": "NEW"}),
        ),
    ),
    "reserved more than there is": (
        "oversold",
        lambda w, sku: (
            w.article(sku, level=PRESENT | {"on_hand": 1, "reserved": 2, "sellable": 0}),
            w.sold(sku, f"first of {sku}"),
            w.sold(sku, f"second of {sku}"),
        ),
    ),
    "a backorder that nothing came in for": (
        "oversold",
        lambda w, sku: (
            w.article(sku, level=PRESENT | {"reserved": 1}),
            w.sold(
                sku, f"order of {sku}", line={"state": "SHORT", "short_discrepancy": "BACKORDER"}
            ),
        ),
    ),
}


def test_each_planted_difference_of_stock_is_found_as_exactly_its_kind(world: Any) -> None:
    world.article("good")
    for sku, (_, plant) in BAD.items():
        plant(world, sku)

    world.reconcile()

    kinds = {sku: kind for sku, (kind, _) in BAD.items()}
    assert world.stock_breaks() == kinds
    assert world.stock_classes() == {
        "good": ("matched", None),
        **{sku: ("break", kind) for sku, kind in kinds.items()},
    }


def test_every_kind_of_stock_is_planted() -> None:
    of_stock = {name for name, kind in BREAK_KINDS.items() if kind.area == "stock"}
    assert {kind for kind, _ in BAD.values()} == of_stock


EXPECTED: dict[str, tuple[str, Plant]] = {
    "on its way": ("stock_drift", lambda w, sku: w.article(sku, figure=unsent(w, timedelta(0)))),
    "never sent yet": (
        "stock_drift",
        lambda w, sku: w.article(sku, figure=never_accepted(w, timedelta(0))),
    ),
    "seen otherwise just now": (
        "stock_drift",
        lambda w, sku: w.article(sku, figure={"seen_quantity": 4, "seen_at": w.now}),
    ),
    "sold a moment ago": (
        "oversold",
        lambda w, sku: (
            w.article(sku, level=PRESENT, otto_open=1),
            w.sold(sku, f"order of {sku}", line={"state": "NEW"}, ordered_at=w.now),
        ),
    ),
}


def test_a_difference_of_stock_within_its_grace_becomes_a_break_by_time_alone(world: Any) -> None:
    for sku, (_, plant) in EXPECTED.items():
        plant(world, sku)
    world.reconcile()
    assert world.stock_breaks() == {}
    assert world.stock_classes() == {sku: ("expected", kind) for sku, (kind, _) in EXPECTED.items()}

    world.later(minutes=60)
    world.reconcile()
    assert world.stock_breaks() == {sku: kind for sku, (kind, _) in EXPECTED.items()}


HEALTHY: dict[str, Plant] = {
    "accepted after it was seen otherwise": lambda w, sku: w.article(
        sku, figure={"seen_quantity": 9, "seen_at": w.now - LONG_AGO}
    ),
    "never sent, and nothing to sell": lambda w, sku: w.article(
        sku, level=PRESENT, figure=never_accepted(w, LONG_AGO, quantity=0)
    ),
    "applied by OTTO though it gave no answer": lambda w, sku: w.article(
        sku, figure=unsent(w, LONG_AGO, seen_quantity=2, seen_at=w.now)
    ),
    "accepted by OTTO before the policy's end": lambda w, sku: w.article(
        sku, figure={"accepted_at": w.now - timedelta(hours=25)}
    ),
    "reserved for others beyond what is there": lambda w, sku: w.article(
        sku, level=PRESENT | {"reserved": 4}
    ),
    "sold and already picked": lambda w, sku: (
        w.article(sku, level=PRESENT | {"reserved": 1}),
        w.sold(sku, f"order of {sku}", line={"state": "PICKED"}),
    ),
    "sold, given up by the warehouse": lambda w, sku: (
        w.article(sku, level=PRESENT | {"reserved": 1}),
        w.sold(sku, f"order of {sku}", line={"state": "SHORT", "short_discrepancy": "COMPLETE"}),
    ),
    "sold and cancelled": lambda w, sku: (
        w.article(sku, level=PRESENT | {"reserved": 1}),
        w.sold(
            sku,
            f"order of {sku}",
            item={"fulfilment_status": "CANCELLED_BY_PARTNER"},
            line={"state": "CANCELLED"},
        ),
    ),
    "a shortage in one place that another covers": lambda w, sku: (
        w.article(sku, level=PRESENT | {"reserved": 1}),
        w.level(sku, "ANNEX"),
        w.sold(sku, f"order of {sku}"),
    ),
}


def test_stock_that_agrees_is_no_difference(world: Any) -> None:
    for sku, plant in HEALTHY.items():
        plant(world, sku)
    world.reconcile()
    assert world.stock_breaks() == {}
    assert world.stock_classes() == dict.fromkeys(HEALTHY, ("matched", None))


def test_every_term_of_a_figure_stands_in_the_table(world: Any) -> None:
    world.article(
        "A",
        level={"sku": "W-A", "sellable": 4},
        figure={
            "frozen_reason": "held, may only fall",
            "seen_quantity": 6,
            "seen_at": world.now - timedelta(hours=1),
        },
        otto_open=2,
        safety_stock=1,
        percentage=50,
        share=7,
        cap=5,
        floor=1,
    )
    world.level("W-A", "ANNEX", on_hand=20, reserved=2, blocked=0, as_of=world.now)
    world.sold("A", "o1", item={"buyer_price_cents": 1000})
    newest = datetime(2026, 3, 2, 11, tzinfo=UTC)
    world.sold("A", "o2", item={"buyer_price_cents": 1234}, ordered_at=newest)
    world.sold("A", "o0", item={"buyer_price_cents": 900})
    world.reconcile(sku_map={"A": "W-A"})
    with world.finance.read() as con:
        result = con.execute("SELECT * FROM reconciliation.stock")
        names = [column[0] for column in result.description]
        (row,) = result.fetchall()
    assert {name: str(value) for name, value in zip(names, row, strict=True)} == {
        "sku": "A",
        "wms_sku": "W-A",
        "locations": "2",
        "on_hand": "29",
        "reserved": "5",
        "blocked": "1",
        "sellable": "22",
        "level_at": "2026-03-02 11:58:00+00:00",
        "level_age_minutes": "2",
        "not_counted": "2",
        "safety_stock": "1",
        "percentage": "50",
        "share": "7",
        "cap": "5",
        "min_to_list": "1",
        "quantity": "5",
        "frozen_reason": "held, may only fall",
        "owed_since": "None",
        "accepted_quantity": "5",
        "accepted_at": "2026-03-02 11:59:00+00:00",
        "refused_at": "None",
        "seen_quantity": "6",
        "seen_at": "2026-03-02 11:00:00+00:00",
        "otto_quantity": "5",
        "waiting": "3",
        "oversold": "0",
        "last_price_cents": "1234",
        "last_price": "12.34",
        "currency": "EUR",
        "difference_class": "matched",
        "difference_kind": "None",
    }


BREAK = (
    "SELECT kind, area, sales_order_id, position_item_id, sku, order_day, otto_value, wms_value, "
    "amount_at_risk_cents, amount_at_risk::VARCHAR, severity, owner, explanation "
    "FROM reconciliation.breaks WHERE area = 'stock' ORDER BY sku"
)


def test_a_break_of_stock_names_both_sides_and_its_worth_and_no_order(world: Any) -> None:
    world.article("drift", figure=unsent(world, timedelta(hours=1)))
    world.sold("drift", "o1", item={"buyer_price_cents": 1999})
    world.article("new", figure=never_accepted(world, LONG_AGO, refused_at=world.now))
    world.article("over", level=PRESENT | {"reserved": 1}, otto_open=1)
    for number in range(3):
        world.sold("over", f"over {number}", item={"buyer_price_cents": 50})
    world.reconcile()
    drift, new, over = world.query(BREAK)
    assert drift == (
        "stock_drift", "stock", "", "", "drift", None, "shows 5", "our figure 2",
        5997, "59.97", "high", "operations",
        "OTTO shows 5 (accepted at 2026-03-02 11:59 UTC), our figure is 2 and waits since "
        "2026-03-02 11:00 UTC.",
    )  # fmt: skip
    assert new[6:11] == ("refused", "for sale", 0, "0.00", "low")
    assert new[12] == "OTTO refused our figure 5 at 2026-03-02 12:00 UTC and shows none."
    assert over[6:11] == (
        "3 sold and not picked", "0 on hand, 1 reserved, 0 blocked", 100, "1.00", "medium",
    )  # fmt: skip
    assert over[12] == (
        "Of this SKU OTTO sold 3 units that are not picked yet, 2 more than the warehouse can "
        "supply (0 on hand, 1 reserved, 0 blocked; 1 of the sold units are not among the "
        "reserved); OTTO shows 5, our figure is 5."
    )


def test_the_newest_sales_are_those_that_cannot_be_supplied(world: Any) -> None:
    """One of two units is there, so the grace runs from the second sale."""
    world.article("A", level=PRESENT | {"on_hand": 1, "reserved": 2})
    world.sold("A", "old", ordered_at=world.now - LONG_AGO)
    world.sold("A", "new", ordered_at=world.now - timedelta(minutes=59))
    world.reconcile()
    assert world.stock_classes() == {"A": ("expected", "oversold")}
    world.later(minutes=1)
    world.reconcile()
    assert world.stock_breaks() == {"A": "oversold"}


def test_an_oversold_sku_is_reported_once_with_the_figure_that_otto_shows(world: Any) -> None:
    world.article("A", level=PRESENT, figure=unsent(world, LONG_AGO, quantity=0), otto_open=1)
    world.sold("A", "o", line={"state": "NEW"})
    world.reconcile()
    assert world.stock_breaks() == {"A": "oversold"}
    assert "OTTO shows 5, our figure is 0" in world.query(BREAK)[0][12]


def test_a_break_of_stock_resolves_and_reopens_under_the_same_id(world: Any) -> None:
    world.article("A", figure=unsent(world, LONG_AGO))
    world.article("B", figure=unsent(world, LONG_AGO))
    world.reconcile()
    ids = world.query("SELECT sku, break_id FROM reconciliation.breaks ORDER BY sku")
    assert len({break_id for _, break_id in ids}) == 2

    key = {"sku": "A"}
    world.change(schema.availability, key, accepted_quantity=2, owed_since=None)
    assert world.reconcile().resolved == 1
    assert world.stock_breaks() == {"B": "stock_drift"}

    world.later(minutes=1)
    since = world.now - timedelta(hours=1)
    world.change(schema.availability, key, quantity=1, owed_since=since)
    assert world.reconcile().reopened == 1
    assert world.query("SELECT sku, break_id FROM reconciliation.breaks ORDER BY sku") == ids


def test_an_accepted_refusal_stays_accepted_while_the_stock_moves_and_all_is_sent_again(
    world: Any,
) -> None:
    world.article("A", figure=never_accepted(world, LONG_AGO, refused_at=world.now))
    world.reconcile()
    ((break_id,),) = world.query("SELECT break_id FROM reconciliation.breaks")
    accept_break(world.finance, break_id, "we do not sell it at OTTO", world.now, by="Finn")
    for quantity in (7, 0):
        world.later(hours=1)
        world.change(schema.availability, {"sku": "A"}, quantity=quantity, refused_reason=None)
        world.change(schema.stock_levels, {"sku": "A"}, on_hand=quantity + 4, as_of=world.now)
        assert world.reconcile().reopened == 0
    assert world.query("SELECT status FROM reconciliation.breaks") == [("accepted",)]


def test_ages_and_grace_are_those_of_the_operating_model(world: Any) -> None:
    world.article("level", level={"as_of": world.now - timedelta(minutes=61)})
    world.article("update", figure={"accepted_at": world.now - timedelta(minutes=61)})
    world.article("drift", figure=unsent(world, timedelta(minutes=61)))
    world.article("over", level=PRESENT, otto_open=1)
    world.sold("over", "o", ordered_at=world.now - timedelta(minutes=61))
    ages = ("stock_level_age", "stock_update_age", "stock_drift", "stock_oversold")
    world.reconcile(Reconciliation(**dict.fromkeys(ages, 62)))
    assert world.stock_breaks() == {}
    world.reconcile(Reconciliation(**dict.fromkeys(ages, 61)))
    assert world.stock_breaks() == {
        "level": "stale_stock",
        "update": "stale_stock",
        "drift": "stock_drift",
        "over": "oversold",
    }


def test_a_read_back_is_noted_for_known_skus_and_shows_in_the_table(world: Any) -> None:
    for sku in ("A", "B"):
        world.article(sku)
    world.later(hours=1)
    with world.db.write() as conn:
        record_seen(conn, {"A": 3, "B": None, "theirs": 7}, world.now)
    world.reconcile()
    assert world.query(
        "SELECT sku, seen_quantity, seen_at, otto_quantity FROM reconciliation.stock"
    ) == [
        ("A", 3, world.now, 3),
        ("B", None, world.now, None),
    ]
    assert world.stock_classes() == {
        "A": ("expected", "stock_drift"),
        "B": ("expected", "stock_drift"),
    }


def test_a_sku_without_a_figure_is_no_sku_of_otto(world: Any) -> None:
    world.level("other")
    world.reconcile()
    assert world.stock_classes() == {}


def test_runs_over_changes_alone_give_the_stock_of_a_rebuild(world: Any, tmp_path: Path) -> None:
    for sku, (_, plant) in {**BAD, **EXPECTED}.items():
        plant(world, sku)
    world.article("moving")
    world.reconcile()
    world.later(minutes=45)
    world.change(schema.stock_levels, {"sku": "moving"}, on_hand=2, as_of=world.now)
    terms = json.dumps({"share": 0})
    world.change(schema.availability, {"sku": "moving"}, quantity=0, otto_open=1, terms=terms)
    world.reconcile()

    rebuilt = type(world)(world.db, FinanceDatabase(tmp_path / "rebuilt" / "finance.duckdb"))
    rebuilt.now = world.now
    rebuilt.reconcile()
    for query in (
        "SELECT * FROM reconciliation.stock ORDER BY sku",
        "SELECT * EXCLUDE (first_seen_at, effective_at, since_at, age_days, age_bucket, overdue) "
        "FROM reconciliation.breaks "
        "WHERE status = 'open' AND area = 'stock' ORDER BY break_id",
    ):
        assert world.query(query) == rebuilt.query(query)
        assert world.query(query) != []


def test_stock_is_no_matter_of_an_order_day_and_leaves_orders_out_of_scope(world: Any) -> None:
    world.shipped("o")
    world.article("A", figure=unsent(world, LONG_AGO))
    world.reconcile()
    world.later(minutes=1)
    outcome = world.reconcile(full=True)
    assert (outcome.orders_in_scope, outcome.open_breaks) == (1, {"stock_drift": 1})
    assert world.query("SELECT open_breaks FROM reconciliation.daily_summary") == [(0,)]


@pytest.mark.parametrize("reason", ["held: Kanarienvogel"])
def test_texts_that_otto_wrote_are_not_copied(world: Any, reason: str) -> None:
    world.article(
        "A",
        figure=never_accepted(
            world, LONG_AGO, refused_at=world.now, refused_reason=reason, last_error=reason
        ),
    )
    world.reconcile()
    assert world.stock_breaks() == {"A": "stock_drift"}
    assert b"Kanarienvogel" not in world.finance.path.read_bytes()
