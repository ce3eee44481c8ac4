"""The whole loop against a real Tryton: OTTO's orders out, picks, shorts, parcels and returns back.

People work in Tryton by its own interface (`Floor`). Two processes hand the orders over at once. At
the end reconciliation shows the differences that were planted and no other. OTTO_TRYTON_ORDERS sets
the number of orders; the short form is the default.
"""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
import yaml

from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.model import SalesOrder, Status
from otto_pipelines.tryton.environment import RunningTryton
from otto_pipelines.tryton.floor import Box, Floor
from resources.operations.database import OperationsDatabase
from resources.operations.schema import wms_orders
from resources.wms.tryton.adapter import TrytonWms
from resources.wms.tryton.books import MOVE, Books
from resources.wms.tryton.policy import TrytonPolicy
from tests.flows.conftest import ObservedSandbox, Shop

ORDERS = int(os.environ.get("OTTO_TRYTON_ORDERS", "20"))
REPOSITORY = Path(__file__).resolve().parents[2]
PLANTED = ("price", "sku", "no_number", "late_cancellation")
STORIES = ("whole", "two_boxes", "short", "backorder", "split", "cancelled_there", "returned")

_GRACE_MINUTES = 10

pytestmark = [pytest.mark.tryton, pytest.mark.postgres, pytest.mark.campaign]


class Loop(Shop):
    """A shop whose warehouse is a Tryton; OTTO's clock follows the real one, as Tryton's does."""

    def __init__(
        self, sandbox: ObservedSandbox, db: OperationsDatabase, folder: Path, server: RunningTryton
    ) -> None:
        http = {
            "timeout_seconds": 120.0,
            "requests_per_second": 2000,
            "requests_per_minute": 120000,
            "first_backoff_seconds": 0.05,
        }
        soon = ("missing_in_wms", "cancellation", "confirmation", "confirmed_not_dispatched")
        super().__init__(
            sandbox, db, folder, http=http, reconciliation=dict.fromkeys(soon, _GRACE_MINUTES)
        )
        self.wms.close()
        self.wms = TrytonWms(server.url, server.adapter_key, self.model.http, self.model.wms.tryton)
        self.server = server
        self.floor = Floor(server.url, server.floor_key)
        self.books = Books(self.floor.rest, TrytonPolicy().customer)
        self.folder = folder
        self.assemble()

    def close(self) -> None:
        self.floor.close()
        super().close()

    def sync_orders(self, **options: Any) -> Any:
        """As ever; yesterday is a day that there is, also while OTTO's clock is a little ahead."""
        day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
        changes = {"ops": {"otto_orders": {"config": {"mode": "changes"}}}}
        return self.run("sync_orders", partition_key=day, config=changes, **options)

    def follow_real_time(self) -> None:
        self.world.advance(datetime.now(UTC))

    def hand_over_by_two_processes(self) -> None:
        """Both begin with the same outbox; each order goes by one of them."""
        model = self.folder / "model.yaml"
        model.write_text(yaml.safe_dump(self.model.model_dump(mode="json")), encoding="utf-8")
        url = self.db.engine.url.render_as_string(hide_password=False)
        command = [sys.executable, "-m", "tests.conformance.hand_over", url, self.server.url, model]
        both = [
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
            )
            for _ in range(2)
        ]
        for process in both:
            assert process.stdin is not None
            process.stdin.write(self.server.adapter_key + "\n")
            process.stdin.flush()
        assert [process.wait(600) for process in both] == [0, 0]

    def moves(self, order: SalesOrder) -> list[int]:
        """Tryton's moves of the order's items, in their sequence."""
        claim = self.books.claim(order.order_id)
        assert claim is not None
        by_line = {line.line_id: line.moves[0] for line in claim.record.lines}
        return [by_line[item.item_id] for item in order.items if item.item_id in by_line]

    def shipment(self, order: SalesOrder, *states: str) -> int:
        return int(self.floor.shipments(order.order_id, states)[0]["id"])


@pytest.fixture
def loop(
    sqlite_db: OperationsDatabase, tmp_path: Path, empty_tryton: RunningTryton
) -> Iterator[Loop]:
    start = datetime.now(UTC) - timedelta(hours=1)
    config = SandboxConfig(start=start, orders=0, days=1, transport_fault_rate=0.0)
    with ObservedSandbox(config) as sandbox:
        opened = Loop(sandbox, sqlite_db, tmp_path, empty_tryton)
        yield opened
        opened.close()


@pytest.fixture
def sqlite_db(sqlite_template: Path, tmp_path: Path) -> Iterator[OperationsDatabase]:
    path = tmp_path / "operations.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    db = OperationsDatabase(f"sqlite:///{path}")
    yield db
    db.close()


def work(loop: Loop, orders: list[SalesOrder]) -> None:
    """The warehouse's day: each order by its story, the planted differences among them."""
    with loop.world.turn() as world:
        numbers = iter([world.warehouse.spare_number() for _ in range(3 * len(orders))])
    for order, story in zip(orders, stories(), strict=False):
        for moves in prepare(loop, order, story):
            pack(loop, order, story, moves, numbers)
            if story == "late_cancellation":
                loop.cancel_at_otto(order)
            if story in {"backorder", "split"}:
                loop.follow_real_time()
                loop.sync_shipments()


def stories() -> Iterator[str]:
    """The planted differences first, then what happens every day."""
    yield from PLANTED
    yield from itertools.cycle(STORIES)


def prepare(loop: Loop, order: SalesOrder, story: str) -> list[list[int]]:
    """What happens before the pick; returns the moves that leave, by departure."""
    floor, moves, shipment = loop.floor, loop.moves(order), loop.shipment(order, "waiting")
    match story:
        case "price":
            change(loop, shipment, moves[0], {"unit_price": Decimal("1.23")})
        case "sku":
            other = floor.rest.read("product.product", [["code", "=", "NOT-ORDERED"]], ())[0]
            change(loop, shipment, moves[0], {"product": other["id"]})
        case "short":
            floor.leave_out(shipment, moves[:1])
            return [moves[1:]]
        case "cancelled_there":
            floor.press(floor.split(shipment, moves[:1]), "cancel")
            return [moves[1:]]
        case "backorder":
            floor.split(shipment, moves[1:])
            return [moves[:1], moves[1:]]
        case "split":
            floor.press(floor.split(shipment, moves[1:]), "assign_try")
            return [moves[:1], moves[1:]]
    return [moves]


def pack(
    loop: Loop, order: SalesOrder, story: str, moves: list[int], numbers: Iterator[tuple[str, str]]
) -> None:
    """Pick these moves of the order, pack them and let them leave."""
    held = loop.shipment(order, "waiting", "assigned")
    loop.floor.press(held, "assign_try", "pick")
    boxes = [(move,) for move in moves] if story == "two_boxes" else [tuple(moves)]
    packed = []
    for box in boxes:
        tracking, back = next(numbers)
        packed.append(Box(box, None if story == "no_number" else tracking, back))
    loop.floor.pack(held, packed)
    loop.floor.press(held, "ship", "do")


def change(loop: Loop, shipment: int, move: int, values: dict[str, object]) -> None:
    """Change a line of an order in Tryton, as a person may by mistake."""
    loop.floor.press(shipment, "wait", "draft")
    loop.floor.rest.write(MOVE, move, values)
    loop.floor.press(shipment, "wait")


def test_orders_go_through_a_real_warehouse_and_only_planted_differences_remain(
    loop: Loop,
) -> None:
    orders = [loop.new_order(lines=2) for _ in range(max(ORDERS, len(PLANTED) + len(STORIES)))]
    skus = {item.product.sku for order in orders for item in order.items}
    loop.floor.add_stock(dict.fromkeys([*skus, "NOT-ORDERED"], 10 * len(orders)))
    loop.follow_real_time()
    loop.sync_orders(only=["otto_orders"])
    loop.hand_over_by_two_processes()

    handed = loop.floor.rest.read(
        "stock.shipment.out", [["reference", "in", [o.order_id for o in orders]]], ("reference",)
    )
    assert sorted(row["reference"] for row in handed) == sorted(o.order_id for o in orders)
    assert {row["state"] for row in loop.outbox("wms_order")} == {"confirmed"}

    work(loop, orders)
    loop.follow_real_time()
    loop.sync_orders()
    loop.sync_shipments()
    for _ in range(2):
        loop.advance(minutes=2 * _GRACE_MINUTES)
        loop.sync_orders()
        loop.sync_shipments()
        loop.run("reconcile")

    shown = open_breaks(loop)
    expected = planted(orders)
    assert shown == expected
    statuses = {item.item_id: item.status for order in orders for item in order.items}
    explained = {item for _, item in expected}
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
    """Receive and grade all units of these orders; what the port tells of it."""
    for order in orders:
        moves = loop.moves(order)
        back = loop.floor.receive_return(f"BACK-{order.order_id}", moves)
        loop.floor.grade(back, ["PICK"] * len(moves))
    refs = {order.order_id for order in orders}
    return {
        (receipt.order_ref, line.line_id, line.disposition.value)
        for receipt in loop.wms.poll_returns(None).receipts
        for line in receipt.lines
        if receipt.order_ref in refs
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
        "WHERE status = 'open' AND area IN ('orders', 'shipments', 'prices')"
    )
    with duckdb.connect(str(loop.finance.path), read_only=True) as conn:
        return set(conn.execute(query).fetchall())
