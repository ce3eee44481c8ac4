"""The outbox protocol, step by step. How it stands crashes is in `test_outbox_machine`."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from assets.outbound.delivery import backoff
from resources.operating_model import OutboxPolicy
from resources.operations import outbox_desk
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import (
    Message,
    Outbox,
    due_count,
    enqueue,
)
from resources.operations.outbox_desk import OutboxRefusal
from resources.operations.outbox_lists import overview, rows
from resources.operations.schema import outbox as outbox_table
from resources.operations.schema import outbox_attempts

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)
POLICY = OutboxPolicy(lease_seconds=60, give_up_after=3)


@pytest.fixture
def box(operations_db: OperationsDatabase) -> Outbox:
    return Outbox(operations_db, POLICY)


def _put(db: OperationsDatabase, key: str = "k", **values: Any) -> bool:
    message: dict[str, Any] = {
        "kind": "wms_order",
        "business_key": key,
        "order_ref": key,
        "payload": {"key": key},
        "priority": 10,
        "now": NOW,
    }
    with db.write() as conn:
        return enqueue(conn, **{**message, **values})


def _row(db: OperationsDatabase, key: str = "k") -> dict[str, Any]:
    with db.read() as conn:
        found = conn.execute(sa.select(outbox_table).where(outbox_table.c.business_key == key))
        return dict(found.mappings().one())


def _outcomes(db: OperationsDatabase) -> list[str]:
    query = sa.select(outbox_attempts.c.outcome).order_by(outbox_attempts.c.attempt)
    with db.read() as conn:
        return list(conn.scalars(query))


def _leased(box: Outbox, now: datetime = NOW) -> Message:
    (message,) = box.lease(["wms_order"], 10, now)
    return message


def _sending(box: Outbox, now: datetime = NOW) -> Message:
    (message,) = box.mark_sending([_leased(box, now)], now)
    return message


def test_a_message_is_put_in_once_per_kind_and_business_key(
    operations_db: OperationsDatabase,
) -> None:
    assert _put(operations_db)
    assert not _put(operations_db, payload={"other": 1})
    assert _put(operations_db, kind="otto_shipment")
    assert _row_payloads(operations_db) == ['{"key":"k"}', '{"key":"k"}']


def _row_payloads(db: OperationsDatabase) -> list[str]:
    with db.read() as conn:
        return list(conn.scalars(sa.select(outbox_table.c.payload).order_by(outbox_table.c.id)))


def test_a_blocked_message_is_opened_again_when_its_rules_pass(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db, state="blocked", reason="no address")
    assert box.lease(["wms_order"], 1, NOW) == []
    assert _put(operations_db, payload={"key": "better"}, now=LATER)
    assert _leased(box, LATER).payload == {"key": "better"}
    assert _row(operations_db)["reason"] is None


def test_a_message_that_stays_blocked_takes_over_only_a_different_payload(
    operations_db: OperationsDatabase,
) -> None:
    _put(operations_db, state="blocked", reason="old")
    assert not _put(operations_db, state="blocked", reason="new")
    assert _row(operations_db)["reason"] == "old"
    assert _put(operations_db, state="blocked", reason="new", payload={})
    assert (_row(operations_db)["state"], _row(operations_db)["reason"]) == ("blocked", "new")


def test_due_messages_are_leased_by_priority_then_age(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db, "late", priority=20)
    _put(operations_db, "new", now=NOW + timedelta(seconds=1))
    _put(operations_db, "old")
    _put(operations_db, "other kind", kind="otto_shipment")
    _put(operations_db, "urgent", priority=0, now=NOW + timedelta(seconds=2))
    _put(operations_db, "not yet due", now=LATER)
    at = NOW + timedelta(seconds=5)
    with operations_db.read() as conn:
        assert (due_count(conn, at), due_count(conn, at, ["wms_order"])) == (5, 4)
    first = box.lease(["wms_order"], 3, at)
    assert [message.business_key for message in first] == ["urgent", "old", "new"]
    assert [m.business_key for m in box.lease(["wms_order"], 3, at)] == ["late"]
    with operations_db.read() as conn:
        assert due_count(conn, at, ["wms_order"]) == 0


def test_what_is_about_to_leave_is_written_down_first(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db)
    message = _sending(box)
    assert (message.attempts, message.must_settle) == (1, False)
    assert _row(operations_db)["state"] == "sent"
    assert _outcomes(operations_db) == ["sending"]


def test_after_a_crash_the_next_worker_is_told_to_ask_first(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db)
    _sending(box)
    assert box.lease(["wms_order"], 1, NOW + timedelta(seconds=59)) == []
    again = _leased(box, NOW + timedelta(seconds=60))
    assert (again.must_settle, again.attempts) == (True, 1)


def test_a_worker_whose_lease_was_taken_over_changes_nothing(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db)
    mine = _leased(box)
    theirs = _leased(box, LATER)
    before = _row(operations_db)
    assert box.mark_sending([mine], LATER) == []
    assert not box.confirm(mine, {}, LATER)
    assert not box.accept(mine, {}, LATER, LATER)
    assert not box.retry(mine, "e", LATER, LATER)
    assert not box.unknown(mine, "e", LATER, LATER)
    assert not box.refuse(mine, "r", LATER)
    assert not box.block(mine, "r", LATER)
    assert not box.drop(mine, "r", LATER)
    assert not box.release(mine)
    assert _row(operations_db) == before
    assert _outcomes(operations_db) == []
    assert box.mark_sending([theirs], LATER) == [replace(theirs, attempts=1)]


def test_a_late_worker_may_go_on_while_nobody_took_over(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db)
    assert len(box.mark_sending([_leased(box)], LATER)) == 1
    assert box.lease(["wms_order"], 1, LATER + timedelta(seconds=59)) == []


def test_a_confirmed_message_is_done(operations_db: OperationsDatabase, box: Outbox) -> None:
    _put(operations_db)
    assert box.confirm(_sending(box), {"id": "W1"}, NOW)
    row = _row(operations_db)
    assert (row["state"], row["result"], row["lease_token"]) == ("confirmed", '{"id":"W1"}', None)
    assert _outcomes(operations_db) == ["confirmed"]
    assert box.lease(["wms_order"], 1, LATER) == []


def test_an_accepted_message_is_asked_about_later(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db)
    assert box.accept(_sending(box), {"code": 202}, LATER, NOW)
    assert box.lease(["wms_order"], 1, LATER - timedelta(seconds=1)) == []
    assert _leased(box, LATER).must_settle
    assert _outcomes(operations_db) == ["accepted"]


def test_a_retried_message_is_sent_again_without_asking(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db)
    assert box.retry(_sending(box), "429", LATER, NOW)
    assert _row(operations_db)["state"] == "retrying"
    assert not _leased(box, LATER).must_settle
    assert _outcomes(operations_db) == ["retryable"]


def test_an_unknown_outcome_is_asked_about_before_it_is_sent_again(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db)
    assert box.unknown(_sending(box), "time-out", LATER, NOW)
    again = _leased(box, LATER)
    assert again.must_settle
    assert box.confirm(again, {}, LATER)
    assert _outcomes(operations_db) == ["confirmed"]


@pytest.mark.parametrize(
    ("act", "state", "outcome"),
    [
        ("refuse", "failed", "refused"),
        ("block", "blocked", "not_sent"),
        ("drop", "ignored", "not_sent"),
    ],
)
def test_a_message_that_will_not_go_says_why(
    operations_db: OperationsDatabase, box: Outbox, act: str, state: str, outcome: str
) -> None:
    _put(operations_db)
    assert getattr(box, act)(_sending(box), "because", NOW)
    assert (_row(operations_db)["state"], _row(operations_db)["reason"]) == (state, "because")
    assert _outcomes(operations_db) == [outcome]
    assert box.lease(["wms_order"], 1, LATER) == []


def test_blocking_does_not_hide_that_an_earlier_attempt_may_have_worked(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db)
    box.unknown(_sending(box), "time-out", NOW, NOW)
    box.block(_leased(box), "rule", NOW)
    assert _outcomes(operations_db) == ["unknown"]


def test_a_released_message_is_as_it_was(operations_db: OperationsDatabase, box: Outbox) -> None:
    _put(operations_db)
    before = _row(operations_db)
    assert box.release(_leased(box))
    assert _row(operations_db) == before


@pytest.mark.parametrize("act", ["retry", "unknown"])
def test_after_the_last_attempt_a_person_must_act_and_knows_what_is_known(
    operations_db: OperationsDatabase, box: Outbox, act: str
) -> None:
    _put(operations_db)
    for _ in range(POLICY.give_up_after):
        assert _row(operations_db)["state"] != "failed"
        getattr(box, act)(_sending(box), "down", NOW, NOW)
    row = _row(operations_db)
    assert row["state"] == "failed"
    assert "given up after 3 attempts" in row["reason"]
    assert ("WHETHER IT HAD ITS EFFECT IS UNKNOWN" in row["reason"]) == (act == "unknown")


@pytest.mark.parametrize(("act", "asks_first"), [("retry", False), ("unknown", True)])
def test_a_person_may_retry_what_was_given_up_and_the_worker_still_asks_first_if_it_must(
    operations_db: OperationsDatabase, box: Outbox, act: str, *, asks_first: bool
) -> None:
    _put(operations_db)
    for _ in range(POLICY.give_up_after):
        getattr(box, act)(_sending(box), "down", NOW, NOW)
    with operations_db.write() as conn:
        assert outbox_desk.retry_now(conn, None, ["wms_order"], LATER) == 1
    message = _leased(box, LATER)
    assert message.must_settle == asks_first
    assert _row(operations_db)["reason"] is None
    box.retry(*box.mark_sending([message], LATER), "still down", LATER, LATER)
    assert _row(operations_db)["state"] == "failed"


def test_a_retry_touches_only_the_chosen_rows(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db, "blocked", state="blocked", reason="rule")
    _put(operations_db, "other kind", kind="otto_shipment", state="blocked", reason="rule")
    _put(operations_db, "done")
    box.confirm(_sending(box), {}, NOW)
    with operations_db.write() as conn:
        assert outbox_desk.retry_now(conn, [], None, NOW) == 0
        assert outbox_desk.retry_now(conn, None, ["wms_order"], NOW) == 1
        assert outbox_desk.retry_now(conn, [_row_id(conn, "other kind")], None, NOW) == 1
    states = [_row(operations_db, key)["state"] for key in ("blocked", "other kind", "done")]
    assert states == ["pending", "pending", "confirmed"]


def _row_id(conn: sa.Connection, key: str) -> int:
    found = conn.scalar(sa.select(outbox_table.c.id).where(outbox_table.c.business_key == key))
    assert found is not None
    return found


def test_ignoring_needs_a_reason_and_a_row_that_rests(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db)
    row_id = int(_row(operations_db)["id"])

    def ignore(row: int, reason: str, now: datetime) -> None:
        with operations_db.write() as conn:
            outbox_desk.ignore(conn, row, reason, now)

    with pytest.raises(OutboxRefusal, match="say why"):
        ignore(row_id, " ", NOW)
    with pytest.raises(OutboxRefusal, match=r"no row 0.*errors list"):
        ignore(0, "reason", NOW)
    _sending(box)
    with pytest.raises(OutboxRefusal, match="being delivered until 15:01:00 UTC"):
        ignore(row_id, "reason", NOW)
    ignore(row_id, "sent by hand", LATER)
    assert (_row(operations_db)["state"], _row(operations_db)["reason"]) == (
        "ignored",
        "sent by hand",
    )
    assert box.lease(["wms_order"], 1, LATER) == []


def test_a_confirmed_row_cannot_be_ignored(operations_db: OperationsDatabase, box: Outbox) -> None:
    _put(operations_db)
    message = _sending(box)
    box.confirm(message, {}, NOW)
    with (
        pytest.raises(OutboxRefusal, match="is confirmed"),
        operations_db.write() as conn,
    ):
        outbox_desk.ignore(conn, message.id, "reason", NOW)


def test_an_effect_seen_elsewhere_confirms_and_ends_the_lease(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db)
    box.accept(_sending(box), {}, NOW, NOW)
    waiting = _leased(box)
    assert box.confirm_by_observation("wms_order", "k", {"status": "CANCELLED"}, NOW)
    assert not box.retry(waiting, "not there", LATER, NOW)
    assert box.mark_sending([waiting], NOW) == []
    assert (_row(operations_db)["state"], _outcomes(operations_db)) == ("confirmed", ["confirmed"])
    assert not box.confirm_by_observation("wms_order", "k", {}, NOW)
    assert not box.confirm_by_observation("wms_order", "other", {}, NOW)


def test_an_ignored_row_stays_ignored_even_when_its_effect_is_seen(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db)
    box.drop(_leased(box), "not wanted", NOW)
    assert not box.confirm_by_observation("wms_order", "k", {}, NOW)
    assert _row(operations_db)["state"] == "ignored"


def test_an_outcome_and_the_callers_own_rows_become_true_together(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db)
    message = _sending(box)

    def fail() -> None:
        with operations_db.write() as conn:
            assert box.confirm(message, {}, NOW, conn)
            raise ValueError("the caller's own write fails")

    with pytest.raises(ValueError, match="own write"):
        fail()
    assert _row(operations_db)["state"] == "sent"
    assert _outcomes(operations_db) == ["sending"]


def test_the_overview_counts_by_kind_and_state_and_the_list_hides_payloads(
    operations_db: OperationsDatabase, box: Outbox
) -> None:
    _put(operations_db, "a")
    box.refuse(_leased(box), "no", NOW)
    _put(operations_db, "b", state="blocked", reason="rule", now=LATER)
    _put(operations_db, "c")
    _put(operations_db, "d", kind="otto_shipment")
    with operations_db.read() as conn:
        assert overview(conn) == {
            "otto_shipment": {"pending": 1},
            "wms_order": {"blocked": 1, "failed": 1, "pending": 1},
        }
        shown = rows(conn, ["failed", "blocked"], 10)
        assert [row["business_key"] for row in shown] == ["a", "b"]
        assert {"payload", "lease_token"}.isdisjoint(shown[0])
        assert len(rows(conn, ["failed", "blocked"], 1)) == 1


@given(st.integers(0, 10_000), st.integers())
def test_the_back_off_grows_to_its_limit_and_never_beyond(attempts: int, seed: int) -> None:
    policy = OutboxPolicy(first_backoff_seconds=5, longest_backoff_seconds=900)
    seconds = backoff(attempts, policy, Random(seed))
    doubled = min(5 * 2 ** max(attempts - 1, 0), 900)
    assert doubled / 2 <= seconds <= doubled


def test_a_wait_that_was_in_vain_is_followed_by_a_longer_one_up_to_the_limit() -> None:
    policy = OutboxPolicy(first_backoff_seconds=5, longest_backoff_seconds=900)
    assert 100 <= backoff(1, policy, waited=100) <= 200
    assert 450 <= backoff(1, policy, waited=100_000) <= 900


def test_nothing_is_given_up_while_the_other_side_is_down_for_a_day() -> None:
    class Shortest(Random):
        def uniform(self, a: float, b: float) -> float:
            return a

    policy = OutboxPolicy()
    waits = [backoff(number, policy, Shortest()) for number in range(1, policy.give_up_after)]
    assert sum(waits) > timedelta(days=1).total_seconds()


def _take_all(url: str) -> list[str]:
    db = OperationsDatabase(url)
    outbox = Outbox(db, POLICY)
    taken: list[str] = []
    while leased := outbox.lease(["wms_order"], 3, NOW):
        assert len(outbox.mark_sending(leased, NOW)) == len(leased)
        taken += [message.business_key for message in leased]
    db.close()
    return taken


def test_workers_in_threads_never_lease_the_same_row(
    operations_db: OperationsDatabase, operations_url: str
) -> None:
    keys = [f"k{n:03}" for n in range(60)]
    for key in keys:
        _put(operations_db, key)
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(_take_all, [operations_url] * 4))
    assert sorted(key for of_worker in taken for key in of_worker) == keys


@pytest.mark.parametrize("operations_url", ["sqlite"], indirect=True)
def test_workers_in_processes_never_lease_the_same_row(
    operations_db: OperationsDatabase, operations_url: str
) -> None:
    keys = [f"k{n:03}" for n in range(60)]
    for key in keys:
        _put(operations_db, key)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        taken = pool.map(_take_all, [operations_url] * 2, chunksize=1)
    assert sorted(key for of_worker in taken for key in of_worker) == keys
