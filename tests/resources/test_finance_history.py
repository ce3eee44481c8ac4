"""As of: what was true at one time, as known at another, on planted and on random timelines."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.finance import FinanceDatabase
from resources.finance_history import BREAK_VERSIONS, HISTORY
from resources.finance_table import Table


@pytest.fixture
def con(tmp_path: Path) -> Any:
    with FinanceDatabase(tmp_path / "finance.duckdb").writer() as connection:
        yield connection


def tell(con: Any, event: str, known: str, true: str | None = None, *, cents: int = 100) -> None:
    """Add an event of the one break, as known at `known` and true from `true` on."""
    con.execute(
        "INSERT INTO reconciliation.break_history BY NAME SELECT 'b' AS break_id, ? AS event, "
        "?::TIMESTAMPTZ AS happened_at, ?::TIMESTAMPTZ AS effective_at, 'price_mismatch' AS kind, "
        "?::BIGINT AS amount_at_risk_cents, 'EUR' AS currency",
        [event, known, true, cents],
    )


@pytest.fixture
def one_break(con: Any) -> Any:
    con.execute(
        "INSERT INTO reconciliation.breaks BY NAME SELECT 'b' AS break_id, 'prices' AS area, "
        "'finance' AS owner, 'SKU' AS sku"
    )
    return con


def as_of(con: Any, business: str, known: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = con.execute(
        "SELECT status, amount_at_risk_cents FROM reconciliation.breaks_as_of(?, known_time := ?)",
        [business, known],
    ).fetchall()
    return rows


def test_a_receipt_of_october_that_came_in_november_changes_october_only_as_known_later(
    one_break: Any,
) -> None:
    tell(one_break, "opened", "2026-10-20 12:00+00", "2026-10-20 08:00+00")
    tell(one_break, "resolved", "2026-11-03 09:00+00", "2026-10-25 10:00+00")
    assert as_of(one_break, "2026-10-31", "2026-10-31") == [("open", 100)]
    assert as_of(one_break, "2026-10-31", "2026-11-02") == [("open", 100)]
    assert as_of(one_break, "2026-10-31", "2026-11-03") == []
    assert as_of(one_break, "2026-10-22", "2026-11-03") == [("open", 100)]
    assert as_of(one_break, "2026-10-19", "2026-11-03") == []


def test_a_break_that_we_learned_of_late_was_there_all_the_time_as_known_later(
    one_break: Any,
) -> None:
    tell(one_break, "opened", "2026-11-05 12:00+00", "2026-10-10 08:00+00")
    assert as_of(one_break, "2026-10-31", "2026-10-31") == []
    assert as_of(one_break, "2026-10-31", "2026-11-05") == [("open", 100)]


def test_a_changed_amount_and_a_decision_count_from_their_own_time(one_break: Any) -> None:
    tell(one_break, "opened", "2026-10-10 12:00+00")
    tell(one_break, "value_changed", "2026-10-20 12:00+00", "2026-10-15 00:00+00", cents=250)
    tell(one_break, "explained", "2026-10-21 12:00+00", cents=250)
    tell(one_break, "accepted", "2026-10-22 12:00+00", cents=250)
    assert as_of(one_break, "2026-10-16", "2026-10-16") == [("open", 100)]
    assert as_of(one_break, "2026-10-16", "2026-10-21") == [("open", 250)]
    assert as_of(one_break, "2026-10-12", "2026-10-25") == [("open", 100)]
    assert as_of(one_break, "2026-10-25", "2026-10-25") == [("accepted", 250)]
    assert one_break.execute(
        "FROM reconciliation.amounts_as_of('2026-10-25', known_time := '2026-10-25')"
    ).fetchall() == [("prices", "EUR", 0, 0, 1, 2.5)]


def test_a_day_means_its_end_in_berlin_and_a_time_means_itself(one_break: Any) -> None:
    tell(one_break, "opened", "2026-10-31 22:30+00")
    assert as_of(one_break, "2026-10-31", "2026-10-31") == [("open", 100)]
    assert as_of(one_break, "2026-10-31 22:29+00", "2026-11-30") == []
    tell(one_break, "resolved", "2026-10-31 23:00+00")
    assert as_of(one_break, "2026-10-31", "2026-10-31") == [("open", 100)]


def test_macros_work_in_the_published_file_under_any_name(tmp_path: Path) -> None:
    import duckdb

    finance = FinanceDatabase(tmp_path / "finance.duckdb")
    with finance.writer() as con:
        con.execute("INSERT INTO reconciliation.breaks (break_id, area) VALUES ('b', 'prices')")
        tell(con, "opened", "2026-10-10 12:00+00")
    finance.publish().rename(tmp_path / "october.duckdb")
    with duckdb.connect(str(tmp_path / "october.duckdb"), read_only=True) as con:
        query = "SELECT count(*) FROM reconciliation.breaks_as_of(DATE '2026-10-31')"
        assert con.execute(query).fetchone() == (1,)
        query = "SELECT valid_to, known_to FROM reconciliation.break_versions"
        assert con.execute(query).fetchall() == [(None, None)]


@pytest.mark.parametrize("described", HISTORY, ids=lambda table: table.name)
def test_every_column_of_the_history_is_described_as_it_is(
    one_break: Any, described: Table
) -> None:
    call = "" if described is BREAK_VERSIONS else "('2026-10-31')"
    columns = one_break.execute(f"DESCRIBE FROM {described.full_name}{call}").fetchall()
    types = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
    assert [(name, types.get(kind, kind)) for name, kind, *_ in columns] == [
        (column.name, column.type) for column in described.columns
    ]
    assert all(column.meaning for column in described.columns)


START = datetime(2026, 10, 1, tzinfo=UTC)
EVENTS = ("value_changed", "accepted", "reopened", "resolved", "explained")
TIMELINES = st.lists(
    st.tuples(st.sampled_from(EVENTS), st.integers(0, 3), st.integers(0, 12)), max_size=6
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(timeline=TIMELINES)
def test_versions_say_the_same_as_the_macro_at_all_pairs_of_times(
    one_break: Any, timeline: list[tuple[str, int, int]]
) -> None:
    one_break.begin()
    tell(one_break, "opened", str(START), str(START), cents=0)
    known = 0
    for number, (event, later, back) in enumerate(timeline, start=1):
        known += later
        true = START + timedelta(hours=known - back)
        tell(one_break, event, str(START + timedelta(hours=known)), str(true), cents=number)
    different = one_break.execute(
        """
        WITH moment AS (
            SELECT $start::TIMESTAMPTZ + to_hours(CAST(b AS INTEGER)) AS business,
                $start::TIMESTAMPTZ + to_hours(CAST(k AS INTEGER)) AS known
            FROM range(-13, 20) AS r(b), range(-1, 20) AS s(k)
        ),
        event AS (
            SELECT *, rowid AS place,
                CASE event WHEN 'accepted' THEN 'accepted' WHEN 'resolved' THEN 'resolved'
                    ELSE 'open' END AS status
            FROM reconciliation.break_history WHERE event <> 'explained'
        ),
        told AS (
            SELECT business, known,
                arg_max((status, amount_at_risk_cents), (happened_at, place)) AS state
            FROM moment JOIN event ON effective_at <= business AND happened_at <= known
            GROUP BY ALL HAVING arg_max(status, (happened_at, place)) <> 'resolved'
        ),
        version AS (
            SELECT business, known, (status, amount_at_risk_cents) AS state
            FROM moment JOIN reconciliation.break_versions
                ON business >= valid_from AND (valid_to IS NULL OR business < valid_to)
                AND known >= known_from AND (known_to IS NULL OR known < known_to)
        )
        (FROM told EXCEPT ALL FROM version) UNION ALL (FROM version EXCEPT ALL FROM told)
        """,
        {"start": START},
    ).fetchall()
    one_break.rollback()
    assert different == []
