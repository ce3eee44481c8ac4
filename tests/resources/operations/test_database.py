"""The operations database: transactions, schema versions, rights, and what its errors say."""

import multiprocessing
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from resources.operations.bulk import upsert
from resources.operations.database import (
    OperationsDatabase,
    OperationsDatabaseError,
    hold,
    migration_config,
)
from resources.operations.schema import metadata, orders, parcel_lines, watermarks

NOW = datetime(2026, 11, 20, 15, 4, 0, 123456, tzinfo=UTC)


def _set(conn: sa.Connection, position: str) -> None:
    row = {"source": "x", "position": position, "recorded_at": NOW}
    upsert(conn, watermarks, [row], ["source"])


def _get(db: OperationsDatabase) -> str | None:
    with db.read() as conn:
        return conn.scalar(sa.select(watermarks.c.position))


def test_the_migrations_make_exactly_the_tables_of_the_schema(
    operations_db: OperationsDatabase,
) -> None:
    with operations_db.read() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_downgrade_removes_every_table_and_an_upgrade_brings_them_back(
    operations_db: OperationsDatabase,
) -> None:
    with operations_db.write() as conn:
        command.downgrade(migration_config(conn), "base")
        assert set(sa.inspect(conn).get_table_names()) == {"alembic_version"}
    operations_db.migrate()
    operations_db.check()


def test_migrating_a_migrated_database_changes_nothing(operations_db: OperationsDatabase) -> None:
    with operations_db.write() as conn:
        _set(conn, "kept")
    operations_db.migrate()
    assert _get(operations_db) == "kept"


def _migrate_in_a_process(url: str) -> None:
    OperationsDatabase(url).migrate()


def test_several_processes_may_migrate_a_fresh_file_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/deep/operations.sqlite"
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_migrate_in_a_process, args=(url,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 3
    OperationsDatabase(url).check()


def test_several_writers_may_migrate_an_empty_database_at_once(
    operations_db: OperationsDatabase, operations_url: str
) -> None:
    with operations_db.write() as conn:
        metadata.drop_all(conn)
        conn.execute(sa.text("DROP TABLE alembic_version"))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(_migrate_in_a_process, [operations_url] * 4))
    operations_db.check()


def test_a_database_without_schema_is_refused_with_the_remedy(tmp_path: Path) -> None:
    db = OperationsDatabase(f"sqlite:///{tmp_path}/empty.sqlite")
    with pytest.raises(OperationsDatabaseError, match=r"\(none\).*start any `otto-pipelines`"):
        db.check()


@pytest.mark.parametrize("act", ["check", "migrate"])
def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    operations_db: OperationsDatabase, act: str
) -> None:
    with operations_db.write() as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(OperationsDatabaseError, match=r"'9999'.*newer version prepared it"):
        getattr(operations_db, act)()


def test_a_write_is_rolled_back_as_a_whole_when_it_fails(
    operations_db: OperationsDatabase,
) -> None:
    def fail_half_way() -> None:
        with operations_db.write() as conn:
            _set(conn, "half")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail_half_way()
    assert _get(operations_db) is None


def test_a_read_transaction_refuses_to_write_and_the_next_write_works(
    operations_db: OperationsDatabase,
) -> None:
    with (
        pytest.raises(OperationsDatabaseError, match=r"readonly|read-only"),
        operations_db.read() as conn,
    ):
        _set(conn, "no")
    with operations_db.write() as conn:
        _set(conn, "yes")
    assert _get(operations_db) == "yes"


def test_a_read_sees_one_moment_and_does_not_block_a_writer(
    operations_db: OperationsDatabase,
) -> None:
    with operations_db.write() as conn:
        _set(conn, "before")
    position = sa.select(watermarks.c.position)
    with operations_db.read() as reading:
        assert reading.scalar(position) == "before"
        with operations_db.write() as writing:
            _set(writing, "after")
        assert reading.scalar(position) == "before"
    assert _get(operations_db) == "after"


def test_what_a_holder_reads_cannot_change_before_it_writes(
    operations_db: OperationsDatabase,
) -> None:
    with operations_db.write() as conn:
        _set(conn, "0")
    start = threading.Barrier(4)

    def count_up(_: int) -> None:
        start.wait()
        for _ in range(10):
            with operations_db.write() as conn:
                hold(conn, "counter")
                _set(conn, str(int(conn.scalar(sa.select(watermarks.c.position)) or 0) + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count_up, range(4)))
    assert _get(operations_db) == "40"


def test_folder_and_file_of_sqlite_belong_to_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "operations.sqlite"
    db = OperationsDatabase(f"sqlite:///{path}")
    db.migrate()
    with db.write() as conn:
        _set(conn, "x")
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {"operations.sqlite", "operations.sqlite-wal"} <= set(files)
    assert set(files.values()) == {0o600}


def test_a_second_connection_leaves_the_locks_of_the_first_one_in_place(
    sqlite_template: Path, tmp_path: Path
) -> None:
    path = tmp_path / "operations.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    db = OperationsDatabase(f"sqlite:///{path}")
    other = OperationsDatabase(db.shown_url)
    with db.read() as conn:
        conn.execute(sa.select(watermarks)).all()
        with other.read():
            pass
        # Another process that believes it is the last one removes the write-ahead log.
        script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM').close()"
        subprocess.run([sys.executable, "-c", script, str(path)], check=True)
        assert path.with_name("operations.sqlite-wal").exists()
    db.close()
    other.close()


def test_sqlite_runs_in_wal_mode_with_foreign_keys_and_a_patient_lock(tmp_path: Path) -> None:
    db = OperationsDatabase(f"sqlite:///{tmp_path}/operations.sqlite")
    db.migrate()
    with db.read() as conn:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        values = [conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
    assert values == ["wal", 1, 1, 60_000]


def test_a_writer_that_waits_too_long_says_who_holds_the_lock(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/operations.sqlite"
    db, hasty = OperationsDatabase(url), OperationsDatabase(url, lock_timeout_seconds=0.05)
    db.migrate()
    with (
        db.write(),
        pytest.raises(OperationsDatabaseError, match=r"locked.*end a run that hangs"),
        hasty.write(),
    ):
        pytest.fail("the second writer must not get in")


def test_a_refused_row_does_not_appear_in_the_error(operations_db: OperationsDatabase) -> None:
    row = dict.fromkeys(orders.c.keys(), "x") | {
        "sales_order_id": None,
        "delivery_address": "Frau Canary, Geheimweg 7",
        "order_day": NOW.date(),
        "delivery_fee_cents": 0,
        "order_discount_cents": 0,
    }
    times = ("ordered_at", "last_modified_at", "lifecycle_changed_at", "first_seen_at")
    row |= dict.fromkeys((*times, "recorded_at"), NOW)
    with pytest.raises(OperationsDatabaseError, match="sales_order_id") as caught:  # noqa: SIM117
        with operations_db.write() as conn:
            conn.execute(sa.insert(orders), row)
    assert "Canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_missing_table_names_the_remedy(operations_db: OperationsDatabase) -> None:
    with operations_db.write() as conn:
        parcel_lines.drop(conn)
    with (
        pytest.raises(OperationsDatabaseError, match="otto-pipelines"),
        operations_db.read() as conn,
    ):
        conn.execute(sa.select(parcel_lines))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("mysql://user:hunter2@host/db", "'mysql' is not supported"),
        ("hunter2", "is no database URL"),
        ("postgresql://user:hunter2@host:port/db", "is no database URL"),
    ],
)
def test_an_unusable_url_is_refused_without_showing_its_password(url: str, says: str) -> None:
    with pytest.raises(OperationsDatabaseError, match=says) as caught:
        OperationsDatabase(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_an_unreachable_server_is_named_without_its_password(scheme: str) -> None:
    db = OperationsDatabase(f"{scheme}://user:hunter2@127.0.0.1:1/db")
    with pytest.raises(OperationsDatabaseError, match="OPERATIONS_DATABASE_URL") as caught:
        db.check()
    assert "127.0.0.1:1/db" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    db = OperationsDatabase(f"sqlite:///{tmp_path}/file/operations.sqlite")
    with pytest.raises(OperationsDatabaseError, match="cannot be created or opened"):
        db.migrate()
