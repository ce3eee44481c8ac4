"""Planted breaks of every kind among many healthy lines: all are found, and nothing else is."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from assets.reconciliation import scope
from assets.reconciliation.content import content_hash
from assets.reconciliation.preparation import prepare
from assets.reconciliation.reconcile import finish, judge_changed, judge_everything
from benchmarks.reconciliation_data import KINDS, LINES_PER_BREAK, NOW, generate
from resources.finance import FinanceDatabase
from resources.operating_model import Reconciliation

LINES = 20_000
TABLES = ("order_lines", "shipments", "prices", "breaks", "break_history", "daily_summary")
NOTES = (
    "otto_fingerprints",
    "wms_fingerprints",
    "open_orders",
    "waiting_units",
    "last_prices",
    "line_counts",
)

_FOUND = """
    SELECT kind, sales_order_id, position_item_id FROM reconciliation.breaks WHERE status = 'open'
"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A connection with everything judged."""
    path: Path = tmp_path_factory.mktemp("generated") / "finance.duckdb"
    with FinanceDatabase(path).writer() as con:
        con.begin()
        generate(con, LINES)
        prepare(con, Reconciliation(), {}, NOW)
        judge_everything(con)
        finish(con)
        con.commit()
        yield con


def hashes(con: Any) -> dict[str, Any]:
    names = [f"reconciliation.{name}" for name in TABLES] + [f"staging.{name}" for name in NOTES]
    return {name: content_hash(con, name) for name in names}


def changed(con: Any, condition: str) -> None:
    con.execute(
        "CREATE OR REPLACE TEMP TABLE changed_orders AS "
        "SELECT sales_order_id AS order_ref, order_day, order_key FROM staging.orders "
        f"WHERE {condition}"
    )


def test_what_is_planted_is_found_and_nothing_else(judged: Any) -> None:
    planted = judged.execute("FROM planted").fetchall()
    assert Counter(kind for kind, _, _ in planted).keys() == set(KINDS)
    assert len(planted) == LINES / LINES_PER_BREAK
    assert sorted(judged.execute(_FOUND).fetchall()) == sorted(planted)


def test_fingerprints_point_at_no_order_but_those_that_differ_or_are_in_work(judged: Any) -> None:
    con = judged
    con.begin()
    changed(con, "false")
    prepare(con, Reconciliation(), {}, NOW)
    scope.take_changed(con)
    in_work = "SELECT hash(sales_order_id) AS order_key FROM staging.waiting_units"
    con.execute(f"CREATE OR REPLACE TEMP TABLE waiting AS {in_work}")
    judge_changed(con, all_suspects=True)
    (more,) = con.execute(
        "SELECT count(*) FROM suspects ANTI JOIN waiting USING (order_key) "
        "ANTI JOIN (SELECT hash(sales_order_id) AS order_key FROM reconciliation.breaks) AS b "
        "USING (order_key)"
    ).fetchone()
    con.rollback()
    assert more == 0


@pytest.mark.parametrize(
    ("condition", "all_suspects"), [("false", True), ("order_day = '2026-06-01'", False)]
)
def test_judging_suspects_or_one_day_again_changes_no_table(
    judged: Any, condition: str, all_suspects: bool
) -> None:
    con = judged
    before = hashes(con)
    con.begin()
    changed(con, condition)
    prepare(con, Reconciliation(), {}, NOW)
    assert judge_changed(con, all_suspects=all_suspects) > 0
    finish(con)
    after = hashes(con)
    con.rollback()
    assert after == before


def test_portions_give_the_same_tables_as_one_piece(
    judged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    con = judged
    before = hashes(con)
    monkeypatch.setattr(scope, "_ORDERS_AT_ONCE", LINES // 5)
    con.begin()
    prepare(con, Reconciliation(), {}, NOW)
    assert len(list(scope.portions(con))) > 3
    judge_everything(con)
    finish(con)
    after = hashes(con)
    con.rollback()
    assert after == before
