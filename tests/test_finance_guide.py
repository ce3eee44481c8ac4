"""The guide of finance is true: every query runs, and gives what stands below it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.finance_close import VIEWS
from tools import finance_guide

TEXT = finance_guide.GUIDE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with finance_guide.build(tmp_path_factory.mktemp("guide")).read() as connection:
        yield connection


def test_the_results_in_the_guide_are_those_of_its_queries(con: Any) -> None:
    shown = finance_guide.filled(TEXT, con)
    assert shown == TEXT, "run .venv/bin/python -m tools.finance_guide"


def test_the_guide_has_ten_queries_and_each_finds_something(con: Any) -> None:
    found = finance_guide.queries(TEXT)
    assert len(found) >= 10
    assert [sql for sql in found if not con.execute(sql).fetchall()] == []
    assert TEXT.count("```sql\n") == len(found), "a query has no result below it"


def test_a_result_that_is_no_longer_true_would_be_found(con: Any) -> None:
    assert finance_guide.filled(TEXT.replace("| 92.99 |", "| 92.98 |"), con) == TEXT


def test_every_view_and_its_columns_are_described_in_the_file_as_in_the_code(con: Any) -> None:
    views = con.execute(
        "SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'reports'"
    ).fetchall()
    columns = con.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE schema_name = 'reports'"
    ).fetchall()
    assert dict(views) == {view.name: view.meaning for view in VIEWS}
    assert {(table, name): (kind, text) for table, name, kind, text in columns} == {
        (view.name, column.name): (
            column.type.replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"),
            column.meaning,
        )
        for view in VIEWS
        for column in view.columns
    }


def test_two_builds_give_the_same_file(con: Any, tmp_path: Path) -> None:
    with finance_guide.build(tmp_path).read() as again:
        for sql in finance_guide.queries(TEXT):
            assert again.execute(sql).fetchall() == con.execute(sql).fetchall()
