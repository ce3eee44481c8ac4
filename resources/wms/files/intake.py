"""Taking files in: look, wait until a file is complete, read it once, put it away.

Belongs here: the way of a file through its folders, safe against crashes and several processes.
What its rows mean stands in `dispatch`, `stock` and `returns`.

A file's news and the fact that it was read are one transaction; moving it comes after. A crash
between both moves it at the next look and tells nothing twice.
"""

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from filelock import FileLock, Timeout

from resources.wms.files.books import (
    EVENTS,
    RETURNS,
    TakenFile,
    note_stock_refusal,
    record_file,
    taken_file,
)
from resources.wms.files.dispatch import dispatch_row, tell_rows
from resources.wms.files.folder import Entry, Folder
from resources.wms.files.policy import FilesPolicy
from resources.wms.files.returns import return_row, tell_receipts
from resources.wms.files.stock import stock_row, take_stock
from resources.wms.files.table import UnreadableFile, rows_of
from resources.wms.journal import Journal, append, note, noted

PROCESSED = "processed"
ERROR = "error"
REASON = ".reason.txt"
_LOOKED_AT = "looked_at"
_SHOWN_REASONS = 1000
# In memory a file takes about ten times its size.
MOST_BYTES = 64 * 1024 * 1024

Taker = Callable[[sqlite3.Connection, Entry, bytes], list[str]]


@dataclass(frozen=True)
class _Kind:
    """A kind of file: where it lies, the feed that hears of its bad rows, and who takes it in."""

    name: str
    folder: str
    pattern: str
    feed: str | None
    take: Taker


class Intake:
    """Reads what the partner put into the folders. Several processes take turns."""

    def __init__(
        self, folder: Folder, journal: Journal, policy: FilesPolicy, now: Callable[[], datetime]
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._policy = policy
        self._now = now
        self._is_prepared = False
        self._lock = FileLock(f"{journal.path}.intake.lock", timeout=0, mode=0o600)
        kinds = (
            ("dispatch", policy.dispatch, EVENTS, self._take_dispatch),
            ("stock", policy.stock, None, self._take_stock),
            ("returns", policy.returns, RETURNS, self._take_returns),
        )
        self._kinds = tuple(
            _Kind(name, section.folder, section.pattern, feed, take)
            for name, section, feed, take in kinds
        )

    def look(self) -> None:
        """Take in every complete file, if a look is due and no other process is at it."""
        try:
            with self._lock:
                if self._is_due():
                    self.prepare()
                    for kind in self._kinds:
                        self._look_into(kind)
        except Timeout:
            return

    def put_away_folders(self) -> list[str]:
        """Where files lie that were taken in."""
        return [f"{kind.folder}/{name}" for kind in self._kinds for name in (PROCESSED, ERROR)]

    def prepare(self) -> None:
        """Create all folders that are missing."""
        if self._is_prepared:
            return
        for place in (*(kind.folder for kind in self._kinds), *self.put_away_folders()):
            self._folder.make(place)
        self._folder.make(self._policy.orders.folder)
        self._folder.make(self._policy.cancellations.folder)
        self._is_prepared = True

    def _is_due(self) -> bool:
        now = self._now().timestamp()
        with self._journal.write() as conn:
            before = float(noted(conn, _LOOKED_AT) or 0)
            # A clock that was set back must not stop the looking.
            if 0 <= now - before < self._policy.look_every_seconds:
                return False
            note(conn, _LOOKED_AT, str(now))
        return True

    def _look_into(self, kind: _Kind) -> None:
        entries = self._folder.entries(kind.folder)
        names = {entry.name for entry in entries}
        waiting = [entry for entry in entries if fnmatchcase(entry.name, kind.pattern)]
        complete = self._complete(kind, waiting, names)
        for entry in sorted(complete, key=lambda entry: (entry.changed_at, entry.name)):
            try:
                self._take(kind, entry)
            except FileNotFoundError:
                # The partner took it back between our look and our reading.
                continue

    def _complete(self, kind: _Kind, waiting: list[Entry], names: set[str]) -> list[Entry]:
        marker = self._policy.done_marker
        if marker is not None:
            return [entry for entry in waiting if f"{entry.name}{marker}" in names]
        now = self._now().timestamp()
        complete = []
        with self._journal.write() as conn:
            for entry in waiting:
                path = f"{kind.folder}/{entry.name}"
                row = conn.execute(
                    "SELECT since FROM seen WHERE path = ? AND size = ? AND changed_at = ?",
                    (path, entry.size, entry.changed_at),
                ).fetchone()
                since = row[0] if row else now
                if row is None:
                    conn.execute(
                        "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)",
                        (path, entry.size, entry.changed_at, now),
                    )
                if now - since >= self._policy.settle_seconds:
                    complete.append(entry)
        return complete

    def _take(self, kind: _Kind, entry: Entry) -> None:
        path = f"{kind.folder}/{entry.name}"
        content = self._folder.read(path) if entry.size <= MOST_BYTES else b""
        digest = _digest(kind, entry, content)
        with self._journal.read() as conn:
            before = taken_file(conn, kind.name, digest)
        if before is None:
            taken = self._read(kind, entry, content, digest)
        elif before.is_moved:
            reason = f"the same content as {before.name}, which was read before: nothing is new"
            taken = TakenFile(entry.name, refused=False, reasons=(reason,), is_moved=False)
        else:
            taken = before
        self._put_away(kind, entry, taken, digest)
        with self._journal.write() as conn:
            if before is None or not before.is_moved:
                done = TakenFile(taken.name, taken.refused, taken.reasons, is_moved=True)
                record_file(conn, kind.name, digest, done)
            conn.execute("DELETE FROM seen WHERE path = ?", (f"{kind.folder}/{entry.name}",))

    def _read(self, kind: _Kind, entry: Entry, content: bytes, digest: str) -> TakenFile:
        """Tell a file's news; its bad rows are told in the feed that it belongs to."""
        with self._journal.write() as conn:
            refused = False
            try:
                _check_size(entry)
                reasons = kind.take(conn, entry, content)
            except UnreadableFile as error:
                reasons, refused = [str(error)], True
            taken = TakenFile(entry.name, refused, tuple(reasons[:_SHOWN_REASONS]), is_moved=False)
            record_file(conn, kind.name, digest, taken)
            for number, reason in enumerate(taken.reasons):
                told = f"file {entry.name}: {reason}"
                if kind.feed is not None:
                    append(conn, kind.feed, f"fault:{digest}:{number}", told, fault=True)
                elif refused:
                    note_stock_refusal(conn, told)
        return taken

    def _put_away(self, kind: _Kind, entry: Entry, taken: TakenFile, digest: str) -> None:
        place = f"{kind.folder}/{ERROR if taken.refused else PROCESSED}"
        target = f"{place}/{entry.name}"
        if self._folder.exists(target):
            target = f"{place}/{digest[:12]}_{int(entry.changed_at)}_{entry.name}"
        if taken.reasons:
            text = "\n".join((f"{entry.name}", *taken.reasons)) + "\n"
            self._folder.publish(f"{target}{REASON}", text.encode())
        self._folder.move(f"{kind.folder}/{entry.name}", target)
        if self._policy.done_marker is not None:
            self._folder.remove(f"{kind.folder}/{entry.name}{self._policy.done_marker}")

    def _take_dispatch(self, conn: sqlite3.Connection, entry: Entry, content: bytes) -> list[str]:
        changed_at = _changed_at(entry)
        rows, faults = rows_of(
            content,
            self._policy.dispatch,
            self._policy,
            lambda row: dispatch_row(row, changed_at),
        )
        return faults + tell_rows(conn, rows)

    def _take_stock(self, conn: sqlite3.Connection, entry: Entry, content: bytes) -> list[str]:
        changed_at = _changed_at(entry)
        levels, faults = rows_of(
            content, self._policy.stock, self._policy, lambda row: stock_row(row, changed_at)
        )
        shown = [f"file {entry.name}: {fault}" for fault in faults]
        news = take_stock(conn, self._policy.stock, entry.name, changed_at, levels, shown)
        return faults + news

    def _take_returns(self, conn: sqlite3.Connection, entry: Entry, content: bytes) -> list[str]:
        changed_at = _changed_at(entry)
        rows, faults = rows_of(
            content, self._policy.returns, self._policy, lambda row: return_row(row, changed_at)
        )
        return faults + tell_receipts(conn, rows)


def _check_size(entry: Entry) -> None:
    if entry.size > MOST_BYTES:
        raise UnreadableFile(
            f"{entry.size} bytes are more than {MOST_BYTES}; ask the partner for several files"
        )


def _digest(kind: _Kind, entry: Entry, content: bytes) -> str:
    """What makes a file the same file: its content; of stock also its time, since the same stock
    an hour later is news. A refused one is judged anew under another name.
    """
    told = hashlib.sha256(content)
    # What is too large is not read, so its name and time must do.
    if kind.feed is None or entry.size > MOST_BYTES:
        told.update(f"\x1f{entry.changed_at}\x1f{entry.name}".encode())
    return told.hexdigest()


def _changed_at(entry: Entry) -> datetime:
    return datetime.fromtimestamp(entry.changed_at, UTC)
