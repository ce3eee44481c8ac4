"""The finance database: one writer, atomic publishing, readers that never notice."""

import multiprocessing
import os
import shutil
import stat
import struct
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import duckdb
import pytest

import resources.finance
from resources.finance import FinanceDatabase, FinanceDatabaseError
from resources.finance_schema import TABLES

# Two tables that one transaction always changes together.
_INSERT = (
    "INSERT INTO reconciliation.breaks (break_id) VALUES (?)",
    "INSERT INTO reconciliation.break_history (break_id) VALUES (?)",
)
_COUNTS = (
    "SELECT (SELECT count(*) FROM reconciliation.breaks), "
    "(SELECT count(*) FROM reconciliation.break_history)"
)
_IN_ANOTHER_PROCESS = multiprocessing.get_context("spawn")


@pytest.fixture
def finance(tmp_path: Path) -> FinanceDatabase:
    return FinanceDatabase(tmp_path / "data" / "finance.duckdb", lock_timeout_seconds=0.2)


def add_row(finance: FinanceDatabase, name: str) -> None:
    with finance.writer() as con:
        con.begin()
        for statement in _INSERT:
            con.execute(statement, [name])
        con.commit()


def count(finance: FinanceDatabase) -> int:
    with finance.read() as con:
        row = con.execute(_COUNTS).fetchone()
    assert row is not None
    return int(row[0])


def _read_on(path: Path, started: Event, stop: Event, seen: Any) -> None:
    """Open, count, close, again and again; any error ends the process with a failure."""
    finance = FinanceDatabase(path)
    counts = []
    while True:
        last = stop.is_set()
        with finance.read() as con:
            both = con.execute(_COUNTS).fetchone()
        assert both is not None
        assert both[0] == both[1]
        counts.append(both[0])
        started.set()
        if last:
            break
    seen.put(counts)


def _hold(path: Path, held: Event, stop: Event) -> None:
    with FinanceDatabase(path).writer():
        held.set()
        stop.wait(60)


def test_what_is_written_is_seen_only_when_it_is_published(finance: FinanceDatabase) -> None:
    add_row(finance, "one")
    assert finance.publish() == finance.path
    add_row(finance, "two")
    assert count(finance) == 1
    finance.publish()
    assert count(finance) == 2


def test_an_open_reader_keeps_its_file_and_a_new_one_sees_the_new_file(
    finance: FinanceDatabase,
) -> None:
    add_row(finance, "one")
    finance.publish()
    with finance.read() as con:
        add_row(finance, "two")
        finance.publish()
        assert con.execute(_COUNTS).fetchone() == (1, 1)
        assert count(finance) == 2


def test_two_constant_readers_in_other_processes_see_no_error_and_no_half_run(
    finance: FinanceDatabase,
) -> None:
    add_row(finance, "0")
    finance.publish()
    stop, seen = _IN_ANOTHER_PROCESS.Event(), _IN_ANOTHER_PROCESS.Queue()
    started = [_IN_ANOTHER_PROCESS.Event() for _ in range(2)]
    readers = [
        _IN_ANOTHER_PROCESS.Process(target=_read_on, args=(finance.path, one, stop, seen))
        for one in started
    ]
    for reader in readers:
        reader.start()
    assert all(one.wait(60) for one in started)
    for number in range(1, 9):
        add_row(finance, str(number))
        finance.publish()
    stop.set()
    counts = [seen.get(timeout=60) for _ in readers]
    for reader in readers:
        reader.join(60)
    assert [reader.exitcode for reader in readers] == [0, 0]
    for of_one_reader in counts:
        assert of_one_reader == sorted(of_one_reader)
        assert of_one_reader[-1] == 9


def test_a_second_writer_is_told_who_writes_and_what_to_do(finance: FinanceDatabase) -> None:
    held, stop = _IN_ANOTHER_PROCESS.Event(), _IN_ANOTHER_PROCESS.Event()
    holder = _IN_ANOTHER_PROCESS.Process(target=_hold, args=(finance.path, held, stop))
    holder.start()
    assert held.wait(60)
    with (
        pytest.raises(FinanceDatabaseError, match=f"by process {holder.pid} since .* wait for"),
        finance.writer(),
    ):
        pass
    stop.set()
    holder.join(60)
    add_row(finance, "after")


def test_a_failing_writer_leaves_the_lock_free_and_nothing_written(
    finance: FinanceDatabase,
) -> None:
    def write_and_fail() -> None:
        with finance.writer() as con:
            con.begin()
            con.execute(_INSERT[0], ["lost"])
            raise RuntimeError("plug pulled")

    with pytest.raises(RuntimeError, match="pulled"):
        write_and_fail()
    finance.publish()
    assert count(finance) == 0


def test_the_published_file_is_readable_by_duckdb_1_5(finance: FinanceDatabase) -> None:
    finance.publish()
    with finance.read() as con:
        tags = con.execute(
            "SELECT tags FROM duckdb_databases() WHERE database_name = 'finance'"
        ).fetchone()
    assert tags is not None
    assert tags[0]["storage_version"].startswith("v1.5.0")
    # The file's own header: 8 bytes of checksum, then "DUCK", then the version. 1.5 reads 64 to 68.
    magic, version = struct.unpack("<4sQ", finance.path.read_bytes()[8:20])
    assert magic == b"DUCK"
    assert 64 <= version <= 68


def test_the_published_file_is_read_only_and_the_working_file_private(
    finance: FinanceDatabase,
) -> None:
    finance.publish()
    assert stat.S_IMODE(finance.path.stat().st_mode) == 0o444
    assert stat.S_IMODE(finance.working_path.stat().st_mode) == 0o600
    with finance.read() as con, pytest.raises(duckdb.InvalidInputException, match="read-only"):
        con.execute(_INSERT[0], ["no"])


def test_publishing_leaves_no_log_and_no_copy_behind(finance: FinanceDatabase) -> None:
    finance.publish()
    stale = finance.path.with_name("finance.duckdb.wal")
    stale.write_bytes(b"the log of a file that is no more")
    add_row(finance, "one")
    finance.publish()
    assert count(finance) == 1
    assert sorted(path.name for path in finance.path.parent.iterdir()) == [
        "finance.duckdb",
        "finance.work.duckdb",
        "finance.work.duckdb.lock",
    ]


def test_a_copy_that_differs_is_not_published(
    finance: FinanceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_row(finance, "good")
    finance.publish()
    add_row(finance, "lost on the way")
    last_good = finance.path.read_bytes()

    def copy_of_the_past(_: Path, copy: Path) -> None:
        copy.write_bytes(last_good)

    monkeypatch.setattr(resources.finance.shutil, "copyfile", copy_of_the_past)
    with pytest.raises(FinanceDatabaseError, match=r"its copy differs .* Check the disk"):
        finance.publish()
    assert finance.path.read_bytes() == last_good
    assert not list(finance.path.parent.glob("*publishing*"))


def test_a_copy_of_which_one_byte_was_lost_is_not_published(
    finance: FinanceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_row(finance, "good")
    finance.publish()
    last_good = finance.path.read_bytes()
    add_row(finance, "damaged on the way")
    exact = shutil.copyfile

    def copy_with_a_wrong_byte(source: Path, copy: Path) -> None:
        exact(source, copy)
        with copy.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last[0] ^ 1]))

    monkeypatch.setattr(resources.finance.shutil, "copyfile", copy_with_a_wrong_byte)
    with pytest.raises(FinanceDatabaseError, match="its copy differs"):
        finance.publish()
    assert finance.path.read_bytes() == last_good


def test_reading_before_anything_is_published_says_what_to_do(finance: FinanceDatabase) -> None:
    with (
        pytest.raises(FinanceDatabaseError, match="run `otto-pipelines reconcile`"),
        finance.read(),
    ):
        pass


def test_a_damaged_file_is_named(finance: FinanceDatabase) -> None:
    finance.path.parent.mkdir()
    finance.path.write_bytes(b"no database" * 1000)
    with (
        pytest.raises(FinanceDatabaseError, match=r"finance\.duckdb cannot be opened"),
        finance.read(),
    ):
        pass


def test_a_file_of_a_newer_version_is_refused_untouched(finance: FinanceDatabase) -> None:
    with finance.writer() as con:
        con.execute("UPDATE main.meta SET value = '99' WHERE name = 'schema_version'")
    with pytest.raises(FinanceDatabaseError, match="schema version 99"), finance.writer():
        pass


def test_a_new_schema_version_refills_derived_tables_and_keeps_the_history_of_breaks(
    finance: FinanceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_row(finance, "kept")
    with finance.writer() as con:
        con.execute("INSERT INTO reconciliation.prices (sku) VALUES ('computed')")
        con.execute("ALTER TABLE reconciliation.breaks DROP COLUMN remedy")
        con.execute("INSERT INTO main.meta VALUES ('rules', 'old')")
    newer = resources.finance.SCHEMA_VERSION + 1
    monkeypatch.setattr(resources.finance, "SCHEMA_VERSION", newer)
    with finance.writer() as con:
        kept = con.execute("SELECT break_id, remedy FROM reconciliation.breaks").fetchall()
        computed = con.execute("SELECT * FROM reconciliation.prices").fetchall()
        meta = con.execute("SELECT name, value FROM main.meta").fetchall()
    assert (kept, computed, meta) == ([("kept", None)], [], [("schema_version", str(newer))])


def test_table_and_column_names_are_unique() -> None:
    assert len({table.full_name for table in TABLES}) == len(TABLES)
    for table in TABLES:
        assert len({column.name for column in table.columns}) == len(table.columns)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    finance = FinanceDatabase(tmp_path / "file" / "finance.duckdb")
    with pytest.raises(FinanceDatabaseError, match="check FINANCE_DATABASE_PATH"), finance.writer():
        pass


def test_a_fresh_working_file_is_not_readable_by_others_even_with_an_open_umask(
    finance: FinanceDatabase,
) -> None:
    before = os.umask(0)
    try:
        add_row(finance, "one")
    finally:
        os.umask(before)
    assert stat.S_IMODE(finance.working_path.stat().st_mode) == 0o600
