"""A backup made while others write is whole, and comes back as it was or not at all."""

import sqlite3
import stat
import threading
import uuid
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from resources.backup.installation import Installation, installation
from resources.backup.manifest import NAME, BackupError, verify
from resources.backup.restoring import restore
from resources.backup.taking import take
from resources.finance import FinanceDatabase
from resources.operations.database import OperationsDatabase
from resources.operations.schema import watermarks

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def place(folder: Path, url: str | None = None) -> Installation:
    return installation(
        {
            "OTTO_PIPELINES_DATA": str(folder / "data"),
            "OPERATIONS_DATABASE_URL": url or f"sqlite:///{folder / 'data' / 'operations.sqlite'}",
            "FINANCE_DATABASE_PATH": str(folder / "finance" / "drift.duckdb"),
            "OPERATING_MODEL": str(folder / "operating_model.yaml"),
        }
    )


def filled(shop: Installation) -> Installation:
    database = OperationsDatabase(shop.operations_url)
    database.migrate()
    add(database, "first")
    database.close()
    with shop.finance.writer() as con:
        con.execute("INSERT INTO main.meta VALUES ('planted', 'by a test')")
    shop.finance.publish()
    for name in ("closes/day-2026-01-01-1/manifest.json", "data/evidence/2026/page.json.gz"):
        base = shop.finance.closes_path.parent if name.startswith("closes") else shop.data.parent
        (base / name).parent.mkdir(parents=True)
        (base / name).write_text("evidence", encoding="utf-8")
    shop.model.write_text("ship_from: {}\n", encoding="utf-8")
    return shop


def add(database: OperationsDatabase, flow: str) -> None:
    with database.write() as conn:
        conn.execute(_row(flow))


def _row(flow: str) -> sa.Insert:
    return sa.insert(watermarks).values(source=flow, position="1", recorded_at=NOW)


def flows(url: str) -> set[str]:
    database = OperationsDatabase(url)
    try:
        with database.read() as conn:
            return set(conn.scalars(sa.select(watermarks.c.source)))
    finally:
        database.close()


@pytest.fixture
def shop(tmp_path: Path) -> Installation:
    return filled(place(tmp_path / "shop"))


@pytest.fixture
def other(tmp_path: Path) -> Installation:
    return place(tmp_path / "other")


def test_a_backup_comes_back_elsewhere_with_equal_tables(
    shop: Installation, other: Installation, tmp_path: Path
) -> None:
    made = take(shop, tmp_path / "backup")
    assert restore(tmp_path / "backup", other) == made
    assert flows(other.operations_url) == {"first"}
    with other.finance.read() as con:
        planted = con.execute("SELECT value FROM main.meta WHERE name = 'planted'").fetchone()
    assert planted == ("by a test",)
    assert (other.finance.closes_path / "day-2026-01-01-1" / "manifest.json").exists()
    assert (other.data / "evidence" / "2026" / "page.json.gz").read_text() == "evidence"
    assert other.model.read_text(encoding="utf-8") == "ship_from: {}\n"
    assert take(other, tmp_path / "again").tables == made.tables


def test_a_backup_of_a_database_that_others_write_to_is_one_moment(
    shop: Installation, other: Installation, tmp_path: Path
) -> None:
    stop = threading.Event()

    def write() -> None:
        database = OperationsDatabase(shop.operations_url)
        number = 0
        while not stop.is_set():
            with database.write() as conn:
                conn.execute(_row(f"a{number}"))
                conn.execute(_row(f"b{number}"))
            number += 1
        database.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            take(shop, tmp_path / f"backup{number}")
    finally:
        stop.set()
        writer.join()
    restore(tmp_path / "backup4", other)
    found = flows(other.operations_url)
    assert sum(name.startswith("a") for name in found) > 0
    assert {"b" + name[1:] for name in found if name.startswith("a")} <= found


def test_only_its_user_can_read_a_backup(shop: Installation, tmp_path: Path) -> None:
    take(shop, tmp_path / "backup")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "backup").rglob("*.*")}
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o700
    assert not any(mode & 0o077 for mode in modes if mode != 0o755)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "finance.duckdb").write_bytes(b"x"), "finance.duckdb was chang"),
        (lambda folder: (folder / "operations.sqlite").unlink(), "operations.sqlite is missing"),
        (lambda folder: (folder / "stray").touch(), "stray is not of this backup"),
        (lambda folder: (folder / NAME).unlink(), "is no finished backup"),
        (lambda folder: (folder / NAME).write_text("{"), "is damaged"),
    ],
)
def test_a_backup_that_was_touched_is_refused_before_anything_is_put_back(
    shop: Installation, other: Installation, tmp_path: Path, damage: object, said: str
) -> None:
    folder = tmp_path / "backup"
    take(shop, folder)
    for path in folder.rglob("*"):
        path.chmod(0o700)
    damage(folder)  # type: ignore[operator]
    with pytest.raises(BackupError, match=said):
        verify(folder)
    with pytest.raises(BackupError, match=said):
        restore(folder, other)
    assert not other.data.exists()


def test_what_is_there_is_kept_unless_forced_and_then_moved_aside(
    shop: Installation, tmp_path: Path
) -> None:
    take(shop, tmp_path / "backup")
    database = OperationsDatabase(shop.operations_url)
    add(database, "second")
    database.close()
    with pytest.raises(BackupError, match="is there already"):
        restore(tmp_path / "backup", shop)
    assert flows(shop.operations_url) == {"first", "second"}
    restore(tmp_path / "backup", shop, force=True)
    assert flows(shop.operations_url) == {"first"}
    [aside] = shop.data.glob("before-restore-*")
    assert flows(f"sqlite:///{aside / 'operations.sqlite'}") == {"first", "second"}


def test_a_folder_is_never_written_twice_and_a_failed_backup_leaves_nothing(
    shop: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(shop, tmp_path / "backup")
    with pytest.raises(BackupError, match="exists"):
        take(shop, tmp_path / "backup")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr("resources.backup.taking.copy_sqlite", full)
    with pytest.raises(BackupError, match="No space left on device"):
        take(shop, tmp_path / "second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "shop"]


@pytest.fixture
def two_databases(postgresql_cluster: str) -> tuple[str, str]:
    names = [f"backup_{uuid.uuid4().hex}" for _ in range(2)]
    with psycopg.connect(postgresql_cluster, autocommit=True) as conn:
        for name in names:
            conn.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    return f"{postgresql_cluster}/{names[0]}", f"{postgresql_cluster}/{names[1]}"


@pytest.mark.postgres
def test_a_database_of_postgresql_comes_back_with_equal_tables(
    two_databases: tuple[str, str], tmp_path: Path
) -> None:
    shop, other = (
        place(tmp_path / name, url) for name, url in zip("ab", two_databases, strict=True)
    )
    made = take(filled(shop), tmp_path / "backup")
    assert made.tables["operations.dump"]["watermarks"].startswith("1:")
    restore(tmp_path / "backup", other)
    assert flows(other.operations_url) == {"first"}
    with pytest.raises(BackupError, match="is there already"):
        restore(tmp_path / "backup", other)
    restore(tmp_path / "backup", other, force=True)
    assert flows(other.operations_url) == {"first"}


@pytest.mark.postgres
def test_a_backup_of_another_kind_of_database_is_refused(
    shop: Installation, two_databases: tuple[str, str], tmp_path: Path
) -> None:
    take(shop, tmp_path / "backup")
    with pytest.raises(BackupError, match="of another kind of installation"):
        restore(tmp_path / "backup", place(tmp_path / "c", two_databases[0]))


def test_the_finance_file_of_another_name_is_put_where_finance_looks(
    shop: Installation, other: Installation, tmp_path: Path
) -> None:
    take(shop, tmp_path / "backup")
    restore(tmp_path / "backup", other)
    assert isinstance(other.finance, FinanceDatabase)
    assert other.finance.path.name == "drift.duckdb"
    assert stat.S_IMODE(other.finance.path.stat().st_mode) == 0o444
    with closing(sqlite3.connect(other.operations_file or "")) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
