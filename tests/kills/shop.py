"""One seller at work: sandbox, workplace on either database, and buyers who keep ordering.

Belongs here: putting these together and taking them apart. The services are started by whoever runs
a campaign (`services`), what came of it is judged in `audit`.
"""

import dataclasses
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from otto_pipelines.demo.workplace import Workplace, credentials, prepare
from otto_pipelines.sandbox import generator
from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.stories import Story
from resources.operations.database import OperationsDatabase
from tests.kills.wire import SlowSandbox

TEMPO = 0.002
# Real time is the ceiling of virtual time: the first orders at once, then real time.
_CATCH_UP_SPEED = 1_000_000
_STORIES = (
    (None, 12),
    (Story.SPLIT, 2),
    (Story.SHORT_PICKED, 1),
    (Story.BACKORDERED, 1),
    (Story.CANCELLED_EARLY, 1),
    (Story.CANCELLED_LATE, 1),
)

MODEL: dict[str, dict[str, Any]] = {
    "reconciliation": {
        "missing_in_wms": 4,
        "cancellation": 4,
        "confirmation": 4,
        "confirmed_not_dispatched": 4,
        "stock_drift": 4,
        "stock_oversold": 4,
    },
    "availability": {"snapshot_cron": "*/6 * * * *", "stale_after_minutes": 15},
    "automation": {
        "enabled": True,
        "orders_cron": "* * * * *",
        "shipments_cron": "*/10 * * * *",
        "returns_cron": "*/3 * * * *",
        "receipts_cron": "*/6 * * * *",
        "prices_cron": "*/15 * * * *",
        "reconciliation_cron": "*/2 * * * *",
        "linger_seconds": 60.0,
    },
    "http": {"timeout_seconds": 5.0, "attempts": 3, "longest_backoff_seconds": 2.0},
    # Above the longest call: three attempts of five seconds and their waits.
    "outbox": {
        "lease_seconds": 30.0,
        "first_backoff_seconds": 1.0,
        "longest_backoff_seconds": 5.0,
        "give_up_after": 200,
    },
    "returns": {"auto_accept": ["NEW", "MINT", "USED_LIGHT"]},
}


@dataclass(frozen=True)
class Databases:
    """Where both live; None: SQLite files in the workplace."""

    operations_url: str | None = None
    dagster_url: str | None = None


@dataclass
class Shop:
    """A sandbox that runs, and the workplace of the pipelines that serve it."""

    sandbox: SlowSandbox
    place: Workplace
    db: OperationsDatabase


@contextmanager
def open_shop(
    folder: Path,
    databases: Databases,
    *,
    seed: int,
    model: Mapping[str, Mapping[str, Any]] = MODEL,
    dagster: Mapping[str, Mapping[str, Any]] | None = None,
    **world: Any,
) -> Iterator[Shop]:
    """Start the sandbox and prepare the workplace; `dagster` changes sections of its settings."""
    shared = credentials()
    settings = {
        "seed": seed,
        "orders": 40,
        "days": 1,
        "start": datetime.now(UTC) - timedelta(days=1),
        "speed": _CATCH_UP_SPEED,
        "tempo": TEMPO,
        "data_fault_rate": 0.0,
        "transport_fault_rate": 0.0,
        # Who pays in advance does so in days, and this world lasts minutes.
        "prepayment_rate": 0.0,
        "returns_share": 0.2,
        "return_after_hours": 1.0,
        "return_transit_hours": 1.0,
        "unknown_skus": 0,
        "client_id": shared["OTTO_CLIENT_ID"],
        "client_secret": shared["OTTO_CLIENT_SECRET"],
        "wms_api_key": shared["WMS_API_KEY"],
    }
    with SlowSandbox(SandboxConfig(**(settings | world))) as sandbox:
        addresses = {
            "otto": sandbox.otto_url,
            "wms": sandbox.wms_url,
            "clock": sandbox.clock_url,
        }
        place = prepare(folder, addresses, shared, model)
        place = _on(place, databases)
        _set_dagster(place, databases, dagster or {})
        db = OperationsDatabase(place.operations_url)
        db.migrate()
        try:
            yield Shop(sandbox, place, db)
        finally:
            db.close()


@contextmanager
def buyers(sandbox: SlowSandbox, seed: int, pause_seconds: float) -> Iterator[None]:
    """Somebody orders every `pause_seconds`, until the block ends."""
    rng = random.Random(f"buyers:{seed}")
    told, weights = zip(*_STORIES, strict=True)
    over = threading.Event()

    def order() -> None:
        while not over.wait(rng.expovariate(1 / pause_seconds)):
            with sandbox.world.turn() as world:
                placed = generator.make_order(rng, world.sim.now)
                placed.story = rng.choices(told, weights)[0]
                world._arrive(placed)

    thread = threading.Thread(target=order, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _on(place: Workplace, databases: Databases) -> Workplace:
    if databases.operations_url is None:
        return place
    further = {
        "OPERATIONS_DATABASE_URL": databases.operations_url,
        "DAGSTER_POSTGRES_URL": databases.dagster_url or "",
    }
    return dataclasses.replace(place, environment={**place.environment, **further})


def _set_dagster(
    place: Workplace, databases: Databases, changes: Mapping[str, Mapping[str, Any]]
) -> None:
    file = Path(place.environment["DAGSTER_HOME"]) / "dagster.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    if databases.dagster_url is not None:
        settings["storage"] = {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}
    for section, values in changes.items():
        settings[section] = {**settings.get(section, {}), **values}
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
