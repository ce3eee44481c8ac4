"""One parcel is one shipment at OTTO and one order is one order in the WMS, whatever breaks."""

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from assets.outbound.delivery import deliver
from assets.outbound.otto_shipment import OttoShipmentHandler
from assets.outbound.wms_order import WmsOrderHandler, enqueue_orders
from resources.operations import outbox_desk
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Outbox
from resources.operations.schema import outbox, outbox_attempts

REPOSITORY = Path(__file__).resolve().parents[2]


def shipment_handler(shop: Any, db: OperationsDatabase | None = None) -> OttoShipmentHandler:
    return OttoShipmentHandler(db or shop.db, shop.otto, refresh_order=lambda order_id: None)


def wms_handler(shop: Any) -> WmsOrderHandler:
    return WmsOrderHandler(shop.db, shop.wms, shop.model, shop.clock)


@pytest.fixture
def released(any_shop: Any) -> Any:
    """Twelve parcels are out of the warehouse, judged and released, and none is reported."""
    orders = [any_shop.new_order(lines=2) for _ in range(12)]
    any_shop.sync_orders()
    for order in orders:
        any_shop.dispatch(order)
    any_shop.judge()
    assert len(any_shop.outbox("otto_shipment")) == 12
    return any_shop


def assert_one_shipment_per_parcel(shop: Any) -> None:
    told = sorted((number, sorted(items)) for number, items in shop.shipments())
    parcels = shop.world.warehouse.parcels.values()
    assert told == sorted((parcel.number, sorted(parcel.line_ids)) for parcel in parcels)
    assert {row["state"] for row in shop.outbox("otto_shipment")} == {"confirmed"}


def test_a_second_run_sends_nothing_again(any_shop: Any) -> None:
    order = any_shop.new_order(lines=2)
    any_shop.sync_orders()
    any_shop.dispatch(order)
    for _ in range(2):
        any_shop.sync_orders()
        any_shop.sync_shipments()
    assert_one_shipment_per_parcel(any_shop)
    assert len(any_shop.sandbox.otto_wire.posts("/v1/shipments")) == 1
    assert len(any_shop.sandbox.wms_wire.posts("/v1/orders/batch")) == 1


def test_two_workers_at_once_send_each_parcel_once(released: Any) -> None:
    start = threading.Barrier(2)
    second_db = OperationsDatabase(released.db.engine.url.render_as_string(hide_password=False))
    errors: list[BaseException] = []

    def work(db: OperationsDatabase) -> None:
        policy = released.model.outbox.model_copy(update={"batch": 2})
        try:
            start.wait(timeout=30)
            deliver(Outbox(db, policy), shipment_handler(released, db), policy)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=work, args=(db,)) for db in (released.db, second_db)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    second_db.close()
    assert errors == []
    assert_one_shipment_per_parcel(released)
    assert len(released.sandbox.otto_wire.posts("/v1/shipments")) == 12


def test_a_lost_answer_of_otto_is_settled_by_asking(released: Any) -> None:
    released.sandbox.otto_wire.lose("POST", "/v1/shipments")
    counts = released.deliver(shipment_handler(released))
    assert counts == {"unknown": 1, "confirmed": 11}
    assert [r["state"] for r in released.outbox("otto_shipment")].count("sent") == 1
    released.make_due()
    assert released.deliver(shipment_handler(released)) == {"confirmed_by_asking": 1}
    assert_one_shipment_per_parcel(released)
    assert len(released.sandbox.otto_wire.posts("/v1/shipments")) == 12


def test_a_lost_answer_of_the_wms_is_settled_by_asking(any_shop: Any) -> None:
    order = any_shop.new_order(lines=2)
    any_shop.sandbox.wms_wire.lose("POST", "/v1/orders/batch")
    any_shop.sync_orders()
    assert [row["state"] for row in any_shop.outbox("wms_order")] == ["sent"]
    any_shop.make_due()
    assert any_shop.deliver(wms_handler(any_shop)) == {"confirmed_by_asking": 1}
    assert list(any_shop.world.warehouse.orders) == [order.order_id]
    assert len(any_shop.sandbox.wms_wire.posts("/v1/orders/batch")) == 1
    # What was sent is known although its answer never came: reconciliation compares with it.
    assert [row["sku_sent"] for row in any_shop.table("wms_order_lines")] != [None, None]


class Crash(Exception):
    """The process ends here."""


class CrashingAfterSend(OttoShipmentHandler):
    def send(self, messages: Any) -> Any:
        super().send(messages)
        raise Crash


class CrashingAfterSubmit(WmsOrderHandler):
    def _record(self, taken: Any) -> None:
        raise Crash


def test_a_crash_between_report_and_record_reports_nothing_twice(released: Any) -> None:
    crashing = CrashingAfterSend(released.db, released.otto, lambda order_id: None)
    with pytest.raises(Crash):
        released.deliver(crashing)
    leased = [row for row in released.outbox("otto_shipment") if row["lease_token"]]
    assert [row["state"] for row in leased] == ["sent"]
    # Another worker delivers the rest and leaves alone what the crashed one holds.
    assert released.deliver(shipment_handler(released)) == {"confirmed": 11}
    released.make_due()
    assert released.deliver(shipment_handler(released)) == {"confirmed_by_asking": 1}
    assert_one_shipment_per_parcel(released)


def test_a_crash_between_submission_and_record_submits_nothing_twice(any_shop: Any) -> None:
    orders = [any_shop.new_order(lines=2) for _ in range(3)]
    any_shop.sync_orders(only=["otto_orders"])
    enqueue_orders(any_shop.db, datetime.now(UTC))
    with pytest.raises(Crash):
        any_shop.deliver(
            CrashingAfterSubmit(any_shop.db, any_shop.wms, any_shop.model, any_shop.clock)
        )
    assert any_shop.table("wms_orders") == []
    any_shop.make_due()
    assert any_shop.deliver(wms_handler(any_shop)) == {"confirmed_by_asking": 3}
    assert len(any_shop.sandbox.wms_wire.posts("/v1/orders/batch")) == 1
    known = {row["order_ref"] for row in any_shop.table("wms_orders")}
    assert known == set(any_shop.world.warehouse.orders) == {order.order_id for order in orders}


# Run in a process of its own; the sandbox kills it in the moment between effect and record.
_DELIVER_SHIPMENTS = """
import sys
import msgspec
from pathlib import Path
from assets.outbound.delivery import deliver
from assets.outbound.otto_shipment import OttoShipmentHandler
from resources.operating_model import Http, OutboxPolicy
from resources.operations import outbox_desk
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Outbox
from resources.operations.schema import outbox, outbox_attempts
from resources.otto.client import OttoClient, OttoSettings

given = msgspec.json.decode(sys.stdin.read())
db = OperationsDatabase(given["database"])
policy = OutboxPolicy()
settings = OttoSettings(
    base_url=given["otto"], client_id=given["id"], client_secret=given["secret"],
    state_dir=Path(given["state"]), http=Http(),
)
with OttoClient(settings) as otto:
    deliver(Outbox(db, policy), OttoShipmentHandler(db, otto, lambda order_id: None), policy)
print("not killed")
"""


def test_a_worker_killed_after_the_report_leaves_nothing_doubled_or_lost(
    released: Any, tmp_path: Path
) -> None:
    config = released.sandbox.config
    given = {
        "database": released.db.engine.url.render_as_string(hide_password=False),
        "otto": released.sandbox.otto_url,
        "id": config.client_id,
        "secret": config.client_secret,
        "state": str(tmp_path / "killed"),
    }
    worker = subprocess.Popen(
        [sys.executable, "-c", _DELIVER_SHIPMENTS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        text=True,
    )
    released.sandbox.otto_wire.lose(
        "POST", "/v1/shipments", meanwhile=lambda: os.kill(worker.pid, signal.SIGKILL)
    )
    output, _ = worker.communicate(msgspec.json.encode(given).decode(), timeout=120)
    assert (worker.returncode, output) == (-signal.SIGKILL, "")
    assert len(released.shipments()) == 1
    released.make_due()
    assert released.deliver(shipment_handler(released)) == {
        "confirmed_by_asking": 1,
        "confirmed": 11,
    }
    assert_one_shipment_per_parcel(released)


def test_what_left_after_a_backup_is_not_sent_again_when_that_is_restored(released: Any) -> None:
    """The rows as they were, while OTTO has the parcels already."""
    before = [row["id"] for row in released.outbox("otto_shipment")]
    released.deliver(shipment_handler(released))
    with released.db.write() as conn:
        conn.execute(sa.delete(outbox_attempts))
        conn.execute(
            sa.update(outbox)
            .where(outbox.c.id.in_(before))
            .values(state="pending", attempts=0, result=None)
        )
        assert outbox_desk.doubt(conn, datetime.now(UTC)) == 12
    posts = len(released.sandbox.otto_wire.posts("/v1/shipments"))
    assert released.deliver(shipment_handler(released)) == {"confirmed_by_asking": 12}
    assert len(released.sandbox.otto_wire.posts("/v1/shipments")) == posts
    assert_one_shipment_per_parcel(released)


def test_what_did_not_leave_after_a_backup_is_sent_once_it_was_asked_about(released: Any) -> None:
    with released.db.write() as conn:
        outbox_desk.doubt(conn, datetime.now(UTC))
    assert released.deliver(shipment_handler(released)) == {"confirmed": 12}
    assert_one_shipment_per_parcel(released)
