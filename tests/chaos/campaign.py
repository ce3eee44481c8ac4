"""The chaos campaign: simulated days with every hindrance at once, and the marks at its end.

Belongs here: one run from the empty database to its summary. The project's own jobs run in this
process, OTTO and the warehouse in another one. What hinders when stands in `weather`.

Waits that are about real time are turned down by configuration (a stall of ten seconds costs as
long as our time-out), business time is stepped.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import sqlalchemy as sa

from assets.rules.tracking import check_digit
from otto_pipelines.demo.marking import mark
from otto_pipelines.demo.runs import Runs
from otto_pipelines.demo.workplace import Workplace, credentials, prepare, start_sandbox
from resources.finance import FinanceDatabase
from resources.operating_model import OperatingModel, load_operating_model
from resources.operations.database import OperationsDatabase
from resources.operations.schema import outbox, position_items
from resources.otto.client import OttoClient, OttoSettings
from resources.wms.http import HttpWms
from tests.chaos import effects, holders, weather
from tests.chaos.disk import Disk, small_disk

# Always the same Monday, so that equal seeds make equal days.
START = "2026-06-01T00:00:00+02:00"
LONGEST_REST_DAYS = 8
HELD_FOR_LONG = 1.0
"""So long a writer waits for the lock of SQLite, in seconds; the default is a minute."""
LONGEST_BACKOFF = 1.0
LONGEST_REDUCTION = 180.0
"""So many seconds lost answers to reductions may take to be settled, one request of a unit each."""
# OTTO never shows some cancellations that it took, so their rows wait for good.
_MUST_END = ("wms_order", "wms_cancellation", "otto_shipment")
_RETURN_NUMBERS = 3000
_REDUCTIONS_EACH_TIME = 3


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Size and seed of a run; `outages` by step, rates are shares of all requests."""

    days: int
    orders_per_day: int
    seed: int
    fault_rate: float = 0.1
    step: timedelta = timedelta(hours=12)
    after_orders: timedelta = timedelta(days=2)
    hindrance_every: int = 2
    page_size: int = 100
    timeout_seconds: float = 1.0
    megabytes: int = 2048
    outages: list[weather.Outage] = field(default_factory=list)
    money_faults: int = 5


def run(campaign: Campaign, folder: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run it in `folder`; returns the summary that `Show` makes of it."""
    began = time.monotonic()
    shared = credentials()
    process, addresses = start_sandbox(_world(campaign), shared, folder / "sandbox.log")
    try:
        with small_disk(folder / "place" / "data", campaign.megabytes) as disk:
            place = prepare(folder / "place", addresses, shared, _model(campaign))
            with dg.DagsterInstance.ephemeral() as instance, _parts(place, addresses) as parts:
                show = Show(campaign, place, addresses, disk, parts, instance, progress)
                return show.play() | {"seconds": round(time.monotonic() - began)}
    finally:
        process.terminate()
        process.wait(timeout=20)


def _world(campaign: Campaign) -> list[str]:
    values = {
        "orders": campaign.days * campaign.orders_per_day,
        "days": campaign.days,
        "seed": campaign.seed,
        "start": START,
        "transport-fault-rate": campaign.fault_rate,
        "event-disorder-share": campaign.fault_rate,
        "stall-seconds": 10,
        "skus": 80,
        "orphan-skus": 2,
        "returns-share": 0.15,
        "reductions-share": 0.03,
        "voucher-share": 0.1,
        "money-faults": campaign.money_faults,
        "return-after-hours": 8,
        "return-transit-hours": 10,
    }
    return [f"--{name}={value}" for name, value in values.items()]


def _model(campaign: Campaign) -> dict[str, dict[str, Any]]:
    bodies = [f"{90_000_000_000 + n}" for n in range(_RETURN_NUMBERS)]
    return {
        "http": {
            "timeout_seconds": campaign.timeout_seconds,
            "requests_per_second": 5000,
            "requests_per_minute": 300000,
            "attempts": 3,
            "first_backoff_seconds": 0.01,
            "longest_backoff_seconds": 0.05,
        },
        "outbox": {
            "first_backoff_seconds": 0.05,
            "longest_backoff_seconds": LONGEST_BACKOFF,
            "give_up_after": 2000,
        },
        "orders": {"page_size": campaign.page_size},
        "return_shipping": {"number_pool": [b + str(check_digit(b, (4, 9))) for b in bodies]},
        "returns": {"auto_accept": ["NEW", "MINT", "USED_LIGHT"]},
        "reconciliation": {
            "receipt": 720,
            "refund": 720,
            "return_decision": 720,
            "price_reduction": 720,
        },
    }


class SkewedClock:
    """Business time of the sandbox, as a machine whose clock is wrong by `ahead_seconds` tells."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(timeout=30)
        self._url = url
        self.ahead_seconds = 0

    def now(self) -> datetime:
        answer = self._client.get(self._url, params={"ahead_seconds": self.ahead_seconds})
        return datetime.fromisoformat(answer.raise_for_status().json()["now"]).astimezone(UTC)


@dataclass(frozen=True)
class Parts:
    """The clients and databases of this run; a run of Dagster would open the same by itself."""

    model: OperatingModel
    otto: OttoClient
    wms: HttpWms
    operations: OperationsDatabase
    finance: FinanceDatabase
    clock: SkewedClock


@contextmanager
def _parts(place: Workplace, addresses: dict[str, str]) -> Iterator[Parts]:
    environment = place.environment
    model = load_operating_model(Path(environment["OPERATING_MODEL"]))
    otto = OttoClient(
        OttoSettings(
            base_url=addresses["otto"],
            client_id=environment["OTTO_CLIENT_ID"],
            client_secret=environment["OTTO_CLIENT_SECRET"],
            state_dir=Path(environment["OTTO_PIPELINES_DATA"]),
            http=model.http,
        )
    )
    wms = HttpWms(addresses["wms"], environment["WMS_API_KEY"], model.http)
    operations = OperationsDatabase(place.operations_url, lock_timeout_seconds=HELD_FOR_LONG)
    finance = FinanceDatabase(place.finance_file, lock_timeout_seconds=5)
    try:
        yield Parts(model, otto, wms, operations, finance, SkewedClock(addresses["clock"]))
    finally:
        otto.close()
        wms.close()
        operations.close()


class Show:
    """Plays one campaign."""

    def __init__(
        self,
        campaign: Campaign,
        place: Workplace,
        addresses: dict[str, str],
        disk: Disk,
        parts: Parts,
        instance: dg.DagsterInstance,
        progress: Callable[[str], None],
    ) -> None:
        self.campaign, self.place, self.disk, self.parts = campaign, place, disk, parts
        self.world = httpx.Client(base_url=f"{addresses['otto']}/_sandbox", timeout=300)
        self.progress = progress
        resources = {
            "otto": parts.otto,
            "wms": parts.wms,
            "operations": parts.operations,
            "finance": parts.finance,
            "model": dg.ResourceDefinition.hardcoded_resource(parts.model),
            "clock": parts.clock,
        }
        self.runs = Runs(instance, resources)
        self.rng = random.Random(f"chaos:{campaign.seed}")
        self.asked: set[str] = set()
        self.began = time.monotonic()

    def get(self, path: str) -> Any:
        return self.world.get(path).raise_for_status().json()

    def post(self, path: str, body: Any) -> Any:
        return self.world.post(path, json=body).raise_for_status().json()

    def play(self) -> dict[str, Any]:
        clock = self.get("/clock")
        start, orders_end = (datetime.fromisoformat(clock[n]) for n in ("start", "orders_end"))
        self.runs.stock("sync_stock", "all")
        steps = self._steps(start, orders_end + self.campaign.after_orders)
        for number, step in enumerate(steps):
            self._step(step, number)
        hindered = self.runs.failed.copy()
        self._come_to_rest(steps[-1].until)
        return self._summary(steps, hindered)

    def _steps(self, start: datetime, end: datetime) -> list[weather.Step]:
        moments, moment = [], start
        while moment < end:
            moment += self.campaign.step
            moments.append(moment)
        campaign = self.campaign
        return weather.plan(
            moments,
            campaign.outages,
            campaign.seed,
            campaign.fault_rate,
            campaign.hindrance_every,
        )

    def _step(self, step: weather.Step, number: int) -> None:
        self.post("/clock/advance", {"to": step.until.isoformat()})
        self.post("/faults", {"transport_rate": step.rate, "kinds": step.kinds})
        self._let_be_down(step.down)
        skew = [weather.SKEW_SECONDS.get(name, 0) for name in step.hindrances]
        self.parts.clock.ahead_seconds = sum(skew)
        with ExitStack() as held:
            for name in step.hindrances:
                held.enter_context(self._hindrance(name))
            self._work(step.until, number)
        self.progress(
            f"{time.monotonic() - self.began:.0f} s, {step.until:%d %H:%M}, "
            f"{', '.join((*step.hindrances, *step.down)) or 'fine'}: "
            f"{self.runs.runs} runs, {self.runs.failed.total()} failed"
        )

    def _let_be_down(self, servers: dict[str, str]) -> None:
        for server in ("otto", "wms"):
            self.post("/outage", {"server": server, "how": servers.get(server)})

    def _hindrance(self, name: str) -> AbstractContextManager[object]:
        database = Path(self.place.environment["OTTO_PIPELINES_DATA"]) / "operations.sqlite"
        finance = self.parts.finance
        match name:
            case "disk_full":
                return self.disk.full()
            case "sqlite_held_for_long":
                return holders.writer_in(database)
            case "sqlite_held_briefly":
                return holders.writer_in(database, HELD_FOR_LONG / 2)
            case "working_file_read" if finance.working_path.exists():
                return holders.reader_of(finance.working_path)
            case "finance_file_read" if finance.path.exists():
                return holders.reader_of(finance.path)
        return nullcontext()

    def _work(self, now: datetime, number: int) -> None:
        """What schedules and sensors would start."""
        hours = round((number + 1) * self.campaign.step / timedelta(hours=1))
        self._round(now)
        if hours % 24 == 0:
            self.runs.stock("stock_lane", "push")
            self.runs.stock("stock_lane", "read_back")
            self.runs.money(now)
            self._ask_for_reductions()
            self.runs.run("reconcile")

    def _round(self, now: datetime) -> None:
        """Orders, shipments and stock, by the jobs without checks, which cost most of a run."""
        self.runs.orders(now)
        self.runs.run("fast_lane")
        self.runs.stock("stock_lane", "all")

    def _ask_for_reductions(self) -> None:
        query = sa.select(position_items.c.sales_order_id, position_items.c.position_item_id)
        sent = query.where(position_items.c.fulfilment_status == "SENT")
        with self.parts.operations.read() as conn:
            found = sorted(tuple(row) for row in conn.execute(sent))
        fresh = [row for row in found if row[1] not in self.asked]
        chosen = self.rng.sample(fresh, min(len(fresh), _REDUCTIONS_EACH_TIME))
        self.asked |= {item for _, item in chosen}
        amount = f"{effects.OUR_REDUCTION_CENTS / 100:.2f}"
        wanted = [
            {
                "sales_order_id": order,
                "position_item_id": item,
                "amount": amount,
                "reason": "scratched",
                "requested_by": "chaos",
                "request_id": f"chaos-{item}",
            }
            for order, item in chosen
        ]
        name = "otto_price_reduction_requests"
        self.runs.run("reduce_prices", config={"ops": {name: {"config": {"reductions": wanted}}}})

    def _come_to_rest(self, now: datetime) -> None:
        """The weather is fine again: day by day, until nothing is under way on either side."""
        self.post("/faults", {"transport_rate": 0.0})
        self._let_be_down({})
        self.parts.clock.ahead_seconds = 0
        self._let_reductions_arrive()
        quiet_days = 0
        for _ in range(LONGEST_REST_DAYS):
            now += timedelta(days=1)
            self.post("/clock/advance", {"to": now.isoformat()})
            self._deliver_all(now)
            self.runs.money(now)
            self.runs.run("reduce_prices")
            # What was delivered on the first of them is read back on the second.
            quiet_days = quiet_days + 1 if self.get("/truth")["idle"] else 0
            if quiet_days == 2:
                break
        # A figure that may only rise waits for the next list.
        for part in ("all", "push", "read_back"):
            self.runs.stock("stock_lane", part)
        self.runs.run("reconcile")

    def _let_reductions_arrive(self) -> None:
        """A reduction whose answer was lost is asked for anew a minute of real time later."""
        unanswered = (
            sa.select(sa.func.count())
            .select_from(outbox)
            .where(
                outbox.c.kind == "otto_price_reduction",
                outbox.c.state.in_(("pending", "retrying", "sent")),
                outbox.c.result.is_(None),
            )
        )
        deadline = time.monotonic() + LONGEST_REDUCTION
        while time.monotonic() < deadline:
            self.runs.run("reduce_prices")
            with self.parts.operations.read() as conn:
                if not conn.scalar(unanswered):
                    break
            time.sleep(LONGEST_BACKOFF)

    def _deliver_all(self, now: datetime) -> None:
        for _ in range(10):
            self._round(now)
            if not self._waiting():
                break
            time.sleep(LONGEST_BACKOFF)

    def _waiting(self) -> int:
        with self.parts.operations.read() as conn:
            waiting = conn.scalar(
                sa.select(sa.func.count())
                .select_from(outbox)
                .where(
                    outbox.c.state.in_(("pending", "retrying", "sent")),
                    outbox.c.kind.in_(_MUST_END),
                )
            )
            return waiting or 0

    def _summary(self, done: list[weather.Step], hindered: Counter[str]) -> dict[str, Any]:
        truth, ledger = self.get("/truth"), self.get("/ledger")
        stock, money = self.get("/stock"), self.get("/money")
        db = self.parts.operations
        marks = mark(truth, ledger, stock, db, self.place.finance_file)
        rows = effects.Rows(db)
        planted = [line["position_item_id"] for line in ledger["breaks"]]
        effect = effects.differences(db, truth, self.get("/sent-shipments"), money, planted)
        known = set(stock["unknown_to_otto"]) | set(stock["unknown_to_wms"])
        return {
            "seed": self.campaign.seed,
            "days": self.campaign.days,
            "orders": marks.orders,
            "items": marks.items,
            "parcels": marks.parcels,
            "confirmed": marks.confirmed,
            "runs": self.runs.runs,
            "failed_runs": dict(hindered),
            "failed_runs_at_rest": {
                job: self.runs.last_errors[job] for job in self.runs.failed - hindered
            },
            "hindrances": dict(sorted(weather.counted(done).items())),
            "faults": {
                side: dict(sorted(n.items())) for side, n in ledger["transport_variants"].items()
            },
            "events_disordered": ledger["feed"],
            "lost": marks.lost,
            "doubled": marks.doubled,
            "missed": marks.missed,
            "unexpected": sorted(set(marks.unexpected) - rows.refused_reductions()),
            "injected_breaks": dict(sorted(marks.injected.items())),
            "effects_that_differ": {name: keys for name, keys in effect.items() if keys},
            "outbox_unfinished": rows.unfinished(ledger["breaks"]),
            "shorts": marks.shorts,
            "shorts_settled": marks.shorts_settled,
            "wrong_at_otto": [
                row["sku"]
                for row in stock["skus"]
                if row["sku"] not in known and row["otto_shown"] != max(0, row["available"])
            ],
        }


def long_form() -> Campaign:
    """By environment: CHAOS_DAYS (30), CHAOS_ORDERS a day (1000), CHAOS_SEED (1)."""
    days = int(os.environ.get("CHAOS_DAYS", "30"))
    night = days // 6 * 2
    """An even step ends in the morning."""
    return Campaign(
        days=days,
        orders_per_day=int(os.environ.get("CHAOS_ORDERS", "1000")),
        seed=int(os.environ.get("CHAOS_SEED", "1")),
        outages=[
            weather.Outage("otto", "closed", night, 1),
            weather.Outage("wms", "unavailable", 2 * night, 2),
            weather.Outage("otto", "unavailable", 3 * night, 1),
            weather.Outage("wms", "closed", 4 * night, 2),
        ],
    )
