"""Texts that persons and partners write: CSV files of the warehouse, and the operating model.

Belongs here: their mutations, and what must come of them. CSV is read by the adapter's own
functions on a journal in memory; whole folders are tried in `test_hostile_files`.
"""

import contextlib
import csv
import io
import random
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import yaml

from resources.operating_model import OperatingModelError, load_operating_model
from resources.operations.database import OperationsDatabase
from resources.wms import journal
from resources.wms.files import books
from resources.wms.files.dispatch import dispatch_row, tell_rows
from resources.wms.files.policy import FilesPolicy, InboundFiles
from resources.wms.files.returns import return_row, tell_receipts
from resources.wms.files.stock import stock_row, take_stock
from resources.wms.files.table import UnreadableFile, rows_of
from resources.wms.port import FulfilmentEvent, ReturnReceipt
from tests.hostile.judging import Case, demand, demand_equal
from tests.hostile.mutator import DATES, NUMBERS, NUMBERS_AS_TEXT, WORDS, Mutator
from tests.hostile.mutator import TEXTS as STRINGS
from tests.hostile.wire import REPOSITORY, Clients
from tests.resources.wms.files_partner import an_order

AT = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)
POLICY = FilesPolicy()
_NUMBERS = tuple(number.decode() for number in NUMBERS)
_CELLS = (*STRINGS, *NUMBERS_AS_TEXT, *_NUMBERS, *DATES, *WORDS, '"', 'a"b', "a;b", "a\r\nb")

DISPATCH = {
    "order_ref": "order-{}", "event": "DISPATCHED", "occurred_at": "2026-06-02T10:00:00+02:00",
    "line_id": "l1", "sku": "A", "quantity": "1", "unit_price": "19.99", "currency": "EUR",
    "parcel_id": "p1", "carrier_code": "DHL", "tracking_number": "T1", "weight_g": "1200",
}  # fmt: skip
STOCK = {
    "sku": "SKU-{}", "location": "MAIN", "on_hand": "7", "reserved": "1", "blocked": "0",
    "as_of": "2026-06-02T10:00:00+02:00",
}  # fmt: skip
RETURNS = {
    "receipt_id": "R-{}", "received_at": "2026-06-02T10:00:00+02:00", "order_ref": "order-{}",
    "line_id": "l1", "sku": "A", "quantity": "1", "condition": "NEW", "disposition": "RESTOCK",
}  # fmt: skip


@dataclass(frozen=True)
class CsvKind:
    """One kind of file. `row` checks a row, `tell` takes the rows in."""

    name: str
    table: InboundFiles
    like: dict[str, str]
    row: Callable[..., Any]
    tell: Callable[[sqlite3.Connection, Sequence[Any]], Any]
    exact: Callable[[Any, dict[str, str]], None]

    def sound(self) -> Case:
        """Three rows as agreed."""
        return Case("", self._text([self._row(n) for n in range(3)]).encode(), {}, [], None)

    def case(self, rng: random.Random, number: int) -> Case:
        """A cell that nobody expects, written as CSV has it; or a file that is damaged as such."""
        rows = [self._row(n) for n in range(3)]
        if rng.random() < 0.6:
            rows[1][rng.choice(list(self.like))] = rng.choice(_CELLS)
            case = Case("", self._text(rows).encode(), {}, [], b"")
            case.elements = rows
            return case
        body = self._text(rows).encode()
        return Case("", rng.choice(_CSV_WAYS)(rng, body), {}, [], None)

    def run(self, cases: Sequence[Case], db: OperationsDatabase, clients: Clients) -> None:
        """Read each file into a journal of its own."""
        for case in cases:
            try:
                good, bad = rows_of(case.body, self.table, POLICY, lambda row: self.row(row, AT))
            except UnreadableFile as error:
                demand(len(str(error)) < 1_000, "an endless reason")
                large = case.elements and any(len(c) > 100_000 for c in case.elements[1].values())
                demand(case.elements is None or large, f"one row cost its file: {error}")
                case.verdict = "refused"
                continue
            demand(all(len(reason) < 1_000 for reason in bad), "an endless reason")
            if case.elements is not None:
                demand_equal(len(good) + len(bad), 3, "rows of the file")
                for row in good:
                    self.exact(row, case.elements[_number(row, case.elements)])
            with _journal() as conn, contextlib.suppress(UnreadableFile):
                bad = [*bad, *(self.tell(conn, good) or ())]
            case.verdict = "quarantined" if bad else "accepted"

    def _row(self, number: int) -> dict[str, str]:
        return {name: value.format(number) for name, value in self.like.items()}

    def _text(self, rows: Sequence[dict[str, str]]) -> str:
        target = io.StringIO(newline="")
        writer = csv.DictWriter(target, list(self.like), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
        return target.getvalue()


def _number(row: Any, rows: Sequence[dict[str, str]]) -> int:
    """Which row it was; stock has no numbers, so it is found by its article."""
    if hasattr(row, "number"):
        # A cell with line breaks moves the numbers of the rows behind it.
        return next(n for n, sent in enumerate(rows) if _names(row, sent))
    return next(n for n, sent in enumerate(rows) if sent["sku"].strip() == row.sku)


def _names(row: Any, sent: dict[str, str]) -> bool:
    field = "receipt_id" if hasattr(row, "receipt_id") else "order_ref"
    return sent[field].strip() == getattr(row, field)


@contextlib.contextmanager
def _journal() -> Any:
    conn = sqlite3.connect(":memory:", isolation_level=None)
    conn.executescript(journal._SCHEMA + books.SCHEMA)
    for number in range(3):
        books.record_order(conn, an_order(f"order-{number}"), "file", AT)
        books.record_out(conn, f"order-{number}")
    try:
        yield conn
        for feed, kind in ((books.EVENTS, FulfilmentEvent), (books.RETURNS, ReturnReceipt)):
            query = "SELECT key, is_fault, body FROM entries WHERE feed = ?"
            entries = [journal.Entry(k, bool(f), b) for k, f, b in conn.execute(query, (feed,))]
            _, faults = journal.records(journal.Page(tuple(entries), "", False), kind)
            demand(not faults, f"a record is told that the port does not take: {faults[:1]}")
        books.stock_levels(conn)
    finally:
        conn.close()


def _whole(text: str) -> Decimal:
    return Decimal(text or "0")


def _exact_dispatch(row: Any, sent: dict[str, str]) -> None:
    demand_equal(Decimal(row.quantity), _whole(sent["quantity"].strip() or "1"), "quantity")
    if sent["unit_price"].strip():
        demand_equal(Decimal(row.price_cents).scaleb(-2), Decimal(sent["unit_price"]), "price")


def _exact_stock(level: Any, sent: dict[str, str]) -> None:
    for name in ("on_hand", "reserved", "blocked"):
        demand_equal(Decimal(getattr(level, name)), _whole(sent[name].strip()), name)


def _exact_return(row: Any, sent: dict[str, str]) -> None:
    if row.fault is None:
        demand_equal(Decimal(row.line.quantity), _whole(sent["quantity"].strip() or "1"), "units")


_HEADERS = (b"a;b;c", b"", b";;;", b'"', b"sku;sku", b"\xff\xfe", b";" * 1_000_000)
_CSV_WAYS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    lambda rng, body: Mutator(rng).page(body)[0],
    lambda rng, body: body.decode().encode("utf-16"),
    lambda rng, body: b"\xef\xbb\xbf" + body,
    lambda rng, body: rng.choice(_HEADERS) + b"\r\n" + body.partition(b"\r\n")[2],
    lambda rng, body: body.replace(b";", rng.choice((b",", b"\t", b";;", b'";"')), 5),
    lambda rng, body: body.replace(b"\r\n", rng.choice((b"\n", b"\r", b"\n\n", b"\r\r\n"))),
    lambda rng, body: body + b"x;" * rng.choice((1, 100, 100_000)),
    lambda rng, body: body + b'"' + b"z" * 200_000,
    lambda rng, body: body.replace(b"1", rng.choice((b"\x00", b"\xff", b'"', b"1\x1a", b"1'")), 3),
    lambda rng, body: body * rng.choice((2, 50)),
)


# The parser in Python refuses some tabs that the one in C takes for the spaces that they look like.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ModelKind:
    """The operating model, as a tired person would write it."""

    name = "operating_model"

    def __init__(self) -> None:
        self._example = (REPOSITORY / "operating_model.example.yaml").read_text(encoding="utf-8")

    def sound(self) -> Case:
        """The example."""
        return Case("", self._example.encode(), {}, [], None)

    def case(self, rng: random.Random, number: int) -> Case:
        """One to three lines changed, or the file damaged."""
        if rng.random() < 0.1:
            return Case("", Mutator(rng).page(self._example.encode())[0], {}, [], None)
        lines = self._example.splitlines()
        for _ in range(rng.choice((1, 1, 2, 3))):
            self._spoil(lines, rng)
        text = "\n".join(lines).encode("utf-8", "surrogatepass")
        return Case("", text, {}, [], text)

    def run(self, cases: Sequence[Case], db: OperationsDatabase, clients: Clients) -> None:
        """Load each file."""
        for case in cases:
            with _written(case.body) as path:
                try:
                    model = load_operating_model(path)
                except OperatingModelError as error:
                    demand(str(path) in str(error), f"which file? {error}")
                    case.verdict = "refused"
                    continue
            case.verdict = "accepted"
            _demand_usable(model.model_dump(mode="json"))
            # Nothing is lost on the way: every section of the file is in the model.
            told = yaml.load(case.body, Loader=_LOADER) or {}  # noqa: S506 - a safe one
            demand_equal(set(told) - set(model.model_dump()), set(), "sections")

    def _spoil(self, lines: list[str], rng: random.Random) -> None:
        at = rng.randrange(len(lines))
        name, colon, _ = lines[at].partition(":")
        match rng.randrange(6):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 2:
                lines[at] = " " * rng.randrange(4) + lines[at].lstrip()
            case 3:
                lines[at] = lines[at].replace(rng.choice(" :-#\"'[]{}"), rng.choice(' :-"[{&*!\t'))
            case _ if colon:
                lines[at] = f"{name}: {rng.choice(_YAML)}"


_YAML = (
    *NUMBERS_AS_TEXT, *DATES, ".inf", "-.inf", ".nan", "null", "~", "yes", "[]", "{}", "[1, 2",
    "-1", "0", "1000000000000000000", "1e400", "!!python/object/apply:os.system [ls]", "!!bool x",
    "!!timestamp x", "!!int x", "!!binary x", "&a [*a]", "*unknown", "{[a]: b}", "=", "<<: 1",
    "2026-13-45", "12:99", "25:00", "|", ">", "'", '"', "[" * 200_000, "{a: " * 500, "\u0000",
    "\ud800", "\u202e", "* * * * *", "61 * * * *", "%s", "DE", "../../x", "EUR", "x" * 100_000,
)  # fmt: skip


@contextlib.contextmanager
def _written(body: bytes) -> Any:
    import tempfile
    from pathlib import Path

    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(body)
        file.flush()
        yield Path(file.name)


def _demand_usable(value: Any) -> None:
    """No number that time or a database cannot hold."""
    if isinstance(value, dict):
        for part in value.values():
            _demand_usable(part)
    elif isinstance(value, list):
        for part in value:
            _demand_usable(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        demand(abs(value) <= 1_000_000_000, f"a number nobody can use: {value}")


TEXTS = (
    CsvKind("csv_dispatch", POLICY.dispatch, DISPATCH, dispatch_row, tell_rows, _exact_dispatch),
    CsvKind(
        "csv_stock",
        POLICY.stock,
        STOCK,
        stock_row,
        lambda conn, rows: take_stock(conn, POLICY.stock, "file", AT, rows, []),
        _exact_stock,
    ),
    CsvKind("csv_returns", POLICY.returns, RETURNS, return_row, tell_receipts, _exact_return),
    ModelKind(),
)
