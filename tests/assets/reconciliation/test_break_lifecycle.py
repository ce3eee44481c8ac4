"""Breaks over time: ids, first sight, history, acceptance, and runs that change nothing."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.reconciliation.decisions import DecisionError, accept_break, reopen_break
from resources.finance import FinanceDatabase
from resources.operating_model import Reconciliation
from resources.operations import schema

HISTORY = "SELECT event, wms_value, note FROM reconciliation.break_history ORDER BY happened_at"
DERIVED = ("order_lines", "shipments", "prices", "daily_summary", "attribution")


def one_break(world: Any) -> dict[str, Any]:
    with world.finance.read() as con:
        result = con.execute("SELECT * FROM reconciliation.breaks")
        names = [column[0] for column in result.description]
        rows = result.fetchall()
    assert len(rows) == 1
    return dict(zip(names, rows[0], strict=True))


def everything(world: Any) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: world.query(f"SELECT * FROM reconciliation.{table} ORDER BY ALL")
        for table in (*DERIVED, "breaks", "break_history")
    }


def test_a_break_opens_resolves_and_reopens_in_one_row_with_its_history(world: Any) -> None:
    world.waiting("o", line={"price_seen_cents": 2500})
    opened = world.reconcile()
    first = one_break(world)
    started = world.now
    assert (opened.opened, first["status"], first["first_seen_at"]) == (1, "open", started)

    world.later(hours=1)
    world.change_line("o", price_seen_cents=1999)
    resolved = world.reconcile()
    assert (resolved.resolved, resolved.open_breaks, resolved.amount_at_risk_cents) == (1, {}, 0)
    gone = one_break(world)
    assert (gone["status"], gone["resolved_at"]) == ("resolved", world.now)
    assert gone["last_seen_at"] == started

    world.later(hours=1)
    world.change_line("o", price_seen_cents=2600)
    reopened = world.reconcile()
    assert (reopened.reopened, reopened.amount_at_risk_cents) == (1, 601)
    again = one_break(world)
    assert again["break_id"] == first["break_id"]
    assert (again["status"], again["resolved_at"]) == ("open", None)
    assert (again["first_seen_at"], again["last_seen_at"]) == (started, world.now)
    assert [row[0] for row in world.query(HISTORY)] == ["opened", "resolved", "reopened"]


def test_a_changed_value_is_noted_and_keeps_the_break(world: Any) -> None:
    world.waiting("o", line={"price_seen_cents": 2500})
    world.reconcile()
    world.later(hours=1)
    world.change_line("o", price_seen_cents=2600)
    world.reconcile()
    assert world.query(HISTORY) == [
        ("opened", "25.00 EUR", None),
        ("value_changed", "26.00 EUR", None),
    ]
    assert one_break(world)["amount_at_risk_cents"] == 601


def test_an_accepted_break_stays_accepted_until_a_side_says_something_else(world: Any) -> None:
    world.waiting("o", line={"price_seen_cents": 2500})
    world.reconcile()
    accept_break(
        world.finance, one_break(world)["break_id"], "agreed with supplier", world.now, by="Finn"
    )

    world.later(hours=1)
    accepted = world.reconcile()
    assert (one_break(world)["status"], accepted.open_breaks) == ("accepted", {})
    assert accepted.amount_at_risk_cents == 0

    world.later(hours=1)
    world.change_line("o", price_seen_cents=2600)
    assert world.reconcile().reopened == 1
    assert one_break(world)["status"] == "open"
    assert world.query(HISTORY) == [
        ("opened", "25.00 EUR", None),
        ("accepted", "25.00 EUR", "agreed with supplier"),
        ("reopened", "26.00 EUR", None),
    ]


def test_an_accepted_break_can_be_reopened_and_an_accepted_one_resolves_by_itself(
    world: Any,
) -> None:
    world.waiting("o", line={"price_seen_cents": 2500})
    world.reconcile()
    break_id = one_break(world)["break_id"]
    accept_break(world.finance, break_id, "fine", world.now, by="Finn")
    reopen_break(world.finance, break_id, "not fine after all", world.now, by="Finn")
    world.reconcile()
    assert one_break(world)["status"] == "open"

    accept_break(world.finance, break_id, "fine", world.now, by="Finn")
    world.change_line("o", price_seen_cents=1999)
    assert world.reconcile().resolved == 1
    assert one_break(world)["status"] == "resolved"


def test_a_decision_without_reason_or_on_a_wrong_break_is_refused(world: Any) -> None:
    world.waiting("o", line={"price_seen_cents": 2500})
    world.reconcile()
    break_id = one_break(world)["break_id"]
    with pytest.raises(DecisionError, match="give a reason"):
        accept_break(world.finance, break_id, " ", world.now, by="Finn")
    with pytest.raises(DecisionError, match="no break nonsense"):
        accept_break(world.finance, "nonsense", "why not", world.now, by="Finn")
    with pytest.raises(DecisionError, match="is open; only a break that is accepted"):
        reopen_break(world.finance, break_id, "why not", world.now, by="Finn")


def test_a_second_run_at_the_same_moment_changes_nothing(world: Any) -> None:
    world.waiting("o", line={"price_seen_cents": 2500})
    world.shipped("p", item={"otto_carrier": "UPS"})
    world.dispatched("q")
    world.reconcile()
    before = everything(world)

    again = world.reconcile()

    assert (again.opened, again.resolved, again.reopened) == (0, 0, 0)
    assert set(again.staged.values()) == {0}
    assert everything(world) == before
    world.reconcile(full=True)
    assert everything(world) == before


def test_an_order_is_not_compared_again_before_it_changes_or_is_due(world: Any) -> None:
    world.shipped("settled")
    world.waiting("open")
    assert world.reconcile().orders_in_scope == 2
    outcome = world.reconcile()
    assert (outcome.orders_in_scope, outcome.items) == (0, 2)


def test_a_changed_tolerance_compares_settled_orders_again(world: Any) -> None:
    world.shipped("settled", line={"price_seen_cents": 2000})
    world.reconcile(Reconciliation(price_tolerance_cents=1))
    assert world.breaks() == {}
    world.reconcile(Reconciliation(price_tolerance_cents=0))
    assert world.breaks() == {"settled/1": {"price_mismatch"}}


def test_an_order_erased_from_the_operations_database_leaves_the_tables_and_resolves_its_break(
    world: Any,
) -> None:
    world.waiting("erased", line={"price_seen_cents": 2500})
    world.waiting("kept")
    world.reconcile()
    world.erase("erased")
    assert world.reconcile().resolved == 1
    assert world.classes().keys() == {"kept/1"}


def _random_step(world: Any, dice: random.Random) -> None:
    ref = f"o{dice.randrange(14)}"
    world.later(minutes=dice.choice([1, 30, 300]))
    change = dice.choice(["status", "line", "price", "parcel", "lost"])
    with world.db.read() as conn:
        table = schema.parcels
        parcel = conn.execute(table.select().where(table.c.order_ref == ref)).first()
    if change == "status":
        status = dice.choice(["PROCESSABLE", "SENT", "RETURNED", "CANCELLED_BY_PARTNER"])
        world.change_item(ref, fulfilment_status=status, cancelled_at=world.now)
    elif change == "line":
        state = dice.choice(["NEW", "ACCEPTED", "PICKED", "SHIPPED", "SHORT", "CANCELLED"])
        world.change_line(ref, state=state)
    elif change == "price":
        world.change_line(ref, price_seen_cents=dice.choice([1999, 2000, None]))
    elif change == "parcel" and parcel is not None:
        number = dice.choice([None, "577546565072", "406522044489"])
        world.change(schema.parcels, {"parcel_id": parcel.parcel_id}, tracking_number=number)
    elif change == "lost":
        world.change(schema.wms_orders, {"order_ref": ref}, present=dice.random() < 0.5)


@pytest.mark.parametrize("seed", [1, 2])
def test_runs_over_changes_alone_give_what_a_rebuild_from_nothing_gives(
    world: Any, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    for number in range(14):
        plant = dice.choice([world.waiting, world.shipped, world.dispatched])
        plant(f"o{number}", item={"ship_by_at": world.now + timedelta(hours=dice.randrange(9))})
    for _ in range(3):
        for _ in range(12):
            _random_step(world, dice)
        world.reconcile()

    rebuilt = type(world)(world.db, FinanceDatabase(tmp_path / "rebuilt" / "finance.duckdb"))
    rebuilt.now = world.now
    rebuilt.reconcile()

    for table in DERIVED:
        query = f"SELECT * FROM reconciliation.{table} ORDER BY ALL"
        assert world.query(query) == rebuilt.query(query)
    # Only who was there knows when a break began and was seen first.
    same_breaks = (
        "SELECT * EXCLUDE (first_seen_at, effective_at, since_at, age_days, age_bucket, overdue) "
        "FROM reconciliation.breaks WHERE status = 'open' ORDER BY break_id"
    )
    assert world.query(same_breaks) == rebuilt.query(same_breaks)
    assert world.query(same_breaks) != []
