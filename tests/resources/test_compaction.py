"""Space of erased rows comes back; a database in use is left alone."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from resources.compaction import compact_sqlite
from resources.operations.database import OperationsDatabase


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.sqlite"
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA journal_mode=WAL")
        conn.execute("CREATE TABLE rows (text TEXT)")
        conn.executemany("INSERT INTO rows VALUES (?)", [("x" * 1000,)] * 2000)
        conn.commit()
    return path


def erase(file: Path, share: str) -> None:
    with closing(sqlite3.connect(file)) as conn:
        conn.execute(f"DELETE FROM rows WHERE rowid % 10 < {share}")
        conn.commit()


def test_a_file_of_which_much_was_erased_shrinks_and_keeps_its_rows(file: Path) -> None:
    erase(file, "9")
    done = compact_sqlite(file)
    assert done.skipped is None
    assert done.bytes_after < done.bytes_before / 5
    with closing(sqlite3.connect(file)) as conn:
        assert conn.execute("SELECT count(*) FROM rows").fetchone() == (200,)


def test_a_file_of_which_little_is_free_is_not_written_anew(file: Path) -> None:
    compact_sqlite(file)
    erase(file, "1")
    assert compact_sqlite(file).bytes_after >= 0.9 * 2_000_000


def test_a_file_that_somebody_writes_to_is_left_for_the_next_time(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.compaction._PATIENCE_SECONDS", 0.1)
    erase(file, "9")
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        done = compact_sqlite(file)
    assert done.skipped is not None
    assert "in use by others" in done.skipped
    assert done.bytes_after == done.bytes_before


def test_the_operations_database_is_compacted_where_it_is(
    operations_db: OperationsDatabase,
) -> None:
    done = operations_db.compact()
    assert done.skipped is None
    assert done.bytes_after > 0
    with operations_db.read() as conn:
        assert conn.scalar(sa.text("SELECT count(*) FROM outbox")) == 0
