"""CSV as one partner writes it: from bytes to checked rows, and back.

Belongs here: header, rows, numbers, times and words of a file, with one reason per row that cannot
be read. Reasons name row, column and rule, never the value: a shifted column may hold a name.
What a row means stands in the modules beside this one.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar
from zoneinfo import ZoneInfo

from resources.keys import LONGEST, is_key
from resources.wms.bounds import check_time
from resources.wms.files.policy import FilesPolicy, InboundFiles

T = TypeVar("T")
R = TypeVar("R")
MOST_UNITS = 999_999_999
_BEGINS_FORMULA = ("=", "+", "-", "@")
# As in -1.50 and +49 351 47 11.
_SIGNED_NUMBER = re.compile(r"[+-][0-9][0-9 .,/()]*")


class UnreadableFile(Exception):
    """The whole file cannot be used; the message says why and what to do.

    What to do: tell the partner; the file lies in the error folder with the reason. What was known
    before stays.
    """


class BadValue(Exception):
    """A row cannot be used; the message names the column and the rule.

    What to do: tell the partner; the file with the bad rows and their reasons lies in the error
    folder, all other rows were taken. Put the corrected file into the incoming folder.
    """


@dataclass(frozen=True)
class Row:
    """One row by our field names. `number` counts from 1, the header."""

    number: int
    values: Mapping[str, str]
    table: InboundFiles
    policy: FilesPolicy

    def text(self, field: str) -> str | None:
        """The value without blanks around it; None if it is empty or the column is missing."""
        value = self.values.get(field) or None
        if value is not None and not is_key(value):
            raise self._bad(field, f"must be a text of up to {LONGEST} plain signs")
        return value

    def needed(self, field: str) -> str:
        """Like `text`, but it must be there."""
        value = self.text(field)
        if value is None:
            raise self._bad(field, "must not be empty")
        return value

    def units(
        self, field: str, default: int | None = None, *, least: int = 0, most: int = MOST_UNITS
    ) -> int:
        """Whole units; 1,00 is one where the decimal sign is a comma."""
        value = self.text(field)
        if value is None:
            if default is None:
                raise self._bad(field, "must not be empty")
            return default
        try:
            number = Decimal(value.replace(",", ".") if self.policy.decimal_comma else value)
        except InvalidOperation:
            raise self._bad(field, "must be a number") from None
        # Size first: a huge exponent would make the whole part a number of many digits.
        # Not % 1, which rounds: a very small part of a unit would count as none.
        if not (number.is_finite() and least <= number <= most and number == int(number)):
            raise self._bad(field, f"must be whole units from {least} to {most}")
        return int(number)

    def cents(self, field: str) -> int | None:
        """Money as cents; None if the column is empty."""
        value = self.text(field)
        if value is None:
            return None
        try:
            amount = Decimal(value.replace(",", ".") if self.policy.decimal_comma else value)
        except InvalidOperation:
            raise self._bad(field, "must be a number") from None
        if amount.is_finite() and 0 <= amount <= Decimal(MOST_UNITS).scaleb(-2):
            cents = int(amount * 100)
            # Compared with what was told: products beyond 28 digits are rounded silently.
            if Decimal(cents).scaleb(-2) == amount:
                return cents
        raise self._bad(field, "must be an amount with at most two decimals")

    def moment(self, field: str, default: datetime | None = None) -> datetime:
        """Aware UTC; a time without zone is one of the partner's."""
        value = self.text(field)
        if value is None:
            if default is None:
                raise self._bad(field, "must not be empty")
            return default
        shape = self.policy.date_format
        try:
            moment = datetime.strptime(value, shape) if shape else datetime.fromisoformat(value)  # noqa: DTZ007 - the zone follows
        except ValueError:
            raise self._bad(field, f"must be a time like {shape or 'ISO 8601'}") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(self.policy.timezone))
        try:
            utc = moment.astimezone(UTC)
            check_time(utc)
        except (OverflowError, ValueError):
            raise self._bad(field, "is no time that anybody lives in") from None
        return utc

    def word(self, field: str, words: Mapping[str, T], default: T) -> T:
        """What one of the partner's words means; capitals do not matter."""
        value = self.text(field)
        if value is None:
            return default
        by_word = {word.casefold(): meaning for word, meaning in words.items()}
        if value.casefold() not in by_word:
            raise self._bad(field, f"must be one of {', '.join(sorted(words))}")
        return by_word[value.casefold()]

    def _bad(self, field: str, rule: str) -> BadValue:
        return BadValue(f"column {self.table.column(field)!r} {rule}")


def rows_of(
    content: bytes, table: InboundFiles, policy: FilesPolicy, take: Callable[[Row], R]
) -> tuple[list[R], list[str]]:
    """What `take` makes of each row, and one reason per row that it refused with `BadValue`.

    Raises:
        UnreadableFile: the encoding, the header or the quoting is not as agreed.
    """
    fields, records = _records(content, table, policy)
    good: list[R] = []
    bad: list[str] = []
    for number, record in records:
        if not any(value.strip() for value in record):
            continue
        if len(record) != len(fields):
            bad.append(f"row {number}: {len(record)} fields, the header has {len(fields)}")
            continue
        named = zip(fields, record, strict=True)
        values = {field: value.strip() for field, value in named if field is not None}
        try:
            good.append(take(Row(number, values, table, policy)))
        except BadValue as error:
            bad.append(f"row {number}: {error}")
    return good, bad


def _records(
    content: bytes, table: InboundFiles, policy: FilesPolicy
) -> tuple[list[str | None], list[tuple[int, list[str]]]]:
    """Our field of each column (None: not ours), and the records with their row numbers."""
    try:
        text = content.decode(policy.encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            f"byte {error.start} is not {policy.encoding}: ask the partner for this encoding, or "
            "set wms.files.encoding"
        ) from None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=policy.delimiter, strict=True)
    try:
        records = [(reader.line_num, record) for record in reader]
    except csv.Error as error:
        raise UnreadableFile(
            f"row {reader.line_num}: {error}; ask the partner to correct it"
        ) from None
    header = [name.strip() for name in records[0][1]] if records else []
    by_column = {table.column(field): field for field in table.known}
    fields = [by_column.get(name) for name in header]
    named = [field for field in fields if field is not None]
    missing = sorted(table.column(field) for field in table.required - set(named))
    if missing:
        raise UnreadableFile(
            f"the header lacks {', '.join(missing)} (columns are divided by {policy.delimiter!r}): "
            "ask the partner for these columns, or correct wms.files"
        )
    if len(set(named)) < len(named):
        raise UnreadableFile("a column stands in the header twice; ask the partner to correct it")
    return fields, records[1:]


def written(
    columns: Sequence[str], rows: Iterable[Mapping[str, str]], policy: FilesPolicy
) -> bytes:
    """A file with this header; `rows` are by column.

    Raises:
        BadValue: a value cannot be written in the partner's encoding; names the column only.
    """
    target = io.StringIO(newline="")
    writer = csv.writer(target, delimiter=policy.delimiter, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        for column in columns:
            _check_encoding(row[column], column, policy)
        writer.writerow([_no_formula(_one_line(row[column])) for column in columns])
    return target.getvalue().encode(policy.encoding)


def _check_encoding(value: str, column: str, policy: FilesPolicy) -> None:
    try:
        value.encode(policy.encoding)
    except UnicodeEncodeError:
        raise BadValue(
            f"column {column!r} has a letter that {policy.encoding} lacks: agree upon utf-8 with "
            "the partner, or correct the order"
        ) from None


def looks_like_formula(value: str) -> bool:
    """Whether a spreadsheet would compute with it: a number with a sign is no formula."""
    return value.startswith(_BEGINS_FORMULA) and _SIGNED_NUMBER.fullmatch(value) is None


def _no_formula(value: str) -> str:
    """Text that a person wrote, such as a name: a blank before it is read by every WMS as none.

    A quote, as spreadsheets have it, would be printed on the label.
    """
    return f" {value}" if looks_like_formula(value) else value


def _one_line(value: str) -> str:
    """Without line breaks, at which simple readers of CSV break off."""
    return " ".join(value.split()) if any(sign in value for sign in "\r\n\t") else value


def money(cents: int, policy: FilesPolicy) -> str:
    """Cents as a decimal number of the partner."""
    sign = "-" if cents < 0 else ""
    whole, part = divmod(abs(cents), 100)
    return f"{sign}{whole}{',' if policy.decimal_comma else '.'}{part:02d}"
