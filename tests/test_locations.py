"""The code location loads quickly and anywhere, and everything in it says what it is."""

import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from otto_pipelines.definitions import build_definitions
from resources.operating_model import Automation

REPOSITORY = Path(__file__).resolve().parents[1]
JOBS = {"sync_orders", "submit_orders", "sync_shipments", "reconcile"}
SCHEDULES = {"orders", "reconciliation"}
SENSORS = {"warehouse_news", "outbox_due", "follow_up"}

_LOAD = """
import sys
from otto_pipelines.definitions import defs
loaded = defs()
loaded.get_repository_def().load_all_definitions()
heavy = [m for m in ("pandas", "pandera", "duckdb", "otto_pipelines.sandbox") if m in sys.modules]
print(len(loaded.resolve_all_asset_specs()), heavy)
"""


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions()


def test_it_loads_without_any_environment_and_without_heavy_libraries(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOAD],
        env={"PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assets, heavy = done.stdout.strip().split(" ", 1)
    assert int(assets) >= 8
    assert heavy == "[]"
    assert list(tmp_path.iterdir()) == [], "loading writes nothing"


def test_the_workspace_names_a_module_that_holds_definitions() -> None:
    workspace = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text(encoding="utf-8"))
    [entry] = workspace["load_from"]
    assert entry["python_module"]["module_name"] == "otto_pipelines.definitions"


def test_the_instance_settings_load_and_hold_the_lanes_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(REPOSITORY / "deploy" / "dagster.yaml", tmp_path / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        limits = instance.get_concurrency_config().run_queue_config
        assert limits is not None
        lanes = {
            limit.get("value", limit["key"]): limit["limit"]
            for limit in limits.tag_concurrency_limits
        }
        # Whatever else runs, reconciliation and backfills leave a place for the fast lane.
        assert lanes["bulk"] + lanes["dagster/backfill"] < limits.max_concurrent_runs
        assert lanes["fast"] == 1
        assert instance.run_retries_enabled
        assert not instance.telemetry_enabled


def test_every_asset_says_who_owns_it_and_what_it_is(definitions: dg.Definitions) -> None:
    specs = definitions.resolve_all_asset_specs()
    assert len(specs) >= 8
    silent = {
        spec.key.to_user_string(): missing
        for spec in specs
        if (
            missing := [
                name
                for name in ("description", "group_name", "owners", "kinds")
                if not getattr(spec, name) or getattr(spec, name) == "default"
            ]
        )
    }
    assert silent == {}


def test_every_finance_table_and_the_orders_name_their_columns(
    definitions: dg.Definitions,
) -> None:
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    wanted = [key for key in specs if key.path[0] in {"reconciliation", "otto_orders"}]
    assert len(wanted) >= 6
    for key in wanted:
        schema = specs[key].metadata["dagster/column_schema"]
        columns = schema.value.columns if hasattr(schema, "value") else schema.columns
        assert columns, key


def test_every_check_says_what_it_means(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    checks = [graph.get_check_spec(key) for key in graph.asset_check_keys]
    assert len(checks) > 30
    assert [check.name for check in checks if not check.description] == []


@pytest.mark.parametrize("enabled", [True, False])
def test_what_runs_by_itself_is_what_the_operating_model_says(enabled: bool) -> None:
    automation = Automation(
        enabled=enabled, orders_cron="7 * * * *", reconciliation_cron="8 * * * *"
    )
    built = build_definitions(automation)
    repository = built.get_repository_def()
    schedules = {s.name: s for s in repository.schedule_defs}
    sensors = {s.name: s for s in repository.sensor_defs}
    assert schedules.keys() >= SCHEDULES
    assert sensors.keys() >= SENSORS
    expected = "RUNNING" if enabled else "STOPPED"
    for definition in [*schedules.values(), *sensors.values()]:
        assert definition.default_status.value == expected, definition.name
        assert definition.description, definition.name
    assert schedules["orders"].cron_schedule == "7 * * * *"
    assert schedules["reconciliation"].cron_schedule == "8 * * * *"
    assert {s.execution_timezone for s in schedules.values()} == {"Europe/Berlin"}


def test_every_job_has_a_description_and_the_lane_it_belongs_to(
    definitions: dg.Definitions,
) -> None:
    jobs = {
        job.name: job
        for job in definitions.get_repository_def().get_all_jobs()
        if not job.name.startswith("__")
    }
    assert jobs.keys() >= JOBS
    assert [name for name, job in jobs.items() if not job.description] == []
    assert jobs["fast_lane"].tags["otto_pipelines/lane"] == "fast"
    assert jobs["reconcile"].tags["otto_pipelines/lane"] == "bulk"
