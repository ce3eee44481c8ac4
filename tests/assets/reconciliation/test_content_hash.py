"""The content hash: equal for equal content, different for anything else."""

from typing import Any

import duckdb
import pytest

from assets.reconciliation.content import content_hash

ROWS = "(1, 'a', 12.50::DECIMAL(18,2), TIMESTAMPTZ '2026-03-02 12:00:00+00', ['x', 'y'])"
OTHER = "(2, NULL, NULL, NULL, NULL)"


@pytest.fixture
def con() -> Any:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TABLE t (id INTEGER, name VARCHAR, amount DECIMAL(18,2), moment TIMESTAMPTZ, "
            "names VARCHAR[])"
        )
        connection.execute(f"INSERT INTO t VALUES {ROWS}, {OTHER}")
        yield connection


def test_order_of_rows_and_zone_of_the_client_do_not_count(con: Any) -> None:
    before = content_hash(con, "t")
    con.execute("CREATE TABLE turned AS FROM t ORDER BY id DESC")
    con.execute("SET TimeZone = 'Asia/Tokyo'")
    assert content_hash(con, "turned") == before
    assert before.rows == 2


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE t SET amount = 12.51 WHERE id = 1",
        "UPDATE t SET name = '' WHERE id = 2",
        "UPDATE t SET name = NULL WHERE id = 1",
        "UPDATE t SET moment = moment + INTERVAL 1 microsecond",
        "UPDATE t SET names = ['x,y'] WHERE id = 1",
        f"INSERT INTO t VALUES {OTHER}",
        "DELETE FROM t WHERE id = 2",
        "ALTER TABLE t RENAME COLUMN name TO label",
    ],
)
def test_any_other_content_has_another_hash(con: Any, change: str) -> None:
    before = content_hash(con, "t")
    con.execute(change)
    assert content_hash(con, "t") != before


def test_text_cannot_move_from_one_column_to_the_next(con: Any) -> None:
    con.execute("CREATE TABLE one AS SELECT 'ab' AS a, 'c' AS b")
    con.execute("CREATE TABLE two AS SELECT 'a' AS a, 'bc' AS b")
    assert content_hash(con, "one") != content_hash(con, "two")


def test_a_condition_and_left_out_columns_limit_what_counts(con: Any) -> None:
    con.execute("CREATE TABLE less AS SELECT id, name FROM t WHERE id = 1")
    assert content_hash(con, "less") == content_hash(
        con, "t", "id = ?", [1], without=["amount", "moment", "names"]
    )
    assert content_hash(con, "t", "false").rows == 0
