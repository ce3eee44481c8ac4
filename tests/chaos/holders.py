"""Others who hold our files: a writer in the operations database, a reader of a finance file.

Belongs here: processes of their own, since locks of one's own process are no hindrance. Each holds
until its block ends, or for a time.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WRITER = """
import sqlite3, sys, time
path, seconds = sys.argv[1:]
held = sqlite3.connect(path, isolation_level=None, timeout=30)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
if float(seconds):
    time.sleep(float(seconds))
else:
    sys.stdin.read()
held.execute("ROLLBACK")
"""
_READER = """
import duckdb, sys
held = duckdb.connect(sys.argv[1], read_only=True)
query = "SELECT count(*), min(break_id), max(last_seen_at) FROM reconciliation.breaks"
before = held.execute(query).fetchall()
print("held", flush=True)
sys.stdin.read()
assert held.execute(query).fetchall() == before, "the file changed below its reader"
"""


@contextmanager
def writer_in(database: Path, seconds: float = 0.0) -> Iterator[None]:
    """Hold SQLite's write lock, for `seconds` or (0) until the block ends."""
    with _process(_WRITER, str(database), str(seconds)):
        yield


@contextmanager
def reader_of(finance_file: Path) -> Iterator[None]:
    """Hold a DuckDB file open read-only; at the end it must still show what it showed."""
    with _process(_READER, str(finance_file)):
        yield


@contextmanager
def _process(script: str, *arguments: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n", process.communicate()[1]
        yield
    finally:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
