"""A small seller for flow tests: a quiet sandbox, both clients, a database, and the real jobs.

Nothing is mocked: requests go over HTTP to the sandbox, rows into the database of the test. The
sandbox's wire is observed, and one answer on it can be lost after its request took effect.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from assets.outbound.delivery import Handler, deliver
from assets.parcel_gate import judge_parcels
from assets.rules.tracking import check_digit
from otto_pipelines.cli import app
from otto_pipelines.definitions import build_definitions
from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.generator import make_order
from otto_pipelines.sandbox.http_server import Answer, App, Ending, Request
from otto_pipelines.sandbox.model import Item, SalesOrder
from otto_pipelines.sandbox.server import Sandbox
from otto_pipelines.sandbox.stories import Story
from otto_pipelines.sandbox.wms_model import Parcel
from resources.finance import FinanceDatabase
from resources.operating_model import OperatingModel, load_operating_model
from resources.operations import fulfilment
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Outbox
from resources.operations.schema import metadata, outbox
from resources.otto.client import OttoClient, OttoSettings
from resources.wms.http import HttpWms

REPOSITORY = Path(__file__).resolve().parents[2]
MONDAY = datetime(2026, 6, 8, tzinfo=ZoneInfo("Europe/Berlin"))
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_HTTP = {
    "timeout_seconds": 10.0,
    "requests_per_second": 2000,
    "requests_per_minute": 120000,
    "attempts": 2,
    "first_backoff_seconds": 0.01,
    "longest_backoff_seconds": 0.02,
}


class Wire:
    """What one server receives, in order; `lose` and `interrupt` act after an effect."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.requests: list[Request] = []
        self._after_effect: list[tuple[str, str, Callable[[], object]]] = []

    def __call__(self, request: Request) -> Answer:
        self.requests.append(request)
        answer = self._app(request)
        for entry in self._after_effect:
            method, path, act = entry
            if (request.method, request.path) == (method, path):
                self._after_effect.remove(entry)
                act()
                return Answer(502, ending=Ending.CLOSED)
        return answer

    def lose(self, method: str, path: str, *, meanwhile: Callable[[], object] = list) -> None:
        """The next such request takes its effect, then `meanwhile` runs and no answer leaves."""
        self._after_effect.append((method, path, meanwhile))

    def posts(self, path: str) -> list[Any]:
        """Bodies of the POST requests to `path`."""
        return [r.json() for r in self.requests if (r.method, r.path) == ("POST", path)]


class ObservedSandbox(Sandbox):
    def __init__(self, config: SandboxConfig) -> None:
        super().__init__(config)
        self.otto_wire = self._answer_otto = Wire(self._answer_otto)
        self.wms_wire = self._wms = Wire(self._wms)


class WorldClock:
    """Business time of the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def now(self) -> datetime:
        return self._sandbox.world.sim.clock.now()


class Shop:
    """Drives the project's own jobs against one sandbox and one operations database."""

    def __init__(
        self, sandbox: ObservedSandbox, db: OperationsDatabase, folder: Path, **sections: Any
    ) -> None:
        self.sandbox = sandbox
        self.world = sandbox.world
        self.db = db
        self.model = operating_model(**sections)
        self.otto = OttoClient(otto_settings(sandbox, self.model, folder))
        self.wms = HttpWms(sandbox.wms_url, sandbox.config.wms_api_key, self.model.http)
        self.finance = FinanceDatabase(folder / "finance.duckdb")
        self.clock = WorldClock(sandbox)
        self.instance = dg.DagsterInstance.ephemeral()
        self.assemble()

    def assemble(self) -> None:
        """Build the project's definitions around the present clients and database."""
        resources = {
            "otto": self.otto,
            "wms": self.wms,
            "operations": self.db,
            "finance": self.finance,
            "model": dg.ResourceDefinition.hardcoded_resource(self.model),
            "clock": self.clock,
        }
        self.definitions = build_definitions(resources=resources)

    def close(self) -> None:
        self.otto.close()
        self.wms.close()
        self.instance.dispose()

    # The world

    def new_order(
        self, lines: int = 1, story: Story | None = None, *, announced: bool = False
    ) -> SalesOrder:
        """An order at OTTO without discounts; PROCESSABLE unless it is only announced."""
        with self.world.turn() as world:
            rng = random.Random(len(world.market.orders))
            order = make_order(rng, world.sim.now, lines)
            order.discounts, order.story = [], story
            world.market.add(order)
            if not announced:
                world.market.release(order)
        return order

    def dispatch(self, order: SalesOrder) -> list[Parcel]:
        with self.world.turn() as world:
            return world.warehouse.dispatch_now(order.order_id)

    def cancel_at_otto(self, order: SalesOrder, items: list[Item] | None = None) -> None:
        with self.world.turn() as world:
            chosen = order.items if items is None else items
            world.market.cancel(order, chosen, "CANCELLED_ON_CUSTOMER_WISH")

    def advance(self, **span: float) -> None:
        self.world.advance(self.clock.now() + timedelta(**span))

    def shipments(self) -> list[tuple[str, list[str]]]:
        """Shipments in OTTO's truth: tracking number and item ids."""
        return [
            (s.tracking_number, [i["positionItemId"] for i in s.position_items])
            for s in self.world.market.shipments.values()
        ]

    # The project

    def run(
        self,
        job: str,
        *,
        must_succeed: bool = True,
        only: Sequence[str] = (),
        config: dict[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Execute a job, or only some assets of it."""
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            run_config={**QUIET, **(config or {})},
            raise_on_error=must_succeed,
            asset_selection=[dg.AssetKey(name) for name in only] or None,
            **options,
        )

    def sync_orders(self, **options: Any) -> Any:
        """Import changes and hand over what is PROCESSABLE."""
        day = self.clock.now().astimezone(MONDAY.tzinfo).date().isoformat()
        changes = {"ops": {"otto_orders": {"config": {"mode": "changes"}}}}
        return self.run("sync_orders", partition_key=day, config=changes, **options)

    def sync_shipments(self, **options: Any) -> Any:
        return self.run("sync_shipments", **options)

    def sync_stock(self, task: str = "all", *, must_succeed: bool = True, **config: Any) -> Any:
        """Take the whole list and send what changed, or do another task of the flow of stock."""
        jobs = {"all": "sync_stock", "push": "push_all_stock", "read_back": "read_back_stock"}
        stock = {"ops": {"stock": {"config": {"task": task, **config}}}}
        return self.run(jobs.get(task, "stock_lane"), config=stock, must_succeed=must_succeed)

    def shown(self, sku: str) -> int:
        """The quantity that a buyer sees at OTTO."""
        return self.world.shelf.shown(sku)

    def available(self, sku: str) -> int:
        """What an observer without delay would show."""
        return self.world.stock_truth.available(sku)

    def judge(self) -> None:
        """Read the warehouse's events and judge the parcels; nothing is reported yet."""
        page, now = self.wms.poll_fulfilment(None, limit=1000), self.clock.now()
        with self.db.write() as conn:
            fulfilment.apply_events(conn, fulfilment.record_events(conn, page.events, now), now)
        judge_parcels(self.db, self.model, now, datetime.now(UTC))

    def deliver(self, handler: Handler) -> dict[str, int]:
        """Deliver one kind without the asset around it."""
        return dict(deliver(Outbox(self.db, self.model.outbox), handler, self.model.outbox))

    def make_due(self) -> None:
        """Let every back-off and lease end now."""
        with self.db.write() as conn:
            now = datetime.now(UTC)
            conn.execute(sa.update(outbox).values(next_attempt_at=now, lease_until=None))

    def outbox(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.table("outbox") if row["kind"] == kind]

    def table(self, name: str) -> list[dict[str, Any]]:
        """All rows of a table of the operations database, by primary key."""
        table = metadata.tables[name]
        with self.db.read() as conn:
            query = sa.select(table).order_by(*table.primary_key.columns)
            return [dict(row) for row in conn.execute(query).mappings()]


def operating_model(**sections: Any) -> OperatingModel:
    """The example's model with a filled return-number pool and short waits."""
    example = load_operating_model(REPOSITORY / "operating_model.example.yaml")
    bodies = [f"{90_000_000_000 + n}" for n in range(20)]
    pool = [body + str(check_digit(body, (4, 9))) for body in bodies]
    changes = {"http": _HTTP, "return_shipping": {"carrier": "DHL", "number_pool": pool}}
    return OperatingModel.model_validate(example.model_dump() | changes | sections)


def otto_settings(sandbox: Sandbox, model: OperatingModel, folder: Path) -> OttoSettings:
    return OttoSettings(
        base_url=sandbox.otto_url,
        client_id=sandbox.config.client_id,
        client_secret=sandbox.config.client_secret,
        state_dir=folder / "state",
        http=model.http,
    )


@pytest.fixture
def open_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Open a shop on a given database, at noon on a Monday, without orders or faults."""
    with ExitStack() as stack:

        def start(db: OperationsDatabase, **sections: Any) -> Shop:
            config = SandboxConfig(
                start=MONDAY.astimezone(UTC), orders=0, days=1, transport_fault_rate=0.0
            )
            sandbox = stack.enter_context(ObservedSandbox(config))
            shop = Shop(sandbox, db, tmp_path, **sections)
            stack.callback(shop.close)
            shop.advance(hours=12)
            return shop

        yield start


@pytest.fixture
def failing_rows() -> Callable[..., list[dict[str, Any]]]:
    """Rows that an asset check of a run shows; the check must have run.

    Where several assets have a check of that name, `asset` says whose is meant.
    """

    def read(result: Any, check: str, asset: str | None = None) -> list[dict[str, Any]]:
        [found] = [
            e
            for e in result.get_asset_check_evaluations()
            if e.check_name == check and asset in {None, e.asset_key.to_user_string()}
        ]
        rows = found.metadata.get("rows")
        assert found.passed is (rows is None)
        return [] if rows is None else [dict(record.data) for record in rows.records]

    return read


@pytest.fixture
def sqlite_db(sqlite_template: Path, tmp_path: Path) -> Iterator[OperationsDatabase]:
    path = tmp_path / "operations.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    db = OperationsDatabase(f"sqlite:///{path}")
    yield db
    db.close()


@pytest.fixture
def shop(open_shop: Callable[..., Shop], sqlite_db: OperationsDatabase) -> Shop:
    """A shop on SQLite: for flows in which the kind of database does not matter."""
    return open_shop(sqlite_db)


@pytest.fixture
def any_shop(open_shop: Callable[..., Shop], operations_db: OperationsDatabase) -> Shop:
    """A shop on SQLite and on PostgreSQL."""
    return open_shop(operations_db)


@pytest.fixture
def command(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    """Run a command on the shop's sandbox and database; returns exit code and output."""
    sandbox = shop.sandbox
    environment = {
        "OTTO_API_BASE_URL": sandbox.otto_url,
        "OTTO_CLIENT_ID": sandbox.config.client_id,
        "OTTO_CLIENT_SECRET": sandbox.config.client_secret,
        "WMS_BASE_URL": sandbox.wms_url,
        "WMS_API_KEY": sandbox.config.wms_api_key,
        "BUSINESS_CLOCK_URL": sandbox.clock_url,
        "OTTO_PIPELINES_DATA": str(tmp_path / "data"),
        "OPERATIONS_DATABASE_URL": f"sqlite:///{tmp_path / 'operations.sqlite'}",
        "OPERATING_MODEL": str(REPOSITORY / "operating_model.example.yaml"),
        "DAGSTER_HOME": str(tmp_path),
    }
    (tmp_path / "dagster.yaml").touch()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, arguments)
        return result.exit_code, result.output

    return run
