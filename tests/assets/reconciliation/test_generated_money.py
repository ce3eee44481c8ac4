"""Planted faults of money among many right receipts: all are found, and nothing else is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assets.reconciliation.break_kinds import BREAK_KINDS
from assets.reconciliation.content import content_hash
from assets.reconciliation.preparation import prepare
from assets.reconciliation.reconcile import finish, judge_changed, judge_everything
from benchmarks.reconciliation_data import NOW, generate
from resources.finance import FinanceDatabase
from resources.operating_model import Reconciliation
from tests.assets.reconciliation.generated_money import FAULTS, generate_money
from tests.assets.reconciliation.money_world import MONEY_KINDS

LINES = 20_000
TABLES = ("order_lines", "prices", "refunds", "breaks", "break_history", "daily_summary")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A connection with everything judged."""
    path: Path = tmp_path_factory.mktemp("generated") / "finance.duckdb"
    with FinanceDatabase(path).writer() as con:
        con.begin()
        generate(con, LINES)
        prepare(con, Reconciliation(), {}, NOW)
        generate_money(con)
        judge_everything(con)
        finish(con)
        con.commit()
        yield con


def hashes(con: Any) -> dict[str, Any]:
    return {name: content_hash(con, f"reconciliation.{name}") for name in TABLES}


def test_every_kind_about_money_is_planted() -> None:
    about_money = {"receipt_missing", "receipt_amount_mismatch", "discount_mismatch"} | {
        name for name, kind in BREAK_KINDS.items() if kind.area == "refunds"
    }
    assert set(FAULTS.values()) == MONEY_KINDS == about_money


def test_what_is_planted_is_found_and_nothing_else(judged: Any) -> None:
    planted = judged.execute("FROM planted").fetchall()
    assert {kind for kind, _, _ in planted} >= MONEY_KINDS
    found = judged.execute(
        "SELECT kind, sales_order_id, position_item_id FROM reconciliation.breaks "
        "WHERE status = 'open'"
    ).fetchall()
    assert sorted(found) == sorted(planted)


def test_all_money_of_the_receipts_stands_in_the_tables(judged: Any) -> None:
    (row,) = judged.execute(
        """
        SELECT
            (SELECT sum(charged_cents) + sum(delivery_fee_charged_cents)
                FROM reconciliation.prices),
            (SELECT sum(amount_cents) FROM staging.receipt_lines
                WHERE receipt_type = 'PURCHASE'),
            (SELECT sum(refunded_cents) + sum(partially_refunded_cents)
                FROM reconciliation.refunds),
            (SELECT sum(amount_cents) FROM staging.receipt_lines
                WHERE receipt_type <> 'PURCHASE')
        """
    ).fetchall()
    assert row[0] == row[1] > 0
    assert row[2] == row[3] > 0


@pytest.mark.parametrize(
    ("condition", "all_suspects"), [("false", True), ("order_day = '2026-06-01'", False)]
)
def test_judging_suspects_or_one_day_again_changes_no_table(
    judged: Any, condition: str, all_suspects: bool
) -> None:
    before = hashes(judged)
    judged.begin()
    judged.execute(
        "CREATE OR REPLACE TEMP TABLE changed_orders AS "
        "SELECT sales_order_id AS order_ref, order_day, order_key FROM staging.orders "
        f"WHERE {condition}"
    )
    prepare(judged, Reconciliation(), {}, NOW)
    assert judge_changed(judged, all_suspects=all_suspects) > 0
    finish(judged)
    after = hashes(judged)
    judged.rollback()
    assert after == before
