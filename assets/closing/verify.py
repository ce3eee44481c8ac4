"""Whether closes are still what they were when they were made.

Belongs here: judging the folders against their manifests, the manifests against the finance file,
and the chain of closes. Rows that have changed since in the live tables are no fault of a close;
they stand in `reconciliation.changes_after_close`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assets.closing.books import folders_of_closes
from assets.closing.changes import SNAPSHOT
from assets.closing.figures import read_figures
from assets.closing.manifest import (
    MANIFEST,
    SIGNED,
    Manifest,
    content_of,
    faults_of_signature,
    read_manifest,
    sha256_of,
)
from assets.closing.periods import ClosingError, Period, period_named
from assets.closing.snapshot import open_snapshot
from resources.finance import FinanceDatabase


@dataclass(frozen=True)
class Verdict:
    """What was found of one close: faults in words, none if it is whole."""

    period: str
    sequence: int
    folder: Path
    faults: tuple[str, ...]
    signature: str
    """`hmac-sha256`, `none`, or `not checked` where it is signed and no key was given."""


@dataclass(frozen=True)
class _Recorded:
    period: str
    sequence: int
    folder: str
    manifest_sha256: str
    previous_sha256: str | None


def verify_closes(
    finance: FinanceDatabase, *, name: str | None = None, key: str | None = None
) -> list[Verdict]:
    """Judge every close, or those of one period; nothing is written.

    Args:
        finance: the finance database, published.
        name: a period, or None for all.
        key: judges signatures; without one they are not judged.

    Raises:
        ClosingError: `name` is no period, or was never closed.
        FinanceDatabaseError: nothing is published, or the file cannot be read.
    """
    wanted = period_named(name).name if name else None
    with finance.read() as con:
        recorded = [
            _Recorded(*row)
            for row in con.execute(
                "SELECT period, sequence, folder, manifest_sha256, previous_sha256 "
                "FROM reconciliation.period_close WHERE event = 'closed' "
                "ORDER BY happened_at, period"
            ).fetchall()
        ]
    verdicts = [
        _judged(finance.closes_path / close.folder, close, recorded, key)
        for close in recorded
        if wanted in (None, close.period)
    ]
    known = {close.folder for close in recorded}
    verdicts += [
        Verdict(path.name, 0, path, ("the finance file does not know of it",), "not checked")
        for path in folders_of_closes(finance.closes_path)
        if path.name not in known and (wanted is None or path.name.startswith(wanted))
    ]
    if wanted and not verdicts:
        raise ClosingError(f"{wanted} was never closed: see `otto-pipelines close status`")
    return verdicts


def _judged(
    folder: Path, close: _Recorded, all_closes: list[_Recorded], key: str | None
) -> Verdict:
    signature = "not checked"
    faults = list(_faults_of_chain(close, all_closes))
    try:
        manifest = read_manifest(folder / MANIFEST)
    except ClosingError as error:
        faults.append(str(error))
    else:
        method = str(manifest["signature"]["method"])
        signature = "not checked" if method == SIGNED and not key else method
        faults += _faults_of_folder(folder, manifest, close, key)
        faults += _faults_of_days(manifest, all_closes)
    return Verdict(close.period, close.sequence, folder, tuple(faults), signature)


def _faults_of_chain(close: _Recorded, all_closes: list[_Recorded]) -> Iterator[str]:
    before = {each.manifest_sha256 for each in all_closes} | {None}
    if close.previous_sha256 not in before:
        yield "the close that it follows is missing from the finance file"
    if [each.previous_sha256 for each in all_closes].count(close.previous_sha256) > 1:
        yield "another close follows the same close: the chain forks"


def _faults_of_folder(
    folder: Path, manifest: Manifest, close: _Recorded, key: str | None
) -> Iterator[str]:
    if sha256_of(folder / MANIFEST) != close.manifest_sha256:
        yield f"{MANIFEST} is not the one that was recorded at the close"
    if manifest["previous_manifest_sha256"] != close.previous_sha256:
        yield f"{MANIFEST} names another close before it than the finance file"
    yield from faults_of_signature(manifest, key)
    changed = [
        name
        for name, stated in manifest["files"].items()
        if not (folder / name).exists() or sha256_of(folder / name) != stated["sha256"]
    ]
    for name in changed:
        missing = not (folder / name).exists()
        yield f"{name} {'is missing' if missing else 'was changed after the close'}"
    if SNAPSHOT not in changed or (folder / SNAPSHOT).exists():
        yield from _faults_of_snapshot(folder / SNAPSHOT, manifest, period_named(close.period))


def _faults_of_snapshot(path: Path, manifest: Manifest, period: Period) -> Iterator[str]:
    """The content of the tables, which stays what it is even if the file was written anew."""
    try:
        with open_snapshot(path) as con:
            found = content_of(read_figures(con, period))
    except ClosingError as error:
        yield str(error)
        return
    stated = {table["name"]: table for table in manifest["tables"]}
    held = {table["name"]: table for table in found["tables"]}
    for name in sorted(stated.keys() | held.keys()):
        if stated.get(name) != held.get(name):
            yield f"table {name} of the snapshot does not hold the rows that were closed"
    if manifest["areas"] != found["areas"]:
        yield "the totals of the manifest are not those of the snapshot"


def _faults_of_days(manifest: Manifest, all_closes: list[_Recorded]) -> Iterator[str]:
    known = {(each.period, each.sequence): each.manifest_sha256 for each in all_closes}
    for day in manifest["days"]:
        if known.get((day["period"], day["sequence"])) != day["manifest_sha256"]:
            yield f"the close of {day['period']} is not the one that the month was made of"
