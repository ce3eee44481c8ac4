"""Closing a period and opening it again.

Belongs here: the order of the steps and what is recorded. A close is first made as a folder that
appears whole (`assets.closing.snapshot`), and recorded in the finance file by reading that folder.
A folder that is not recorded, because a run ended in between or the finance file was lost, is
recorded by the next run in the same way.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from assets.closing.books import (
    days_of_month,
    head_of_chain,
    insert_reopening,
    record,
    record_missing,
    reopenings,
    state,
)
from assets.closing.changes import SNAPSHOT, prepare_bookings, refresh_changes
from assets.closing.figures import read_figures
from assets.closing.manifest import (
    FORMAT,
    MANIFEST,
    Manifest,
    content_of,
    read_manifest,
    sha256_of,
    write_manifest,
)
from assets.closing.periods import ClosingError, Period, period_named
from assets.closing.refusals import reasons_not_to_close
from assets.closing.report import REPORT, read_trend, write_report
from assets.closing.snapshot import appearing_folder, open_snapshot, write_snapshot
from assets.closing.workbook import WORKBOOK, write_workbook
from resources.finance import FinanceDatabase


@dataclass(frozen=True)
class Close:
    """A close as it lies on disk; `is_new` is false where the period was closed already."""

    folder: Path
    manifest: Manifest
    is_new: bool

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.folder / REPORT

    @property
    def workbook(self) -> Path:
        """The same figures for Excel."""
        return self.folder / WORKBOOK


def close_period(
    finance: FinanceDatabase, name: str, *, by: str, now: datetime, key: str | None = None
) -> Close:
    """Close a day or a month; a period that is closed stays as it is.

    Args:
        finance: the finance database, reconciled.
        name: `2026-11-20` or `2026-11`.
        by: who closes it.
        now: aware business time.
        key: signs the manifest; without one it names who closed, and is not signed.

    Raises:
        ClosingError: the period cannot be closed; the message lists every reason.
        FinanceDatabaseError: another run is writing, or the file cannot be used.
    """
    period = period_named(name)
    person = _given(by, "who closes it (--by)", period.name)
    closes = finance.closes_path
    with finance.writer() as con:
        adopted = record_missing(con, closes, key)
        event, sequence, folder_name = state(con, period)
        if event == "closed":
            folder = closes / folder_name
            done = Close(folder, read_manifest(folder / MANIFEST), is_new=False)
        else:
            refresh_changes(con, closes)
            reasons = list(reasons_not_to_close(con, period, now))
            if reasons:
                listed = "".join(f"\n  * {reason}" for reason in reasons)
                raise ClosingError(f"{period.name} cannot be closed:{listed}")
            prepare_bookings(con, period, now, closed_before=sequence)
            folder = closes / (period.name if sequence == 0 else f"{period.name}.{sequence + 1}")
            with appearing_folder(folder) as writing:
                write_snapshot(con, period, writing)
                _write_files(con, writing, period, sequence + 1, person, now, key)
            record(con, folder)
            refresh_changes(con, closes)
            done = Close(folder, read_manifest(folder / MANIFEST), is_new=True)
    if done.is_new or adopted:
        finance.publish()
    return done


def reopen_period(
    finance: FinanceDatabase, name: str, *, by: str, reason: str, now: datetime
) -> None:
    """Open a closed period again. Its close stays on disk; closing again makes another one.

    Raises:
        ClosingError: it is not closed, its month is closed, or name or reason are missing.
        FinanceDatabaseError: another run is writing, or the file cannot be used.
    """
    period = period_named(name)
    person = _given(by, "who opens it (--by)", period.name)
    why = _given(reason, "why (--reason)", period.name)
    with finance.writer() as con:
        event, sequence, _ = state(con, period)
        if event != "closed":
            raise ClosingError(
                f"{period.name} is not closed, so it cannot be reopened: "
                "see `otto-pipelines close status`"
            )
        if period.kind == "day" and state(con, period_named(period.month))[0] == "closed":
            raise ClosingError(
                f"the month {period.month} is closed: reopen it before {period.name}, with "
                f"`otto-pipelines close reopen {period.month} --reason <why>`"
            )
        insert_reopening(con, period, sequence, person, why, now)
        refresh_changes(con, finance.closes_path)
    finance.publish()


def _given(text: str, what: str, period: str) -> str:
    if not text.strip():
        raise ClosingError(f"{period}: say {what}; it is kept with the period")
    return text.strip()


def _write_files(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    period: Period,
    sequence: int,
    by: str,
    now: datetime,
    key: str | None,
) -> None:
    """Workbook, report and manifest, from the snapshot that lies in `folder`."""
    with open_snapshot(folder / SNAPSHOT) as snapshot:
        figures = read_figures(snapshot, period)
    previous = head_of_chain(con)
    write_workbook(folder / WORKBOOK, figures, now, by)
    write_report(
        folder / REPORT,
        figures,
        read_trend(con, period),
        closed_at=now,
        closed_by=by,
        sequence=sequence,
        previous=previous,
        signed=bool(key),
    )
    content = {
        "format": FORMAT,
        "period": period.name,
        "kind": period.kind,
        "sequence": sequence,
        "first_day": period.first_day.isoformat(),
        "last_day": period.last_day.isoformat(),
        "closed_at": now.isoformat(),
        "closed_by": by,
        "previous_manifest_sha256": previous,
        "reopenings": reopenings(con, period),
        "days": days_of_month(con, period),
        **content_of(figures),
        "files": {
            name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
            for name in (SNAPSHOT, WORKBOOK, REPORT)
        },
    }
    write_manifest(folder / MANIFEST, content, key)
