"""What a person does about exceptions: sent again, let be, taken up again, and never hidden."""

import pytest
import sqlalchemy as sa

from assets.exceptions import desk
from assets.exceptions.desk import ExceptionRefusal, Person
from assets.parcel_gate import refused_rows
from resources.operations import exception_decisions, pending, quarantine
from resources.operations.database import OperationsDatabase
from resources.operations.outbox_desk import OutboxRefusal
from resources.operations.schema import metadata, parcels
from tests.assets.exceptions.books import (
    HOUR,
    NOW,
    at_wms,
    held,
    listed,
    message,
    model,
    parcel,
    waiting_order,
)
from tests.resources.operations.money_books import table

EVA = Person(name="Eva", reason="the buyer has it already")
FINN = Person(name="Finn", reason="it was the other one")
SENT_ELSEWHERE = (
    '[{"rule": "items_processable", "reason": "1 of 1 items are SENT at OTTO", "remedy": "look"}]'
)


def ids(db: OperationsDatabase) -> list[str]:
    return [row.id for row in listed(db)]


def ignore(db: OperationsDatabase, *chosen: str, person: Person = EVA) -> None:
    desk.ignore(db, model(), chosen, person, NOW)


def parked(db: OperationsDatabase, **values: str) -> None:
    parcel(db, "p", "o", "i1", **{"state": "parked", "parked_rules": SENT_ELSEWHERE, **values})


def test_a_parcel_whose_items_were_sent_elsewhere_is_closed_and_comes_back_as_another(
    db: OperationsDatabase,
) -> None:
    parked(db)
    message(db, "otto_shipment", "p", "o", "blocked", reason="the gate holds it")
    [shown] = ids(db)
    before = pending.exceptions_fingerprint(_conn(db))
    ignore(db, shown)
    assert ids(db) == []
    assert refused_rows(db, NOW) == [], "its check is green again"
    assert pending.exceptions_fingerprint(_conn(db)) != before, "and runs again"

    parked(db, tracking_number="00340434161094042557")
    assert ids(db) == [shown], "another number is a new occurrence"
    parked(db)
    assert ids(db) == []


def test_an_unreadable_event_is_closed_until_another_stands_in_its_place(
    db: OperationsDatabase,
) -> None:
    held(db, "wms_events", "before c7, number 1", "lines[0].sku: missing")
    ignore(db, *ids(db))
    held(db, "wms_events", "before c7, number 1", "lines[0].sku: missing")
    assert ids(db) == [], "the same page read again is no news"
    with db.read() as conn:
        assert quarantine.waiting_rows(conn, "wms_events") == []
        assert len(quarantine.open_rows(conn, "wms_events")) == 1, "nothing is erased"
    held(db, "wms_events", "before c7, number 1", "kind: no such kind")
    [row] = listed(db)
    assert "no such kind" in row.cause


def test_what_is_let_be_can_be_taken_up_again_and_all_is_kept(
    db: OperationsDatabase,
) -> None:
    parked(db)
    [shown] = ids(db)
    ignore(db, shown)
    desk.reopen(db, [shown], FINN)
    assert ids(db) == [shown]
    with pytest.raises(ExceptionRefusal, match="not ignored by a person"):
        desk.reopen(db, [shown], FINN)
    ignore(db, shown)
    assert ids(db) == []
    with db.read() as conn:
        told = exception_decisions.history(conn, 10)
    assert [(d.action, d.decided_by, d.subject) for d in told] == [
        ("ignore", "Eva", "parcel:p"),
        ("reopen", "Finn", "parcel:p"),
        ("ignore", "Eva", "parcel:p"),
    ]
    assert {d.reason for d in told} == {EVA.reason, FINN.reason}


def test_an_ignored_message_is_not_sent_and_can_be_retried_once_taken_up_again(
    db: OperationsDatabase,
) -> None:
    waiting_order(db, "o", NOW + 40 * HOUR, i1=1000)
    at_wms(db, "o", i1="ACCEPTED")
    number = message(db, "otto_cancellation", "o:i1", "o", "failed", reason="no")
    ignore(db, number)
    assert states(db) == ["ignored"]
    assert desk.retry(db) == 0
    desk.reopen(db, [number], FINN)
    assert ids(db) == [number]
    assert desk.retry(db, [number]) == 1
    assert states(db) == ["pending"]


def test_all_are_decided_on_or_none(db: OperationsDatabase) -> None:
    parked(db)
    held(db, "sku_map", "A")
    collision, known = (
        next(row.id for row in listed(db) if row.kind == kind)
        for kind in ("sku_collision", "parcel_parked")
    )
    with pytest.raises(ExceptionRefusal, match=r"cannot be ignored\. What to do: mend it"):
        ignore(db, known, collision)
    with pytest.raises(ExceptionRefusal, match="xunknown is not open"):
        ignore(db, known, "xunknown")
    with pytest.raises(OutboxRefusal, match="no row 99"):
        ignore(db, known, "99")
    with pytest.raises(ExceptionRefusal, match="no exception is named"):
        ignore(db)
    assert len(listed(db)) == 2
    assert table(db, "exception_decisions") == []


@pytest.mark.parametrize(("name", "reason"), [(" ", "because"), ("Eva", " ")])
def test_nobody_decides_without_a_name_and_a_reason(name: str, reason: str) -> None:
    with pytest.raises(ExceptionRefusal, match="who decides and why"):
        Person(name=name, reason=reason)


def test_messages_are_sent_again_all_or_by_kind_or_one_by_one(
    db: OperationsDatabase,
) -> None:
    first = message(db, "wms_order", "o", "o", "failed")
    message(db, "wms_order", "q", "q", "blocked")
    message(db, "otto_return", "o/i/ACCEPT", "o", "failed")
    message(db, "otto_return", "o/j/ACCEPT", "o", "confirmed")
    assert desk.retry(db, [first]) == 1
    assert desk.retry(db, kinds=["wms_order"]) == 1
    assert desk.retry(db) == 1
    assert states(db) == ["pending", "pending", "pending", "confirmed"]
    with pytest.raises(ExceptionRefusal, match="parcel_parked: no kind of message"):
        desk.retry(db, kinds=["parcel_parked"])
    with pytest.raises(ExceptionRefusal, match="x12: no message"):
        desk.retry(db, [first, "x12"])


def states(db: OperationsDatabase) -> list[str]:
    outbox = metadata.tables["outbox"]
    with db.read() as conn:
        return list(conn.scalars(sa.select(outbox.c.state).order_by(outbox.c.id)))


def _conn(db: OperationsDatabase) -> sa.Connection:
    return db.engine.connect()


def test_an_ignored_parcel_that_is_corrected_goes_its_way(
    db: OperationsDatabase,
) -> None:
    parked(db)
    ignore(db, *ids(db))
    with db.write() as conn:
        conn.execute(parcels.update().values(state="received", parked_rules=None))
    [row] = listed(db)
    assert (row.kind, row.state) == ("otto_shipment", "late")
