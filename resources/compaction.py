"""Databases that give back the space of what was erased, and keep their statistics fresh.

Belongs here: SQLite files and PostgreSQL databases, ours and Dagster's. Nobody waits long for it: a
file in which little is free is left as it is, and one that others use at that moment waits for the
next time.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

WORTH_IT = 0.2
"""Share of free pages from which a file is written anew."""
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Compacted:
    """One database: bytes before and after; `skipped` says why nothing was done, if so."""

    name: str
    bytes_before: int
    bytes_after: int
    skipped: str | None = None


def compact_sqlite(path: Path, *, worth_it: float = WORTH_IT) -> Compacted:
    """Write a file anew where much of it is free; else only fold in its log.

    While it is written, readers go on and writers wait; if one is at work, nothing is done.
    """
    before = _size(path)
    with closing(sqlite3.connect(path, timeout=_PATIENCE_SECONDS, isolation_level=None)) as conn:
        try:
            conn.execute("PRAGMA optimize")
            pages = _pragma(conn, "page_count")
            if pages and _pragma(conn, "freelist_count") / pages >= worth_it:
                conn.execute("VACUUM")
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:
            return Compacted(path.name, before, _size(path), f"in use by others ({error})")
    return Compacted(path.name, before, _size(path))


def compact_postgresql(engine: sa.Engine) -> Compacted:
    """Make the space of erased rows usable again, and count anew; nobody is locked out."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        name = str(engine.url.database)
        size = sa.text("SELECT pg_database_size(current_database())")
        before = int(conn.scalar(size) or 0)
        conn.execute(sa.text("VACUUM (ANALYZE, SKIP_LOCKED)"))
        return Compacted(name, before, int(conn.scalar(size) or 0))


def _pragma(conn: sqlite3.Connection, name: str) -> int:
    return int(conn.execute(f"PRAGMA {name}").fetchone()[0])


def _size(path: Path) -> int:
    return sum(
        part.stat().st_size for part in (path, path.with_name(f"{path.name}-wal")) if part.exists()
    )
