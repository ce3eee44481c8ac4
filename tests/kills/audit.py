"""What must be true when everything has come to rest: nothing lost, nothing doubled, nothing stuck.

Belongs here: comparing the world's truth with the operations database effect by effect, with the
finance file break by break, and looking into every database for damage and into Dagster for what is
held by the dead. Each check yields findings; none means that all is well.
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import dagster as dg
import msgspec
import psycopg
import sqlalchemy as sa

from otto_pipelines.demo.marking import mark
from otto_pipelines.sandbox.model import CANCELLED, Status
from otto_pipelines.sandbox.otto_wire import encode
from otto_pipelines.sandbox.truth import stock, truth
from resources.finance import FinanceDatabase
from resources.operations.schema import availability, outbox
from tests.kills.shop import Shop
from tests.kills.telling import say

POOL = "duckdb_writer"
ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_PARTNER_WISH = "CANCELLED_ON_PARTNER_WISH"
_ENDED = {"confirmed", "ignored"}


def effects(shop: Shop) -> Iterator[str]:
    """Effects at OTTO and in the warehouse against the outbox, one by one."""
    rows = _outbox(shop)
    with shop.sandbox.world.turn() as world:
        held = set(world.warehouse.orders)
        shipped = Counter(s.tracking_number for s in world.market.shipments.values())
        items = {
            f"{order.order_id}:{item.item_id}": item
            for order in world.market.orders.values()
            for item in order.items
        }
        decided = {
            f"{case.order.order_id}:{case.item.item_id}": case.status
            for case in world.money.desk.cases.values()
        }
        doubled = truth(world)["duplicates"]
    cancelled = {
        key
        for key, item in items.items()
        if item.status in CANCELLED and item.cancellation_reason == _PARTNER_WISH
    }
    told = {row["payload"]["trackingKey"]["trackingNumber"] for row in rows("otto_shipment")}
    yield from (f"doubled at the other side: {n} {what}" for what, n in doubled.items() if n)
    yield from (f"shipment {key} was made {n} times" for key, n in shipped.items() if n > 1)
    yield from _unequal("order in the warehouse", held, {r["key"] for r in rows("wms_order")})
    yield from _unequal("shipment at OTTO", set(shipped), told)
    yield from _unequal(
        "cancellation at OTTO", cancelled, {row["key"] for row in rows("otto_cancellation")}
    )
    # Order, item and decision.
    answered = {":".join(row["key"].split("/")[:2]) for row in rows("otto_return")}
    yield from _unequal(
        "return decided at OTTO",
        {key for key, status in decided.items() if status in {"ACCEPTED", "REJECTED"}},
        answered,
    )


def still_at_work(shop: Shop) -> Iterator[str]:
    """Buyers, OTTO and the warehouse have not yet done all that they are going to do."""
    with shop.sandbox.world.turn() as world:
        if not world.sim.idle:
            yield "the world is still at work"


def nothing_waits(shop: Shop) -> Iterator[str]:
    """No message, figure or order is on its way any more, and none was given up."""
    with shop.db.read() as conn:
        waiting = sa.select(outbox).where(outbox.c.state.not_in(_ENDED))
        left = conn.execute(waiting).mappings().all()
        figures = conn.execute(sa.select(availability)).mappings().all()
    with shop.sandbox.world.turn() as world:
        cancelled = {
            item.item_id
            for order in world.market.orders.values()
            for item in order.items
            if item.status in CANCELLED
        }
        shown = {row["sku"]: world.shelf.shown(row["sku"]) for row in figures}
        open_items = [
            f"{order.order_id}:{item.item_id} is {item.status}"
            for order in world.market.orders.values()
            for item in order.items
            if item.status in {Status.ANNOUNCED, Status.PROCESSABLE}
        ]
    yield from (
        f"message {row['kind']} {row['business_key']} is {row['state']}: {row['reason']}"
        for row in left
        if not _left_to_a_person(row, cancelled)
    )
    yield from (f"item {text}" for text in open_items)
    for row in figures:
        if row["pending"] or row["quantity"] != shown[row["sku"]]:
            state = "to be sent" if row["pending"] else "sent"
            yield f"{row['sku']}: ours {row['quantity']} ({state}), OTTO {shown[row['sku']]}"


def finance(shop: Shop) -> Iterator[str]:
    """The finance file knows every break of the world, and no other."""
    if not shop.place.finance_file.exists():
        yield "no finance file was published"
        return
    with shop.sandbox.world.turn() as world:
        seen = msgspec.json.decode(encode([truth(world), world.ledger.as_json(), stock(world)]))
    marks = mark(*seen, shop.db, shop.place.finance_file)
    yield from (f"lost: {key}" for key in marks.lost)
    yield from (f"break not found: {key}" for key in marks.missed)
    yield from (f"break that is none: {key}" for key in marks.unexpected)


def nothing_is_stuck(instance: dg.DagsterInstance, since: datetime) -> Iterator[str]:
    """Every run from before `since` has ended, and no ended run holds a slot of the pool."""
    active = instance.get_run_records(dg.RunsFilter(statuses=ACTIVE))
    for record in active:
        run = record.dagster_run
        if record.create_timestamp < since:
            yield f"run {run.run_id} ({run.job_name}) is still {run.status.value}"
    info = instance.event_log_storage.get_concurrency_info(POOL)
    alive = {record.dagster_run.run_id for record in active}
    for slot in info.claimed_slots:
        if slot.run_id not in alive:
            yield f"a slot of {POOL} is held by the ended run {slot.run_id}"


def files(shop: Shop) -> Iterator[str]:
    """Every database file is whole; call it when all services have ended."""
    for path in sorted(shop.place.folder.rglob("*")):
        if path.suffix in {".db", ".sqlite"} and path.is_file():
            with sqlite3.connect(path, timeout=60) as con:
                [(verdict,)] = con.execute("PRAGMA integrity_check(1)").fetchall()
            if verdict != "ok":
                yield f"{path}: {verdict}"


def finance_file(shop: Shop) -> Iterator[str]:
    """The working file opens for its next writer, and finance's copy holds what was written."""
    finance_file = FinanceDatabase(shop.place.finance_file)
    with finance_file.writer() as con:
        working = con.execute("SELECT count(*) FROM reconciliation.order_lines").fetchone()
    with finance_file.read() as con:
        published = con.execute("SELECT count(*) FROM reconciliation.order_lines").fetchone()
    if working != published:
        yield f"finance file: {published} lines are published, {working} were written"


def postgresql(urls: Iterable[str | None]) -> Iterator[str]:
    """Every index of these databases agrees with its table."""
    for url in urls:
        if url is None:
            continue
        with psycopg.connect(url, autocommit=True) as con:
            con.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
            names = con.execute(
                "SELECT c.oid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = "
                "i.indexrelid JOIN pg_am a ON a.oid = c.relam JOIN pg_namespace n ON n.oid = "
                "c.relnamespace WHERE a.amname = 'btree' AND n.nspname = 'public'"
            ).fetchall()
            for (name,) in names:
                try:
                    con.execute("SELECT bt_index_check(%s::regclass, true)", (name,))
                except psycopg.Error as error:
                    yield f"{name}: {error}"


def until_none(look: Callable[[], list[str]], seconds: float, pause: float = 3.0) -> list[str]:
    """Look until there is no finding, or the time is over; returns the last findings."""
    began = time.monotonic()
    while (found := look()) and time.monotonic() < began + seconds:
        say(f"{time.monotonic() - began:.0f} s: {len(found)} left, {found[:3]}")
        time.sleep(pause)
    return found


def _outbox(shop: Shop) -> Callable[[str], list[dict[str, Any]]]:
    """Confirmed rows by kind, with key and payload."""
    with shop.db.read() as conn:
        query = sa.select(outbox).where(outbox.c.state == "confirmed")
        found = [dict(row) for row in conn.execute(query).mappings()]

    def of_kind(kind: str) -> list[dict[str, Any]]:
        return [
            {"key": row["business_key"], "payload": json.loads(row["payload"])}
            for row in found
            if row["kind"] == kind
        ]

    return of_kind


def _left_to_a_person(row: Mapping[str, Any], cancelled: set[str]) -> bool:
    """Whether a buyer cancelled when the unit was packed: no machine can settle that.

    The parcel is held back by the gate, or the warehouse says that it is too late.
    """
    if row["state"] not in {"blocked", "failed"}:
        return False
    told = {item["positionItemId"] for item in json.loads(row["payload"]).get("positionItems", [])}
    return not cancelled.isdisjoint({*told, row["business_key"].rpartition(":")[2]})


def _unequal(what: str, theirs: set[str], ours: set[str]) -> Iterator[str]:
    yield from (f"{what} that we do not know of: {key}" for key in sorted(theirs - ours))
    yield from (f"{what} that is not there: {key}" for key in sorted(ours - theirs))
