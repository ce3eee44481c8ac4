"""What a backup says of itself: its files and the content of its tables, to be proven later.

Belongs here: the manifest, hashes of files and of tables. Making a backup and putting it back stand
beside.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import sqlalchemy as sa

NAME = "manifest.json"
_BLOCK = 1 << 20
_MODULUS = 1 << 128

TableHashes = dict[str, str]
"""Table to `rows:hash`."""


class BackupError(Exception):
    """A backup cannot be made, proven or put back; the message says why and what to do.

    What to do: as the message ends. A backup that failed leaves nothing behind, a restore that was
    refused changed nothing.
    """


class Manifest(msgspec.Struct, frozen=True):
    """One backup."""

    created_at: str
    product_version: str
    files: dict[str, tuple[int, str]]
    """Path below the backup's folder to bytes and SHA-256."""
    tables: dict[str, TableHashes]
    """Database to the content of its tables."""


def read_manifest(folder: Path) -> Manifest:
    """Read a backup's manifest.

    Raises:
        BackupError: there is none, or it cannot be read.
    """
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise BackupError(
            f"{folder} is no finished backup, it has no {NAME}: name another folder"
        ) from error
    except msgspec.MsgspecError as error:
        raise BackupError(f"{folder / NAME} is damaged ({error}): take another backup") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it last, so that a folder with a manifest is whole."""
    descriptor = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        out.flush()
        os.fsync(out.fileno())


def verify(folder: Path) -> Manifest:
    """Compare every file with the manifest.

    Raises:
        BackupError: a file is missing, is new or differs; all of them are named.
    """
    manifest = read_manifest(folder)
    found = {name for name in names_below(folder) if name != NAME}
    faults = [f"{name} is missing" for name in sorted(manifest.files.keys() - found)]
    faults += [f"{name} is not of this backup" for name in sorted(found - manifest.files.keys())]
    faults += [
        f"{name} was changed"
        for name in sorted(found & manifest.files.keys())
        if described(folder / name) != manifest.files[name]
    ]
    if faults:
        shown = "; ".join(faults[:10])
        raise BackupError(f"backup {folder} is not what was made: {shown}. Take another backup")
    return manifest


def names_below(folder: Path) -> list[str]:
    """Every file below a folder, relative to it."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def described(file: Path) -> tuple[int, str]:
    """Bytes and SHA-256."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(_BLOCK):
            digest.update(block)
    return file.stat().st_size, digest.hexdigest()


def tables_of(conn: sa.Connection) -> TableHashes:
    """Rows and content of each table, whatever the order of its rows."""
    names = sorted(sa.inspect(conn).get_table_names())
    return {name: _content(conn, name) for name in names}


def tables_of_sqlite(file: Path) -> TableHashes:
    """The same of a SQLite file that nobody writes to; it is not changed."""
    engine = sa.create_engine(f"sqlite:///file:{file}?mode=ro&immutable=1&uri=true")
    try:
        with engine.connect() as conn:
            return tables_of(conn)
    finally:
        engine.dispose()


def tables_of_duckdb(file: Path) -> TableHashes:
    """The same of a DuckDB file, which is not changed."""
    import duckdb  # noqa: PLC0415 - costs start-up that other commands should not wait for

    with closing(duckdb.connect(str(file), read_only=True)) as con:
        names = con.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() ORDER BY 1"
        ).fetchall()
        return {
            name: ":".join(
                map(
                    str,
                    con.execute(
                        f"SELECT count(*), coalesce(sum(hash(t)), 0) FROM {name} AS t"
                    ).fetchone()
                    or (),
                )
            )
            for (name,) in names
        }


def _content(conn: sa.Connection, table: str) -> str:
    """A sum of the rows' hashes, so that neither order nor equal rows matter."""
    rows, total = 0, 0
    for row_hash in _row_hashes(conn, table):
        rows += 1
        total = (total + row_hash) % _MODULUS
    return f"{rows}:{total:032x}"


def _row_hashes(conn: sa.Connection, table: str) -> Iterator[int]:
    rows = conn.execution_options(stream_results=True).execute(sa.text(f'SELECT * FROM "{table}"'))
    for row in rows:
        plain = (bytes(cell) if isinstance(cell, memoryview) else cell for cell in row)
        digest = hashlib.blake2b(
            repr(tuple(plain)).encode("utf-8", "surrogatepass"), digest_size=16
        )
        yield int.from_bytes(digest.digest())
