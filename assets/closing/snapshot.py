"""The files of a close: the snapshot of its rows, and the folder that appears whole or not at all.

Belongs here: copying the period's rows into a DuckDB file of their own, opening it again, and the
folder's way from a temporary name to its final one. What stands in the manifest does not belong
here.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from assets.closing.changes import SNAPSHOT
from assets.closing.periods import ClosingError, Period
from assets.closing.rows import ClosedTable, closed_tables
from resources.finance import STORAGE_VERSION, quoted
from resources.finance_close import CLOSING, LATE_FOR_PERIOD
from resources.finance_schema import RECONCILIATION
from resources.finance_table import Table


def write_snapshot(con: duckdb.DuckDBPyConnection, period: Period, folder: Path) -> None:
    """Copy the rows of `period` into `snapshot.duckdb` in `folder`.

    Args:
        con: the working file of finance, with the temporary table `bookings`.
        period: what is closed.
        folder: an existing folder without such a file.
    """
    con.execute(
        f"ATTACH '{quoted(folder / SNAPSHOT)}' AS snapshot (STORAGE_VERSION '{STORAGE_VERSION}')"
    )
    try:
        con.execute("CREATE SCHEMA snapshot.reconciliation")
        for table in closed_tables(con):
            rows = table.rows(period)
            if table.name == LATE_FOR_PERIOD.name:
                rows += " UNION ALL BY NAME FROM bookings"
            con.execute(
                f"CREATE TABLE snapshot.reconciliation.{table.name} AS FROM ({rows}) ORDER BY ALL"
            )
            _comment(con, table)
    finally:
        con.execute("DETACH snapshot")


def _comment(con: duckdb.DuckDBPyConnection, table: ClosedTable) -> None:
    meanings: dict[str, Table] = {known.name: known for known in (*RECONCILIATION, *CLOSING)}
    if table.name not in meanings:
        return
    name = f"snapshot.reconciliation.{table.name}"
    con.execute(f"COMMENT ON TABLE {name} IS '{quoted(meanings[table.name].meaning)}'")
    for column in meanings[table.name].columns:
        if column.name in table.columns:
            con.execute(f"COMMENT ON COLUMN {name}.{column.name} IS '{quoted(column.meaning)}'")


@contextmanager
def open_snapshot(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a snapshot read-only; its tables are found as `reconciliation.<table>`.

    Raises:
        ClosingError: it is missing or damaged.
    """
    con = duckdb.connect(":memory:")
    try:
        con.execute("SET TimeZone = 'UTC'")
        try:
            con.execute(f"ATTACH '{quoted(path)}' AS snapshot (READ_ONLY)")
        except duckdb.Error as error:
            raise ClosingError(
                f"{path} cannot be read: restore the folder {path.parent} from a backup"
            ) from error
        con.execute("USE snapshot")
        yield con
    finally:
        con.close()


@contextmanager
def appearing_folder(final: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `final`, read-only and on disk, when the block ends.

    Raises:
        ClosingError: the folder cannot be written, or `final` is there already.
    """
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{final.name}.writing-", dir=final.parent))
    except OSError as error:
        raise _not_written(final, error) from error
    try:
        yield temporary
        for file in sorted(temporary.iterdir()):
            file.chmod(0o444)
            _sync(file)
        temporary.chmod(0o755)
        _sync(temporary)
        # A folder that is there and not empty is not replaced.
        temporary.rename(final)
        _sync(final.parent)
    except OSError as error:
        raise _not_written(final, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _not_written(final: Path, error: OSError) -> ClosingError:
    return ClosingError(
        f"{final} was not written ({error.strerror}): check space and rights of {final.parent}, "
        "then close again; nothing was recorded"
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
