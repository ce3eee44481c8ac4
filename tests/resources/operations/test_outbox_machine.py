"""Two workers, crashes anywhere, a far side that is idempotent only because we ask it first.

Whatever the order of events: no effect happens twice, none is recorded that did not happen, and
none is lost. Assumed, as the outbox's docstring demands: one call is shorter than a lease, so no
time passes between writing down that a message leaves and its arrival.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from resources.operating_model import OutboxPolicy
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Message, Outbox, enqueue
from resources.operations.schema import outbox as outbox_table
from resources.operations.schema import outbox_attempts

POLICY = OutboxPolicy(lease_seconds=60, give_up_after=10_000)
KEYS = [f"k{n}" for n in range(2)]
WORKERS = st.integers(0, 1)
ANSWERS = st.sampled_from(["done", "lost after", "lost before", "no effect", "refused"])
STEPS = st.sampled_from(
    [
        "record",
        "record later",
        "record later",
        "hesitate",
        "crash before recording",
        "crash before sending",
    ]
)
PAUSES = st.sampled_from([0, 30, 60])


class OutboxMachine(RuleBasedStateMachine):
    """Two workers, by number.

    `held` are messages that a worker leased, each with what it learned by asking; `unrecorded` are
    answers that it has not written down.
    """

    def __init__(self, db: OperationsDatabase) -> None:
        super().__init__()
        self.db = db
        self.outbox = Outbox(db, POLICY)
        self.now = datetime(2026, 11, 20, tzinfo=UTC)
        self.effects: dict[str, int] = {}
        self.refused: set[str] = set()
        self.settled: dict[str, str] = {}
        self.held: list[list[tuple[Message, str | None]]] = [[], []]
        self.unrecorded: list[list[tuple[Message, str]]] = [[], []]
        with db.write() as conn:
            conn.execute(sa.delete(outbox_attempts))
            conn.execute(sa.delete(outbox_table))
            for priority, key in enumerate(KEYS):
                enqueue(
                    conn,
                    kind="x",
                    business_key=key,
                    order_ref=key,
                    payload={},
                    priority=priority,
                    now=self.now,
                )

    @rule(worker=WORKERS, limit=st.integers(1, len(KEYS)), answer=ANSWERS, step=STEPS, pause=PAUSES)
    def work(self, worker: int, limit: int, answer: str, step: str, pause: int) -> None:
        """Lease if it holds nothing, else bring its first message as far as `step` says."""
        self.now += timedelta(seconds=pause)
        if not self.held[worker]:
            leased = self.outbox.lease(["x"], limit, self.now)
            self.held[worker] = [(message, self._asked(message)) for message in leased]
        if not self.held[worker] or step == "hesitate":
            return
        message, known = self.held[worker].pop(0)
        if known is not None:
            self.unrecorded[worker].append((message, known))
        else:
            sending = self.outbox.mark_sending([message], self.now)
            if step == "crash before sending":
                self.crash(worker)
                return
            answers = [(sent, self._far_side(sent.business_key, answer)) for sent in sending]
            self.unrecorded[worker] += answers
        if step == "crash before recording":
            self.crash(worker)
        if step == "record":
            self.record(worker)

    @precondition(lambda self: any(self.unrecorded))
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

    @precondition(lambda self: any(self.held))
    @rule(worker=WORKERS)
    def give_back(self, worker: int) -> None:
        if self.held[worker]:
            message, _ = self.held[worker].pop()
            self.outbox.release(message)

    @precondition(lambda self: bool(self.effects))
    @rule(key=st.sampled_from(KEYS))
    def another_flow_sees_the_effect(self, key: str) -> None:
        if self.effects.get(key) and key not in self.refused:
            self.outbox.confirm_by_observation("x", key, {}, self.now)

    def crash(self, worker: int) -> None:
        self.held[worker], self.unrecorded[worker] = [], []

    @invariant()
    def no_effect_happens_twice_and_none_is_claimed_falsely(self) -> None:
        assert all(count == 1 for count in self.effects.values())
        for key, state in self._states().items():
            assert self.settled.get(key, state) == state
            if state in {"confirmed", "failed"}:
                self.settled[key] = state
            assert state != "confirmed" or key in self.effects
            assert state != "failed" or key in self.refused

    def teardown(self) -> None:
        """Let one healthy worker finish: afterwards every message has had its effect."""
        for worker in (0, 1):
            self.crash(worker)
        self.now += timedelta(seconds=POLICY.lease_seconds)
        for _ in KEYS:
            self.work(0, 1, "done", "record", 0)
        self.no_effect_happens_twice_and_none_is_claimed_falsely()
        states = self._states()
        assert set(states) == set(KEYS) == set(self.effects) | self.refused
        assert {k for k, state in states.items() if state == "confirmed"} == set(self.effects)
        assert {k for k, state in states.items() if state == "failed"} == self.refused

    def _asked(self, message: Message) -> str | None:
        """What the far side says, where the outbox tells the worker to ask."""
        if not message.must_settle:
            return None
        if message.business_key in self.effects:
            return "done"
        return "refused" if message.business_key in self.refused else None

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
            max_examples=100,
            stateful_step_count=20,
            deadline=None,
            # Without shrinking: each step is several transactions, and the steps read well as is.
            phases=[Phase.reuse, Phase.generate],
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
