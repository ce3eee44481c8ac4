"""Records of our own work go when they are old; what tells the newest state stays."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from resources.operations import alert_messages, alerts
from resources.operations.alerts_schema import alert_deliveries, alert_notices
from resources.operations.database import OperationsDatabase
from resources.operations.old_records import OldRecords, erase_old_records, old_records
from resources.operations.schema import sync_runs
from resources.operations.sync_log import reads

NOW = datetime(2026, 6, 8, 10, tzinfo=UTC)
DAY = timedelta(days=1)
BEFORE = NOW - 30 * DAY


def synchronise(db: OperationsDatabase, flow: str, age: int, result: str = "success") -> None:
    row = {
        "flow": flow,
        "started_at": NOW - age * DAY,
        "finished_at": NOW - age * DAY,
        "result": result,
        "counts": "{}",
        "transport": "{}",
        "error": f"at day {age}" if result == "failure" else None,
    }
    with db.write() as conn:
        conn.execute(sa.insert(sync_runs).values(row))


def ages(db: OperationsDatabase, flow: str) -> list[int]:
    query = sa.select(sync_runs.c.started_at).where(sync_runs.c.flow == flow)
    with db.read() as conn:
        return [(NOW - at).days for at in conn.scalars(query.order_by(sync_runs.c.id))]


def alert(db: OperationsDatabase, key: str, age: int, *, over: bool = True) -> int:
    """An alert that was told on the channel `mail`."""
    at = NOW - age * DAY
    row: dict[str, Any] = {
        **dict.fromkeys(("owner", "title", "what", "remedy"), "x"),
        **dict.fromkeys(("severity", "told_severity"), "error"),
        **dict.fromkeys(("opened_at", "tell_from", "last_seen_at"), at),
        "key": key,
        "kind": "check",
        "examples": (),
        "times": 1,
        "escalations": 0,
        "event_id": 1000 - age,
        "resolved_at": at if over else None,
    }
    with db.write() as conn:
        made = alerts.insert(conn, row).id
        alert_messages.add_notices(conn, made, ["mail"], "opened", at)
        delivery = alert_messages.begin(conn, "mail", 1, at)
        alert_messages.finish(conn, delivery, "mail", [made], None)
    return made


def erase(db: OperationsDatabase) -> OldRecords:
    with db.read() as conn:
        due = old_records(conn, BEFORE)
    with db.write() as conn:
        assert erase_old_records(conn, BEFORE) == due
    return due


def test_old_synchronisations_go_but_the_first_and_the_last_of_each_result(
    operations_db: OperationsDatabase,
) -> None:
    for age in (90, 80, 70, 31, 30, 1):
        synchronise(operations_db, "orders", age)
    for age in (60, 50, 40):
        synchronise(operations_db, "prices", age)
        synchronise(operations_db, "prices", age, "failure")
    with operations_db.read() as conn:
        before = reads(conn)
    assert erase(operations_db) == OldRecords(synchronisations=5, alerts=0)
    assert ages(operations_db, "orders") == [90, 30, 1]
    assert ages(operations_db, "prices") == [60, 60, 40, 40]
    with operations_db.read() as conn:
        assert reads(conn) == before


def test_alerts_that_are_long_over_go_with_their_messages(
    operations_db: OperationsDatabase,
) -> None:
    for age in (50, 40, 35):
        alert(operations_db, "check:a/b", age)
    kept = [
        alert(operations_db, "check:a/c", 90),
        alert(operations_db, "check:a/d", 90, over=False),
        alert(operations_db, "check:a/e", 60, over=False),
        alert(operations_db, "check:a/b", 2),
    ]
    assert erase(operations_db) == OldRecords(synchronisations=0, alerts=3)
    with operations_db.read() as conn:
        left = alerts.recent_alerts(conn, 100)
        notices = conn.scalars(sa.select(alert_notices.c.alert_id)).all()
        deliveries = conn.scalar(sa.select(sa.func.count()).select_from(alert_deliveries))
        events = alerts.newest_events(conn, ["check:a/b", "check:a/c"])
    assert sorted(found.id for found in left) == sorted(notices) == kept
    assert deliveries == len(kept)
    assert events == {"check:a/b": 998, "check:a/c": 910}


def test_the_last_message_of_a_channel_stays_for_its_health(
    operations_db: OperationsDatabase,
) -> None:
    with operations_db.write() as conn:
        for age in (60, 50):
            delivery = alert_messages.begin(conn, "chat", 1, NOW - age * DAY)
            alert_messages.finish(conn, delivery, "chat", [], "refused")
    erase(operations_db)
    with operations_db.read() as conn:
        assert alert_messages.channels_used(conn) == ["chat"]
        assert alert_messages.health(conn, "chat").failures == 1
