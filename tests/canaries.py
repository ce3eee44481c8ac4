"""Looking for planted values in every byte of files: plain, packed, and inside databases.

Belongs here: what a file is, how it is opened, and in which forms a value may lie there. What is
planted, and where it is allowed, is the business of the tests.
"""

import base64
import gzip
import io
import sqlite3
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import duckdb

_SQLITE = b"SQLite format 3\x00"
_DUCKDB = b"DUCK"


@dataclass
class Scan:
    """What was looked at, and where a canary was found: (its name, the file)."""

    files: int = 0
    bytes: int = 0
    found: set[tuple[str, Path]] = field(default_factory=set)

    def where(self, *names: str) -> set[Path]:
        """Files that hold one of these canaries."""
        return {path for name, path in self.found if name in names}


def scan(canaries: Mapping[str, str], *folders: Path) -> Scan:
    """Look for all canaries (name to value) below `folders`."""
    forms = {
        name: [form.lower() for form in _forms(value.encode())] for name, value in canaries.items()
    }
    seen = Scan()
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
            seen.files += 1
            for content in _contents(path):
                seen.bytes += len(content)
                small = content.lower()
                seen.found |= {
                    (name, path)
                    for name, values in forms.items()
                    if any(v in small for v in values)
                }
    return seen


def _forms(value: bytes) -> set[bytes]:
    """The value, as it stands in an address, and in Base64 at each of its three positions."""
    packed = {base64.b64encode(b" " * shift + value)[4 if shift else 0 : -4] for shift in range(3)}
    return {value, quote(value, safe="").encode(), value.decode().encode("utf-16-le"), *packed}


def _contents(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    yield content
    if content.startswith(_SQLITE):
        yield from _sqlite_values(path)
    elif content[8:12] == _DUCKDB:
        yield from _duckdb_values(path)
    else:
        yield from _unpacked(content)


def _unpacked(content: bytes) -> Iterator[bytes]:
    if content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield archive.read(name)


def _sqlite_values(path: Path) -> Iterator[bytes]:
    """Long values lie in pieces in the file, so they are read as values, too."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as conn:
        conn.text_factory = bytes
        for (table,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            for row in conn.execute(f'SELECT * FROM "{table.decode()}"'):
                yield b"\x00".join(v if isinstance(v, bytes) else str(v).encode() for v in row)


def _duckdb_values(path: Path) -> Iterator[bytes]:
    """DuckDB packs text, so its bytes show little."""
    with duckdb.connect(str(path), read_only=True) as con:
        tables = con.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT temporary"
        ).fetchall()
        for schema, table in tables:
            for row in con.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall():
                yield "\x00".join(map(str, row)).encode()
