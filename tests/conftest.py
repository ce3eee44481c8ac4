"""Fixtures for every suite: an operations database on SQLite and on PostgreSQL, made afresh.

Both start as a copy of a migrated template. PostgreSQL is a throw-away cluster of this session, on
127.0.0.1 and a free port; without its binaries those tests are skipped, in CI they fail.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from resources.operations.database import OperationsDatabase
from tests.conformance import summary

_TEMPLATE = "migrated_template"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many conformance cases each warehouse adapter passed."""
    for line in summary.lines(terminalreporter.stats):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("operations") / "template.sqlite"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_cluster() -> Iterator[str]:
    """URL of a running cluster, without a database: `postgresql://postgres@127.0.0.1:port`."""
    binaries = _postgresql_binaries()
    if binaries is None:
        reason = "PostgreSQL is not installed (apt install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}; CI must run these tests")
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="otto-pg-") as folder:
        data = Path(folder) / "data"
        as_owner = _as_postgres(Path(folder))
        _run([*as_owner, binaries / "initdb", "-A", "trust", "-U", "postgres", "-N", "-D", data])
        port = _free_port()
        settings = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' "
            "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        )
        control = [*as_owner, binaries / "pg_ctl", "-D", data, "-w"]
        _run([*control, "-l", Path(folder) / "log", "-o", settings, "start"])
        try:
            url = f"postgresql://postgres@127.0.0.1:{port}"
            _administer(url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
            _migrate(f"{url}/{_TEMPLATE}")
            yield url
        finally:
            _run([*control, "-m", "immediate", "stop"])


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)],
)
def operations_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a migrated, empty operations database; once for each kind."""
    with _copy_of_template(request, tmp_path) as url:
        yield url


@pytest.fixture
def operations_db(operations_url: str) -> Iterator[OperationsDatabase]:
    db = OperationsDatabase(operations_url)
    yield db
    db.close()


@contextmanager
def _copy_of_template(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "sqlite":
        path = folder / "operations.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    cluster = request.getfixturevalue("postgresql_cluster")
    name = f"test_{uuid.uuid4().hex}"
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
    _administer(cluster, copy.format(sql.Identifier(name), sql.Identifier(_TEMPLATE)))
    yield f"{cluster}/{name}"
    _administer(cluster, drop.format(sql.Identifier(name)))


def _migrate(url: str) -> None:
    db = OperationsDatabase(url)
    db.migrate()
    db.close()


def _administer(cluster: str, statement: sql.Composed) -> None:
    with psycopg.connect(f"{cluster}/postgres", autocommit=True) as connection:
        connection.execute(statement)


def _postgresql_binaries() -> Path | None:
    """The newest installation of Debian's packages, else what is on the PATH."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3])
    )
    found = installed[-1] if installed else shutil.which("initdb")
    return None if found is None else Path(found).parent


def _as_postgres(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: then it runs as its own user, who owns the folder."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres", "postgres")
    return ["runuser", "-u", "postgres", "--"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
