"""How a mutation is judged: an independent reading of what was sent, against what is stored.

Belongs here: cases, the plain reading of JSON and of amounts, and what holds for every list. The
lists themselves stand in `otto_lists` and `wms_lists`.
"""

import gzip
import json
import random
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import sqlalchemy as sa

from resources.operations.database import OperationsDatabase
from resources.operations.schema import metadata
from tests.hostile.mutator import Mutator, Verbatim, dump

Document = dict[str, Any]
Rows = dict[str, list[Document]]
VOLATILE = {"recorded_at", "first_seen_at", "page_ref", "payload_hash", "observed_at", "audited_at"}


class Violation(AssertionError):
    """A mutation ended as it must not."""


@dataclass(frozen=True)
class Witness:
    """A sound row: its number in the corpus, and what its ids have more than there."""

    index: int
    tag: str
    row: Document


@dataclass
class Case:
    """One answer. `witnesses` are its sound rows; `row` is the mutated one, None for a page that is
    damaged as a whole. `tag` is part of every id of this case and of no other.
    """

    tag: str
    body: bytes
    headers: dict[str, str]
    witnesses: list["Witness"]
    row: bytes | None
    status: int = 200
    verdict: str = ""
    elements: list[Any] | None = field(default=None)
    """The rows as a plain reader sees them; None where it cannot read the page."""


@dataclass(frozen=True)
class Shape:
    """How a list is written: the text around its rows, its array, and which fields are ids."""

    array: str
    ids: frozenset[str]
    around: Mapping[str, Any] = field(default_factory=dict)

    def body(self, rows: Sequence[bytes]) -> bytes:
        """A page with these rows."""
        array = b"[" + b",".join(rows) + b"]"
        if not self.array:
            return array
        members = {self.array: Verbatim(array), **self.around}
        return dump(members)

    def fresh(self, row: Any, tag: str, name: str = "") -> Any:
        """The row with ids of its own."""
        if isinstance(row, dict):
            return {key: self.fresh(value, tag, key) for key, value in row.items()}
        if isinstance(row, list):
            return [self.fresh(value, tag, name) for value in row]
        return row + tag if isinstance(row, str) and name in self.ids else row

    def case(self, rows: Sequence[Document], rng: random.Random, number: int) -> Case:
        """The case of that number: most mutate one row among sound ones, some the whole page."""
        tag, mutator = f"~{number:06d}", Mutator(rng)
        chosen = [
            self.witness(rows, rng.randrange(len(rows)), f"{tag}{letter}") for letter in "abc"
        ]
        sound = [dump(witness.row) for witness in chosen]
        if rng.random() < 0.12:
            body, headers = mutator.page(self.body(sound))
            case = Case(tag, body, headers, [], None)
            case.elements = self.elements(case)
            return case
        # Now and then two rows claim the same ids.
        claimed = 1 if rng.random() < 0.05 else 0
        row = mutator.row(chosen[claimed].row)
        written = [row, *sound[1:]]
        rng.shuffle(written)
        case = Case(tag, self.body(written), {}, chosen[1 + claimed :], row)
        case.elements = [plain(text) for text in written]
        return case

    def witness(self, rows: Sequence[Document], index: int, tag: str) -> Witness:
        """The row of that number with ids of its own."""
        return Witness(index, tag, self.fresh(rows[index], tag))

    def sound(self, rows: Sequence[Document]) -> Case:
        """A page with all rows as they are in the corpus."""
        tag = "~sound"
        witnesses = [self.witness(rows, index, tag) for index in range(len(rows))]
        body = self.body([dump(witness.row) for witness in witnesses])
        return Case(tag, body, {}, witnesses, None)

    def elements(self, case: Case) -> list[Any] | None:
        """The page's rows in a plain reading."""
        body = case.body
        if case.headers:
            try:
                body = gzip.decompress(body)
            except (OSError, EOFError, zlib.error):
                return None
        page = plain(body)
        found = page.get(self.array) if isinstance(page, dict) and self.array else page
        return found if isinstance(found, list) else None


def plain(text: bytes) -> Any:
    """JSON as the standard library reads it, with exact numbers; None if it is none."""
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError, InvalidOperation):
        return None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def cents(value: Any) -> int | None:
    """Whole cents of an amount, by fractions; None where it has none."""
    amount = value.get("amount") if isinstance(value, dict) else None
    try:
        number = Decimal(amount) if isinstance(amount, str | Decimal) else None
    except InvalidOperation:
        return None
    if number is None or not number.is_finite():
        return None
    if not number:
        return 0
    if not -10 <= number.adjusted() <= 12 or number.as_tuple().exponent < -20_000:
        return None
    whole = Fraction(number) * 100
    return int(whole) if whole.denominator == 1 else None


def demand(condition: object, text: str) -> None:
    """Fail unless the condition holds."""
    if not condition:
        raise Violation(text)


def demand_equal(found: object, wanted: object, what: str) -> None:
    """Fail unless both are equal."""
    demand(found == wanted, f"{what}: stored {found!r:.300}, sent {wanted!r:.300}")


class Shelf:
    """All rows of some tables, by their first key; read once for a batch."""

    def __init__(self, db: OperationsDatabase, tables: Mapping[str, str]) -> None:
        self.rows: dict[str, Rows] = {}
        with db.read() as conn:
            for name, key in tables.items():
                by_key: Rows = defaultdict(list)
                table = metadata.tables[name]
                query = sa.select(table).order_by(*table.primary_key.columns)
                for row in conn.execute(query).mappings():
                    by_key[row[key]].append(dict(row))
                self.rows[name] = by_key

    def of(self, key: str, tag: str = "") -> Rows:
        """Rows of one key in every table, without what may differ and without the tag."""
        return {
            name: [
                {
                    column: value.replace(tag, "") if tag and isinstance(value, str) else value
                    for column, value in row.items()
                    if column not in VOLATILE
                }
                for row in by_key.get(key, [])
            ]
            for name, by_key in self.rows.items()
        }


class Known(dict[int, Rows]):
    """What becomes of each row of the corpus where nothing is wrong with its page."""

    def learn(self, case: Case, shelf: Shelf, key_of: Callable[[Document], Any]) -> None:
        """Keep how the rows of a sound page were stored."""
        for witness in case.witnesses:
            self[witness.index] = shelf.of(key_of(witness.row), witness.tag)

    def compare(
        self, case: Case, shelf: Shelf, key_of: Callable[[Document], Any], claims: Mapping[str, int]
    ) -> None:
        """The neighbours of a mutated row are stored exactly as without it."""
        for witness in case.witnesses:
            key = key_of(witness.row)
            if claims[key] == 1:
                stored = shelf.of(key, witness.tag)
                demand_equal(stored, self[witness.index], "the neighbour of a mutated row")


def open_quarantine(db: OperationsDatabase) -> Rows:
    """Open rows of the quarantine by business key, each with rule, field and remedy."""
    table = metadata.tables["quarantine"]
    found: Rows = defaultdict(list)
    with db.read() as conn:
        for row in conn.execute(sa.select(table)).mappings():
            demand(row["rule"] and row["field"] and row["remedy"], "quarantined without a reason")
            demand(len(row["shown"]) <= 1_000, "a whole page is shown as a value")
            demand(len(row["business_key"]) <= 1_000, "a business key of any length")
            found[row["business_key"]].append(dict(row))
    return found
