"""Stock is never oversold: both sides, our flows and their accidents in any order.

The sandbox's OTTO and warehouse answer the real clients through their own request handlers, without
sockets; leases run by a clock of this test. What happens, happens between our calls or in the
middle of one: buyers order and cancel, the warehouse reserves, picks, comes up short, ships,
cancels, receives, counts and loses, its list is wrong or of an earlier moment; our flows meet each
other, die before or after a request, get no answer, a refusal, or one that arrives late.

**What is proven.** Let the WMS have told `free(t)` units of a SKU at its moment `t`. Of these,
OTTO sold `open(t)`: units that we know of, that are cancelled on neither side, and that the WMS had
not reserved at `t`. Then every quantity with which a request reaches OTTO is at most
`max(0, free(t) - open(t))`, where `t` is the newest moment told to a computation that ended before
the request (or to one that died since), and we know at least the orders that such a computation
began with. `free`, the reservations and the orders are the sandbox's own; of our tables nothing is
read. So an older level, an older figure, a unit that is forgotten or taken off too late breaks it.
The same holds for what OTTO shows when a round or a push has come to its end, of each SKU of which
no request's fate is open: there, a figure that was not sent breaks it, too.

In the middle of a run, whenever all is known and no request's fate is open, OTTO's figure of each
SKU is exactly the true one, and so it is in the end. Of a SKU that could be either of two articles
OTTO shows nothing.

Orders are translated and stored as in an import; the contract's judgement, which costs a tenth of a
second a call, is left out.
"""

import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from assets import stock_flow, stock_intake
from assets.order_rows import OrderTranslator, ReceivedOrder
from assets.outbound.delivery import deliver
from assets.outbound.wms_cancellation import WmsCancellationHandler, enqueue_cancellations
from assets.outbound.wms_order import WmsOrderHandler, enqueue_orders
from assets.stock_figures import Parts, StockReport, refresh_articles
from otto_pipelines.sandbox.http_server import Answer, json_answer
from otto_pipelines.sandbox.otto_server import OttoApi
from otto_pipelines.sandbox.wms_server import WmsApi
from resources.operations import figure_sender, fulfilment
from resources.operations.availability import Lane
from resources.operations.database import OperationsDatabase
from resources.operations.orders import store_orders
from resources.operations.outbox import Outbox
from resources.operations.schema import metadata
from resources.otto.errors import OttoError
from resources.otto.orders import OrdersQuery
from resources.wms.errors import WmsError
from resources.wms.port import EventKind
from tests.flows.stock_clients import Bench, answered, asked, open_bench
from tests.flows.stock_world import (
    APART,
    DOUBLE,
    MOVES,
    NUMBERS,
    OWN,
    PLAIN,
    SKUS,
    SOLD_AT_OTTO,
    START,
    UNITS,
    StockWorld,
    Telling,
    act,
)

LEASE, LIFE = 41, 15

HEARD = st.one_of(
    act("sell_and_hand_over", SKUS),
    act("accept_and_hear", NUMBERS),
    act("count_and_take", SKUS, UNITS),
)
"""The same with a flow of ours that learns of it at once."""
HAPPENINGS = st.one_of(MOVES, HEARD, HEARD, HEARD, HEARD)
FLOWS = st.sampled_from(
    (
        *("import", "hand_over", "events", "audit", "changes", "list", "named", "send"),
        *("round", "round", "round", "push", "push", "push"),
    )
)
MEANWHILE = st.lists(st.one_of(HAPPENINGS, act("flow", FLOWS, SKUS)), min_size=1, max_size=4)
ACCIDENTS = st.one_of(
    st.none(),
    st.tuples(st.just("before"), MEANWHILE),
    st.tuples(st.just("after"), MEANWHILE),
    st.tuples(st.just("after"), MEANWHILE),
    st.tuples(st.sampled_from(("dies_before", "dies_after", "lost", "late", "too_many", "slow"))),
)
"""What befalls a request: things happen before it arrives or after it had its effect, or it ends in
another way than it should."""
SCRIPTS = st.lists(ACCIDENTS, max_size=5)


class ProcessDied(BaseException):
    """Our process ended here; nobody catches that."""


@dataclass
class Flow:
    """A flow of ours under way: what it was told, and which orders we knew as it began."""

    known: frozenset[str]
    told: dict[str, int] = field(default_factory=dict)


class StockMachine(RuleBasedStateMachine):
    """`at` is the time of the machines on which leases run; business time is the sandbox's."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench, self.db = bench, bench.db
        self.at = datetime(2030, 1, 1, tzinfo=UTC)
        self.tellings: defaultdict[str, list[Telling]] = defaultdict(list)
        self.basis: dict[str, tuple[int, frozenset[str]]] = {}
        self.known: frozenset[str] = frozenset()
        self.flows: list[Flow] = []
        self.script: deque[Any] = deque()
        self.repeated: set[bytes] = set()
        self.late: list[tuple[datetime, httpx.Request]] = []
        self.uncertain: dict[str, datetime] = {}
        with self.db.write() as conn:
            for table in reversed(metadata.sorted_tables):
                conn.execute(sa.delete(table))

    @initialize(lowers=st.booleans())
    def open_shop(self, lowers: bool) -> None:
        self.lowers = lowers
        self.world = StockWorld(otto_lowers_stock=lowers)
        self.otto_app = OttoApi(self.world.sandbox, self.bench.desk)
        self.wms_app = WmsApi(self.world.sandbox)
        self.bench.apps.update(otto=self.on_otto, wms=self.on_wms)
        self.parts = Parts(self.db, self.bench.wms, self.bench.otto, self.bench.model, self.world)
        self.report = StockReport()
        self.flow("list", PLAIN)

    # What may happen

    @rule(happening=HAPPENINGS)
    def happens(self, happening: tuple[Any, ...]) -> None:
        self.do(*happening)

    @rule(name=FLOWS, sku=SKUS, script=SCRIPTS)
    def we_work(self, name: str, sku: str, script: Sequence[Any]) -> None:
        self.script = deque(script)
        ended = self.flow(name, sku)
        self.script.clear()
        if ended and name in {"round", "push"}:
            self.compare(self._most, exactly=False)

    @rule(seconds=st.sampled_from((1, LIFE, LEASE, LEASE + LIFE)))
    def wait(self, seconds: int) -> None:
        """A request lives for less than 15 s after its sender gave it up; then it has arrived."""
        self.at += timedelta(seconds=seconds)
        for entry in [entry for entry in self.late if entry[0] <= self.at]:
            self.late.remove(entry)
            asked(self.otto_app, entry[1])

    @rule(happening=HAPPENINGS)
    def happens_too(self, happening: tuple[Any, ...]) -> None:
        self.do(*happening)

    @rule(name=FLOWS, sku=SKUS, script=SCRIPTS)
    def we_work_too(self, name: str, sku: str, script: Sequence[Any]) -> None:
        self.we_work(name, sku, script)

    @rule(by=st.sampled_from(("round", "everything")))
    def all_is_known(self, by: str) -> None:
        """Nothing happens meanwhile: where no request's fate is open, OTTO shows the truth.

        The feed of changes is enough for it, unless a list was wrong since.
        """
        self.sync("everything" if self.world.misled else by)
        self.compare(self.world.available, exactly=True)

    # What is rare by chance, and was the reason for a rule of ours

    @rule(sku=SKUS, name=st.sampled_from(("round", "push")), place=st.integers(0, 2))
    def reserved_in_the_middle(self, sku: str, name: str, place: int) -> None:
        """A unit that a figure must allow for is reserved between the telling and the computing."""
        self.do("sell_and_hand_over", sku)
        self.do("receive", sku, 1)
        self.we_work(name, sku, [None] * place + [("after", [("accept_and_hear", 0)])])

    @rule(sku=SKUS, units=UNITS)
    def older_request_arrives_late(self, sku: str, units: int) -> None:
        self.do("receive", sku, 1)
        self.we_work("round", sku, [("late",)] * 3)
        self.do("count", sku, units)
        self.wait(1)
        self.we_work("round", sku, ())
        self.wait(LIFE)

    @rule(sku=SKUS, units=UNITS, place=st.integers(0, 2))
    def another_sender_comes_by(self, sku: str, units: int, place: int) -> None:
        """While a request is under way, a newer figure is there, and somebody else to send it."""
        self.do("receive", sku, 1)
        meanwhile = [("count_and_take", sku, units), ("flow", "send", sku)]
        self.we_work("round", sku, [None] * place + [("before", meanwhile)])

    @rule(sku=SKUS, units=UNITS, place=st.integers(0, 1))
    def dies_with_news_in_hand(self, sku: str, units: int, place: int) -> None:
        self.do("count", sku, units)
        self.we_work("round", sku, [None] * place + [("dies_before",)])
        self.all_is_known("round")

    def do(self, name: str, *arguments: Any) -> None:
        own = {"flow", "sell_and_hand_over", "accept_and_hear", "count_and_take"}
        (getattr(self, name) if name in own else partial(self.world.do, name))(*arguments)

    def sell_and_hand_over(self, sku: str) -> None:
        self.do("buy", sku, 1, False)
        self.flow("import", sku)
        self.flow("hand_over", sku)

    def accept_and_hear(self, number: int) -> None:
        self.do("accept", number)
        self.flow("events", PLAIN)

    def count_and_take(self, sku: str, units: int) -> None:
        self.do("count", sku, units)
        self.flow("named", sku)

    # Our flows

    def flow(self, name: str, sku: str) -> bool:
        """Run one flow; whether it came to its end."""
        flow = Flow(self.known)
        self.flows.append(flow)
        try:
            computed = getattr(self, f"our_{name}")(sku)
        except (ProcessDied, OttoError, WmsError):
            return False
        finally:
            self.flows.pop()
        for told in computed or ():
            self._now_known(told, flow)
        return True

    def _now_known(self, sku: str, flow: Flow) -> None:
        """A computation ended: from now on no figure is made of less than this."""
        moment, known = self.basis.get(sku, (0, frozenset()))
        self.basis[sku] = max(moment, flow.told.get(sku, 0)), known | flow.known

    def our_import(self, _: str) -> None:
        known = frozenset(self.world.sandbox.market.orders)
        translator = OrderTranslator(self.bench.model)
        query = OrdersQuery(from_date=START - timedelta(days=9), limit=256)
        for page in self.bench.otto.order_pages(query):
            assert not page.unreadable
            rows = translator.columns(
                [
                    ReceivedOrder(order, page.evidence_ref, translator.payload_hash(order))
                    for order in page.orders
                ]
            )
            with self.db.write() as conn:
                store_orders(conn, rows.orders, rows.items, self.world.now())
        self.known |= known

    def our_hand_over(self, _: str) -> None:
        model, now = self.bench.model, datetime.now(UTC)
        outbox = Outbox(self.db, model.outbox)
        if enqueue_cancellations(self.db, now):
            deliver(outbox, WmsCancellationHandler(self.bench.wms), model.outbox)
        if enqueue_orders(self.db, now):
            handler = WmsOrderHandler(self.db, self.bench.wms, model, self.world)
            deliver(outbox, handler, model.outbox)

    def our_events(self, _: str) -> Sequence[str]:
        page = self.bench.wms.poll_fulfilment(None, limit=1000)
        with self.db.write() as conn:
            new = fulfilment.record_events(conn, page.events, self.world.now())
            fulfilment.apply_events(conn, new, self.world.now())
        short = {line.sku for e in new if e.kind is EventKind.SHORT_PICKED for line in e.lines}
        if short:
            stock_flow.short_picked(self.parts, short, self.report)
        return list(short)

    def our_audit(self, _: str) -> None:
        refs = list(self.world.sandbox.warehouse.orders)[-9:]
        if refs:
            snapshots = self.bench.wms.get_orders(refs)
            with self.db.write() as conn:
                fulfilment.record_snapshots(conn, snapshots, refs, self.world.now())

    def our_changes(self, _: str) -> Sequence[str]:
        while stock_intake.take_changes(self.parts, self.report):
            pass
        return list(self.flows[-1].told)

    def our_list(self, _: str) -> Sequence[str]:
        verdict = stock_intake.take_list(self.parts, self.report)
        return [] if verdict.stopped else SOLD_AT_OTTO

    def our_named(self, sku: str) -> Sequence[str]:
        stock_intake.take_named(self.parts, [sku], self.report)
        refresh_articles(self.parts, [sku], self.report)
        return [sku]

    def our_round(self, _: str) -> Sequence[str]:
        stock_flow.one_round(self.parts, self.report)
        return SOLD_AT_OTTO

    def our_push(self, _: str) -> Sequence[str]:
        verdict = stock_flow.push_all(self.parts, self.report)
        return [] if verdict.stopped else SOLD_AT_OTTO

    def our_everything(self, _: str) -> Sequence[str]:
        verdict = stock_flow.sync_all(self.parts, self.report)
        return [] if verdict.stopped else SOLD_AT_OTTO

    def our_send(self, _: str) -> None:
        stock_flow.send(self.parts, self.report, Lane.REST)

    def sync(self, by: str) -> None:
        """Learn all there is and send it."""
        self.do("list_fault", None)
        self.do("pass_time", 0.1)
        for name in ("import", "events", "push" if self.lowers else by, "send"):
            self.flow(name, PLAIN)
        self.world.misled = self.world.misled and by == "round"

    # Both servers

    def on_wms(self, request: httpx.Request) -> httpx.Response:
        stock = request.url.path == "/v1/stock"
        accident = self._accident() if stock else None
        self._meanwhile(accident, "before")
        if accident == ("dies_before",):
            raise ProcessDied
        if stock:
            self.world.tick()
        answer = asked(self.wms_app, request)
        if stock:
            self._note(answer)
        self._meanwhile(accident, "after")
        if accident == ("dies_after",):
            raise ProcessDied
        return answered(answer)

    def on_otto(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST" or not request.url.path.startswith("/v1/availability"):
            return answered(asked(self.otto_app, request))
        body = request.read()
        if body in self.repeated:
            self.repeated.remove(body)
        else:
            self._judge(body)
        return answered(self._take(request, body, self._accident()))

    def _take(self, request: httpx.Request, body: bytes, accident: Any) -> Answer:
        self._meanwhile(accident, "before")
        kind = accident[0] if accident else "none"
        if kind in {"dies_before", "dies_after", "lost", "late", "too_many"}:
            until = self.at + timedelta(seconds=LEASE + LIFE)
            self.uncertain.update((row["sku"], until) for row in msgspec.json.decode(body))
        if kind == "dies_before":
            raise ProcessDied
        if kind == "too_many":
            self.repeated.add(body)
            return json_answer(429, {"message": "too many"}, Retry_After="1")
        if kind == "late":
            self.late.append((self.at + timedelta(seconds=LIFE - 1), request))
            raise httpx.ReadTimeout("no answer", request=request)
        if kind == "slow":
            self.wait(LEASE // 2)
        answer = asked(self.otto_app, request)
        self._meanwhile(accident, "after")
        if kind == "lost":
            raise httpx.ReadTimeout("no answer", request=request)
        if kind == "dies_after":
            raise ProcessDied
        return answer

    def _accident(self) -> Any:
        return self.script.popleft() if self.script else None

    def _meanwhile(self, accident: Any, place: str) -> None:
        if accident and accident[0] == place:
            for act in accident[1]:
                self.do(*act)

    def _note(self, answer: Answer) -> None:
        """Remember what the warehouse told just now, and to whom."""
        for level in msgspec.json.decode(answer.body)["levels"]:
            sku = level["sku"]
            telling = self.world.telling(sku)
            self.tellings[sku].append(telling)
            told = self.flows[-1].told
            told[sku] = max(told.get(sku, 0), telling.moment)

    # What must be true

    def _judge(self, body: bytes) -> None:
        for row in msgspec.json.decode(body):
            sku, quantity = row["sku"], row["quantity"]
            if sku in SOLD_AT_OTTO:
                assert quantity <= self._most(sku), f"{sku}: {quantity} sent"

    def _most(self, sku: str) -> int:
        """The largest quantity that any telling still allows that we may rightly believe."""
        since, known = self.basis.get(sku, (0, frozenset()))
        believed = [one for one in self.tellings[sku] if one.moment >= since]
        return max(
            0, *(one.free - self.world.open_units(sku, one.moment, known) for one in believed)
        )

    def compare(self, right: Callable[[str], int], *, exactly: bool) -> None:
        """Compare what OTTO shows, of each SKU of which no request's fate is open."""
        for sku in (PLAIN, APART, OWN):
            shown, wanted = self.world.shown(sku), right(sku)
            if self.uncertain.get(sku, self.at) <= self.at:
                assert shown <= wanted, f"{sku}: OTTO shows {shown} of {wanted}"
                assert shown == wanted or not exactly or self.world.owes(sku), (
                    f"{sku}: OTTO shows {shown} of {wanted}"
                )
        assert self.world.shown(DOUBLE) == 0

    def teardown(self) -> None:
        """One healthy flow goes on until nothing is open any more."""
        self.script.clear()
        self.sync("everything")
        for _ in range(3):
            self.wait(LEASE + LIFE)
            self.flow("send", PLAIN)
        assert not self.late
        self.compare(self.world.available, exactly=True)


@pytest.fixture
def bench(
    sqlite_db: OperationsDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    with open_bench(sqlite_db, tmp_path, monkeypatch) as made:
        yield made


def play(bench: Bench, monkeypatch: pytest.MonkeyPatch, examples: int, steps: int) -> None:
    machines: list[StockMachine] = []

    class Machines:
        """The machines' time of the example that runs."""

        def now(self) -> datetime:
            return machines[-1].at

    monkeypatch.setattr(figure_sender, "SystemClock", Machines)

    def machine() -> StockMachine:
        machines[:] = [StockMachine(bench)]
        return machines[-1]

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            # Without shrinking: the steps read well as they are, and each takes its time.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_stock_is_never_oversold(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    play(bench, monkeypatch, 60, 12)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_stock_is_never_oversold_in_a_long_campaign(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(bench, monkeypatch, int(os.environ.get("STOCK_CAMPAIGN_EXAMPLES", "2000")), 20)
