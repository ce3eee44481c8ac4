"""Fixtures for every suite: an operations database on SQLite and on PostgreSQL, made afresh.

Both start as a copy of a migrated template. PostgreSQL is a throw-away cluster of this session, on
127.0.0.1 and a free port; without its binaries those tests are skipped, in CI they fail.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from otto_pipelines.tryton import postgres
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
    """URL of a running cluster with the template: `postgresql://postgres@127.0.0.1:port`."""
    try:
        postgres.binaries()
    except postgres.Unavailable as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{error}; CI must run these tests")
        pytest.skip(str(error))
    with postgres.cluster() as url:
        postgres.create(url, _TEMPLATE)
        _migrate(f"{url}/{_TEMPLATE}")
        yield url


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
