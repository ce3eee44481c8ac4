"""Two senders, crashes, lost answers and requests that arrive late, in any order.

OTTO keeps what arrives last. As long as no request arrives after its lease, an older figure never
replaces a newer one; whatever happens, in the end OTTO shows the newest figure.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from resources.operations.availability import Lane, NewFigure, store_figures
from resources.operations.database import OperationsDatabase
from resources.operations.figure_sender import Batch, FigureSender
from resources.operations.schema import availability

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SKUS = ("A", "B")
SENDERS = st.integers(0, 1)
FATES = st.sampled_from(["accepted", "late", "answer lost", "request lost", "accepted", "refused"])
LEASE = 40


class FigureMachine(RuleBasedStateMachine):
    """`shown` is OTTO's memory; `under_way` are requests without an answer that may yet arrive."""

    def __init__(self, db: OperationsDatabase) -> None:
        super().__init__()
        self.db = db
        self.at = datetime(2030, 1, 1, tzinfo=UTC)
        self.sender = FigureSender(db, timeout_seconds=15, machine=self)
        self.version = dict.fromkeys(SKUS, 0)
        self.figure: dict[str, int] = {}
        self.shown: dict[str, int] = {}
        self.shown_version: dict[str, int] = {}
        self.held: list[tuple[Batch, dict[str, int]] | None] = [None, None]
        self.taken_at: dict[str, datetime] = {}
        self.under_way: list[tuple[datetime, Batch, dict[str, int]]] = []
        with db.write() as conn:
            conn.execute(sa.delete(availability))
        for sku in SKUS:
            self.compute(sku, 9, Lane.MOVING)

    def now(self) -> datetime:
        return self.at

    @rule(sku=st.sampled_from(SKUS), quantity=st.integers(0, 3), lane=st.sampled_from(Lane))
    def compute(self, sku: str, quantity: int, lane: Lane) -> None:
        with self.db.write() as conn:
            store_figures(conn, [NewFigure(sku, quantity, {}, lane)], NOW)
        if self.figure.get(sku) != quantity:
            self.figure[sku] = quantity
            self.version[sku] += 1

    @rule(seconds=st.sampled_from([1, 15, LEASE]))
    def wait(self, seconds: int) -> None:
        """A request lives for 15 s at most after its sender gave it up, and then has arrived."""
        self.at += timedelta(seconds=seconds)
        for until, batch, versions in [one for one in self.under_way if one[0] <= self.at]:
            self._arrive(batch, versions)
            self.under_way.remove((until, batch, versions))

    @rule(worker=SENDERS, hesitates=st.booleans(), fate=FATES)
    def work(self, worker: int, hesitates: bool, fate: str) -> None:
        """Take if it holds nothing; then send, unless it hesitates."""
        self.take(worker)
        if not hesitates:
            self.send(worker, fate)

    @precondition(lambda self: any(self.held))
    @rule(worker=SENDERS, after_sending=st.booleans())
    def crash(self, worker: int, after_sending: bool) -> None:
        held, self.held[worker] = self.held[worker], None
        if held is not None and after_sending:
            self._arrive(*held)

    def take(self, worker: int) -> None:
        if self.held[worker] is None:
            batch = self.sender.take_next(Lane.REST, 2, NOW)
            if batch.figures:
                for due in batch.figures:
                    assert due.quantity == self.figure[due.sku], "only the newest is sent"
                self.held[worker] = (batch, dict(self.version))
                self.taken_at[batch.token] = self.at

    def send(self, worker: int, fate: str) -> None:
        held, self.held[worker] = self.held[worker], None
        if held is None:
            return
        batch, versions = held
        skus = [due.sku for due in batch.figures]
        if fate in {"accepted", "answer lost"}:
            self._arrive(batch, versions)
        if fate == "late":
            self.under_way.append((self.at + timedelta(seconds=14), batch, versions))
        if fate == "refused":
            self.sender.record(batch, accepted=(), refused=dict.fromkeys(skus, "no"), now=NOW)
        else:
            accepted = skus if fate == "accepted" else []
            self.sender.record(batch, accepted=accepted, refused={}, now=NOW, error=fate)

    def teardown(self) -> None:
        """One healthy sender goes on: OTTO ends with the newest figures, and then it is quiet."""
        for worker in (0, 1):
            self.send(worker, "answer lost")
        for _ in range(6):
            self.wait(LEASE)
            self.take(0)
            self.send(0, "accepted")
        self.take(0)
        assert self.held[0] is None
        with self.db.read() as conn:
            refused = set(
                conn.scalars(
                    sa.select(availability.c.sku).where(availability.c.refused_reason.is_not(None))
                )
            )
            accepted = dict(
                row._tuple()
                for row in conn.execute(
                    sa.select(availability.c.sku, availability.c.accepted_quantity)
                )
            )
        for sku in self.figure.keys() - refused:
            assert self.shown[sku] == self.figure[sku] == accepted[sku]

    def _arrive(self, batch: Batch, versions: dict[str, int]) -> None:
        for due in batch.figures:
            self.shown[due.sku] = due.quantity
            self.shown_version[due.sku] = versions[due.sku]


class PromptFigureMachine(FigureMachine):
    """Requests arrive at once or never, and no sender outlives its lease: strictly in order."""

    def send(self, worker: int, fate: str) -> None:
        held = self.held[worker]
        if held is not None and self._lease_ended(held[0]):
            self.held[worker] = None
        super().send(worker, "request lost" if fate == "late" else fate)

    def crash(self, worker: int, after_sending: bool) -> None:
        held = self.held[worker]
        super().crash(worker, after_sending and held is not None and not self._lease_ended(held[0]))

    def _lease_ended(self, batch: Batch) -> bool:
        return self.at >= self.taken_at[batch.token] + timedelta(seconds=LEASE)

    def _arrive(self, batch: Batch, versions: dict[str, int]) -> None:
        for due in batch.figures:
            older = versions[due.sku] < self.shown_version.get(due.sku, 0)
            assert not older, "an older figure arrived after a newer one"
        super()._arrive(batch, versions)


# Without shrinking: each step is a transaction or two, and the steps read well as they are.
_QUICK = settings(
    max_examples=200,
    stateful_step_count=20,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


def test_in_the_end_otto_shows_the_newest_figures(operations_db: OperationsDatabase) -> None:
    run_state_machine_as_test(lambda: FigureMachine(operations_db), settings=_QUICK)


def test_an_older_figure_never_arrives_after_a_newer_one(
    operations_db: OperationsDatabase,
) -> None:
    run_state_machine_as_test(lambda: PromptFigureMachine(operations_db), settings=_QUICK)
