"""The delivery worker: each outcome leads to its state, and no exception loses a row."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from assets.outbound.delivery import (
    Accepted,
    Blocked,
    Confirmed,
    Dropped,
    Outcome,
    Refused,
    Retry,
    Unknown,
    deliver,
)
from resources.operating_model import OutboxPolicy
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Message, Outbox, enqueue
from resources.operations.outbox_lists import rows
from resources.operations.schema import outbox

POLICY = OutboxPolicy(first_backoff_seconds=60, longest_backoff_seconds=60)
STATES = ["pending", "sent", "confirmed", "retrying", "blocked", "failed", "ignored"]


class Scripted:
    """Answers by business key; remembers what was asked and sent."""

    kind = "otto_shipment"
    batch_size = 20

    def __init__(
        self,
        outcomes: Callable[[Message], Outcome],
        settled: Callable[[Message], Outcome | None] = lambda message: None,
    ) -> None:
        self.outcomes, self.settled = outcomes, settled
        self.sent: list[str] = []
        self.asked: list[str] = []

    def settle(self, message: Message) -> Outcome | None:
        self.asked.append(message.business_key)
        return self.settled(message)

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        self.sent += [message.business_key for message in messages]
        return [self.outcomes(message) for message in messages]


def put(db: OperationsDatabase, *keys: str) -> None:
    with db.write() as conn:
        for key in keys:
            enqueue(
                conn,
                kind="otto_shipment",
                business_key=key,
                order_ref="o1",
                payload={"key": key},
                priority=0,
                now=datetime.now(UTC),
            )


def held(db: OperationsDatabase) -> dict[str, dict[str, Any]]:
    with db.read() as conn:
        return {row["business_key"]: row for row in rows(conn, STATES, 1000)}


def make_due(db: OperationsDatabase) -> None:
    with db.write() as conn:
        conn.execute(outbox.update().values(next_attempt_at=datetime.now(UTC), lease_until=None))


@pytest.mark.parametrize(
    ("outcome", "state", "shown_in", "text"),
    [
        (Confirmed({"shipment_id": "s1"}), "confirmed", "result", "s1"),
        (Accepted({"later": "yes"}), "sent", "result", "later"),
        (Retry("HTTP 429"), "retrying", "last_error", "HTTP 429"),
        (Unknown("connection broken"), "sent", "last_error", "connection broken"),
        (Refused("no such carrier"), "failed", "reason", "no such carrier"),
        (Blocked("item is ANNOUNCED"), "blocked", "reason", "item is ANNOUNCED"),
        (Dropped("cancelled before"), "ignored", "reason", "cancelled before"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else None,
)
def test_each_outcome_leads_to_its_state(
    operations_db: OperationsDatabase, outcome: Outcome, state: str, shown_in: str, text: str
) -> None:
    put(operations_db, "p1")
    worker = Scripted(lambda message: outcome)
    counts = deliver(Outbox(operations_db, POLICY), worker, POLICY)
    assert counts == {type(outcome).__name__.lower(): 1}
    row = held(operations_db)["p1"]
    assert (row["state"], row["attempts"]) == (state, 1)
    assert text in row[shown_in]
    assert worker.asked == []


@pytest.mark.parametrize(
    ("first", "asks"), [(Retry("HTTP 503"), False), (Unknown("time-out"), True)]
)
def test_only_an_uncertain_outcome_is_asked_about_before_the_next_attempt(
    sqlite_db: OperationsDatabase, first: Outcome, asks: bool
) -> None:
    put(sqlite_db, "p1")
    deliver(Outbox(sqlite_db, POLICY), Scripted(lambda message: first), POLICY)
    make_due(sqlite_db)
    worker = Scripted(lambda message: Confirmed())
    deliver(Outbox(sqlite_db, POLICY), worker, POLICY)
    assert (worker.asked, worker.sent) == (["p1"] if asks else [], ["p1"])
    assert held(sqlite_db)["p1"]["attempts"] == 2


def test_what_is_settled_by_asking_is_not_sent(sqlite_db: OperationsDatabase) -> None:
    put(sqlite_db, "p1", "p2")
    deliver(Outbox(sqlite_db, POLICY), Scripted(lambda message: Unknown("time-out")), POLICY)
    make_due(sqlite_db)
    worker = Scripted(
        lambda message: Confirmed(),
        settled=lambda message: Confirmed() if message.business_key == "p1" else None,
    )
    counts = deliver(Outbox(sqlite_db, POLICY), worker, POLICY)
    assert counts == {"confirmed_by_asking": 1, "confirmed": 1}
    assert worker.sent == ["p2"]


def test_a_retry_waits_as_long_as_the_other_side_asks(sqlite_db: OperationsDatabase) -> None:
    put(sqlite_db, "p1")
    before = datetime.now(UTC)
    told = Scripted(lambda message: Retry("HTTP 429", after_seconds=3600))
    deliver(Outbox(sqlite_db, POLICY), told, POLICY)
    assert held(sqlite_db)["p1"]["next_attempt_at"] >= before + timedelta(seconds=3600)


def test_one_bad_row_costs_only_itself(sqlite_db: OperationsDatabase) -> None:
    put(sqlite_db, *[f"p{n}" for n in range(30)])
    worker = Scripted(
        lambda message: Refused("bad") if message.business_key == "p7" else Confirmed()
    )
    counts = deliver(Outbox(sqlite_db, POLICY), worker, POLICY)
    assert counts == {"confirmed": 29, "refused": 1}
    assert [key for key, row in held(sqlite_db).items() if row["state"] == "failed"] == ["p7"]


def test_a_limit_ends_the_delivery_and_leaves_the_rest_due(sqlite_db: OperationsDatabase) -> None:
    put(sqlite_db, *[f"p{n}" for n in range(30)])
    worker = Scripted(lambda message: Confirmed())
    assert deliver(Outbox(sqlite_db, POLICY), worker, POLICY, limit=25).total() == 25
    assert deliver(Outbox(sqlite_db, POLICY), worker, POLICY).total() == 5
    assert len(set(worker.sent)) == 30


def test_a_row_that_is_due_again_meanwhile_is_left_to_the_next_delivery(
    sqlite_db: OperationsDatabase,
) -> None:
    impatient = OutboxPolicy(first_backoff_seconds=1e-6, longest_backoff_seconds=1e-6)
    keys = [f"p{number}" for number in range(20)]
    put(sqlite_db, *keys)
    worker = Scripted(lambda message: Accepted())
    worker.batch_size = 1
    # Without an end of its own it would go on to the limit.
    deliver(Outbox(sqlite_db, impatient), worker, impatient, limit=60)
    assert worker.sent == keys


@pytest.mark.parametrize("moment", ["send", "settle"])
def test_an_exception_of_a_handler_leaves_its_rows_leased_and_recoverable(
    operations_db: OperationsDatabase, moment: str
) -> None:
    def fail(message: Message) -> Outcome:
        raise RuntimeError("no key")

    put(operations_db, "p1", "p2")
    if moment == "settle":
        unknown = Scripted(lambda message: Unknown("time-out"))
        deliver(Outbox(operations_db, POLICY), unknown, POLICY)
        make_due(operations_db)
    worker = Outbox(operations_db, POLICY)
    with pytest.raises(RuntimeError, match="no key"):
        deliver(worker, Scripted(fail, settled=fail), POLICY)
    assert {row["state"] for row in held(operations_db).values()} == {"sent"}
    idle = Scripted(lambda message: Confirmed())
    assert deliver(worker, idle, POLICY) == {}, "the lease still holds them"
    make_due(operations_db)
    recovered = Scripted(lambda message: Confirmed(), settled=lambda message: Confirmed())
    assert deliver(worker, recovered, POLICY) == {"confirmed_by_asking": 2}
    assert recovered.sent == []


def test_a_worker_that_lost_its_lease_changes_nothing(sqlite_db: OperationsDatabase) -> None:
    put(sqlite_db, "p1")

    def overtaken(message: Message) -> Outcome:
        make_due(sqlite_db)
        other = Scripted(lambda m: Confirmed(), settled=lambda m: Confirmed({"by": "other"}))
        deliver(Outbox(sqlite_db, POLICY), other, POLICY)
        return Refused("too late")

    deliver(Outbox(sqlite_db, POLICY), Scripted(overtaken), POLICY)
    row = held(sqlite_db)["p1"]
    assert (row["state"], row["reason"]) == ("confirmed", None)
    assert "other" in row["result"]


@pytest.mark.parametrize("outcome", [Retry("HTTP 429"), Unknown("no answer")])
def test_a_delivery_gives_way_when_the_other_side_is_down(
    sqlite_db: OperationsDatabase, outcome: Outcome
) -> None:
    """With waits this short each row would be due again before the last one was tried."""
    hasty = OutboxPolicy(first_backoff_seconds=1e-6, longest_backoff_seconds=1e-6, batch=1)
    put(sqlite_db, *[f"p{n}" for n in range(10)])
    worker = Scripted(lambda message: outcome)
    counts = deliver(Outbox(sqlite_db, hasty), worker, hasty, limit=50)
    assert (counts.total(), len(worker.sent)) == (3, 3)


def test_a_delivery_gives_way_when_nobody_answers_what_became_of_a_row(
    sqlite_db: OperationsDatabase,
) -> None:
    put(sqlite_db, *[f"p{n}" for n in range(10)])
    lost = Scripted(lambda message: Unknown("time-out"))
    deliver(Outbox(sqlite_db, POLICY), lost, POLICY)
    assert len(lost.sent) == 10, "they went in one batch"
    make_due(sqlite_db)
    down = Scripted(lambda message: Confirmed(), settled=lambda message: Unknown("no answer"))
    counts = deliver(Outbox(sqlite_db, POLICY), down, POLICY)
    assert (counts, down.sent) == ({"unknown_by_asking": 3}, [])
    with sqlite_db.read() as conn:
        leased = conn.scalars(sa.select(outbox.c.lease_token)).all()
    assert leased == [None] * 10, "their leases were given back at once"


def test_an_answer_between_two_failures_is_no_outage(sqlite_db: OperationsDatabase) -> None:
    put(sqlite_db, *[f"p{n}" for n in range(12)])
    worker = Scripted(
        lambda message: Confirmed() if int(message.business_key[1:]) % 3 else Unknown("time-out")
    )
    assert deliver(Outbox(sqlite_db, POLICY), worker, POLICY) == {"confirmed": 8, "unknown": 4}


def test_who_asks_in_vain_asks_less_and_less_often(sqlite_db: OperationsDatabase) -> None:
    policy = OutboxPolicy(first_backoff_seconds=5, longest_backoff_seconds=600)
    put(sqlite_db, "p1")
    deliver(Outbox(sqlite_db, policy), Scripted(lambda message: Unknown("time-out")), policy)
    waits = []
    for _ in range(25):
        row = held(sqlite_db)["p1"]
        waits.append(row["next_attempt_at"] - row["recorded_at"])
        with sqlite_db.write() as conn:  # the wait is over
            earlier = {"next_attempt_at": datetime.now(UTC), "lease_until": None}
            conn.execute(
                outbox.update().values(**earlier, recorded_at=datetime.now(UTC) - waits[-1])
            )
        asked = Scripted(lambda message: Confirmed(), settled=lambda message: Unknown("no answer"))
        deliver(Outbox(sqlite_db, policy), asked, policy)
        assert asked.asked == ["p1"]
    assert held(sqlite_db)["p1"]["attempts"] == 1
    assert waits[0] <= timedelta(seconds=5)
    assert all(after >= before * 0.99 for before, after in pairwise(waits[:7]))
    assert timedelta(seconds=300) <= waits[-1] <= timedelta(seconds=600)
