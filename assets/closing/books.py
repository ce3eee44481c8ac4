"""What the finance file knows of closes: reading it, and writing down what a folder says.

Belongs here: rows of `period_close` and of the tables beside it. Rows are only added. How a close
is made stands in `assets.closing.close`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from assets.closing.changes import LATEST_EVENTS, SNAPSHOT
from assets.closing.manifest import MANIFEST, faults_of_signature, read_manifest, sha256_of
from assets.closing.periods import ClosingError, Period, period_named
from resources.finance import quoted


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit at the end; what an error leaves is rolled back when the writer closes."""
    con.begin()
    yield
    con.commit()


def state(con: duckdb.DuckDBPyConnection, period: Period) -> tuple[str, int, str]:
    """Last event of a period, how often it was closed, and the folder of its last close."""
    row = con.execute(
        f"SELECT event, sequence, folder FROM ({LATEST_EVENTS}) WHERE period = ?", [period.name]
    ).fetchone()
    return (row[0], row[1], row[2]) if row else ("open", 0, "")


def head_of_chain(con: duckdb.DuckDBPyConnection) -> str | None:
    """Hash of the close that no other close follows yet."""
    row = con.execute(
        "SELECT manifest_sha256 FROM reconciliation.period_close WHERE event = 'closed' "
        "AND manifest_sha256 NOT IN (SELECT previous_sha256 FROM reconciliation.period_close "
        "WHERE previous_sha256 IS NOT NULL)"
    ).fetchone()
    return str(row[0]) if row else None


def reopenings(con: duckdb.DuckDBPyConnection, period: Period) -> list[dict[str, Any]]:
    """Every reopening of a period: which close, when, by whom and why."""
    rows = con.execute(
        "SELECT sequence, happened_at, decided_by, reopen_reason FROM reconciliation.period_close "
        "WHERE period = ? AND event = 'reopened' ORDER BY sequence",
        [period.name],
    ).fetchall()
    return [
        {"sequence": number, "happened_at": at.isoformat(), "decided_by": by, "reason": reason}
        for number, at, by, reason in rows
    ]


def days_of_month(con: duckdb.DuckDBPyConnection, period: Period) -> list[dict[str, Any]]:
    """The closes that a month is made of; none for a day."""
    if period.kind == "day":
        return []
    rows = con.execute(
        f"SELECT period, sequence, manifest_sha256 FROM ({LATEST_EVENTS}) "
        "WHERE kind = 'day' AND event = 'closed' AND period[:7] = ? ORDER BY period",
        [period.name],
    ).fetchall()
    return [
        {"period": day, "sequence": number, "manifest_sha256": sha} for day, number, sha in rows
    ]


def record_missing(con: duckdb.DuckDBPyConnection, closes: Path, key: str | None) -> int:
    """Record closes that lie on disk and are not in the finance file; how many they are."""
    known = {
        row[0] for row in con.execute("SELECT folder FROM reconciliation.period_close").fetchall()
    }
    missing = [path for path in folders_of_closes(closes) if path.name not in known]
    manifests = {path: read_manifest(path / MANIFEST) for path in missing}
    for path in sorted(missing, key=lambda each: str(manifests[each]["closed_at"])):
        if faults := faults_of_signature(manifests[path], key):
            raise ClosingError(
                f"{path} is not recorded in the finance file, and {faults[0]}: "
                "move the folder away if it is not yours, or correct FINANCE_SIGNING_KEY"
            )
        record(con, path)
    return len(missing)


def folders_of_closes(closes: Path) -> list[Path]:
    """Folders of closes; those that a run did not finish have another name and are left out."""
    return sorted(path for path in closes.glob("[0-9]*") if path.is_dir())


def record(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write down in the finance file what a close's folder says."""
    manifest = read_manifest(folder / MANIFEST)
    period = period_named(manifest["period"])
    number = manifest["sequence"]
    breaks = dict.fromkeys(("open", "accepted"), 0)
    for total in manifest["areas"]:
        if total["status"] in breaks:
            breaks[total["status"]] += total["breaks"]
    con.execute(f"ATTACH '{quoted(folder / SNAPSHOT)}' AS recorded (READ_ONLY)")
    with transaction(con):
        for earlier in manifest["reopenings"]:
            known = con.execute(
                "SELECT 1 FROM reconciliation.period_close "
                "WHERE period = ? AND sequence = ? AND event = 'reopened'",
                [period.name, earlier["sequence"]],
            ).fetchone()
            if not known:
                at = datetime.fromisoformat(earlier["happened_at"])
                by, reason = earlier["decided_by"], earlier["reason"]
                insert_reopening(con, period, earlier["sequence"], by, reason, at)
        con.execute(
            """
            INSERT INTO reconciliation.period_close BY NAME SELECT
                $period AS period, $kind AS kind, $sequence AS sequence, 'closed' AS event,
                $at::TIMESTAMPTZ AS happened_at, $by AS decided_by, $first::DATE AS first_day,
                $last::DATE AS last_day, $folder AS folder, $sha AS manifest_sha256,
                $previous AS previous_sha256, $signature AS signature, $open AS open_breaks,
                $accepted AS accepted_breaks
            """,
            {
                "period": period.name,
                "kind": period.kind,
                "sequence": number,
                "at": datetime.fromisoformat(manifest["closed_at"]),
                "by": manifest["closed_by"],
                "first": period.first_day,
                "last": period.last_day,
                "folder": folder.name,
                "sha": sha256_of(folder / MANIFEST),
                "previous": manifest["previous_manifest_sha256"],
                "signature": manifest["signature"]["method"],
                **breaks,
            },
        )
        for table in manifest["tables"]:
            con.execute(
                "INSERT INTO reconciliation.closed_tables VALUES (?, ?, ?, ?, ?, ?)",
                [
                    period.name,
                    number,
                    table["name"],
                    table["rows"],
                    table["content_hash"],
                    ",".join(table["hashed"]),
                ],
            )
            for total in table["totals"]:
                con.execute(
                    "INSERT INTO reconciliation.closed_amounts "
                    "VALUES ($1, $2, $3, $4, $5, $6, CAST($6 * 0.01 AS DECIMAL(18, 2)))",
                    [
                        period.name,
                        number,
                        table["name"],
                        total["amount"],
                        total["currency"],
                        total["cents"],
                    ],
                )
        # A month holds what its days booked; what is there already stays once.
        con.execute(
            "INSERT INTO reconciliation.late_for_period BY NAME "
            "FROM recorded.reconciliation.late_for_period "
            "EXCEPT FROM reconciliation.late_for_period"
        )
    con.execute("DETACH recorded")


def insert_reopening(
    con: duckdb.DuckDBPyConnection,
    period: Period,
    sequence: int,
    by: str,
    reason: str,
    at: datetime,
) -> None:
    """Note that the close `sequence` of a period was taken back."""
    con.execute(
        """
        INSERT INTO reconciliation.period_close BY NAME
        SELECT * REPLACE ('reopened' AS event, $at::TIMESTAMPTZ AS happened_at, $by AS decided_by,
            $reason AS reopen_reason, NULL AS previous_sha256)
        FROM reconciliation.period_close
        WHERE period = $period AND sequence = $sequence AND event = 'closed'
        """,
        {"at": at, "by": by, "reason": reason, "period": period.name, "sequence": sequence},
    )
