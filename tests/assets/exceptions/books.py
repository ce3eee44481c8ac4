"""Rows planted in an operations database for tests of exceptions."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from assets.exceptions.listing import open_exceptions
from assets.exceptions.model import OpenException
from resources.operating_model import OperatingModel, load_operating_model
from resources.operations import quarantine
from resources.operations.bulk import upsert
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import enqueue
from resources.operations.schema import metadata
from tests.resources.operations.money_books import put_order

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def model(**sections: Any) -> OperatingModel:
    example = load_operating_model(Path(__file__).parents[3] / "operating_model.example.yaml")
    return OperatingModel.model_validate(example.model_dump() | sections)


def waiting_order(db: OperationsDatabase, order: str, due: datetime | None, **units: int) -> None:
    """An order released a day ago; `units` are position items with the cents they cost."""
    items = {
        item: {
            "fulfilment_status": "PROCESSABLE",
            "processable_at": NOW - 24 * HOUR,
            "sent_at": None,
            "ship_by_at": due,
            "buyer_price_cents": cents,
            "sku": f"sku of {item}",
        }
        for item, cents in (units or {"i1": 1000}).items()
    }
    put_order(db, order, items)


def put(db: OperationsDatabase, name: str, **values: Any) -> None:
    """One row of a table; columns that are not given are null, or 0 for numbers that must be."""
    table = metadata.tables[name]
    row: dict[str, Any] = {column.name: None for column in table.c}
    defaults = {"recorded_at": NOW, "quantity_shipped": 0, "quantity": 1, "present": True}
    row |= {key: value for key, value in defaults.items() if key in row}
    keys = [column.name for column in table.primary_key]
    with db.write() as conn:
        upsert(conn, table, [{**row, **values}], keys)


def at_wms(db: OperationsDatabase, order: str, **lines: str) -> None:
    """The warehouse has the order, its lines in these states."""
    put(db, "wms_orders", order_ref=order, submitted_at=NOW - 20 * HOUR)
    for line, state in lines.items():
        put(db, "wms_order_lines", order_ref=order, line_id=line, state=state)


def parcel(db: OperationsDatabase, parcel_id: str, order: str, *lines: str, **values: Any) -> None:
    """A parcel that left five hours ago."""
    values = {"state": "released", "shipped_at": NOW - 5 * HOUR, **values}
    put(db, "parcels", parcel_id=parcel_id, order_ref=order, **values)
    for line in lines:
        put(db, "parcel_lines", parcel_id=parcel_id, line_id=line)


def message(
    db: OperationsDatabase,
    kind: str,
    key: str,
    order: str,
    state: str,
    *,
    lost_since: datetime | None = None,
    **values: Any,
) -> str:
    """An outbox row in a state; `lost_since`: an attempt then of which no answer came."""
    outbox = metadata.tables["outbox"]
    with db.write() as conn:
        enqueue(conn, kind=kind, business_key=key, order_ref=order, payload={}, priority=1, now=NOW)
        mine = (outbox.c.kind == kind) & (outbox.c.business_key == key)
        attempts = 0 if lost_since is None else 1
        given = {"state": state, "attempts": attempts, **values}
        conn.execute(outbox.update().where(mine).values(given))
        number = conn.execute(outbox.select().where(mine)).one().id
    if lost_since is not None:
        put(
            db,
            "outbox_attempts",
            outbox_id=number,
            attempt=1,
            started_at=lost_since,
            outcome="unknown",
        )
    return str(number)


def held(db: OperationsDatabase, source: str, key: str, shown: str = "bad", **values: Any) -> None:
    """A row in quarantine."""
    row = {
        "source": source,
        "business_key": key,
        "rule": "some_rule",
        "field": "field",
        "shown": shown,
        "owner": "finance",
        "remedy": "mend it",
        "evidence_ref": None,
        **values,
    }
    with db.write() as conn:
        quarantine.put(conn, [row], NOW - HOUR)


def listed(
    db: OperationsDatabase, sections: dict[str, Any] | None = None, **options: Any
) -> list[OpenException]:
    """The list, by the example's operating model with these sections."""
    return open_exceptions(db, model(**(sections or {})), NOW, **options)
