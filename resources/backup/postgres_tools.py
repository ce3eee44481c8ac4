"""PostgreSQL's own programs for a backup: `pg_dump` and `pg_restore`.

Belongs here: finding and calling them. Passwords go by environment, so that no list of processes
shows them.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from resources.backup.manifest import BackupError, TableHashes, tables_of


def dump(url: str, file: Path) -> TableHashes:
    """Write one moment of a database to a file; returns its content at that moment."""
    with _engine(url) as engine, engine.connect() as conn:
        conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        snapshot = conn.scalar(sa.text("SELECT pg_export_snapshot()"))
        options = ["--format=custom", "--no-owner", "--no-acl", f"--snapshot={snapshot}"]
        _run("pg_dump", url, [*options, f"--file={file}"])
        return tables_of(conn)


def load(url: str, file: Path) -> None:
    """Replace what a database holds by a dump, all of it or nothing."""
    options = ["--clean", "--if-exists", "--no-owner", "--no-acl", "--single-transaction"]
    _run("pg_restore", url, [*options, "--exit-on-error", str(file)])


def tables(url: str) -> TableHashes:
    """Content of its tables now."""
    with _engine(url) as engine, engine.connect() as conn:
        return tables_of(conn)


@contextmanager
def _engine(url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    try:
        yield engine
    finally:
        engine.dispose()


def _run(program: str, url: str, arguments: list[str]) -> None:
    parsed = sa.make_url(url)
    environment = {**os.environ, "PGPASSWORD": parsed.password or ""}
    target = parsed.set(drivername="postgresql", password=None).render_as_string()
    command = [str(_found(program)), f"--dbname={target}", *arguments]
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own program
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BackupError(
            f"{program} on {target} failed: {_said(program, done.stderr)}. Check that the server "
            "answers and that the role may do it (docs/security.md, Database roles), then try again"
        )


def _said(program: str, stderr: str) -> str:
    """Its own lines; context and detail may quote a row, and a row may hold an address."""
    lines = [line for line in stderr.splitlines() if line.startswith(f"{program}: error:")]
    return "; ".join(lines)[:500] or "no reason given"


def _found(program: str) -> Path:
    """The newest installed: an older one refuses a newer server."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{program}"),
        key=lambda path: float(path.parts[-3]),
    )
    found = installed[-1] if installed else shutil.which(program)
    if found is None:
        raise BackupError(
            f"{program} is not installed: install PostgreSQL's client programs of the server's "
            "version, or let the server's own backup do it"
        )
    return Path(found)
