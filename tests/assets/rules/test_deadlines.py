from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.rules.deadlines import WarehouseNeverOpenError, ship_by
from resources.operating_model import Warehouse

BERLIN = ZoneInfo("Europe/Berlin")
WEEKDAYS = Warehouse()


def promise(day):
    return datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=BERLIN)


def leaves(day, transit_days=1, warehouse=WEEKDAYS):
    return ship_by(promise(day), transit_days, warehouse).astimezone(BERLIN).isoformat()[:16]


def test_without_a_promise_there_is_no_deadline():
    assert ship_by(None, 1, WEEKDAYS) is None


def test_the_parcel_leaves_at_the_cut_off_of_the_working_day_before():
    assert leaves("2026-11-19") == "2026-11-18T14:00"


def test_the_deadline_is_aware_utc():
    assert ship_by(promise("2026-11-19"), 1, WEEKDAYS) == datetime(2026, 11, 18, 13, 0, tzinfo=UTC)
    assert ship_by(promise("2026-07-16"), 1, WEEKDAYS) == datetime(2026, 7, 15, 12, 0, tzinfo=UTC)


def test_the_weekend_does_not_count_as_time_on_the_road():
    assert leaves("2026-11-23") == "2026-11-20T14:00"
    assert leaves("2026-11-24", transit_days=2) == "2026-11-20T14:00"


def test_a_promise_for_a_sunday_must_be_kept_by_friday():
    assert leaves("2026-11-22") == "2026-11-19T14:00"


def test_a_warehouse_that_works_on_saturday_ships_on_saturday():
    saturdays = Warehouse(working_days=(0, 1, 2, 3, 4, 5))
    assert leaves("2026-11-23", warehouse=saturdays) == "2026-11-21T14:00"


def test_nothing_leaves_on_a_closed_day_but_the_carrier_still_drives():
    closed = Warehouse(closed_on=("2026-12-24", "2026-12-25"))
    assert leaves("2026-12-28", warehouse=closed) == "2026-12-23T14:00"
    assert leaves("2026-12-28", transit_days=2, warehouse=closed) == "2026-12-23T14:00"


def test_a_carrier_of_the_same_day_leaves_on_the_promised_day():
    assert leaves("2026-11-19", transit_days=0) == "2026-11-19T14:00"


def test_the_promised_day_is_the_warehouses_day_and_not_that_of_utc():
    late = datetime(2026, 11, 18, 23, 30, tzinfo=UTC)
    assert ship_by(late, 0, WEEKDAYS) == datetime(2026, 11, 19, 13, 0, tzinfo=UTC)


@pytest.mark.parametrize(("day", "hour"), [("2026-03-30", 12), ("2026-10-26", 13)])
def test_the_cut_off_keeps_its_local_hour_over_the_change_of_clocks(day, hour):
    deadline = ship_by(promise(day), 0, WEEKDAYS)
    assert deadline.astimezone(BERLIN).hour == 14
    assert deadline.hour == hour


def test_a_warehouse_that_is_never_open_is_an_error_that_names_the_setting():
    with pytest.raises(WarehouseNeverOpenError, match=r"warehouse\.working_days"):
        ship_by(promise("2026-11-19"), 1, Warehouse(working_days=()))


def test_a_naive_promise_is_refused():
    with pytest.raises(ValueError, match="naive"):
        ship_by(datetime(2026, 11, 19), 1, WEEKDAYS)  # noqa: DTZ001


@given(
    st.dates(date(2024, 1, 1), date(2030, 12, 31)),
    st.integers(0, 10),
    st.sets(st.integers(0, 6), min_size=1),
)
def test_the_deadline_is_the_last_open_day_from_which_the_promise_holds(day, transit, weekdays):
    warehouse = Warehouse(working_days=tuple(weekdays), cut_off=time(14, 0))
    local = ship_by(promise(day), transit, warehouse).astimezone(BERLIN)
    assert local.weekday() in weekdays
    assert local.time() == time(14, 0)
    assert _arrival(local.date(), transit, weekdays) <= day
    later = local.date() + timedelta(days=1)
    while later.weekday() not in weekdays:
        later += timedelta(days=1)
    assert _arrival(later, transit, weekdays) > day


def _arrival(day, transit, weekdays):
    while transit:
        day += timedelta(days=1)
        transit -= day.weekday() in weekdays
    return day
