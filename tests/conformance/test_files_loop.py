"""The whole loop with a partner that exchanges files: OTTO's orders out over a real SFTP, and back.

The partner knows what stands in the files and nothing else. At the end reconciliation shows the
differences that were planted and no other. OTTO_FILES_ORDERS sets the number of orders; the short
form is the default.
"""

import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.model import SalesOrder, Status
from resources.operations.database import OperationsDatabase
from resources.operations.schema import wms_orders
from tests.conformance.files_operator import FilesOperator
from tests.flows.conftest import ObservedSandbox, Shop
from tests.resources.wms.sftp_server import SftpServer

ORDERS = int(os.environ.get("OTTO_FILES_ORDERS", "20"))
PLANTED = ("price", "sku", "no_number", "late_cancellation")
STORIES = ("whole", "two_boxes", "short", "backorder", "cancelled_there", "returned")

pytestmark = [pytest.mark.campaign]


class Loop(Shop):
    """A shop whose warehouse is a partner behind SFTP; all follow the sandbox's clock."""

    def __init__(
        self, sandbox: ObservedSandbox, db: OperationsDatabase, folder: Path, server: SftpServer
    ) -> None:
        http = {"requests_per_second": 2000, "requests_per_minute": 120000}
        super().__init__(sandbox, db, folder, http=http)
        self.wms.close()
        self.partner = FilesOperator(server, folder, self.clock.now)
        self.wms = self.partner.port  # type: ignore[assignment]
        self.assemble()

    def close(self) -> None:
        self.partner.close()
        self.otto.close()
        self.instance.dispose()


@pytest.fixture
def loop(sqlite_template: Path, tmp_path: Path, sftp: SftpServer) -> Iterator[Loop]:
    path = tmp_path / "operations.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    db = OperationsDatabase(f"sqlite:///{path}")
    start = datetime(2026, 6, 8, 8, tzinfo=UTC)
    config = SandboxConfig(start=start, orders=0, days=1, transport_fault_rate=0.0)
    with ObservedSandbox(config) as sandbox:
        opened = Loop(sandbox, db, tmp_path, sftp)
        yield opened
        opened.close()
    db.close()


def stories() -> Iterator[str]:
    """The planted differences first, then what happens every day."""
    yield from PLANTED
    yield from itertools.cycle(STORIES)


def work(loop: Loop, order: SalesOrder, story: str, numbers: Iterator[tuple[str, str]]) -> None:
    """The partner's work on one order."""
    partner, ref = loop.partner, order.order_id
    items = [item.item_id for item in order.items]
    boxes = [[item] for item in items] if story in {"two_boxes", "backorder"} else [items]
    match story:
        case "price":
            partner.misread(ref, items[0], unit_price="1.23")
        case "sku":
            partner.misread(ref, items[0], sku="NOT-ORDERED")
        case "cancelled_there":
            partner.take_up(ref)
            partner.cancel(ref, items[0])
            boxes = [items[1:]]
    if story in {"short", "backorder"}:
        partner.pick_without(ref, items[-1], backorder=story == "backorder")
        boxes = [items[:-1]]
    else:
        partner.pick(ref)
    labels = [("", "") if story == "no_number" else next(numbers) for _ in boxes]
    partner.ship(ref, boxes, labels)
    if story == "late_cancellation":
        loop.cancel_at_otto(order)
    if story == "backorder":
        partner.pick(ref)
        partner.ship(ref, [items[-1:]], [next(numbers)])


def test_orders_go_through_files_over_sftp_and_only_planted_differences_remain(
    loop: Loop,
) -> None:
    orders = [loop.new_order(lines=2) for _ in range(max(ORDERS, len(PLANTED) + len(STORIES)))]
    with loop.world.turn() as world:
        numbers = iter([world.warehouse.spare_number() for _ in range(3 * len(orders))])
    skus = {item.product.sku for order in orders for item in order.items}
    loop.partner.stock_up(dict.fromkeys([*skus, "NOT-ORDERED"], 10 * len(orders)))
    loop.sync_orders()
    assert {row["state"] for row in loop.outbox("wms_order")} == {"confirmed"}
    assert loop.partner.orders_received() == {order.order_id for order in orders}

    for order, story in zip(orders, stories(), strict=False):
        work(loop, order, story, numbers)
    loop.advance(minutes=30)
    loop.sync_orders()
    loop.sync_shipments()
    for _ in range(2):
        loop.advance(hours=30)
        loop.sync_orders()
        loop.sync_shipments()
        loop.run("reconcile")

    expected = planted(orders)
    assert open_breaks(loop) == expected
    explained = {item for _, item in expected}
    statuses = {item.item_id: item.status for order in orders for item in order.items}
    assert {status for item, status in statuses.items() if item not in explained} <= {
        Status.SENT,
        Status.CANCELLED_BY_PARTNER,
    }
    came_back = [o for o, story in zip(orders, stories(), strict=False) if story == "returned"]
    assert take_back(loop, came_back) == {
        (order.order_id, item.item_id, "RESTOCK") for order in came_back for item in order.items
    }
    with loop.db.read() as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(wms_orders)) == len(orders)


def take_back(loop: Loop, orders: list[SalesOrder]) -> set[tuple[str | None, str | None, str]]:
    """Receive and grade all units of these orders; what the port tells of it at last."""
    for order in orders:
        items = [item.item_id for item in order.items]
        receipt = loop.partner.take_back(order.order_id, items, f"BACK-{order.order_id}")
        loop.partner.grade(receipt, ["RESTOCK"] * len(items))
    last = {receipt.receipt_id: receipt for receipt in loop.wms.poll_returns(None).receipts}
    return {
        (receipt.order_ref, line.line_id, line.disposition.value)
        for receipt in last.values()
        for line in receipt.lines
    }


def planted(orders: list[SalesOrder]) -> set[tuple[str, str]]:
    """(kind of break, item) of every difference that `work` made on purpose."""
    price, sku, unnumbered, late = orders[: len(PLANTED)]
    return {
        ("price_mismatch", price.items[0].item_id),
        ("sku_mismatch", sku.items[0].item_id),
        *(("tracking_missing", item.item_id) for item in unnumbered.items),
        *(("cancelled_in_otto_open_in_wms", item.item_id) for item in late.items),
    }


def open_breaks(loop: Loop) -> set[tuple[str, str]]:
    """What finance sees."""
    query = (
        "SELECT kind, position_item_id FROM reconciliation.breaks "
        "WHERE resolved_at IS NULL AND area IN ('orders', 'shipments', 'prices')"
    )
    with duckdb.connect(str(loop.finance.path), read_only=True) as conn:
        return set(conn.execute(query).fetchall())
