"""Calendar arithmetic of the sandbox: working days in Berlin and the shifts of its warehouse.

The warehouse works Monday to Saturday, 06:00 to 20:00 local time. Public holidays are left out.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")
_OPENS = time(6)
_CLOSES = time(20)
_SUNDAY = 6


def add_working_days(day: date, count: int) -> date:
    """Go `count` days of Monday to Friday ahead, or back when negative."""
    step = 1 if count >= 0 else -1
    while count:
        day += timedelta(days=step)
        if day.weekday() < 5:
            count -= step
    return day


def at_berlin(day: date, hour: int) -> datetime:
    """That full hour in Berlin, as UTC."""
    return datetime.combine(day, time(hour), BERLIN).astimezone(UTC)


def add_shift_minutes(moment: datetime, minutes: float) -> datetime:
    """`moment` plus `minutes` of working time; UTC in, UTC out.

    Shifts never span a change of the clocks, so wall-clock arithmetic inside one is exact.
    """
    local = _into_shift(moment.astimezone(BERLIN))
    left = timedelta(minutes=minutes)
    while True:
        rest = datetime.combine(local.date(), _CLOSES, BERLIN) - local
        if left <= rest:
            return (local + left).astimezone(UTC)
        left -= rest
        local = _into_shift(_opening(local.date() + timedelta(days=1)))


def _opening(day: date) -> datetime:
    return datetime.combine(day, _OPENS, BERLIN)


def _into_shift(local: datetime) -> datetime:
    if local.time() < _OPENS:
        local = _opening(local.date())
    elif local.time() >= _CLOSES:
        local = _opening(local.date() + timedelta(days=1))
    while local.weekday() == _SUNDAY:
        local = _opening(local.date() + timedelta(days=1))
    return local
