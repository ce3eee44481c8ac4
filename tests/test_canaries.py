"""The scan finds what is planted: in the open, packed, in databases, and in other forms."""

import base64
import gzip
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from tests.canaries import scan

SECRET = "cAnary-7f3a/b+c"


def _plain(path: Path) -> None:
    path.write_text(f"x{SECRET.upper()}y", encoding="utf-8")


def _url(path: Path) -> None:
    path.write_text("?a=cAnary-7f3a%2Fb%2Bc", encoding="utf-8")


def _basic(path: Path) -> None:
    path.write_bytes(base64.b64encode(f"client:{SECRET}".encode()))


def _gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(SECRET.encode() * 50))


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.xml", SECRET * 50)


def _sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("CREATE TABLE t (n INTEGER, text TEXT)")
        # So long that it lies in pieces, with the value across the border of two.
        rows = [("." * n + SECRET + "." * 6000,) for n in range(4030, 4100)]
        conn.executemany("INSERT INTO t (text) VALUES (?)", rows)
        conn.commit()


def _duckdb(path: Path) -> None:
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE SCHEMA s")
        con.execute("CREATE TABLE s.t AS SELECT ? || n AS text FROM range(5000) t(n)", [SECRET])


@pytest.mark.parametrize("plant", [_plain, _url, _basic, _gzip, _zip, _sqlite, _duckdb])
def test_what_is_planted_is_found(plant: Callable[[Path], None], tmp_path: Path) -> None:
    plant(tmp_path / "file")
    (tmp_path / "other").write_text("cAnary-7f3a/b", encoding="utf-8")
    seen = scan({"secret": SECRET, "absent": "another"}, tmp_path)
    assert seen.found == {("secret", tmp_path / "file")}
    assert seen.files == 2
