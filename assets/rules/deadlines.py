"""The latest moment to hand a parcel to the carrier so that OTTO's promise to the buyer holds.

Belongs here: calendar arithmetic of the warehouse. Who is warned, and when, does not belong here.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from resources.operating_model import Warehouse

_LONGEST_CLOSURE = 366


class WarehouseNeverOpenError(ValueError):
    """The operating model leaves the warehouse no open day; the message says what to change.

    What to do: correct `warehouse.working_days` or `warehouse.closed_on` in the operating model.
    """


def ship_by(
    expected_delivery_at: datetime | None, transit_days: int, warehouse: Warehouse
) -> datetime | None:
    """Aware UTC time of the last cut-off that still makes it; None without a promised date.

    The promise is a calendar day where the warehouse stands. Carriers are taken to move on the
    warehouse's weekdays, so a promise for a day off counts as the working day before. Days on which
    only the warehouse is closed do not slow the carrier, but nothing can leave on them.

    Raises:
        ValueError: `expected_delivery_at` is naive.
        WarehouseNeverOpenError: no open day within a year before the promise.
    """
    if expected_delivery_at is None:
        return None
    if expected_delivery_at.tzinfo is None:
        raise ValueError("expected_delivery_at is naive: pass an aware time")
    zone = ZoneInfo(warehouse.timezone)
    weekdays = frozenset(warehouse.working_days)
    day = _latest(expected_delivery_at.astimezone(zone).date(), weekdays)
    for _ in range(transit_days):
        day = _latest(day - timedelta(days=1), weekdays)
    day = _latest(day, weekdays, frozenset(warehouse.closed_on))
    return datetime.combine(day, warehouse.cut_off, tzinfo=zone).astimezone(UTC)


def _latest(day: date, weekdays: frozenset[int], closed: frozenset[str] = frozenset()) -> date:
    """`day`, or the nearest day before it that is a weekday of work and not closed."""
    for back in range(_LONGEST_CLOSURE):
        candidate = day - timedelta(days=back)
        if candidate.weekday() in weekdays and candidate.isoformat() not in closed:
            return candidate
    raise WarehouseNeverOpenError(
        f"the warehouse has no open day in the year before {day}: correct warehouse.working_days "
        "or warehouse.closed_on in the operating model"
    )
