"""PostgreSQL with least privilege: each role of `deploy/postgres_roles.sql` on a real server."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from typer.testing import CliRunner

from otto_pipelines.cli import app
from resources.backup.installation import installation
from resources.backup.manifest import BackupError
from resources.backup.restoring import restore
from resources.backup.taking import take
from resources.operations.database import OperationsDatabase, OperationsDatabaseError
from resources.operations.schema import metadata
from tests.flows.conftest import Shop

pytestmark = pytest.mark.postgres
SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "postgres_roles.sql"


class Server:
    """One database of the cluster, entered by role."""

    def __init__(self, cluster: str, name: str) -> None:
        self._cluster = cluster
        self.name = name

    def url(self, role: str) -> str:
        return f"{self._cluster}/{self.name}".replace("postgres@", f"{role}@")

    def execute(self, role: str, statement: str) -> None:
        with psycopg.connect(self.url(role), autocommit=True) as connection:
            connection.execute(statement)

    def rows(self, role: str, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(role), autocommit=True) as connection:
            return connection.execute(query).fetchall()


@contextmanager
def new_database(postgresql_cluster: str) -> Iterator[Server]:
    """A database with the roles, before the first migration."""
    server = Server(postgresql_cluster, f"roles_{uuid.uuid4().hex}")
    with psycopg.connect(f"{postgresql_cluster}/postgres", autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(server.name)))
        server.execute("postgres", SCRIPT.read_text(encoding="utf-8"))
        yield server
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        admin.execute(drop.format(sql.Identifier(server.name)))


@pytest.fixture
def empty(postgresql_cluster: str) -> Iterator[Server]:
    with new_database(postgresql_cluster) as server:
        yield server


@pytest.fixture
def server(empty: Server) -> Server:
    """The same, set up as docs/security.md says."""
    owner = {"OPERATIONS_DATABASE_OWNER_URL": empty.url("otto_owner")}
    done = CliRunner().invoke(app, ["migrate"], env=owner)
    assert done.exit_code == 0, done.output
    empty.execute("postgres", SCRIPT.read_text(encoding="utf-8"))
    return empty


@pytest.fixture
def shop(server: Server, open_shop: Callable[..., Shop]) -> Iterator[Shop]:
    db = OperationsDatabase(server.url("otto_app"))
    db.migrate()
    yield open_shop(db)
    db.close()


def test_the_services_trade_as_a_role_that_owns_nothing(shop: Shop, server: Server) -> None:
    order = shop.new_order(2)
    shop.sync_orders()
    shop.dispatch(order)
    shop.sync_shipments()
    shop.sync_stock()
    shop.run("sync_returns")
    shop.run("reconcile")
    shop.run("erase_personal_data")
    assert len(shop.shipments()) == 1
    query = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    owners = server.rows("postgres", query)
    assert owners == [("otto_owner",)]


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE orders",
        "ALTER TABLE orders ADD COLUMN x text",
        "TRUNCATE orders",
        "CREATE TABLE mine (x int)",
        "UPDATE alembic_version SET version_num = '0001'",
        "CREATE ROLE more",
    ],
)
@pytest.mark.parametrize("role", ["otto_app", "otto_reader"])
def test_neither_services_nor_readers_change_the_schema(
    server: Server, role: str, statement: str
) -> None:
    with pytest.raises(InsufficientPrivilege):
        server.execute(role, statement)


def test_the_reader_sees_everything_but_personal_data(shop: Shop, server: Server) -> None:
    shop.new_order(1)
    shop.sync_orders()
    personal = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.c
        if "; personal data" in (column.comment or "")
    }
    assert personal == {("orders", "delivery_address")}
    for table in metadata.tables.values():
        shown = ", ".join(c.name for c in table.c if (table.name, c.name) not in personal)
        server.rows("otto_reader", f"SELECT {shown} FROM {table.name}")
    assert server.rows("otto_reader", "SELECT count(order_number) FROM orders") == [(1,)]
    for query in ("SELECT delivery_address FROM orders", "SELECT * FROM orders", "TABLE orders"):
        with pytest.raises(InsufficientPrivilege):
            server.rows("otto_reader", query)
    for statement in ("DELETE FROM orders", "UPDATE orders SET order_number = ''"):
        with pytest.raises(InsufficientPrivilege):
            server.execute("otto_reader", statement)


def test_the_services_back_up_and_the_owner_restores(
    shop: Shop, server: Server, postgresql_cluster: str, tmp_path: Path
) -> None:
    order = shop.new_order(1)
    shop.sync_orders()
    made = take(
        installation(
            {
                "OPERATIONS_DATABASE_URL": server.url("otto_app"),
                "OTTO_PIPELINES_DATA": str(tmp_path / "data"),
                "OPERATING_MODEL": str(tmp_path / "operating_model.yaml"),
            }
        ),
        tmp_path / "backup",
    )
    with new_database(postgresql_cluster) as other:
        environment = {
            "OPERATIONS_DATABASE_URL": other.url("otto_app"),
            "OTTO_PIPELINES_DATA": str(tmp_path / "other"),
            "OPERATING_MODEL": str(tmp_path / "operating_model.yaml"),
            "DAGSTER_HOME": "",
        }
        with pytest.raises(BackupError, match="Database roles") as refused:
            restore(tmp_path / "backup", installation(environment))
        assert order.order_id not in str(refused.value)
        environment["OPERATIONS_DATABASE_OWNER_URL"] = other.url("otto_owner")
        done = CliRunner().invoke(
            app, ["backup", "restore", str(tmp_path / "backup")], env=environment
        )
        assert done.exit_code == 0, done.output
        other.execute("postgres", SCRIPT.read_text(encoding="utf-8"))
        assert len(made.tables["operations.dump"]) == len(metadata.tables) + 1
        assert other.rows("otto_app", "SELECT sales_order_id FROM orders") == [(order.order_id,)]
        assert other.rows("otto_reader", "SELECT sales_order_id FROM orders") == [(order.order_id,)]
        for role in ("otto_app", "otto_reader"):
            with pytest.raises(InsufficientPrivilege):
                other.execute(role, "UPDATE alembic_version SET version_num = '0001'")


def test_other_roles_do_not_enter(server: Server) -> None:
    server.execute("postgres", "CREATE ROLE stranger LOGIN")
    try:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            server.rows("stranger", "SELECT 1")
    finally:
        server.execute("postgres", "DROP ROLE stranger")


def test_services_before_the_migration_name_the_command(empty: Server) -> None:
    db = OperationsDatabase(empty.url("otto_app"))
    with pytest.raises(OperationsDatabaseError, match="run `otto-pipelines migrate`"):
        db.migrate()
    db.close()
