"""What a person decides about a break: to explain it, to live with it, or to open it again.

Belongs here: the three decisions, each with who took it and why in the break's history. Breaks
open, change and resolve by themselves in `breaks.sql`. Decisions go into the working file; the
published file shows them from the next publication on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import duckdb

from resources.finance import FinanceDatabase


class DecisionError(Exception):
    """The decision cannot be recorded; the message says why and what to do.

    What to do: repeat the command with what is missing. Nothing was recorded.
    """


def explain_break(
    finance: FinanceDatabase, break_id: str, note: str, now: datetime, *, by: str
) -> None:
    """Note what is known about a break; its status stays.

    Args:
        finance: the finance database.
        break_id: the break, in whatever status.
        note: what is known; it is kept in the history, so it must not name a buyer.
        now: aware business time.
        by: who says so.

    Raises:
        DecisionError: no such break, or note or name are empty.
    """
    with _deciding(finance, break_id, note, by) as (con, _):
        _note(con, break_id, "explained", note, now, by)


def accept_break(
    finance: FinanceDatabase, break_id: str, reason: str, now: datetime, *, by: str
) -> None:
    """Accept an open break; it stays accepted until one side says something else.

    Raises:
        DecisionError: no such break, it is not open, or reason or name are empty.
    """
    _decide(finance, break_id, reason, now, by, before="open", after="accepted", event="accepted")


def reopen_break(
    finance: FinanceDatabase, break_id: str, reason: str, now: datetime, *, by: str
) -> None:
    """Take an acceptance back.

    Raises:
        DecisionError: no such break, it is not accepted, or reason or name are empty.
    """
    _decide(finance, break_id, reason, now, by, before="accepted", after="open", event="reopened")


def _decide(
    finance: FinanceDatabase,
    break_id: str,
    reason: str,
    now: datetime,
    by: str,
    *,
    before: str,
    after: str,
    event: str,
) -> None:
    with _deciding(finance, break_id, reason, by) as (con, status):
        if status != before:
            raise DecisionError(
                f"break {break_id} is {status}; only a break that is {before} can become {after}"
            )
        con.execute(
            "UPDATE reconciliation.breaks SET status = ? WHERE break_id = ?", [after, break_id]
        )
        _note(con, break_id, event, reason, now, by)


@contextmanager
def _deciding(
    finance: FinanceDatabase, break_id: str, text: str, by: str
) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """Yield the working file, in a transaction, with the break's status."""
    if not text.strip():
        raise DecisionError(f"break {break_id}: give a reason, it is kept in the break's history")
    if not by.strip():
        raise DecisionError(f"break {break_id}: say who decides (--by), it is kept in the history")
    with finance.writer() as con:
        con.begin()
        row = con.execute(
            "SELECT status FROM reconciliation.breaks WHERE break_id = ?", [break_id]
        ).fetchone()
        if row is None:
            raise DecisionError(f"no break {break_id}: see `otto-pipelines breaks list` for ids")
        yield con, row[0]
        con.commit()


def _note(
    con: duckdb.DuckDBPyConnection, break_id: str, event: str, text: str, now: datetime, by: str
) -> None:
    con.execute(
        """
        INSERT INTO reconciliation.break_history BY NAME
        SELECT break_id, ? AS event, ?::TIMESTAMPTZ AS happened_at, kind, otto_value, wms_value,
            amount_at_risk_cents, currency, ? AS note, ? AS decided_by
        FROM reconciliation.breaks WHERE break_id = ?
        """,
        [event, now, text.strip(), by.strip(), break_id],
    )
