"""A local journal of what a warehouse told: the feed for warehouses that have none of their own.

Belongs here: entries in the order in which this adapter learned them, each once by its key, pages
of them by cursor, and notes to compare the next look with. It is an SQLite file in our data
folder, shared by all processes of the machine. What an entry means belongs to the adapter.

If the file is lost, the journal starts anew under another name. Old cursors then lead to its
beginning, and what is told again has the same keys, so nothing is lost and nothing counts twice.
"""

import hashlib
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from resources.json_parts import reason_of

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    feed TEXT NOT NULL,
    key TEXT NOT NULL,
    is_fault INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (feed, key)
);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_NAME = "journal"
_WAIT_SECONDS = 60.0
_LONGEST_SHOWN = 200


@dataclass(frozen=True)
class Entry:
    """One entry; the body of a fault is its reason, else it is the adapter's JSON."""

    key: str
    is_fault: bool
    body: str


@dataclass(frozen=True)
class Page:
    """Entries of one feed after a cursor, oldest first."""

    entries: tuple[Entry, ...]
    next_cursor: str
    has_more: bool


class Journal:
    """One journal file. Safe for several threads and processes; holds no open connection."""

    def __init__(self, path: Path, schema: str = "") -> None:
        """Create the file if it is missing; `schema` adds the adapter's own tables."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        with self._connection() as conn:
            conn.execute("PRAGMA journal_mode=WAL")
            conn.executescript(_SCHEMA + schema)
        path.chmod(0o600)
        with self.write() as conn:
            conn.execute("INSERT OR IGNORE INTO notes VALUES (?, ?)", (_NAME, uuid.uuid4().hex))
            self._name = noted(conn, _NAME)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction that is alone in writing, so entries are seen in the order of `seq`."""
        with self._connection() as conn:
            conn.execute("BEGIN IMMEDIATE")
            try:
                yield conn
            except BaseException:
                conn.rollback()
                raise
            conn.commit()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One transaction that sees a single moment."""
        with self._connection() as conn:
            conn.execute("BEGIN")
            yield conn
            conn.rollback()

    def page(self, feed: str, cursor: str | None, limit: int) -> Page:
        """At most `limit` entries after `cursor`; one of another journal counts as none."""
        name, _, position = (cursor or "").partition(":")
        after = int(position) if name == self._name and position.isdecimal() else 0
        with self.read() as conn:
            rows = conn.execute(
                "SELECT seq, key, is_fault, body FROM entries"
                " WHERE feed = ? AND seq > ? ORDER BY seq LIMIT ?",
                (feed, after, limit + 1),
            ).fetchall()
        shown = rows[:limit]
        last = shown[-1][0] if shown else after
        return Page(
            entries=tuple(Entry(key, bool(fault), body) for _, key, fault, body in shown),
            next_cursor=f"{self._name}:{last}",
            has_more=len(rows) > limit,
        )

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        conn = sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)
        try:
            yield conn
        finally:
            conn.close()


def records(page: Page, kind: type[T]) -> tuple[tuple[T, ...], tuple[str, ...]]:
    """The page's entries as records, and one reason for each fault.

    What a warehouse told in a form that the port does not take is a fault of the entry, too.
    """
    good: list[T] = []
    faults: list[str] = []
    for entry in page.entries:
        if entry.is_fault:
            faults.append(entry.body)
            continue
        try:
            good.append(msgspec.json.decode(entry.body, type=kind))
        except msgspec.ValidationError as error:
            faults.append(f"entry {entry.key[:_LONGEST_SHOWN]}: {reason_of(error)}")
    return tuple(good), tuple(faults)


def append(
    conn: sqlite3.Connection, feed: str, key: str, body: str, *, fault: bool = False
) -> bool:
    """Add an entry unless the feed has its key; returns whether it was new."""
    added = conn.execute(
        "INSERT OR IGNORE INTO entries (feed, key, is_fault, body) VALUES (?, ?, ?, ?)",
        (feed, key, int(fault), body),
    )
    return added.rowcount > 0


def tell_again(conn: sqlite3.Connection, feed: str, subject: str, told: str, body: str) -> bool:
    """Add an entry unless `told` is what was told last of this subject; returns whether it was new.

    So a state that comes back after another one is news once more.
    """
    name = f"told:{feed}:{subject}"
    times, _, before = noted(conn, name).partition(":")
    mark = hashlib.sha256(told.encode()).hexdigest()
    if before == mark:
        return False
    count = int(times or "0") + 1
    note(conn, name, f"{count}:{mark}")
    return append(conn, feed, f"{subject}:{count}:{mark}", body)


def noted(conn: sqlite3.Connection, name: str) -> str:
    """The note of this name; empty if there is none."""
    row = conn.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else ""


def note(conn: sqlite3.Connection, name: str, value: str) -> None:
    """Keep or replace a note."""
    conn.execute(
        "INSERT INTO notes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )
