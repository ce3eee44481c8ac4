"""Old runs go; what tells the newest state of an asset, a partition or a check stays."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
import sqlalchemy as sa
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable

from assets.run_history import purge, runs_to_keep

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")
LATER = datetime.now(UTC) + timedelta(days=1)


@dg.asset
def plain(context: dg.AssetExecutionContext) -> None:
    context.log.info("made")
    print("to the log of the process")  # noqa: T201


@dg.asset(partitions_def=DAYS)
def daily() -> None: ...


@dg.asset_check(asset=plain)
def sound() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.asset
def broken() -> None:
    raise ValueError("planted")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    settings: dict[str, Any] = {"telemetry": {"enabled": False}}
    if request.param == "postgresql":
        cluster = request.getfixturevalue("postgresql_cluster")
        name = f"dagster_{uuid.uuid4().hex}"
        with psycopg.connect(cluster, autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        settings["storage"] = {"postgres": {"postgres_url": f"{cluster}/{name}"}}
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides=settings) as made:
        yield made


def made(instance: dg.DagsterInstance, *assets: Any, partition: str | None = None) -> str:
    return dg.materialize(
        list(assets), instance=instance, partition_key=partition, raise_on_error=False
    ).run_id


def ids(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def test_only_the_newest_run_of_an_asset_and_of_each_partition_stays(
    instance: dg.DagsterInstance,
) -> None:
    made(instance, plain)
    newest = made(instance, plain)
    first_day = made(instance, daily, partition="2026-01-01")
    made(instance, daily, partition="2026-01-02")
    second_day = made(instance, daily, partition="2026-01-02")
    done = purge(instance, LATER)
    assert ids(instance) == {newest, first_day, second_day}
    assert (done.erased, done.old_but_kept, done.left) == (2, 3, 3)
    assert instance.get_materialized_partitions(daily.key) == {"2026-01-01", "2026-01-02"}
    event = instance.get_latest_materialization_event(plain.key)
    assert event is not None
    assert event.run_id == newest


def test_the_newest_result_of_a_check_stays_though_a_later_run_made_the_asset(
    instance: dg.DagsterInstance,
) -> None:
    made(instance, plain, sound)
    judged = made(instance, plain, sound)
    newest = made(instance, plain)
    purge(instance, LATER)
    assert ids(instance) == {judged, newest}
    check = dg.AssetCheckKey(plain.key, "sound")
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check]
    assert record.run_id == judged
    with instance.event_log_storage.index_connection() as conn:
        left = conn.scalar(sa.select(sa.func.count()).select_from(AssetCheckExecutionsTable))
    assert left == 1


def test_a_check_that_was_planned_last_and_never_judged_does_not_hide_its_result(
    instance: dg.DagsterInstance,
) -> None:
    judged = made(instance, plain, sound)
    planned = made(instance, plain)
    with instance.event_log_storage.index_connection() as conn:  # type: ignore[attr-defined]
        conn.execute(
            sa.insert(AssetCheckExecutionsTable).values(
                asset_key=plain.key.to_string(),
                check_name="sound",
                run_id=planned,
                execution_status="PLANNED",
            )
        )
    assert runs_to_keep(instance) == {judged, planned}


def test_young_runs_and_runs_under_way_stay_and_failed_ones_go(
    instance: dg.DagsterInstance,
) -> None:
    failed = made(instance, broken)
    under_way = instance.create_run_for_job(
        dg.define_asset_job("waiting", selection=[plain]).resolve(
            asset_graph=dg.Definitions(assets=[plain]).resolve_asset_graph()
        ),
        status=dg.DagsterRunStatus.STARTED,
    ).run_id
    assert purge(instance, datetime.now(UTC) - timedelta(minutes=5)).erased == 0
    assert ids(instance) == {failed, under_way}
    assert purge(instance, LATER).erased == 1
    assert ids(instance) == {under_way}


def test_nothing_of_an_erased_run_is_left(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    gone = made(instance, plain, sound)
    made(instance, plain, sound)
    purge(instance, LATER)
    assert list(tmp_path.rglob(f"*{gone}*")) == []
    with instance.event_log_storage.index_connection() as conn:  # type: ignore[attr-defined]
        events = sa.text("SELECT count(*) FROM event_logs WHERE run_id = :gone")
        assert conn.scalar(events, {"gone": gone}) == 0
    with instance.run_storage.connect() as conn:  # type: ignore[attr-defined]
        tags = sa.text("SELECT count(*) FROM run_tags WHERE run_id = :gone")
        assert conn.scalar(tags, {"gone": gone}) == 0


def test_a_dry_look_erases_nothing_and_a_bound_takes_the_oldest_first(
    instance: dg.DagsterInstance,
) -> None:
    runs = [made(instance, plain) for _ in range(4)]
    assert purge(instance, LATER, dry=True).erased == 3
    assert ids(instance) == set(runs)
    assert purge(instance, LATER, most=1).erased == 1
    assert ids(instance) == set(runs[1:])
    assert runs_to_keep(instance) == {runs[3]}
