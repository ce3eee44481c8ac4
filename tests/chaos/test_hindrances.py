"""What the campaign lays in the way really hinders: a full disk, a held lock, a reader's file."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.chaos import disk, holders, weather


def test_a_full_disk_takes_no_more_and_then_takes_again(tmp_path: Path) -> None:
    with disk.small_disk(tmp_path / "small", 4) as small:
        file = small.folder / "file"
        file.write_bytes(b"x" * 30_000)
        with small.full(), pytest.raises(OSError, match=r"No space left|File too large"):
            file.write_bytes(b"x" * 300_000)
        file.write_bytes(b"x" * 300_000)
        assert file.stat().st_size == 300_000


def test_without_the_right_to_mount_no_file_may_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk.shutil, "which", lambda _: None)
    with disk.small_disk(tmp_path, 4) as small:
        assert not small.mounted
        con = sqlite3.connect(tmp_path / "grows.sqlite", isolation_level=None)
        con.execute("CREATE TABLE t (x BLOB)")
        with small.full(), pytest.raises(sqlite3.OperationalError, match="disk"):
            con.execute("INSERT INTO t VALUES (zeroblob(200000))")
        con.execute("INSERT INTO t VALUES (zeroblob(200000))")
        assert con.execute("SELECT count(*) FROM t").fetchone() == (1,)
        con.close()


def test_a_writer_in_the_database_holds_up_every_other(tmp_path: Path) -> None:
    path = tmp_path / "held.sqlite"
    con = sqlite3.connect(path, isolation_level=None, timeout=0.05)
    con.execute("CREATE TABLE t (x)")
    with holders.writer_in(path), pytest.raises(sqlite3.OperationalError, match="locked"):
        con.execute("INSERT INTO t VALUES (1)")
    con.execute("INSERT INTO t VALUES (1)")
    con.close()


def test_a_reader_of_the_finance_file_notices_a_change_below_it(tmp_path: Path) -> None:
    path = tmp_path / "finance.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE SCHEMA reconciliation")
        con.execute("CREATE TABLE reconciliation.breaks (break_id TEXT, last_seen_at TIMESTAMP)")
    with holders.reader_of(path), pytest.raises(duckdb.IOException, match="lock"):
        duckdb.connect(str(path))


def test_each_hindrance_takes_its_turn_and_equal_seeds_make_equal_plans() -> None:
    start = datetime(2026, 6, 8, tzinfo=UTC)
    moments = [start + timedelta(hours=8 * n) for n in range(40)]
    outages = [weather.Outage("otto", "closed", 10, 2)]
    steps = weather.plan(moments, outages, 5, 0.1, 2)
    assert steps == weather.plan(moments, outages, 5, 0.1, 2)
    assert steps != weather.plan(moments, outages, 6, 0.1, 2)
    counts = weather.counted(steps)
    assert {counts[name] for name in weather.HINDRANCES} == {2, 3}
    assert counts["otto_down"] == 2
    assert {kind for step in steps for kind in step.kinds} == set(weather.ALL_KINDS)
