"""Every reachable state of one message, two workers and the far side, through the real outbox.

Breadth first from a fresh message: each step that may come next is taken, among them a crash of
either worker at every point, the end of leases and waits, answers that get lost before and after
the effect, another flow that sees the effect, and a person. What a step does to the rows is done by
the real functions on SQLite; the search only remembers results that it saw before.

Assumed, as the outbox's docstring demands: one call is shorter than a lease, so no time passes
between writing down that a message leaves and its arrival. What two messages of one lease do to
each other is tried in `test_outbox_machine`.
"""

import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from resources.operating_model import OutboxPolicy
from resources.operations import outbox_desk
from resources.operations.columns import metadata
from resources.operations.outbox import Message, Outbox, enqueue
from resources.operations.outbox_desk import OutboxRefusal
from resources.operations.schema import orders
from resources.operations.schema import outbox as rows
from resources.operations.schema import outbox_attempts as attempts_of_rows

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
POLICY = OutboxPolicy(lease_seconds=60, give_up_after=2)
# Beyond the last attempt all numbers mean the same.
MOST_ATTEMPTS = 3
NAMES = ("w0", "w1")
ENDED = {"confirmed", "ignored"}


class Row(NamedTuple):
    """All of a row that decides what may come next; times only as whether they are over."""

    state: str
    attempts: int
    due: bool
    token: str | None
    leased: bool
    last_outcome: str | None
    last_finished: bool


class Worker(NamedTuple):
    """`stage`: idle, leased, ready (may send), marked (about to send), or the answer it holds."""

    stage: str = "idle"
    must_settle: bool = False
    attempts: int = 0


class State(NamedTuple):
    """Everything. `far`: none, promised, done or refused; `effects` counts what took effect."""

    row: Row
    workers: tuple[Worker, Worker]
    far: str
    effects: int


FRESH = State(Row("pending", 0, True, None, False, None, False), (Worker(), Worker()), "none", 0)
ANSWERS = ("confirm", "accept", "retry", "unknown", "refuse", "block", "drop")


class Memory:
    """One connection to a database in memory, in place of the operations database."""

    def __init__(self) -> None:
        self.engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
        metadata.create_all(self.engine, tables=[rows, attempts_of_rows, orders])

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        with self.engine.begin() as conn:
            yield conn


@dataclass
class RealRow:
    """The real functions, each applied to a row as `Row` says it is."""

    memory: Memory
    calls: int = 0

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.memory, POLICY)  # type: ignore[arg-type]

    def lease(self, row: Row, name: str) -> tuple[Row, Worker | None]:
        self._put(row)
        leased = self.outbox.lease(["x"], 1, NOW)
        if not leased:
            return self._found(), None
        found = self._found()._replace(token=name)
        return found, Worker("leased", leased[0].must_settle, leased[0].attempts)

    def mark(self, row: Row, worker: Worker, name: str) -> tuple[Row, Worker | None]:
        self._put(row)
        marked = self.outbox.mark_sending([_message(worker, name)], NOW)
        found = self._found()
        if not marked:
            return found, None
        number = min(marked[0].attempts, MOST_ATTEMPTS)
        return found, Worker("marked", worker.must_settle, number)

    def record(self, row: Row, worker: Worker, name: str, answer: str) -> tuple[Row, bool]:
        self._put(row)
        message = _message(worker, name)
        act: dict[str, Callable[[], bool]] = {
            "confirm": lambda: self.outbox.confirm(message, {}, NOW),
            "accept": lambda: self.outbox.accept(message, {}, LATER, NOW),
            "retry": lambda: self.outbox.retry(message, "e", LATER, NOW),
            "unknown": lambda: self.outbox.unknown(message, "e", LATER, NOW),
            "refuse": lambda: self.outbox.refuse(message, "r", NOW),
            "block": lambda: self.outbox.block(message, "r", NOW),
            "drop": lambda: self.outbox.drop(message, "r", NOW),
            "release": lambda: self.outbox.release(message),
        }
        held = act[answer]()
        return self._found(), held

    def seen(self, row: Row) -> Row:
        self._put(row)
        self.outbox.confirm_by_observation("x", "k", {}, NOW)
        return self._found()

    def retried(self, row: Row) -> Row:
        with self._put(row).begin() as conn:
            outbox_desk.retry_now(conn, None, None, NOW)
        return self._found()

    def ignored(self, row: Row) -> Row:
        with self._put(row).begin() as conn:
            try:
                outbox_desk.ignore(conn, 1, "a person says so", NOW)
            except OutboxRefusal:
                return row
        return self._found()

    def released_by_rules(self, row: Row) -> Row:
        """The rules that held it back let it go: it is put in again."""
        with self._put(row).begin() as conn:
            _enqueue(conn)
        return self._found()

    def _put(self, row: Row) -> sa.Engine:
        self.calls += 1
        values = {
            "state": row.state,
            "attempts": row.attempts,
            "next_attempt_at": NOW if row.due else LATER,
            "lease_token": row.token,
            "lease_until": None if row.token is None else LATER if row.leased else NOW,
        }
        with self.memory.write() as conn:
            conn.execute(sa.delete(attempts_of_rows))
            conn.execute(sa.delete(rows))
            _enqueue(conn)
            conn.execute(sa.update(rows).values(id=1, **values))
            if row.last_outcome is not None:
                attempt = {"outbox_id": 1, "attempt": row.attempts, "outcome": row.last_outcome}
                ends = {"started_at": NOW, "finished_at": NOW if row.last_finished else None}
                conn.execute(sa.insert(attempts_of_rows).values(**attempt, **ends))
        return self.memory.engine

    def _found(self) -> Row:
        with self.memory.engine.connect() as conn:
            row = conn.execute(sa.select(rows)).one()
            last = conn.execute(
                sa.select(attempts_of_rows).where(attempts_of_rows.c.attempt == row.attempts)
            ).one_or_none()
        return Row(
            row.state,
            min(row.attempts, MOST_ATTEMPTS),
            row.next_attempt_at <= NOW,
            row.lease_token,
            row.lease_until is not None and row.lease_until > NOW,
            last.outcome if last else None,
            bool(last and last.finished_at),
        )


class Search:
    """All states that can be reached from a fresh message, with the steps between them."""

    def __init__(self, real: RealRow) -> None:
        self.real = real
        self.steps: dict[State, dict[str, State]] = {}
        self.lease, self.mark, self.record = cache(real.lease), cache(real.mark), cache(real.record)
        self.seen, self.retried = cache(real.seen), cache(real.retried)
        self.ignored, self.let_go = cache(real.ignored), cache(real.released_by_rules)

    def run(self) -> None:
        waiting = deque([_canonical(FRESH)])
        while waiting:
            state = waiting.popleft()
            if state in self.steps:
                continue
            check(state)
            self.steps[state] = {name: _canonical(s) for name, s in self.next_of(state)}
            waiting.extend(self.steps[state].values())

    def next_of(self, state: State) -> Iterator[tuple[str, State]]:
        for number, worker in enumerate(state.workers):
            for step, after in self._of_worker(state, number, worker):
                yield f"{step} {number}", after
        if all(worker.stage != "marked" for worker in state.workers):
            yield "time passes", state._replace(row=state.row._replace(due=True, leased=False))
        if state.far == "promised":
            yield "the far side acts", state._replace(far="done", effects=state.effects + 1)
            yield "the far side thinks better of it", state._replace(far="refused")
        if state.far == "done":
            yield "another flow sees it", state._replace(row=self.seen(state.row))
        yield "a person retries", state._replace(row=self.retried(state.row))
        yield "a person ignores", state._replace(row=self.ignored(state.row))
        yield "the rules let it go", state._replace(row=self.let_go(state.row))

    def _of_worker(self, state: State, number: int, worker: Worker) -> Iterator[tuple[str, State]]:
        name = NAMES[number]

        def moved(to: Worker, row: Row = state.row, **world: str | int) -> State:
            workers = list(state.workers)
            workers[number] = to
            return state._replace(row=row, workers=(workers[0], workers[1]), **world)

        if worker.stage == "idle":
            row, leased = self.lease(state.row, name)
            if leased:
                yield "lease", moved(leased, row)
            return
        yield "crash", moved(Worker())
        if worker.stage == "leased":
            row, _ = self.record(state.row, worker, name, "release")
            yield "release", moved(Worker(), row)
            for step, stage in asked(worker, state.far):
                yield step, moved(worker._replace(stage=stage))
        elif worker.stage == "ready":
            row, marked = self.mark(state.row, worker, name)
            check_fence(state.row, row, name, held=marked is not None)
            yield "mark", moved(marked or Worker(), row)
        elif worker.stage == "marked":
            for step, stage, far, effect in called(state.far):
                effects = state.effects + effect
                yield step, moved(worker._replace(stage=stage), far=far, effects=effects)
        else:
            row, held = self.record(state.row, worker, name, worker.stage)
            check_fence(state.row, row, name, held=held)
            yield "record", moved(Worker(), row)


def asked(worker: Worker, far: str) -> Iterator[tuple[str, str]]:
    """What a worker learns before it sends: the far side's truth, or no answer."""
    if not worker.must_settle:
        yield "nothing to ask", "ready"
        return
    told = {"none": "ready", "promised": "accept", "done": "confirm", "refused": "refuse"}
    yield "ask", told[far]
    yield "ask in vain", "unknown"


def called(far: str) -> Iterator[tuple[str, str, str, int]]:
    """What may come of a call: the step, the answer held, the far side, and effects more."""
    if far == "refused":
        yield "call, refused again", "refuse", far, 0
        return
    yield "call, done", "confirm", "done", 1
    yield "call, done, answer lost", "unknown", "done", 1
    yield "call, promised", "accept", "promised", int(far != "none")
    yield "call lost", "unknown", far, 0
    yield "call turned away", "retry", far, 0
    yield "call refused", "refuse", "refused" if far == "none" else far, 0
    yield "stopped at the last look", "block", far, 0
    yield "no longer wanted", "drop", far, 0


def check(state: State) -> None:
    """What must be true in every state."""
    assert state.effects <= 1, f"doubled: {state}"
    assert state.row.state != "confirmed" or state.far == "done", f"claimed falsely: {state}"
    assert [w.stage for w in state.workers].count("marked") <= 1, f"two are sending: {state}"
    written_down = state.row.state == "sent" or state.row.state in ENDED
    if any(worker.stage == "marked" for worker in state.workers):
        assert written_down, f"about to send, and nothing says so: {state}"


def check_fence(before: Row, after: Row, name: str, *, held: bool) -> None:
    """Only the worker whose lease it is changes anything, and it is told whether it did."""
    assert held == (before.token == name)
    if not held:
        assert after == before, f"{name} changed a row that is not its own: {before} -> {after}"


def _canonical(state: State) -> State:
    """The same state with the workers in one order: which of them is which does not matter."""
    first, second = state.workers
    if first <= second:
        return state
    names = {NAMES[0]: NAMES[1], NAMES[1]: NAMES[0], None: None}
    row = state.row._replace(token=names[state.row.token])
    return state._replace(row=row, workers=(second, first))


def _message(worker: Worker, name: str) -> Message:
    return Message(1, "x", "k", "k", {}, worker.attempts, worker.must_settle, name)


def _enqueue(conn: sa.Connection) -> None:
    enqueue(conn, kind="x", business_key="k", order_ref="k", payload={}, priority=0, now=NOW)


# What a healthy worker does next: the first of these that is possible.
HEALTHY = (
    *("the far side acts", "lease", "nothing to ask", "ask", "mark"),
    *("call, done", "call, refused again", "record"),
)


def ends_well(search: Search, state: State) -> State:
    """Both workers die, a healthy one follows, and a person retries what was given up."""
    for step in ("crash 0", "crash 1", "crash 0", "crash 1"):
        state = search.steps[state].get(step, state)
    for _ in range(3):
        if state.row.state in {"failed", "blocked"} and state.far != "refused":
            state = search.steps[state]["a person retries"]
        if state.row.state in ENDED or state.row.state == "failed":
            break
        state = search.steps[state]["time passes"]
        while (after := _healthy(search.steps[state])) is not None:
            state = after
    return state


def _healthy(steps: dict[str, State]) -> State | None:
    plain = {step.removesuffix(" 0").removesuffix(" 1"): after for step, after in steps.items()}
    return next((plain[step] for step in HEALTHY if step in plain), None)


@pytest.fixture(scope="module")
def searched() -> Search:
    search = Search(RealRow(Memory()))
    search.run()
    return search


def test_no_reachable_state_doubles_or_claims_an_effect(searched: Search) -> None:
    """The search itself checks each state; here only that it went far enough."""
    steps = sum(len(after) for after in searched.steps.values())
    figures = f"{len(searched.steps)} states, {steps} steps, {searched.real.calls} real calls"
    sys.stdout.write(figures + "\n")
    assert len(searched.steps) > 1_000
    reached = Counter(state.row.state for state in searched.steps)
    assert set(reached) == {
        *("pending", "sent", "retrying", "confirmed", "failed", "blocked", "ignored")
    }


def test_from_every_state_a_healthy_worker_brings_it_to_its_end(searched: Search) -> None:
    for state in searched.steps:
        end = ends_well(searched, state)
        assert end.row.state in ENDED or end.far == "refused", f"lost: {state} -> {end}"
        assert end.row.state != "confirmed" or end.effects == 1


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param("settle", id="an uncertain message is sent without asking"),
        pytest.param("fence", id="a worker that lost its lease still records"),
        pytest.param("order", id="the call leaves before it is written down"),
    ],
)
def test_the_search_finds_a_broken_protocol(broken: str) -> None:
    search = Search(RealRow(Memory()))
    if broken == "settle":
        lease = search.lease
        search.lease = lambda row, name: _unasked(*lease(row, name))
    elif broken == "fence":
        record = search.record
        search.record = lambda row, worker, name, answer: record(
            row if answer == "release" else row._replace(token=name), worker, name, answer
        )
    else:
        search.mark = lambda row, worker, name: (row, worker._replace(stage="marked"))
    with pytest.raises(AssertionError):
        search.run()


def _unasked(row: Row, worker: Worker | None) -> tuple[Row, Worker | None]:
    return row, worker and worker._replace(must_settle=False)
