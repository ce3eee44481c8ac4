"""The sensor of stock looks and requests, schedules start no job twice, checks follow a guard."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.stock_figures import LISTED
from assets.stock_intake import CHANGES, LIST
from resources.operating_model import (
    Automation,
    AvailabilityPolicy,
    OperatingModel,
    load_operating_model,
)
from resources.operations import quarantine, watermarks
from resources.operations.availability import Lane, NewFigure, store_figures
from resources.operations.database import OperationsDatabase
from resources.wms.errors import WmsRetryable
from resources.wms.port import StockChanges
from sensors import runs, stock_news
from sensors.lanes import check_stock, stock_lane, sync_stock
from sensors.schedules import build_stock_schedules
from sensors.waiting_rows import build_waiting_rows

NOW = datetime(2026, 6, 8, 10, tzinfo=UTC)
EXAMPLE = Path(__file__).resolve().parents[2] / "operating_model.example.yaml"


class Feed:
    """The feed of stock changes only; remembers from where it was read."""

    def __init__(self, *skus: str, error: Exception | None = None) -> None:
        self.skus = skus
        self.error = error
        self.cursors: list[str | None] = []

    def poll_stock_changes(self, cursor: str | None) -> StockChanges:
        self.cursors.append(cursor)
        if self.error is not None:
            raise self.error
        return StockChanges(skus=self.skus, next_cursor="c2", has_more=False)


@pytest.fixture
def model() -> OperatingModel:
    return load_operating_model(EXAMPLE)


@pytest.fixture
def db(sqlite_template: Path, tmp_path: Path) -> Iterator[OperationsDatabase]:
    path = tmp_path / "operations.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    db = OperationsDatabase(f"sqlite:///{path}")
    yield db
    db.close()


@pytest.fixture
def begun(db: OperationsDatabase) -> OperationsDatabase:
    with db.write() as conn:
        watermarks.set(conn, LISTED, NOW.isoformat(), NOW)
        watermarks.set(conn, CHANGES, "c1", NOW)
    return db


@pytest.fixture(autouse=True)
def _one_short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock_news, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(stock_news, "PAUSE_SECONDS", 0.01)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    home = tmp_path / "dagster"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield instance


def add_run(instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus) -> None:
    instance.add_run(dg.DagsterRun(job_name=job, status=status))


def look(
    instance: dg.DagsterInstance, feed: Feed, db: OperationsDatabase, cursor: str | None = None
) -> Any:
    resources = {"wms_look": feed, "operations": db, "model": load_operating_model(EXAMPLE)}
    sensor = stock_news.build_stock_news(Automation(linger_seconds=7))
    with dg.build_sensor_context(instance=instance, resources=resources, cursor=cursor) as context:
        return sensor(context)


def requested(outcome: Any) -> list[tuple[str, dict[str, Any]]]:
    assert isinstance(outcome, dg.SensorResult), outcome
    return [
        (request.job_name, request.run_config["ops"]["stock"]["config"])
        for request in outcome.run_requests or []
    ]


def test_the_first_whole_list_is_asked_for_once(
    db: OperationsDatabase, instance: dg.DagsterInstance
) -> None:
    first = look(instance, Feed("A"), db)
    [(job, config)] = requested(first)
    assert (job, config["task"]) == (sync_stock.name, "all")
    assert isinstance(look(instance, Feed("A"), db, first.cursor), dg.SkipReason)


def test_a_change_of_stock_requests_a_run_that_stays(
    begun: OperationsDatabase, instance: dg.DagsterInstance
) -> None:
    feed = Feed("A")
    [(job, config)] = requested(look(instance, feed, begun))
    assert (job, config["task"], config["linger_seconds"]) == (stock_lane.name, "changes", 7)
    assert feed.cursors == ["c1"]


def test_without_news_nothing_is_requested(
    begun: OperationsDatabase, instance: dg.DagsterInstance
) -> None:
    feed = Feed()
    assert isinstance(look(instance, feed, begun), dg.SkipReason)
    assert len(feed.cursors) > 1, "it looks again within its tick"


@pytest.mark.parametrize(("lane", "wanted"), [(Lane.URGENT, 1), (Lane.MOVING, 1), (Lane.REST, 0)])
def test_a_figure_that_moves_and_waits_requests_a_run_and_the_rest_does_not(
    begun: OperationsDatabase, instance: dg.DagsterInstance, lane: Lane, wanted: int
) -> None:
    with begun.write() as conn:
        store_figures(conn, [NewFigure("A", 3, {}, lane)], NOW)
    outcome = look(instance, Feed(), begun)
    assert isinstance(outcome, dg.SensorResult) is bool(wanted)


def test_a_run_that_stays_is_left_alone(
    begun: OperationsDatabase, instance: dg.DagsterInstance
) -> None:
    add_run(instance, stock_lane.name, dg.DagsterRunStatus.STARTED)
    assert isinstance(look(instance, Feed("A"), begun), dg.SkipReason)


def test_after_a_failed_run_news_wait_a_while(
    begun: OperationsDatabase, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(instance, stock_lane.name, dg.DagsterRunStatus.FAILURE)
    assert isinstance(look(instance, Feed("A"), begun), dg.SkipReason)
    monkeypatch.setattr(runs, "FIRST_REST", timedelta(0))
    assert requested(look(instance, Feed("A"), begun))


def test_a_look_that_fails_is_a_failed_tick_and_not_silence(
    begun: OperationsDatabase, instance: dg.DagsterInstance
) -> None:
    with pytest.raises(dg.Failure, match="did not answer"):
        look(instance, Feed(error=WmsRetryable("the WMS did not answer")), begun)


@pytest.mark.parametrize("name", ["stock", "stock_full_push", "stock_read_back"])
def test_a_schedule_of_stock_never_starts_its_job_twice(
    instance: dg.DagsterInstance, name: str
) -> None:
    schedules = build_stock_schedules(Automation(), AvailabilityPolicy())
    schedule: Any = next(each for each in schedules if each.name == name)
    context = dg.build_schedule_context(instance=instance)
    assert isinstance(schedule(context), dg.RunRequest)
    add_run(instance, schedule.job_name, dg.DagsterRunStatus.STARTED)
    assert isinstance(schedule(context), dg.SkipReason)


def test_crons_of_stock_are_those_of_the_operating_model(model: OperatingModel) -> None:
    policy = model.availability.model_copy(update={"full_push_cron": "7 1 * * *"})
    crons = {each.name: each.cron_schedule for each in build_stock_schedules(Automation(), policy)}
    assert crons["stock_full_push"] == "7 1 * * *"


def test_a_guard_that_stops_something_requests_the_checks_of_stock(
    db: OperationsDatabase, instance: dg.DagsterInstance
) -> None:
    [findings] = [s for s in build_waiting_rows(Automation()) if s.name == "findings"]

    def look_again(cursor: str | None) -> Any:
        with dg.build_sensor_context(
            instance=instance, resources={"operations": db}, cursor=cursor
        ) as context:
            return findings(context)

    first = look_again("plain text of an earlier version")
    assert isinstance(look_again(first.cursor), dg.SkipReason)
    names = ("source", "business_key", "rule", "field", "shown", "owner", "remedy")
    stopped = dict.fromkeys(names, "stock snapshot") | {"source": LIST, "evidence_ref": None}
    with db.write() as conn:
        quarantine.put(conn, [stopped], NOW)
    second = look_again(first.cursor)
    assert check_stock.name in [request.job_name for request in second.run_requests]
    other = stopped | {"source": "otto_orders"}
    with db.write() as conn:
        quarantine.replace(conn, LIST, [stopped], NOW + timedelta(minutes=30))
        quarantine.put(conn, [other], NOW)
    again = look_again(second.cursor)
    requested = [] if isinstance(again, dg.SkipReason) else again.run_requests
    assert check_stock.name not in [request.job_name for request in requested]
    with db.write() as conn:
        quarantine.replace(conn, LIST, [], NOW + timedelta(minutes=60))
    third = look_again(second.cursor)
    assert check_stock.name in [request.job_name for request in third.run_requests]
