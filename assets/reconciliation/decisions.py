"""What a person decides about a break: to live with it as it is, or to open it again.

Belongs here: the two decisions, each with its reason in the break's history. Breaks open, change
and resolve by themselves in `breaks.sql`. Decisions go into the working file; the published file
shows them from the next publication on.
"""

from datetime import datetime

from resources.finance import FinanceDatabase


class DecisionError(Exception):
    """The decision cannot be recorded; the message says why and what to do."""


def accept_break(finance: FinanceDatabase, break_id: str, reason: str, now: datetime) -> None:
    """Accept an open break; it stays accepted until one side says something else.

    Raises:
        DecisionError: no such break, it is not open, or no reason is given.
    """
    _decide(finance, break_id, reason, now, before="open", after="accepted", event="accepted")


def reopen_break(finance: FinanceDatabase, break_id: str, reason: str, now: datetime) -> None:
    """Take an acceptance back.

    Raises:
        DecisionError: no such break, it is not accepted, or no reason is given.
    """
    _decide(finance, break_id, reason, now, before="accepted", after="open", event="reopened")


def _decide(
    finance: FinanceDatabase,
    break_id: str,
    reason: str,
    now: datetime,
    *,
    before: str,
    after: str,
    event: str,
) -> None:
    if not reason.strip():
        raise DecisionError(f"break {break_id}: give a reason, it is kept in the break's history")
    with finance.writer() as con:
        row = con.execute(
            "SELECT status FROM reconciliation.breaks WHERE break_id = ?", [break_id]
        ).fetchone()
        if row is None:
            raise DecisionError(f"no break {break_id}: see `otto-pipelines breaks list` for ids")
        if row[0] != before:
            raise DecisionError(
                f"break {break_id} is {row[0]}; only a break that is {before} can become {after}"
            )
        con.begin()
        con.execute(
            "UPDATE reconciliation.breaks SET status = ? WHERE break_id = ?", [after, break_id]
        )
        con.execute(
            """
            INSERT INTO reconciliation.break_history BY NAME
            SELECT break_id, ? AS event, ?::TIMESTAMPTZ AS happened_at, kind, otto_value, wms_value,
                amount_at_risk_cents, currency, ? AS note
            FROM reconciliation.breaks WHERE break_id = ?
            """,
            [event, now, reason.strip(), break_id],
        )
        con.commit()
