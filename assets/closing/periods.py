"""Periods that finance closes: calendar days and months of order days in Europe/Berlin.

Belongs here: reading a period's name and its borders. What is closed for it stands in
`assets.closing.rows`.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

_BERLIN = ZoneInfo("Europe/Berlin")


class ClosingError(Exception):
    """A period cannot be closed, reopened or verified; the message says why and what to do.

    What to do: as the message ends. Nothing was closed or reopened.
    """


@dataclass(frozen=True)
class Period:
    """A day (`2026-11-20`) or a month (`2026-11`), with its first and last order day."""

    name: str
    kind: Literal["day", "month"]
    first_day: date
    last_day: date

    @property
    def ends_at(self) -> datetime:
        """The first moment (aware UTC) that no longer belongs to it."""
        after = self.last_day + timedelta(days=1)
        return datetime.combine(after, time(), _BERLIN).astimezone(UTC)

    @property
    def month(self) -> str:
        """The month it lies in, or is."""
        return self.name[:7]


def period_named(name: str) -> Period:
    """Read `YYYY-MM-DD` or `YYYY-MM`.

    Raises:
        ClosingError: it is neither, or no such day or month exists.
    """
    wrong = f"{name!r} is no period: write a day as 2026-11-20 or a month as 2026-11"
    if not re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", name, re.ASCII):
        raise ClosingError(wrong)
    is_day = len(name) == 10
    try:
        first = date.fromisoformat(name if is_day else f"{name}-01")
    except ValueError as error:
        raise ClosingError(wrong) from error
    if is_day:
        return Period(name, "day", first, first)
    last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    return Period(name, "month", first, last)


def today(now: datetime) -> date:
    """The order day of a moment."""
    return now.astimezone(_BERLIN).date()
