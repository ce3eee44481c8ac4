"""The finance database: one DuckDB file that one writer works on, and its published copy.

Belongs here: the writer's lock, opening and closing, preparing the schema, atomic publishing and
reading. DuckDB knows one writing process and no readers beside it, so work happens in a file of its
own (`finance.work.duckdb`), and finance reads a finished copy (`finance.duckdb`) that is swapped by
rename: a reader never blocks the writer and never sees half a run.

Does not belong here: what the tables mean (`resources.finance_schema`) and how their rows come
about (`assets.reconciliation`).
"""

import filecmp
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from resources.finance_close import CLOSING, VIEWS
from resources.finance_history import history_statements
from resources.finance_schema import SCHEMA_VERSION, TABLES

if TYPE_CHECKING:
    import duckdb

# Written by DuckDB 2, readable by the 1.5 clients that analysts have. Older formats would replay
# the write-ahead log of a replaced file without noticing.
STORAGE_VERSION = "v1.5.0"


class FinanceDatabaseError(Exception):
    """The finance database cannot be used; the message says where and what to do.

    What to do: as the message ends. Finance keeps the last good file; the next reconciliation makes
    up for what was left out.
    """


class FinanceDatabase:
    """The finance database that is published at `path`.

    Args:
        path: the published file, for example `data/finance.duckdb`.
        lock_timeout_seconds: how long a writer waits for another one.
        memory_limit: DuckDB's limit; beyond it work goes on in a folder beside the file.
        threads: threads of a writer or reader.
    """

    def __init__(
        self,
        path: Path,
        *,
        lock_timeout_seconds: float = 300.0,
        memory_limit: str = "1GB",
        threads: int = 2,
    ) -> None:
        self.path = path.absolute()
        self.working_path = self._beside("work")
        self._lock_path = self.working_path.with_name(self.working_path.name + ".lock")
        self._holder_path = self.working_path.with_name(self.working_path.name + ".writer")
        self._lock_timeout = lock_timeout_seconds
        self._settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": f"{self.working_path}.tmp",
            "autoinstall_known_extensions": False,
        }

    @property
    def closes_path(self) -> Path:
        """The folder beside the file that holds the closes of periods."""
        return self.path.parent / "closes"

    @contextmanager
    def writer(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        """Open the working file for its only writer; the schema is prepared, the zone is UTC.

        Transactions are the caller's; what is not committed when the block ends is rolled back.

        Raises:
            FinanceDatabaseError: another writer is at work, or the file cannot be used.
        """
        with self._alone(), self._working() as con:
            yield con

    def publish(self) -> Path:
        """Replace the published file by the working file's present state, in one moment.

        Call it outside `writer`. The copy is read back and compared byte by byte before it takes
        its place, so finance keeps the last good file if anything goes wrong.

        Raises:
            FinanceDatabaseError: another writer is at work, or the copy is not what was written.
        """
        copy = self._beside("publishing")
        with self._alone():
            with self._working() as con:
                con.execute("CHECKPOINT finance")
            try:
                copy.unlink(missing_ok=True)
                shutil.copyfile(self.working_path, copy)
                _sync(copy)
                # All that was written is in this one file: a checkpoint leaves no log beside it.
                if not filecmp.cmp(self.working_path, copy, shallow=False):
                    raise FinanceDatabaseError(
                        f"finance file {self.path} was not published: its copy differs from "
                        f"{self.working_path}. Check the disk, then run the reconciliation again; "
                        "the last good file is still there"
                    )
                copy.chmod(0o444)
                # A log that somebody's read-write session left belongs to the file we replace.
                _wal(self.path).unlink(missing_ok=True)
                copy.replace(self.path)
                _sync(self.path.parent)
            except OSError as error:
                raise FinanceDatabaseError(
                    f"finance file {self.path} was not published ({error.strerror}): check space "
                    "and rights of its folder, then run the reconciliation again"
                ) from error
            finally:
                copy.unlink(missing_ok=True)
        return self.path

    @contextmanager
    def read(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        """Open the published file read-only; it stays the same while it is open.

        Raises:
            FinanceDatabaseError: nothing is published yet, or the file cannot be read.
        """
        if not self.path.exists():
            raise FinanceDatabaseError(
                f"no finance file at {self.path} yet: run `otto-pipelines reconcile`, "
                "or correct FINANCE_DATABASE_PATH"
            )
        with self._reading(self.path) as con:
            yield con

    def _beside(self, role: str) -> Path:
        return self.path.with_name(f"{self.path.stem}.{role}.duckdb")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the writer's lock. DuckDB's own lock is on the inode, which a rename would evade."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._lock_path, timeout=self._lock_timeout, mode=0o600)
            lock.acquire()
        except Timeout:
            raise FinanceDatabaseError(
                f"finance database {self.working_path} has been written for more than "
                f"{self._lock_timeout:g} s by {self._holder()}: wait for that run to end, "
                "or end it, then start again"
            ) from None
        except OSError as error:
            raise FinanceDatabaseError(
                f"finance database {self.working_path} cannot be locked ({error.strerror}): "
                "check FINANCE_DATABASE_PATH and the rights of its folder"
            ) from error
        try:
            started = datetime.now(UTC).isoformat(timespec="seconds")
            self._holder_path.write_text(f"process {os.getpid()} since {started}", encoding="utf-8")
            yield
        finally:
            self._holder_path.unlink(missing_ok=True)
            lock.release()

    def _holder(self) -> str:
        with suppress(FileNotFoundError):
            return self._holder_path.read_text(encoding="utf-8") or "another process"
        return "another process"

    @contextmanager
    def _working(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        with self._attached(self.working_path, f"STORAGE_VERSION '{STORAGE_VERSION}'") as con:
            self.working_path.chmod(0o600)
            self._prepare(con)
            yield con

    @contextmanager
    def _reading(self, path: Path) -> Iterator["duckdb.DuckDBPyConnection"]:
        with self._attached(path, "READ_ONLY") as con:
            yield con

    @contextmanager
    def _attached(self, path: Path, option: str) -> Iterator["duckdb.DuckDBPyConnection"]:
        # Attached to a fresh instance: `duckdb.connect(path)` would hand out the instance that some
        # other thread of this process still holds on a file replaced since.
        import duckdb  # noqa: PLC0415 - costs start-up that flows without finance should not wait for

        con = duckdb.connect(":memory:", config=self._settings)
        try:
            try:
                con.execute("SET TimeZone = 'UTC'")
                con.execute(f"ATTACH '{quoted(path)}' AS finance ({option})")
                con.execute("USE finance")
            except duckdb.Error as error:
                raise FinanceDatabaseError(
                    f"finance database {path} cannot be opened: {str(error).splitlines()[0]}. "
                    "Close the program that has it open for writing (analysts read "
                    f"{self.path} read-only), or put a damaged file aside: it is then built anew"
                ) from error
            yield con
        finally:
            con.close()

    def _prepare(self, con: "duckdb.DuckDBPyConnection") -> None:
        """Bring the schema to this version in one transaction."""
        con.execute("CREATE TABLE IF NOT EXISTS main.meta (name VARCHAR, value VARCHAR)")
        row = con.execute("SELECT value FROM main.meta WHERE name = 'schema_version'").fetchone()
        found = int(row[0]) if row else 0
        if found == SCHEMA_VERSION:
            return
        if found > SCHEMA_VERSION:
            raise FinanceDatabaseError(
                f"finance database {self.working_path} has schema version {found}, this version of "
                f"otto_pipelines knows {SCHEMA_VERSION}: install the newer version, or point "
                "FINANCE_DATABASE_PATH elsewhere"
            )
        con.begin()
        for statement in _schema_statements():
            con.execute(statement)
        con.execute("DELETE FROM main.meta")
        con.execute("INSERT INTO main.meta VALUES ('schema_version', ?)", [str(SCHEMA_VERSION)])
        con.commit()


def _schema_statements() -> Iterator[str]:
    """Derived tables anew, the others with the columns they lack, and every meaning as comment."""
    tables = TABLES + CLOSING
    for schema in sorted({"reports", *(table.schema for table in tables)}):
        yield f"CREATE SCHEMA IF NOT EXISTS {schema}"
    for table in tables:
        name = table.full_name
        if table.derived:
            yield f"DROP TABLE IF EXISTS {name}"
        columns = ", ".join(f"{column.name} {column.type}" for column in table.columns)
        yield f"CREATE TABLE IF NOT EXISTS {name} ({columns})"
        yield f"COMMENT ON TABLE {name} IS '{quoted(table.meaning)}'"
        for column in table.columns:
            yield f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {column.name} {column.type}"
            if column.meaning:
                yield f"COMMENT ON COLUMN {name}.{column.name} IS '{quoted(column.meaning)}'"
    for view in VIEWS:
        yield f"CREATE OR REPLACE VIEW {view.full_name} AS {view.query}"
        yield f"COMMENT ON VIEW {view.full_name} IS '{quoted(view.meaning)}'"
        for column in view.columns:
            comment = quoted(column.meaning)
            yield f"COMMENT ON COLUMN {view.full_name}.{column.name} IS '{comment}'"
    yield from history_statements()


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def quoted(text: object) -> str:
    """A path or a text as it stands between the quotes of SQL."""
    return str(text).replace("'", "''")


def _sync(path: Path) -> None:
    """Have the disk keep a file, or a folder's entries."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
