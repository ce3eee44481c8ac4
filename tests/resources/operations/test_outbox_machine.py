"""Two workers, crashes anywhere, a far side that is idempotent only because we ask it first.

Whatever the order of events: no effect happens twice, none is recorded that did not happen, and
none is lost. Assumed, as the outbox's docstring demands: one call is shorter than a lease, so no
time passes between writing down that a message leaves and its arrival.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from resources.operating_model import OutboxPolicy
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Message, Outbox, enqueue
from resources.operations.schema import outbox as outbox_table
from resources.operations.schema import outbox_attempts

POLICY = OutboxPolicy(lease_seconds=60, give_up_after=10_000)
WORKERS = st.integers(0, 1)
ANSWERS = st.sampled_from(["done", "no effect", "lost before", "lost after", "refused"])


class OutboxMachine(RuleBasedStateMachine):
    """`held[w]` are messages a worker leased; `unrecorded[w]` answers it has not written down."""

    keys = Bundle("keys")

    def __init__(self, db: OperationsDatabase) -> None:
        super().__init__()
        self.db = db
        self.outbox = Outbox(db, POLICY)
        self.now = datetime(2026, 11, 20, tzinfo=UTC)
        self.effects: dict[str, int] = {}
        self.refused: set[str] = set()
        self.enqueued: set[str] = set()
        self.held: list[list[Message]] = [[], []]
        self.unrecorded: list[list[tuple[Message, str]]] = [[], []]
        with db.write() as conn:
            conn.execute(sa.delete(outbox_attempts))
            conn.execute(sa.delete(outbox_table))

    @rule(target=keys, number=st.integers(0, 3), priority=st.integers(0, 1))
    def put(self, number: int, priority: int) -> str:
        key = f"k{number}"
        with self.db.write() as conn:
            created = enqueue(
                conn,
                kind="x",
                business_key=key,
                order_ref=key,
                payload={},
                priority=priority,
                now=self.now,
            )
        assert created == (key not in self.enqueued)
        self.enqueued.add(key)
        return key

    @rule(worker=WORKERS, limit=st.integers(1, 2))
    def lease(self, worker: int, limit: int) -> None:
        self.held[worker] += self.outbox.lease(["x"], limit, self.now)

    @rule(worker=WORKERS, answer=ANSWERS)
    def ask_or_send(self, worker: int, answer: str) -> None:
        """Handle the worker's first message up to the far side's answer."""
        if not self.held[worker]:
            return
        message = self.held[worker].pop(0)
        if message.must_settle and self.effects.get(message.business_key):
            self.unrecorded[worker].append((message, "done"))
            return
        if message.must_settle and message.business_key in self.refused:
            self.unrecorded[worker].append((message, "refused"))
            return
        for sent in self.outbox.mark_sending([message], self.now):
            self.unrecorded[worker].append((sent, self._far_side(sent.business_key, answer)))

    @rule(worker=WORKERS)
    def crash_before_the_call_leaves(self, worker: int) -> None:
        self.outbox.mark_sending(self.held[worker], self.now)
        self.crash(worker)

    @rule(worker=WORKERS)
    def crash(self, worker: int) -> None:
        self.held[worker], self.unrecorded[worker] = [], []

    @rule(worker=WORKERS)
    def record(self, worker: int) -> None:
        for message, answer in self.unrecorded[worker]:
            if answer == "done":
                self.outbox.confirm(message, {}, self.now)
            elif answer == "refused":
                self.outbox.refuse(message, answer, self.now)
            elif answer == "no effect":
                self.outbox.retry(message, answer, self.now, self.now)
            else:
                self.outbox.unknown(message, answer, self.now, self.now)
        self.unrecorded[worker] = []

    @rule(worker=WORKERS)
    def give_back(self, worker: int) -> None:
        for message in self.held[worker]:
            self.outbox.release(message)
        self.held[worker] = []

    @rule(key=keys)
    def another_flow_sees_the_effect(self, key: str) -> None:
        if self.effects.get(key):
            self.outbox.confirm_by_observation("x", key, {}, self.now)

    @rule(seconds=st.sampled_from([1, 59, 60, 600]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def no_effect_happens_twice_and_none_is_claimed_falsely(self) -> None:
        assert all(count == 1 for count in self.effects.values())
        for key, state in self._states().items():
            assert state != "confirmed" or key in self.effects
            assert state != "failed" or key in self.refused

    def teardown(self) -> None:
        """Let one healthy worker finish: afterwards every message has had its effect."""
        for worker in (0, 1):
            self.crash(worker)
        for _ in range(3):
            self.now += timedelta(seconds=POLICY.lease_seconds)
            self.lease(0, 100)
            while self.held[0]:
                self.ask_or_send(0, "done")
            self.record(0)
        self.no_effect_happens_twice_and_none_is_claimed_falsely()
        states = self._states()
        assert set(states) == self.enqueued
        assert {k for k, state in states.items() if state == "confirmed"} == set(self.effects)
        assert {k for k, state in states.items() if state == "failed"} == self.refused
        assert self.enqueued == set(self.effects) | self.refused

    def _far_side(self, key: str, answer: str) -> str:
        if answer in {"done", "lost after"}:
            self.effects[key] = self.effects.get(key, 0) + 1
        if answer == "refused":
            self.refused.add(key)
        return answer

    def _states(self) -> dict[str, str]:
        with self.db.read() as conn:
            found = conn.execute(sa.select(outbox_table))
            return {row.business_key: row.state for row in found}


def test_two_crashing_workers_cause_every_effect_exactly_once(
    operations_db: OperationsDatabase,
) -> None:
    run_state_machine_as_test(
        lambda: OutboxMachine(operations_db),
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
