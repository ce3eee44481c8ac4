"""The sensors of alerts on a real Dagster instance: nothing is missed, and nights are bounded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    TickData,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from assets.alerting import intake
from assets.alerting.signals import Failing
from otto_pipelines.definitions import build_definitions
from resources.alerts.heartbeat import Heartbeat
from resources.alerts_policy import AlertsPolicy, Severity
from resources.operations import alerts
from resources.operations.database import OperationsDatabase
from resources.operations.sync_log import SyncLog
from sensors import alert_signals
from sensors.alert_signals import DagsterLook, Position
from sensors.alerts import unwell
from tests.alerting.servers import http_hook
from tests.flows.conftest import operating_model

EVENING = datetime(2026, 6, 8, 18, tzinfo=UTC)  # 20:00 in Berlin
ROUTES = {"operations": {"error": ["mail"]}, "warehouse": {"error": ["mail"]}}
GATE = dg.AssetCheckKey(dg.AssetKey("parcels"), "tracking_number_present")
REPOSITORY = build_definitions().get_repository_def()


class Recorder:
    def __init__(self) -> None:
        self.titles: list[str] = []

    def send(self, channel: str, title: str, body: str, severity: Severity) -> None:
        self.titles.append(title.removeprefix("[otto_pipelines] "))

    def take(self) -> list[str]:
        taken, self.titles = self.titles, []
        return taken


@dataclass
class Watch:
    """The sensors, one instance, one database and a clock that a test moves."""

    instance: dg.DagsterInstance
    db: OperationsDatabase
    policy: AlertsPolicy
    at: datetime = EVENING
    cursor: str | None = None
    sender: Recorder = field(default_factory=Recorder)
    said: str = ""

    def now(self) -> datetime:
        return self.at

    def tick(self, **later: float) -> list[str]:
        """Time passes and the sensor looks; returns the titles of the messages."""
        self._evaluate("alerts", {"alert_channels": self.sender}, **later)
        return self.sender.take()

    def beat(self, url: str, **later: float) -> str:
        """The same of the sign of life; returns what the tick says."""
        self._evaluate("heartbeat", {"outside": Heartbeat(url)}, **later)
        return self.said

    def _evaluate(self, name: str, resources: dict[str, Any], **later: float) -> None:
        self.at += timedelta(**later)
        model = operating_model(alerts=self.policy.model_dump())
        shared = {"operations": self.db, "model": model, "clock": self}
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            repository_def=REPOSITORY,
            resources=shared | resources,
        ) as context:
            skipped: Any = REPOSITORY.get_sensor_def(name)(context)
            self.cursor = context.cursor
        self.said = skipped.skip_message

    def judge(self, key: dg.AssetCheckKey, *, passed: bool, rows: int = 1, **more: Any) -> None:
        """A check is evaluated."""
        metadata = {"failing_rows": rows, "remedy": "Correct it in the WMS."}
        self.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=passed,
                metadata=metadata | more.pop("metadata", {}),
                **more,
            )
        )

    def run(self, job: str, *, succeeded: bool) -> None:
        """A run of a job begins and ends."""
        run = dg.DagsterRun(job_name=job, status=dg.DagsterRunStatus.STARTED)
        self.instance.add_run(run)
        if succeeded:
            event = dg.DagsterEvent(
                event_type_value=dg.DagsterEventType.RUN_SUCCESS.value, job_name=job
            )
            self.instance.report_dagster_event(event, run.run_id)
        else:
            self.instance.report_run_failed(run)

    def daemon_lives(self, *, ago: float = 0.0) -> None:
        """Every daemon that is needed gives a sign of life, so many seconds ago."""
        moment = datetime.now(UTC).timestamp() - ago
        for kind in self.instance.get_required_daemon_types():
            self.instance.add_daemon_heartbeat(DaemonHeartbeat(moment, kind, "d", []))


@pytest.fixture
def watch(sqlite_template: Path, tmp_path: Path) -> Iterator[Watch]:
    path = tmp_path / "operations.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    db = OperationsDatabase(f"sqlite:///{path}")
    home = tmp_path / "dagster"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield Watch(instance, db, AlertsPolicy.model_validate({"routes": ROUTES}))
    db.close()


def test_checks_are_read_from_where_the_last_tick_ended_also_after_a_restart(
    watch: Watch,
) -> None:
    watch.tick()
    watch.judge(GATE, passed=False, rows=3)
    watch.judge(GATE, passed=False, rows=4)
    assert watch.tick() == ["ERROR: parcels: tracking_number_present (4 rows)"]
    cursor = watch.cursor
    watch.judge(GATE, passed=True)
    assert watch.tick(minutes=5) == ["Recovered: parcels: tracking_number_present"]
    watch.cursor = cursor  # the daemon ended before it kept the cursor
    assert watch.tick(minutes=5) == []
    with watch.db.read() as conn:
        assert alerts.open_alerts(conn) == []


def test_more_events_than_a_page_are_all_read(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_signals, "_PAGE", 4)
    watch.tick()
    for passed in [False, True] * 5 + [False]:
        watch.judge(GATE, passed=passed)
    watch.tick()
    with watch.db.read() as conn:
        assert [a.key for a in alerts.open_alerts(conn)] == [
            "check:parcels/tracking_number_present"
        ]
    watch.judge(GATE, passed=True)
    watch.tick()
    with watch.db.read() as conn:
        assert alerts.open_alerts(conn) == []


def test_another_log_than_before_is_read_from_its_present_state(watch: Watch) -> None:
    watch.tick()
    watch.judge(GATE, passed=False)
    assert len(watch.tick()) == 1
    watch.cursor = str(Position(10_000, 10_000))
    with watch.db.write() as conn:
        alerts.update(conn, 1, {"event_id": 10_000})
    watch.judge(GATE, passed=True)
    assert watch.tick(minutes=5) == ["Recovered: parcels: tracking_number_present"]
    watch.judge(GATE, passed=False)
    assert len(watch.tick(hours=2)) == 1, "its events count though their ids are smaller"


def test_an_event_that_commits_behind_a_later_one_is_not_missed(watch: Watch) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        watch.instance = instance
        watch.judge(GATE, passed=True)
        watch.judge(GATE, passed=False)
        newest = instance.event_log_storage.get_maximum_record_id() or 0
        look = DagsterLook(instance, REPOSITORY, watch.policy)
        found, _ = look.since(Position(newest + 1, newest + 1))
        assert [signal.key for signal in found] == ["check:parcels/tracking_number_present"] * 2


def test_partitions_are_apart_and_warnings_have_channels_of_their_own(watch: Watch) -> None:
    watch.tick()
    for day in ("2026-06-07", "2026-06-08"):
        watch.judge(GATE, passed=False, partition=day)
    other = dg.AssetCheckKey(dg.AssetKey("parcels"), "carrier_known")
    watch.judge(other, passed=False, severity=dg.AssetCheckSeverity.WARN)
    assert watch.tick() == [
        "ERROR: parcels: tracking_number_present of 2026-06-07 (1 rows)",
        "ERROR: parcels: tracking_number_present of 2026-06-08 (1 rows)",
    ]
    with watch.db.read() as conn:
        assert [a.severity for a in alerts.open_alerts(conn)] == ["error", "error", "warning"]


def test_only_counts_and_keys_of_a_row_are_passed_on(watch: Watch) -> None:
    row = {
        "sales_order_id": "o-1\nTo: all",
        "sku": "Tasse blau",
        "reason": "Frau Canary, Geheimweg 7",
        "ship_by": "2026-06-09T12:00:00+00:00",
    }
    table = dg.MetadataValue.table(
        records=[dg.TableRecord(row)],
        schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in row]),
    )
    watch.tick()
    watch.judge(GATE, passed=False, metadata={"rows": table, "amount_at_risk_cents": 999})
    watch.tick()
    with watch.db.read() as conn:
        [alert] = alerts.open_alerts(conn)
    assert alert.examples == ("sales_order_id o-1?To: all, sku Tasse blau",)
    assert (alert.failing_rows, alert.at_risk_cents) == (1, 999)
    assert alert.deadline_at == datetime(2026, 6, 9, 12, tzinfo=UTC)
    assert alert.owner == "warehouse"
    assert "Canary" not in str(alert)


def test_an_alert_goes_to_the_owner_of_the_rule_else_of_the_asset(watch: Watch) -> None:
    watch.tick()
    for asset, name in (
        ("otto_orders", "address_present_when_processable"),
        ("reconciliation/breaks", "no_tracking_missing"),
        ("otto_receipts", "whole_cents"),
        ("available_to_sell", "no_unit_oversold"),
    ):
        watch.judge(dg.AssetCheckKey(dg.AssetKey(asset.split("/")), name), passed=False)
    watch.tick()
    with watch.db.read() as conn:
        found = {
            a.title.rpartition(" ")[2]: (a.owner, a.severity) for a in alerts.open_alerts(conn)
        }
    assert found == {
        "address_present_when_processable": ("customer_care", "error"),
        "no_tracking_missing": ("warehouse", "error"),
        "whole_cents": ("finance", "error"),
        "no_unit_oversold": ("operations", "urgent"),
    }


def test_an_alert_of_a_check_that_is_gone_ends(watch: Watch) -> None:
    watch.tick()
    watch.judge(dg.AssetCheckKey(dg.AssetKey("parcels"), "no_longer_there"), passed=False)
    assert len(watch.tick()) == 1
    assert watch.tick(minutes=1) == ["Recovered: parcels: no_longer_there"]


@pytest.mark.parametrize(
    ("error", "tags", "told"),
    [
        (dg.Failure("there is no such exception", allow_retries=False), {}, False),
        (dg.Failure("it cannot be"), {"dagster/schedule_name": "decide_returns"}, True),
        (ValueError("it broke"), {}, True),
    ],
    ids=["refused to a person", "refused to a schedule", "broken"],
)
def test_a_run_that_refused_what_a_person_asked_for_is_no_alert(
    error: Exception, tags: dict[str, str], told: bool, watch: Watch
) -> None:
    @dg.op
    def act() -> None:
        raise error

    @dg.job
    def act_by_hand() -> None:
        act()

    watch.tick()
    act_by_hand.execute_in_process(instance=watch.instance, raise_on_error=False, tags=tags)
    watch.tick()
    assert watch.tick(minutes=16) == (["ERROR: run of act_by_hand"] if told else [])


def test_an_alert_of_a_sensor_that_is_gone_ends(watch: Watch) -> None:
    watch.tick()
    cannot_look = Failing(
        key="tick:no_longer_there",
        kind="tick",
        owner="team:operations",
        severity="error",
        title="no_longer_there cannot look",
        what="Its latest tick failed.",
        remedy="Look at it.",
        place="/automation",
    )
    with watch.db.write() as conn:
        intake.take(conn, watch.policy, [cannot_look], watch.at)
    assert watch.tick(minutes=16) == []
    with watch.db.read() as conn:
        assert alerts.open_alerts(conn) == []


def test_otto_down_for_a_night_gives_a_bounded_number_of_messages(watch: Watch) -> None:
    """Ten hours in which every flow fails again and again and checks follow one by one."""
    watch.policy = AlertsPolicy.model_validate(
        {
            "routes": {
                "default": {
                    "error": ["mail"],
                    "escalate": [{"after_minutes": 60, "to": "boss"}],
                },
                "boss": {"error": ["phone"]},
            }
        }
    )
    jobs = ["sync_orders", "sync_shipments", "fast_lane", "stock_lane", "sync_stock"]
    jobs += ["sync_returns", "sync_receipts", "submit_orders"]
    checks = sorted(REPOSITORY.asset_graph.asset_check_keys)[:60]
    # In memory: a SQLite instance makes a file for each of the night's runs.
    watch.instance = dg.DagsterInstance.ephemeral()
    watch.tick()
    night: list[list[str]] = []
    for step in range(0, 600, 20):
        for job in jobs:
            watch.run(job, succeeded=False)
        if step % 60 == 0:
            for key in checks[: 10 + step // 10]:
                watch.judge(key, passed=False, rows=1 + step // 100)
        night.append(watch.tick(minutes=20))
    window = timedelta(minutes=watch.policy.digest_minutes)
    most = (timedelta(hours=10) // window + 1) * (watch.policy.messages_at_once + 1) * 2
    told = [title for titles in night for title in titles]
    assert 2 <= len(told) <= 30 < most
    with watch.db.read() as conn:
        failed = [a for a in alerts.open_alerts(conn) if a.kind == "run"]
    assert len(failed) == len(jobs)
    assert {alert.times for alert in failed} == {30}

    for job in jobs:
        watch.run(job, succeeded=True)
    for key in checks:
        watch.judge(key, passed=True)
    morning = watch.tick(minutes=30)
    assert len(morning) == 2, "one digest for each channel"
    assert all("0 of them open" in title for title in morning)
    with watch.db.read() as conn:
        assert alerts.open_alerts(conn) == []


def test_a_daemon_without_a_sign_of_life_is_told_after_a_while(watch: Watch) -> None:
    watch.daemon_lives()
    assert watch.tick() == []
    watch.daemon_lives(ago=3600)
    assert watch.tick(minutes=1) == []
    told = watch.tick(minutes=16)
    assert len(told) >= 1
    watch.daemon_lives()
    assert len(watch.tick(minutes=30)) == 1


def test_a_sensor_that_cannot_look_is_told_until_it_looks_again(watch: Watch) -> None:
    watch.daemon_lives()
    location = RegisteredCodeLocationOrigin("otto_pipelines")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__r__"), "warehouse_news")
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE)
    watch.instance.add_instigator_state(state)

    def looked(status: TickStatus) -> None:
        error = SerializableErrorInfo("it is down", [], "Failure")
        watch.instance.create_tick(
            TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name="warehouse_news",
                instigator_type=InstigatorType.SENSOR,
                status=status,
                timestamp=datetime.now(UTC).timestamp(),
                selector_id=state.selector_id,
                error=error if status is TickStatus.FAILURE else None,
            )
        )

    looked(TickStatus.SKIPPED)
    assert watch.tick() == []
    looked(TickStatus.FAILURE)
    looked(TickStatus.STARTED)
    watch.tick(minutes=1)
    assert watch.tick(minutes=16) == ["ERROR: warehouse_news cannot look"]
    looked(TickStatus.SKIPPED)
    assert watch.tick(minutes=1) == ["Recovered: warehouse_news cannot look"]


def test_the_sign_of_life_stays_away_as_soon_as_something_is_not_well(watch: Watch) -> None:
    with http_hook() as hook:

        def synchronise(*flows: str) -> None:
            for flow in flows:
                with SyncLog(watch.db, flow, watch.now(), {}):
                    pass

        def beats(**later: float) -> tuple[int, str]:
            said = watch.beat(hook.url, **later)
            return len(hook.take()), said

        assert beats()[0] == 0, "nothing has run yet"
        watch.daemon_lives()
        watch.tick()
        synchronise("orders", "shipments", "stock")
        assert beats() == (1, "a sign of life was given")

        watch.daemon_lives(ago=3600)
        sent, said = beats()
        assert (sent, "daemon" in said) == (0, True)
        watch.daemon_lives()
        assert beats()[0] == 1

        sent, said = beats(minutes=61)
        assert sent == 0
        assert "`alerts` has not looked lately" in said
        assert "synchronisation of orders is too old" in said
        assert "of stock" not in said
        watch.tick()
        synchronise("orders", "shipments")
        assert beats()[0] == 1

        hook.status = 500
        assert "HEARTBEAT_URL answers 500" in beats()[1]
        assert "not set" in watch.beat("")
        assert unwell(watch.instance, watch.db, watch.policy, watch.now()) == []


def test_a_failed_synchronisation_is_no_sign_of_life(watch: Watch) -> None:
    watch.daemon_lives()
    watch.tick()
    watch.policy = AlertsPolicy.model_validate({"heartbeat": {"flows": {"orders": 60}}})
    with pytest.raises(ValueError, match="stop"), SyncLog(watch.db, "orders", watch.now(), {}):
        raise ValueError("stop")
    found = unwell(watch.instance, watch.db, watch.policy, watch.now())
    assert found == ["the last good synchronisation of orders is too old"]
