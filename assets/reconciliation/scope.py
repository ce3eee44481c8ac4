"""Which orders a run works on: those that changed, those that are due, or more if rules changed.

Belongs here: the choice of orders and the notes it rests on. What is done with them stands in
`reconcile` and the SQL files.

Nothing else can have changed: an order differs as it did unless something was recorded of it, or a
known time passed (`staging.open_orders`). New times of grace or tolerances concern only orders of
which the fingerprints differ. New rules concern every order; these are worked on in portions of
whole days, so that memory does not grow with the history.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from resources.finance_staging import UNKNOWN_DAY
from resources.operating_model import Reconciliation

_ORDERS_AT_ONCE = 250_000

Days = tuple[date, date]


@dataclass(frozen=True)
class Changed:
    """What is not as it was at the last run."""

    engine: bool
    program: bool
    policy: bool


def note_rules(
    con: duckdb.DuckDBPyConnection, policy: Reconciliation, program: Sequence[str]
) -> Changed:
    """Note by which rules this run works; says which differ from those of the last run.

    Args:
        con: a writer of the finance database.
        policy: times of grace and tolerances.
        program: all texts of which the comparison is made.
    """
    return Changed(
        # DuckDB does not promise that its hashes stay the same.
        engine=_note(con, "engine", duckdb.__version__),
        program=_note(con, "program", "\x1f".join(program)),
        policy=_note(con, "policy", policy.model_dump_json()),
    )


def note_receipts(con: duckdb.DuckDBPyConnection) -> bool:
    """Note from when on receipts were read (`feeds`); says whether that is not as it was.

    What may be missing depends on it, of any order.
    """
    row = con.execute("SELECT CAST(receipts_from AS VARCHAR) FROM feeds").fetchone()
    return _note(con, "receipts_from", str(row and row[0]))


def _note(con: duckdb.DuckDBPyConnection, name: str, text: str) -> bool:
    value = hashlib.sha256(text.encode()).hexdigest()
    noted = con.execute("SELECT value FROM main.meta WHERE name = ?", [name]).fetchone()
    if noted is not None and noted[0] == value:
        return False
    con.execute("DELETE FROM main.meta WHERE name = ?", [name])
    con.execute("INSERT INTO main.meta VALUES (?, ?)", [name, value])
    return True


def portions(con: duckdb.DuckDBPyConnection) -> Iterator[Days]:
    """Ranges of days that hold all orders, each of a size that fits into memory."""
    yield UNKNOWN_DAY, UNKNOWN_DAY
    days = con.execute(
        "SELECT order_day, count(*) FROM staging.orders GROUP BY order_day ORDER BY order_day"
    ).fetchall()
    first, size = None, 0
    for position, (day, count) in enumerate(days):
        first, size = first or day, size + count
        if size >= _ORDERS_AT_ONCE or position == len(days) - 1:
            yield first, day
            first, size = None, 0


def take_portion(con: duckdb.DuckDBPyConnection, days: Days) -> None:
    """Fill `scope` with all orders of these days."""
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE scope AS
        WITH unknown AS (
            FROM (SELECT order_ref, order_day, order_key FROM staging.wms_orders)
            UNION FROM (SELECT order_ref, order_day, order_key FROM staging.wms_order_lines)
            UNION FROM (SELECT order_ref, order_day, order_key FROM staging.parcel_lines)
        )
        SELECT sales_order_id AS order_ref, order_day, order_key FROM staging.orders
        WHERE order_day BETWEEN $first AND $last
        UNION ALL
        FROM unknown WHERE order_day = unknown_day() AND order_day BETWEEN $first AND $last
        """,
        {"first": days[0], "last": days[1]},
    )
    note_days(con)


def note_days(con: duckdb.DuckDBPyConnection) -> None:
    """Set the range of days that holds the rows of `scope`, beside the day of unknown orders."""
    for name, end in (("first_day", "min"), ("last_day", "max")):
        con.execute(
            f"SET VARIABLE {name} = (SELECT coalesce({end}(order_day), unknown_day()) "
            "FROM scope WHERE order_day <> unknown_day())"
        )


def take_changed(con: duckdb.DuckDBPyConnection) -> None:
    """Fill `scope` with the orders of which a row changed."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE scope AS "
        "SELECT DISTINCT order_ref, order_day, order_key FROM changed_orders"
    )
    note_days(con)


def add_due(con: duckdb.DuckDBPyConnection) -> None:
    """Add orders that time alone may have changed."""
    con.execute(
        "INSERT INTO scope SELECT order_ref, order_day, order_key "
        "FROM staging.open_orders CROSS JOIN run WHERE recheck_at <= as_of"
    )
    note_days(con)


def add_suspects(con: duckdb.DuckDBPyConnection) -> None:
    """Add orders whose fingerprints differ (`suspects`); those in work are among them."""
    con.execute("INSERT INTO scope BY NAME SELECT order_day, order_key FROM suspects")
    note_days(con)
