"""A history of days: backed up, purged, restored elsewhere, with the same tables.

The long form (`-m campaign`) makes 30 days of the headless demo: HISTORY_DAYS, HISTORY_ORDERS.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from assets.run_history import Purged, purge
from otto_pipelines.cli import app
from otto_pipelines.demo.rehearsal import rehearse
from resources.backup.manifest import Manifest, TableHashes, read_manifest

REPOSITORY = Path(__file__).resolve().parents[2]
Command = Callable[..., str]
# Of the operations database, housekeeping erases old rows of these.
PURGED = ("sync_runs", "alerts", "alert_notices", "alert_deliveries")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command on the installation below a folder."""

    def run(folder: str, *arguments: str) -> str:
        base = tmp_path / folder
        (base / "dagster").mkdir(parents=True, exist_ok=True)
        environment = {
            "OTTO_PIPELINES_DATA": base / "data",
            "OPERATIONS_DATABASE_URL": f"sqlite:///{base / 'data' / 'operations.sqlite'}",
            "FINANCE_DATABASE_PATH": base / "data" / "finance.duckdb",
            "OPERATING_MODEL": base / "operating_model.yaml",
            "DAGSTER_HOME": base / "dagster",
            "OTTO_API_BASE_URL": "http://127.0.0.1:9",
            "OTTO_CLIENT_ID": "nobody",
            "OTTO_CLIENT_SECRET": "nothing",
            "WMS_BASE_URL": "http://127.0.0.1:9",
            "WMS_API_KEY": "nothing",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{result.output}{result.exception or ''}"
        return result.output

    return run


@contextmanager
def opened(home: Path) -> Iterator[dg.DagsterInstance]:
    """Open the instance of a folder; its settings name the folder by DAGSTER_HOME."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield instance


def asset_states(home: Path) -> dict[str, str]:
    """The run of the newest materialisation of each asset."""
    with opened(home) as instance:
        newest = {
            key.to_user_string(): instance.get_latest_materialization_event(key)
            for key in instance.all_asset_keys()
        }
    return {name: event.run_id for name, event in newest.items() if event is not None}


def test_run_history_goes_into_a_backup_and_comes_back(command: Command, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    (shop / "dagster").mkdir(parents=True)
    for target, source in {
        "operating_model.yaml": "operating_model.example.yaml",
        "dagster/dagster.yaml": "deploy/dagster.yaml",
    }.items():
        (shop / target).write_bytes((REPOSITORY / source).read_bytes())
    for _ in range(2):
        assert "housekeeping succeeded" in command("shop", "housekeeping")
    backup = str(tmp_path / "backup")
    assert "MB" in command("shop", "backup", "take", backup)
    assert "is whole" in command("shop", "backup", "verify", backup)
    command("other", "backup", "restore", backup)
    assert asset_states(tmp_path / "other" / "dagster") == asset_states(shop / "dagster")
    assert set(asset_states(shop / "dagster")) == {"upkeep"}
    command("other", "housekeeping")
    assert asset_states(tmp_path / "other" / "dagster") != asset_states(shop / "dagster")


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_a_month_is_purged_and_restored_with_equal_tables(command: Command, tmp_path: Path) -> None:
    days = int(os.environ.get("HISTORY_DAYS", "30"))
    orders = int(os.environ.get("HISTORY_ORDERS", "60"))
    shop = tmp_path / "shop"
    rehearse(orders=orders, days=days, seed=7, folder=shop, progress=lambda _: None)
    home = shop / "dagster"
    states = asset_states(home)

    before = taken(command, "shop", tmp_path / "before")
    purged = purge_all(home)
    command("shop", "housekeeping")
    after = taken(command, "shop", tmp_path / "after")
    assert purged.erased > purged.left
    assert {name: run for name, run in asset_states(home).items() if name != "upkeep"} == states

    told = command("other", "backup", "restore", str(tmp_path / "before"))
    again = taken(command, "other", tmp_path / "again")
    # Put back and compared; then messages that waited are marked, to be asked about first.
    assert f"{sum(map(len, before.tables.values()))} tables are those of" in " ".join(told.split())
    waited = "0 message(s)" not in told
    assert differing(again, before) == ({("operations.sqlite", "outbox")} if waited else set())
    for database in ("operations.sqlite", "finance.work.duckdb", "finance.duckdb"):
        assert lasting(after.tables[database]) == lasting(before.tables[database])
    assert asset_states(tmp_path / "other" / "dagster") == states
    print(  # noqa: T201 - the campaign's figures
        json.dumps(
            {
                "days": days,
                "orders": orders,
                "runs": purged.erased + purged.left,
                "runs_erased": purged.erased,
                "bytes_before": size_of(before),
                "bytes_after": size_of(after),
                "tables_equal": sum(map(len, again.tables.values())),
            }
        )
    )


def taken(command: Command, folder: str, backup: Path) -> Manifest:
    command(folder, "backup", "take", str(backup))
    return read_manifest(backup)


def lasting(tables: TableHashes) -> TableHashes:
    return {name: content for name, content in tables.items() if name not in PURGED}


def differing(one: Manifest, other: Manifest) -> set[tuple[str, str]]:
    """Tables that are not in both with the same rows."""
    both = [
        {(file, table, content) for file, tables in backup.tables.items()
         for table, content in tables.items()}
        for backup in (one, other)
    ]  # fmt: skip
    return {(file, table) for file, table, _ in both[0] ^ both[1]}


def purge_all(home: Path) -> Purged:
    """All days of the demo are made today, so today's runs are the old ones."""
    with opened(home) as instance:
        return purge(instance, datetime.now(UTC), most=100_000)


def size_of(manifest: Manifest) -> int:
    return sum(size for size, _ in manifest.files.values())
