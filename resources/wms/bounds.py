"""What the fields of a warehouse's records may hold at most, whatever the warehouse.

Belongs here: types with bounds, which keep out what no database column, no address and no
marketplace could hold. The records stand in `port`.
"""

from datetime import datetime
from typing import Annotated

import msgspec

# Bounds keep out what no database column and no marketplace could hold. Units on hand may be below
# zero, as some systems book; a promise or a block below zero would raise what is offered.
Units = Annotated[int, msgspec.Meta(ge=-999_999_999, le=999_999_999)]
HeldUnits = Annotated[int, msgspec.Meta(ge=0, le=999_999_999)]
Cents = Annotated[int, msgspec.Meta(ge=0, le=10**14)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_FIRST_YEAR, _LAST_YEAR = 1970, 2099

Cursor = Annotated[str, msgspec.Meta(max_length=4_096, pattern=r"\A[^\x00-\x1f\x7f]*\Z")]
"""A position in a feed or list, as the warehouse writes it; it travels in an address."""

Text = Annotated[str, msgspec.Meta(max_length=2_000)]
"""A remark, number or address of the warehouse, which others check."""


def check_time(*moments: datetime) -> None:
    """Refuse a time that nobody trades in, and that no database converts to UTC.

    Raises:
        ValueError: it is before 1970 or after 2099.
    """
    for moment in moments:
        if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            raise ValueError(f"the year {moment.year} is not between 1970 and 2099")
