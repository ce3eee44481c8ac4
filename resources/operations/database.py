"""The operations database: its engine, its transactions and its schema version.

Belongs here: opening SQLite or PostgreSQL by URL, read and write transactions, preparing the schema
with the packaged migrations, and turning driver errors into messages that a person can act on.

Does not belong here: table definitions (`schema`), and any query (the modules beside this one).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock, Timeout
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from resources.compaction import Compacted, compact_postgresql, compact_sqlite

_MIGRATIONS = Path(__file__).with_name("migrations")
_WRITES = "operations_database_writes"
_MIGRATION_LOCK = "otto_pipelines schema migration"
# What the driver's text says to what helps; the first that fits.
_REMEDIES = {
    ("locked",): "Another process has been writing for more than {waited}: end a run that hangs, "
    "then start again",
    ("no such table", "does not exist", "no such column"): "Start any `otto-pipelines` command, it "
    "prepares the schema",
    ("permission denied", "must be owner"): "This role may read and write rows only: run "
    "`otto-pipelines migrate` with OPERATIONS_DATABASE_OWNER_URL, then "
    "deploy/postgres_roles.sql again",
    ("disk", "no space"): "Free space on the disk of the database, then start again",
    ("unable to open", "readonly", "connect"): "Check OPERATIONS_DATABASE_URL, that its server or "
    "folder is there, and rights",
}


class OperationsDatabaseError(Exception):
    """The operations database cannot be used; the message says where and what to do.

    What to do: as the message ends. The transaction was rolled back, so it can be repeated.
    """


class OperationsDatabase:
    """One operations database, shared by every process that uses the same URL.

    Args:
        url: `sqlite:///path` (a file), `postgresql://...` or `postgresql+psycopg://...`.
        lock_timeout_seconds: how long a writer of SQLite waits for another writer.

    Raises:
        OperationsDatabaseError: the URL is not usable.
    """

    def __init__(self, url: str, *, lock_timeout_seconds: float = 60.0) -> None:
        self._url = _parsed(url)
        self._lock_timeout = lock_timeout_seconds
        if self._url.get_backend_name() == "sqlite":
            self.engine = _sqlite_engine(self._url, lock_timeout_seconds)
        else:
            self.engine = _postgresql_engine(self._url)

    @property
    def shown_url(self) -> str:
        """The URL without its password, fit for messages."""
        return self._url.render_as_string(hide_password=True)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that may write; committed at the end, rolled back on any error.

        On SQLite it holds the write lock from its first moment, so what it reads cannot change
        before it writes. On PostgreSQL see `hold`.

        Raises:
            OperationsDatabaseError: the database refuses or cannot be reached.
        """
        with self._explained(), self.engine.connect() as conn:
            conn.execution_options(**{_WRITES: True})
            with conn.begin():
                yield conn

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One read-only transaction that sees a single moment and never blocks a writer.

        Raises:
            OperationsDatabaseError: the database refuses or cannot be reached.
        """
        with self._explained(), self.engine.connect() as conn:
            if conn.dialect.name == "postgresql":
                conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with conn.begin():
                yield conn

    def migrate(self) -> None:
        """Bring the schema to this version; safe from several processes at once.

        Raises:
            OperationsDatabaseError: the schema is newer than this version, or cannot be changed.
        """
        if self._url.get_backend_name() == "sqlite":
            with self._migration_lock(), self._explained():
                with self.engine.connect() as conn:
                    # WAL is a property of the file. Switching to it needs the file for oneself,
                    # hence here, under the lock, and not for each connection.
                    _raw_execute(conn, "PRAGMA journal_mode=WAL")
                self._upgrade()
        else:
            self._upgrade()

    def wipe_free_space(self) -> None:
        """Write the file of SQLite anew, so that nothing of what was erased is left in its bytes.

        SQLite frees the space of an old value and leaves the value in it, and so does its
        write-ahead log. Writers wait until it is done: about a second for 100 MB. PostgreSQL reuses
        space by itself (autovacuum); nothing is done there.

        Raises:
            OperationsDatabaseError: others kept the file busy, or its disk is full.
        """
        if self._url.get_backend_name() != "sqlite":
            return
        with self._explained(), self.engine.connect() as conn:
            _raw_execute(conn, "PRAGMA query_only=OFF")
            _raw_execute(conn, "VACUUM")
            busy = _raw_execute(conn, "PRAGMA wal_checkpoint(TRUNCATE)")
        if busy and busy[0]:
            raise OperationsDatabaseError(
                f"operations database {self.shown_url}: its write-ahead log could not be emptied, "
                "since a reader kept it for too long; what was erased may still be read from it. "
                "End that reader, then start the job erase_personal_data again"
            )

    def check(self) -> None:
        """Make sure that the schema is the one this version works with.

        Raises:
            OperationsDatabaseError: it is older or newer; the message names the remedy.
        """
        with self.read() as conn:
            self._compare_version(conn)

    def compact(self) -> Compacted:
        """Give the space of erased rows back, if there is much of it and nobody writes now."""
        with self._explained():
            if self._url.get_backend_name() == "sqlite":
                return compact_sqlite(_sqlite_path(self._url))
            return compact_postgresql(self.engine)

    def close(self) -> None:
        """Close all idle connections."""
        self.engine.dispose()

    def _upgrade(self) -> None:
        with self.write() as conn:
            hold(conn, _MIGRATION_LOCK)
            found = _found_version(conn)
            script = ScriptDirectory.from_config(migration_config(conn))
            if found == script.get_current_head():
                return
            if found is not None and found not in _known_versions(script):
                raise self._newer(found)
            command.upgrade(migration_config(conn), "head")

    def _compare_version(self, conn: Connection) -> None:
        script = ScriptDirectory.from_config(migration_config(conn))
        found, head = _found_version(conn), script.get_current_head()
        if found == head:
            return
        if found is not None and found not in _known_versions(script):
            raise self._newer(found)
        raise OperationsDatabaseError(
            f"operations database {self.shown_url} has schema version {found or '(none)'}, this "
            f"version of otto_pipelines needs {head}: start any `otto-pipelines` command, "
            "it prepares the schema"
        )

    def _newer(self, found: str) -> OperationsDatabaseError:
        return OperationsDatabaseError(
            f"operations database {self.shown_url} has schema version {found!r}, which this "
            "version of otto_pipelines does not know: a newer version prepared it. Install that "
            "version, or point OPERATIONS_DATABASE_URL to another database"
        )

    @contextmanager
    def _migration_lock(self) -> Iterator[None]:
        path = _sqlite_path(self._url)
        _prepare_file(path)
        lock = FileLock(f"{path}.lock", timeout=self._lock_timeout, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            raise OperationsDatabaseError(
                f"another process has been preparing operations database {path} for more than "
                f"{self._lock_timeout:g} s: wait for it, or end it, then start again"
            ) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            # The driver's error may quote the row, and a row may hold an address: the chain is cut.
            raise OperationsDatabaseError(
                f"operations database {self.shown_url}: {_what(error)}; the transaction was rolled "
                f"back, nothing of it was written. {self._remedy(error)}"
            ) from None

    def _remedy(self, error: DBAPIError) -> str:
        text = str(error.orig).lower()
        for words, remedy in _REMEDIES.items():
            if any(word in text for word in words):
                return remedy.format(waited=f"{self._lock_timeout:g} s")
        if isinstance(error, IntegrityError):
            return "A row breaks a key or misses a value: report it with this message"
        return "Start again; if it stays, report it with this message"


def hold(conn: Connection, name: str) -> None:
    """Let one writer at a time work on `name`, until this transaction ends.

    A write transaction of SQLite is alone anyway; PostgreSQL takes an advisory lock.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(name, 0))))


def migration_config(conn: Connection) -> Config:
    """Alembic's configuration for the packaged migrations, working on `conn`."""
    config = Config(attributes={"connection": conn})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _found_version(conn: Connection) -> str | None:
    return MigrationContext.configure(conn).get_current_revision()


def _known_versions(script: ScriptDirectory) -> set[str]:
    return {revision.revision for revision in script.walk_revisions()}


def _parsed(url: str) -> URL:
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        raise OperationsDatabaseError(
            "OPERATIONS_DATABASE_URL is no database URL (not shown, it may hold a password): use "
            "sqlite:///path/operations.sqlite or postgresql://user:password@host/database"
        ) from None
    backend = parsed.get_backend_name()
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    shown = parsed.render_as_string(hide_password=True)
    if backend != "sqlite":
        raise OperationsDatabaseError(
            f"operations database {shown}: {backend!r} is not supported, use sqlite or postgresql"
        )
    if not parsed.database or parsed.database == ":memory:":
        raise OperationsDatabaseError(
            f"operations database {shown} names no file: several processes share it, so use "
            "sqlite:///path/operations.sqlite"
        )
    return parsed


def _sqlite_path(url: URL) -> Path:
    return Path(url.database or "").absolute()


def _prepare_file(path: Path) -> None:
    """Create folder and file readable by their owner only; what exists is not touched.

    To open and close a file that SQLite uses would drop the locks of this whole process on it (so
    POSIX has it), and another process would remove the write-ahead log that this one still reads.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise OperationsDatabaseError(
            f"operations database {path} cannot be created or opened ({error.strerror}): "
            "check OPERATIONS_DATABASE_URL and the rights of its folder"
        ) from error


def _sqlite_engine(url: URL, lock_timeout_seconds: float) -> Engine:
    path = _sqlite_path(url)
    engine = sa.create_engine(
        url.set(database=str(path)),
        hide_parameters=True,
        connect_args={"timeout": lock_timeout_seconds},
    )

    # SQLAlchemy's documented recipe: the driver begins no transaction by itself, we do.
    @event.listens_for(engine, "do_connect")
    def _private_file(*_: object) -> None:
        _prepare_file(path)

    @event.listens_for(engine, "connect")
    def _settings(dbapi_connection: sa.engine.interfaces.DBAPIConnection, _: object) -> None:
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        writes = conn.get_execution_options().get(_WRITES, False)
        conn.exec_driver_sql(f"PRAGMA query_only={'OFF' if writes else 'ON'}")
        conn.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql_engine(url: URL) -> Engine:
    try:
        return sa.create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 10, "application_name": "otto_pipelines"},
        )
    except ModuleNotFoundError as error:
        raise OperationsDatabaseError(
            "the driver for PostgreSQL is not installed: install otto-pipelines[postgres]"
        ) from error


def _raw_execute(conn: Connection, statement: str) -> Any:
    """Execute outside any transaction of ours; returns the first row, if there is one."""
    cursor = conn.connection.cursor()
    try:
        cursor.execute(statement)
        return cursor.fetchone()
    finally:
        cursor.close()


def _what(error: DBAPIError) -> str:
    """The driver's first line: it names tables and keys, never the content of a row."""
    diagnosis = getattr(error.orig, "diag", None)
    primary = getattr(diagnosis, "message_primary", None)
    return primary or (str(error.orig).splitlines() or [type(error.orig).__name__])[0]
