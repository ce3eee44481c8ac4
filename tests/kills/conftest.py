"""Both databases of a workplace, on files and on a throw-away PostgreSQL cluster."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.kills.shop import Databases


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """Where the operations database and Dagster's storage are; once for each kind."""
    if request.param == "sqlite":
        yield Databases()
        return
    cluster = request.getfixturevalue("postgresql_cluster")
    names = [f"{name}_{uuid.uuid4().hex}" for name in ("operations", "dagster")]
    with psycopg.connect(f"{cluster}/postgres", autocommit=True) as con:
        for name in names:
            con.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield Databases(*(f"{cluster}/{name}" for name in names))
    with psycopg.connect(f"{cluster}/postgres", autocommit=True) as con:
        for name in names:
            con.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
