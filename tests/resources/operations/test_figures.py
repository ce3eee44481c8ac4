"""Figures and those that send them, step by step. Interleavings are in `test_figures_machine`."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

from resources.operations import availability_desk as desk
from resources.operations.availability import (
    Basis,
    FigureCounts,
    Lane,
    NewFigure,
    refresh_figures,
    request_push,
    store_figures,
)
from resources.operations.database import OperationsDatabase
from resources.operations.figure_sender import Batch, FigureSender
from resources.operations.schema import availability
from resources.operations.stock import store_levels
from resources.wms.port import StockLevel

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)


class Machine:
    """Real time, as the test wants it."""

    def __init__(self) -> None:
        self.at = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def wait(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def sender(operations_db: OperationsDatabase, machine: Machine) -> FigureSender:
    return FigureSender(operations_db, timeout_seconds=15, machine=machine)


LEASE = 40


def figure(sku: str = "A", quantity: int = 5, lane: Lane = Lane.MOVING, **v: Any) -> NewFigure:
    return NewFigure(sku, quantity, v.pop("terms", {"as_of": "x"}), lane, **v)


def put(db: OperationsDatabase, *figures: NewFigure) -> FigureCounts:
    with db.write() as conn:
        return store_figures(conn, figures, NOW)


def row(db: OperationsDatabase, sku: str = "A") -> dict[str, Any]:
    with db.read() as conn:
        found = conn.execute(sa.select(availability).where(availability.c.sku == sku))
        return dict(found.mappings().one())


def take(sender: FigureSender, lane: Lane = Lane.REST, limit: int = 10) -> Batch:
    return sender.take_next(lane, limit, NOW)


def sent(batch: Batch) -> list[tuple[str, int]]:
    return [(due.sku, due.quantity) for due in batch.figures]


def accept(sender: FigureSender, batch: Batch) -> int:
    skus = [due.sku for due in batch.figures]
    return sender.record(batch, accepted=skus, refused={}, now=LATER)


def lose(sender: FigureSender, batch: Batch) -> int:
    return sender.record(batch, accepted=(), refused={}, now=LATER, error="no answer")


# Storing


def test_a_new_figure_is_queued_and_an_unchanged_one_is_not_sent(
    operations_db: OperationsDatabase, sender: FigureSender
) -> None:
    assert put(operations_db, figure()) == FigureCounts(new=1, changed=0, unchanged=0, queued=1)
    assert accept(sender, take(sender)) == 0
    assert put(operations_db, figure()) == FigureCounts(new=0, changed=0, unchanged=1, queued=0)
    assert sent(take(sender)) == []
    found = row(operations_db)
    assert (found["accepted_quantity"], found["accepted_at"], found["sent_at"]) == (5, LATER, NOW)


def test_only_the_newest_figure_is_sent(
    operations_db: OperationsDatabase, sender: FigureSender
) -> None:
    for quantity in (5, 4, 3):
        put(operations_db, figure(quantity=quantity))
    assert sent(take(sender)) == [("A", 3)]


def test_terms_are_kept_up_to_date_without_sending(
    operations_db: OperationsDatabase, sender: FigureSender
) -> None:
    put(operations_db, figure())
    accept(sender, take(sender))
    counts = put(operations_db, figure(terms={"otto_open": 1}, frozen_reason="old level"))
    assert (counts.unchanged, counts.queued) == (1, 0)
    with operations_db.read() as conn:
        state = desk.figure_of(conn, "A")
    assert state is not None
    assert (state.terms, state.frozen_reason) == ({"otto_open": 1}, "old level")
    assert sent(take(sender)) == []


def test_a_figure_that_changed_back_before_it_was_sent_is_not_sent(
    operations_db: OperationsDatabase, sender: FigureSender
) -> None:
    put(operations_db, figure())
    accept(sender, take(sender))
    put(operations_db, figure(quantity=4))
    assert put(operations_db, figure(quantity=5)).queued == 0
    assert sent(take(sender)) == []


def test_a_figure_that_changed_back_while_the_other_is_under_way_is_sent(
    operations_db: OperationsDatabase, sender: FigureSender
) -> None:
    put(operations_db, figure())
    accept(sender, take(sender))
    put(operations_db, figure(quantity=4))
    batch = take(sender)
    put(operations_db, figure(quantity=5))
    accept(sender, batch)
    assert sent(take(sender)) == [("A", 5)]


def test_figures_are_computed_from_levels_open_units_and_what_we_hold(
    operations_db: OperationsDatabase,
) -> None:
    levels = [
        StockLevel(sku="X", location=place, on_hand=4, reserved=0, blocked=0, as_of=at)
        for place, at in (("EAST", LATER), ("MAIN", NOW))
    ]
    put(operations_db, figure(quantity=2))
    seen: list[Basis] = []

    def compute(basis: Basis) -> NewFigure | None:
        seen.append(basis)
        return None if basis.sku == "B" else figure(quantity=len(basis.levels))

    with operations_db.write() as conn:
        store_levels(conn, levels, NOW)
        counts = refresh_figures(conn, ["B", "A"], {"A": "X"}, compute, NOW)
    of_a, of_b = seen
    assert (of_a.levels, of_a.as_of, of_a.otto_open) == (tuple(levels), NOW, 0)
    assert of_a.held is not None
    assert (of_a.held.quantity, of_a.held.accepted_quantity) == (2, None)
    assert (of_b.levels, of_b.as_of, of_b.held) == ((), None, None)
    assert (counts.new, counts.changed, counts.unchanged) == (0, 0, 1)


# Lanes


def test_urgent_figures_go_first_and_within_a_lane_the_rank_decides(
    operations_db: OperationsDatabase, sender: FigureSender
) -> None:
    put(
        operations_db,
        figure("rest", lane=Lane.REST),
        figure("slow", rank=9),
        figure("hot", rank=1),
        figure("gone", 0, Lane.URGENT),
    )
    urgent = take(sender, Lane.URGENT)
    assert sent(urgent) == [("gone", 0)]
    assert not urgent.bulk
    assert [sku for sku, _ in sent(take(sender, Lane.MOVING, 1))] == ["hot"]
    assert [due.lane for due in take(sender).figures] == [Lane.MOVING, Lane.REST]


def test_a_batch_without_urgent_figures_is_bulk(
    operations_db: OperationsDatabase, sender: FigureSender
) -> None:
    put(operations_db, figure("rest", lane=Lane.REST), figure("moved"))
    assert take(sender).bulk


def test_a_waiting_figure_keeps_its_more_urgent_lane(
    operations_db: OperationsDatabase, sender: FigureSender
) -> None:
    put(operations_db, figure(quantity=0, lane=Lane.URGENT))
    put(operations_db, figure(quantity=1, lane=Lane.REST))
    assert sent(take(sender, Lane.URGENT)) == [("A", 1)]


def test_a_push_queues_all_figures_again_behind_what_is_urgent(
    operations_db: OperationsDatabase, sender: FigureSender
) -> None:
    put(operations_db, figure("A"), figure("B"))
    accept(sender, take(sender))
    put(operations_db, figure("C", 0, Lane.URGENT))
    with operations_db.write() as conn:
        assert request_push(conn, None, Lane.REST, NOW) == 3
    assert sent(take(sender)) == [("C", 0), ("A", 5), ("B", 5)]


def test_a_push_of_named_skus_leaves_the_others(
    operations_db: OperationsDatabase, sender: FigureSender
) -> None:
    put(operations_db, figure("A"), figure("B"))
    accept(sender, take(sender))
    with operations_db.write() as conn:
        assert request_push(conn, ["B", "unknown"], Lane.URGENT, NOW) == 1
    assert sent(take(sender, Lane.URGENT)) == [("B", 5)]


# Sending


def test_a_sku_is_under_way_with_one_sender_at_a_time(
    operations_db: OperationsDatabase, sender: FigureSender, machine: Machine
) -> None:
    put(operations_db, figure())
    first = take(sender)
    put(operations_db, figure(quantity=0, lane=Lane.URGENT))
    assert sent(take(sender, Lane.URGENT)) == []
    assert accept(sender, first) == 0
    assert sent(take(sender, Lane.URGENT)) == [("A", 0)]


def test_a_refused_figure_waits_until_it_changes_or_is_pushed(
    operations_db: OperationsDatabase, sender: FigureSender
) -> None:
    put(operations_db, figure("A"), figure("B"))
    batch = take(sender)
    sender.record(batch, accepted=["B"], refused={"A": "SKU is unknown"}, now=LATER)
    assert sent(take(sender)) == []
    with operations_db.read() as conn:
        (state,) = desk.refused(conn)
    assert (state.sku, state.refused_reason) == ("A", "SKU is unknown")
    put(operations_db, figure("A", 4))
    assert accept(sender, take(sender)) == 0
    assert row(operations_db)["refused_reason"] is None
    put(operations_db, figure("A", 3))
    sender.record(take(sender), accepted=[], refused={"A": "SKU is unknown"}, now=LATER)
    with operations_db.write() as conn:
        request_push(conn, None, Lane.REST, NOW)
    assert [sku for sku, _ in sent(take(sender))] == ["A", "B"]


def test_an_unknown_outcome_is_sent_again_and_once_more_when_no_older_one_can_arrive(
    operations_db: OperationsDatabase, sender: FigureSender, machine: Machine
) -> None:
    put(operations_db, figure())
    lose(sender, take(sender))
    assert row(operations_db)["last_error"] == "no answer"
    assert sent(take(sender)) == []
    machine.wait(1)
    accept(sender, take(sender))
    assert sent(take(sender)) == []
    machine.wait(15)
    again = take(sender)
    assert sent(again) == [("A", 5)]
    accept(sender, again)
    machine.wait(60)
    assert sent(take(sender)) == []


def test_news_after_an_unknown_outcome_does_not_wait(
    operations_db: OperationsDatabase, sender: FigureSender, machine: Machine
) -> None:
    put(operations_db, figure())
    lose(sender, take(sender))
    put(operations_db, figure(quantity=0))
    accept(sender, newer := take(sender))
    assert sent(newer) == [("A", 0)]
    machine.wait(15)
    assert sent(take(sender)) == [("A", 0)]


def test_a_batch_of_a_crashed_sender_is_taken_over_after_its_lease(
    operations_db: OperationsDatabase, sender: FigureSender, machine: Machine
) -> None:
    put(operations_db, figure())
    take(sender)
    machine.wait(LEASE - 1)
    assert sent(take(sender)) == []
    machine.wait(1)
    accept(sender, taken_over := take(sender))
    assert sent(taken_over) == [("A", 5)]
    machine.wait(15)
    assert sent(take(sender)) == [("A", 5)]


def test_a_sender_that_lost_its_lease_records_nothing_and_the_newest_is_repeated(
    operations_db: OperationsDatabase, sender: FigureSender, machine: Machine
) -> None:
    put(operations_db, figure())
    slow = take(sender)
    machine.wait(LEASE)
    put(operations_db, figure(quantity=2))
    accept(sender, take(sender))
    machine.wait(100)
    accept(sender, take(sender))
    assert accept(sender, slow) == 1
    assert row(operations_db)["accepted_quantity"] == 2
    assert sent(take(sender)) == []
    machine.wait(15)
    assert sent(take(sender)) == [("A", 2)]


def test_a_slow_sender_does_not_end_the_lease_of_the_next_one(
    operations_db: OperationsDatabase, sender: FigureSender, machine: Machine
) -> None:
    put(operations_db, figure())
    slow = take(sender)
    machine.wait(LEASE)
    current = take(sender)
    assert accept(sender, slow) == 1
    assert sent(take(sender)) == []
    assert accept(sender, current) == 0
    machine.wait(15)
    assert sent(take(sender)) == [("A", 5)]


def test_parallel_senders_never_hold_the_same_sku(operations_db: OperationsDatabase) -> None:
    skus = [f"S{number:03d}" for number in range(60)]
    put(operations_db, *(figure(sku) for sku in skus))
    start = Barrier(4)

    def drain(_: int) -> list[str]:
        own = FigureSender(operations_db)
        start.wait()
        taken: list[str] = []
        idle = 0
        # Another one's rows are passed over while they are locked: look a few times.
        while idle < 3:
            batch = own.take_next(Lane.REST, 7, NOW)
            idle = 0 if batch.figures else idle + 1
            taken += [due.sku for due in batch.figures]
            own.record(batch, accepted=[d.sku for d in batch.figures], refused={}, now=NOW)
        return taken

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(drain, range(4)))
    assert sorted(sku for part in parts for sku in part) == skus


def test_pushes_computations_and_senders_at_once_do_not_block_each_other(
    operations_db: OperationsDatabase,
) -> None:
    skus = [f"S{number:03d}" for number in range(40)]
    put(operations_db, *(figure(sku) for sku in skus))
    start = Barrier(4)

    def compute(round_number: int) -> None:
        start.wait()
        for number in range(8):
            put(operations_db, *(figure(sku, number + round_number) for sku in reversed(skus)))
            with operations_db.write() as conn:
                request_push(conn, None if number % 2 else skus, Lane.REST, NOW)

    def send(_: int) -> None:
        own = FigureSender(operations_db)
        start.wait()
        for _ in range(20):
            accept(own, own.take_next(Lane.REST, 9, NOW))

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(compute, n) for n in (0, 100)] + [pool.submit(send, n) for n in (0, 1)]
        for done in work:
            done.result()
    own = FigureSender(operations_db)
    while (batch := own.take_next(Lane.REST, 50, NOW)).figures:
        accept(own, batch)
    with operations_db.read() as conn:
        states = list(desk.all_figures(conn))
    assert [s.sku for s in states if s.quantity != s.accepted_quantity or s.pending] == []


# Questions


def states_of(found: Sequence[desk.FigureState]) -> list[str]:
    return [state.sku for state in found]


def test_the_desk_names_what_is_late_frozen_oversold_and_unknown(
    operations_db: OperationsDatabase, sender: FigureSender
) -> None:
    put(
        operations_db,
        figure("done"),
        figure("frozen", frozen_reason="stale"),
        figure("over", 0, terms={"as_of": "x", "oversold": 2}),
        figure("unknown", 0, terms={"as_of": None}),
    )
    batch = sender.take_next(Lane.REST, 1, NOW)
    sender.record(batch, accepted=["done"], refused={}, now=NOW)
    after = NOW + timedelta(minutes=1)
    with operations_db.read() as conn:
        assert states_of(desk.without_update(conn, after)) == ["frozen", "over", "unknown"]
        assert states_of(desk.without_update(conn, NOW)) == []
        assert states_of(desk.not_accepted_since(conn, NOW)) == ["frozen", "over", "unknown"]
        assert len(desk.not_accepted_since(conn, after)) == 4
        assert states_of(desk.frozen(conn)) == ["frozen"]
        assert [(s.sku, s.oversold) for s in desk.oversold(conn)] == [("over", 2)]
        assert states_of(desk.unknown_to_wms(conn)) == ["unknown"]
        assert desk.figure_of(conn, "nobody") is None
        seen = desk.overview(conn)
    assert (seen.skus, seen.never_accepted, seen.frozen, seen.refused) == (4, 3, 1, 0)
    assert (seen.pending_by_lane, seen.oldest_accepted_at) == ({1: 3}, NOW)


def test_drift_compares_what_otto_shows_with_what_it_accepted(
    operations_db: OperationsDatabase, sender: FigureSender
) -> None:
    put(operations_db, *(figure(sku) for sku in ("busy", "gone", "other", "same")))
    accept(sender, take(sender))
    put(operations_db, figure("busy", 1))
    take(sender)
    shown = {"busy": 9, "other": 9, "same": 5, "theirs": 1}
    with operations_db.read() as conn:
        assert desk.drift(conn, shown) == [
            desk.Drift("gone", 5, None),
            desk.Drift("other", 5, 9),
            desk.Drift("theirs", None, 1),
        ]
