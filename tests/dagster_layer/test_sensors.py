"""Sensors and schedules look and request; they never take a failed look for silence."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from resources.operating_model import Automation
from resources.operations import watermarks
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import enqueue
from resources.operations.schema import outbox
from resources.wms.errors import WmsRetryable
from resources.wms.port import EventKind, FulfilmentEvent, FulfilmentPage
from sensors import fast_lane, lanes, runs, waiting_rows
from sensors.lanes import sync_orders
from sensors.schedules import build_money_schedules, build_schedules
from sensors.waiting_rows import build_waiting_rows

NOW = datetime(2026, 6, 8, 10, tzinfo=UTC)
EVENT = FulfilmentEvent(event_id="e1", kind=EventKind.PICKED, occurred_at=NOW, order_ref="o1")


class Feed:
    """The port's feed only; remembers from where it was read."""

    def __init__(self, page: FulfilmentPage | Exception) -> None:
        self.page = page
        self.cursors: list[str | None] = []

    def poll_fulfilment(self, cursor: str | None, limit: int = 200) -> FulfilmentPage:
        self.cursors.append(cursor)
        if isinstance(self.page, Exception):
            raise self.page
        return self.page


def page(*events: FulfilmentEvent, unreadable: tuple[str, ...] = ()) -> FulfilmentPage:
    return FulfilmentPage(events=events, next_cursor="c2", has_more=False, unreadable=unreadable)


@pytest.fixture
def db(sqlite_template: Path, tmp_path: Path) -> Iterator[OperationsDatabase]:
    path = tmp_path / "operations.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    db = OperationsDatabase(f"sqlite:///{path}")
    yield db
    db.close()


@pytest.fixture(autouse=True)
def _one_short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_lane, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(fast_lane, "PAUSE_SECONDS", 0.01)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    home = tmp_path / "dagster"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield instance


@contextmanager
def active_run(
    instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus
) -> Iterator[None]:
    """A run in this state, until the block ends."""
    # A run that waits in the queue knows where its job is defined.
    location = RegisteredCodeLocationOrigin("otto_pipelines")
    repository = RemoteRepositoryOrigin(location, "__repository__")
    origin = RemoteJobOrigin(repository, job)
    run = dg.DagsterRun(job_name=job, status=status, remote_job_origin=origin)
    instance.add_run(run)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is status
    yield
    instance.delete_run(run.run_id)


def sensor(name: str) -> dg.SensorDefinition:
    built = [fast_lane.build_fast_lane(Automation()), *build_waiting_rows(Automation())]
    return next(s for s in built if s.name == name)


def look(name: str, instance: dg.DagsterInstance, **resources: Any) -> Any:
    with dg.build_sensor_context(instance=instance, resources=resources) as context:
        return sensor(name)(context)


def schedule(name: str, instance: dg.DagsterInstance) -> Any:
    found = next(s for s in build_schedules(Automation()) if s.name == name)
    return found(dg.build_schedule_context(instance=instance))


@pytest.mark.parametrize(
    "news", [page(EVENT), page(unreadable=("events[0].kind: no such kind",))], ids=["event", "bad"]
)
def test_news_of_the_warehouse_request_a_run(
    db: OperationsDatabase, instance: dg.DagsterInstance, news: FulfilmentPage
) -> None:
    assert isinstance(
        look("warehouse_news", instance, wms_look=Feed(news), operations=db), dg.RunRequest
    )


def test_the_look_starts_where_the_last_run_ended(
    db: OperationsDatabase, instance: dg.DagsterInstance
) -> None:
    with db.write() as conn:
        watermarks.set(conn, "wms_fulfilment", "c1", NOW)
    feed = Feed(page())
    outcome = look("warehouse_news", instance, wms_look=feed, operations=db)
    assert isinstance(outcome, dg.SkipReason)
    assert set(feed.cursors) == {"c1"}
    assert len(feed.cursors) > 1, "it looks again within its tick"


@pytest.mark.parametrize(
    "status",
    [
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
    ],
)
def test_no_second_run_is_requested_while_one_waits_or_runs(
    db: OperationsDatabase, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    resources = {"wms_look": Feed(page(EVENT)), "operations": db}
    with active_run(instance, lanes.fast_lane.name, status):
        assert isinstance(look("warehouse_news", instance, **resources), dg.SkipReason)
    assert isinstance(look("warehouse_news", instance, **resources), dg.RunRequest)


def test_a_run_of_another_job_does_not_hold_a_dispatch_back(
    db: OperationsDatabase, instance: dg.DagsterInstance
) -> None:
    resources = {"wms_look": Feed(page(EVENT)), "operations": db}
    with active_run(instance, "reconcile", dg.DagsterRunStatus.STARTED):
        assert isinstance(look("warehouse_news", instance, **resources), dg.RunRequest)


def test_after_a_failed_run_news_wait_a_while(
    db: OperationsDatabase, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = {"wms_look": Feed(page(EVENT)), "operations": db}
    with active_run(instance, lanes.fast_lane.name, dg.DagsterRunStatus.FAILURE):
        assert isinstance(look("warehouse_news", instance, **resources), dg.SkipReason)
        monkeypatch.setattr(runs, "FIRST_REST", timedelta(0))
        assert isinstance(look("warehouse_news", instance, **resources), dg.RunRequest)


@pytest.mark.parametrize(
    ("failures", "minutes"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 15), (9, 15)]
)
def test_a_job_that_keeps_failing_rests_longer_and_longer(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, failures: int, minutes: int
) -> None:
    class Later(datetime):
        minutes = 0.0

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(minutes=cls.minutes)

    monkeypatch.setattr(runs, "datetime", Later)
    for status in ["SUCCESS", *["FAILURE"] * failures]:
        run = dg.DagsterRun(job_name="fast_lane", status=dg.DagsterRunStatus[status])
        instance.add_run(run)
    Later.minutes = minutes - 0.1
    assert runs.rests_after_failure(instance, "fast_lane")
    Later.minutes = minutes
    assert not runs.rests_after_failure(instance, "fast_lane")
    instance.add_run(dg.DagsterRun(job_name="fast_lane", status=dg.DagsterRunStatus.SUCCESS))
    Later.minutes = 0
    assert not runs.rests_after_failure(instance, "fast_lane")


def test_a_look_that_fails_is_a_failed_tick_and_not_silence(
    db: OperationsDatabase, instance: dg.DagsterInstance
) -> None:
    feed = Feed(WmsRetryable("the WMS at http://wms.example did not answer"))
    with pytest.raises(dg.Failure, match="did not answer"):
        look("warehouse_news", instance, wms_look=feed, operations=db)


def put(db: OperationsDatabase, kind: str, due: datetime) -> None:
    with db.write() as conn:
        enqueue(
            conn,
            kind=kind,
            business_key=f"{kind}-1",
            order_ref="o1",
            payload={},
            priority=1,
            now=due,
        )


def test_due_rows_are_left_to_a_run_of_the_fast_lane_that_stays(
    db: OperationsDatabase, instance: dg.DagsterInstance
) -> None:
    put(db, "otto_shipment", datetime.now(UTC) - timedelta(minutes=1))
    with active_run(instance, lanes.fast_lane.name, dg.DagsterRunStatus.STARTED):
        assert isinstance(look("outbox_due", instance, operations=db), dg.SkipReason)


def test_findings_request_the_checks_once_per_change(
    db: OperationsDatabase, instance: dg.DagsterInstance
) -> None:
    def look_again(cursor: str | None) -> Any:
        resources = {"operations": db}
        with dg.build_sensor_context(
            instance=instance, resources=resources, cursor=cursor
        ) as context:
            return sensor("findings")(context)

    first = look_again(None)
    assert isinstance(look_again(first.cursor), dg.SkipReason)
    with db.write() as conn:
        enqueue(
            conn,
            kind="otto_shipment",
            business_key="p1",
            order_ref="o1",
            payload={},
            priority=1,
            now=NOW,
            state="blocked",
            reason="a rule",
        )
    second = look_again(first.cursor)
    assert len(second.run_requests) == 1
    assert isinstance(look_again(second.cursor), dg.SkipReason)
    with active_run(instance, lanes.fast_lane.name, dg.DagsterRunStatus.SUCCESS):
        assert isinstance(look_again(second.cursor), dg.SensorResult)


@pytest.mark.parametrize(
    ("kind", "job"),
    [
        ("otto_shipment", "sync_shipments"),
        ("otto_cancellation", "sync_shipments"),
        ("wms_backorder", "sync_shipments"),
        ("wms_order", "submit_orders"),
        ("wms_cancellation", "submit_orders"),
        ("otto_return", "decide_returns"),
        ("otto_price_reduction", "reduce_prices"),
    ],
)
def test_a_due_row_requests_the_run_that_delivers_it(
    db: OperationsDatabase, instance: dg.DagsterInstance, kind: str, job: str
) -> None:
    put(db, kind, datetime.now(UTC) - timedelta(minutes=1))
    outcome = look("outbox_due", instance, operations=db)
    assert [request.job_name for request in outcome.run_requests] == [job]
    with active_run(instance, job, dg.DagsterRunStatus.STARTED):
        assert isinstance(look("outbox_due", instance, operations=db), dg.SkipReason)


def test_rows_that_wait_for_their_time_request_nothing(
    db: OperationsDatabase, instance: dg.DagsterInstance
) -> None:
    put(db, "otto_shipment", datetime.now(UTC) + timedelta(minutes=5))
    put(db, "wms_order", datetime.now(UTC))  # the run that wrote it is about to deliver it
    assert isinstance(look("outbox_due", instance, operations=db), dg.SkipReason)


def test_runs_that_bring_nothing_become_rare_until_one_does(
    db: OperationsDatabase, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Later(datetime):
        passed = timedelta()

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + cls.passed

    monkeypatch.setattr(waiting_rows, "datetime", Later)
    put(db, "otto_shipment", datetime.now(UTC) - timedelta(minutes=1))
    cursor, requests = None, []
    for tick in range(4 * 60):
        Later.passed = timedelta(minutes=tick)
        with dg.build_sensor_context(
            instance=instance, resources={"operations": db}, cursor=cursor
        ) as context:
            outcome = sensor("outbox_due")(context)
        if isinstance(outcome, dg.SensorResult):
            requests.append(tick)
            cursor = outcome.cursor
    assert 15 < len(requests) < 25
    assert requests[1] - requests[0] == 1, "the first one is followed at once"
    with db.write() as conn:
        ended = {"state": "confirmed", "recorded_at": datetime.now(UTC) + Later.passed}
        conn.execute(outbox.update().values(**ended))
    put(db, "otto_cancellation", datetime.now(UTC) - timedelta(minutes=1))
    with dg.build_sensor_context(
        instance=instance, resources={"operations": db}, cursor=cursor
    ) as context:
        assert isinstance(sensor("outbox_due")(context), dg.SensorResult)


def test_the_schedule_of_orders_reads_changes_into_todays_partition(
    instance: dg.DagsterInstance,
) -> None:
    request = schedule("orders", instance)
    assert request.run_config["ops"]["otto_orders"]["config"] == {"mode": "changes"}
    assert request.partition_key is not None
    with active_run(instance, sync_orders.name, dg.DagsterRunStatus.QUEUED):
        assert isinstance(schedule("orders", instance), dg.SkipReason)


def test_decisions_that_are_due_are_left_to_a_run_that_reads_returns(
    db: OperationsDatabase, instance: dg.DagsterInstance
) -> None:
    put(db, "otto_return", datetime.now(UTC) - timedelta(minutes=1))
    with active_run(instance, lanes.sync_returns.name, dg.DagsterRunStatus.STARTED):
        assert isinstance(look("outbox_due", instance, operations=db), dg.SkipReason)


@pytest.mark.parametrize("name", ["returns", "receipts", "prices"])
def test_each_reading_about_money_runs_by_the_clock_unless_it_runs_already(
    instance: dg.DagsterInstance, name: str
) -> None:
    [found] = [s for s in build_money_schedules(Automation()) if s.name == name]
    request: Any = found(dg.build_schedule_context(instance=instance))
    assert isinstance(request, dg.RunRequest)
    if name == "receipts":
        assert request.run_config["ops"]["otto_receipts"]["config"] == {"mode": "changes"}
        assert request.partition_key is not None
    with active_run(instance, f"sync_{name}", dg.DagsterRunStatus.QUEUED):
        skipped = found(dg.build_schedule_context(instance=instance))
        assert isinstance(skipped, dg.SkipReason)


def test_reconciliation_never_runs_twice_at_once(instance: dg.DagsterInstance) -> None:
    assert isinstance(schedule("reconciliation", instance), dg.RunRequest)
    with active_run(instance, "reconcile", dg.DagsterRunStatus.STARTED):
        assert isinstance(schedule("reconciliation", instance), dg.SkipReason)


def test_the_way_back_runs_by_the_clock_too_unless_it_runs_already(
    instance: dg.DagsterInstance,
) -> None:
    assert isinstance(schedule("shipments", instance), dg.RunRequest)
    for job in ("sync_shipments", "fast_lane"):
        with active_run(instance, job, dg.DagsterRunStatus.STARTED):
            assert isinstance(schedule("shipments", instance), dg.SkipReason)
