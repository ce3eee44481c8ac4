"""Watermarks, quarantine, return numbers and the log of synchronisations."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from resources.operations import quarantine, return_numbers, watermarks
from resources.operations.database import OperationsDatabase
from resources.operations.schema import metadata
from resources.operations.sync_log import SyncLog, last

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def _move(db: OperationsDatabase, position: str, *, force: bool = False) -> bool:
    with db.write() as conn:
        return watermarks.set(conn, "s", position, NOW, force=force)


def _position(db: OperationsDatabase) -> str | None:
    with db.read() as conn:
        return watermarks.get(conn, "s")


def test_a_time_moves_forward_only_unless_forced(operations_db: OperationsDatabase) -> None:
    # 16:00+02:00 is earlier than 15:00Z: positions are compared as times, not as text.
    earlier = "2026-11-20T16:00:00+02:00"
    assert _position(operations_db) is None
    assert _move(operations_db, NOW.isoformat())
    assert not _move(operations_db, earlier)
    assert _position(operations_db) == NOW.isoformat()
    assert _move(operations_db, LATER.isoformat())
    assert _move(operations_db, earlier, force=True)
    assert _position(operations_db) == earlier


@pytest.mark.parametrize("cursors", [("b", "a"), ("20261122", "20261121"), ("9", "10")])
def test_a_cursor_always_moves(operations_db: OperationsDatabase, cursors: tuple[str, ...]) -> None:
    for cursor in cursors:
        assert _move(operations_db, cursor)
        assert _position(operations_db) == cursor


def test_parallel_readers_leave_the_latest_time(operations_db: OperationsDatabase) -> None:
    times = [(NOW + timedelta(minutes=n * 37 % 60)).isoformat() for n in range(60)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda position: _move(operations_db, position), times))
    assert _position(operations_db) == max(times)


def _wrong(key: str, rule: str = "sku_present", **values: Any) -> dict[str, Any]:
    return {
        "source": "otto_orders",
        "business_key": key,
        "rule": rule,
        "field": "sku",
        "shown": "(empty)",
        "owner": "operations",
        "remedy": "fill it",
        "evidence_ref": None,
        **values,
    }


def _put(db: OperationsDatabase, *rows: dict[str, Any], now: datetime = NOW) -> None:
    with db.write() as conn:
        quarantine.put(conn, rows, now)


def _open(db: OperationsDatabase) -> list[tuple[str, str]]:
    with db.read() as conn:
        return [(row["business_key"], row["rule"]) for row in quarantine.open_rows(conn)]


def test_a_row_that_is_still_wrong_keeps_its_first_sight(
    operations_db: OperationsDatabase,
) -> None:
    _put(operations_db, _wrong("a"))
    _put(operations_db, _wrong("a", shown="' '"), now=LATER)
    with operations_db.read() as conn:
        (row,) = quarantine.open_rows(conn)
    assert (row["first_seen_at"], row["last_seen_at"], row["shown"]) == (NOW, LATER, "' '")


def test_a_key_that_passes_is_resolved_and_comes_back_when_it_fails_again(
    operations_db: OperationsDatabase,
) -> None:
    _put(operations_db, _wrong("a"), _wrong("b"), _wrong("a", source="wms_events"))
    with operations_db.write() as conn:
        assert quarantine.resolve(conn, "otto_orders", {"a", "never wrong"}, LATER) == 1
        assert quarantine.resolve(conn, "otto_orders", {"a"}, LATER) == 0
    with operations_db.read() as conn:
        orders = quarantine.open_rows(conn, "otto_orders")
        assert [row["business_key"] for row in orders] == ["b"]
        assert len(quarantine.open_rows(conn)) == 2
    _put(operations_db, _wrong("a"), now=LATER)
    with operations_db.read() as conn:
        back = next(r for r in quarantine.open_rows(conn, "otto_orders"))
    assert (back["business_key"], back["first_seen_at"], back["resolved_at"]) == ("a", NOW, None)


def test_a_key_that_breaks_another_rule_now_no_longer_stands_under_the_old_one(
    operations_db: OperationsDatabase,
) -> None:
    _put(operations_db, _wrong("a", "sku_present"), _wrong("a", "currency_eur"), _wrong("b"))
    _put(operations_db, _wrong("a", "currency_eur"), _wrong("a", "vat_rate_known"), now=LATER)
    assert set(_open(operations_db)) == {
        ("a", "currency_eur"),
        ("a", "vat_rate_known"),
        ("b", "sku_present"),
    }


def _fill(db: OperationsDatabase, carrier: str, *numbers: str) -> int:
    with db.write() as conn:
        return return_numbers.fill(conn, carrier, numbers)


def _take(db: OperationsDatabase, parcel: str, carrier: str = "DHL") -> str | None:
    with db.write() as conn:
        return return_numbers.take(conn, parcel, carrier, NOW)


def test_each_number_is_given_out_once_and_a_parcel_keeps_its_own(
    operations_db: OperationsDatabase,
) -> None:
    assert _fill(operations_db, "DHL", "1", "2") == 2
    assert _take(operations_db, "a") == "1"
    assert _fill(operations_db, "DHL", "1", "2", "3") == 1
    assert _take(operations_db, "b") == "2"
    assert _take(operations_db, "a") == "1"
    assert _take(operations_db, "c") == "3"
    assert _take(operations_db, "d") is None


def test_a_parcel_whose_carrier_changes_gets_another_number_and_the_old_one_stays_spent(
    operations_db: OperationsDatabase,
) -> None:
    _fill(operations_db, "DHL", "1")
    _fill(operations_db, "GLS", "9")
    assert _take(operations_db, "a") == "1"
    assert _take(operations_db, "a", "GLS") == "9"
    assert _take(operations_db, "a", "HERMES") is None
    assert _take(operations_db, "a", "GLS") == "9"
    assert _take(operations_db, "b") is None


def test_parallel_takers_never_share_a_number(operations_db: OperationsDatabase) -> None:
    numbers = [f"{n:02}" for n in range(20)]
    _fill(operations_db, "DHL", *numbers)
    parcels = [f"p{n}" for n in range(20)] * 2
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda parcel: (parcel, _take(operations_db, parcel)), parcels))
    by_parcel = dict(taken)
    assert sorted(by_parcel.values(), key=str) == numbers
    assert all(by_parcel[parcel] == number for parcel, number in taken)


def test_a_run_is_logged_with_its_counts_and_its_own_transport_faults(
    operations_db: OperationsDatabase,
) -> None:
    faults = Counter(timeout=2, truncated=1)
    with SyncLog(operations_db, "orders", NOW, faults) as log:
        faults.update(timeout=3)
        log.counts["orders_new"] = 7
        with operations_db.read() as conn:
            (running,) = last(conn, "orders", 5)
    with operations_db.read() as conn:
        (run,) = last(conn, "orders", 5)
    assert (running.result, running.finished_at) == ("running", None)
    assert (run.result, run.counts, run.error) == ("success", {"orders_new": 7}, None)
    assert run.transport == {"timeout": 3}
    assert run.finished_at is not None
    assert run.finished_at >= run.started_at == NOW


def test_a_failing_run_is_logged_with_what_it_had_done_and_its_error_goes_on(
    operations_db: OperationsDatabase,
) -> None:
    with pytest.raises(ValueError, match="bad page"):  # noqa: SIM117, PT012
        with SyncLog(operations_db, "orders", NOW, Counter()) as log:
            log.counts["pages"] = 2
            raise ValueError("bad page")
    with operations_db.read() as conn:
        (run,) = last(conn, "orders", 1)
    assert (run.result, run.counts, run.error) == ("failure", {"pages": 2}, "ValueError: bad page")


def test_a_run_whose_end_cannot_be_logged_still_shows_its_own_error(
    operations_db: OperationsDatabase,
) -> None:
    with pytest.raises(ValueError, match="bad page") as caught:  # noqa: SIM117, PT012
        with SyncLog(operations_db, "orders", NOW, Counter()):
            with operations_db.write() as conn:
                metadata.drop_all(conn)
            raise ValueError("bad page")
    assert "could not be recorded" in caught.value.__notes__[0]


def test_the_latest_runs_of_a_flow_come_newest_first(operations_db: OperationsDatabase) -> None:
    for n, flow in enumerate(("orders", "stock", "orders", "orders")):
        with SyncLog(operations_db, flow, NOW, Counter()) as log:
            log.counts["n"] = n
    with operations_db.read() as conn:
        assert [run.counts["n"] for run in last(conn, "orders", 2)] == [3, 2]
