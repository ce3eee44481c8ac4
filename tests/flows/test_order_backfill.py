"""Reading orders again: any day, any range, after any failure, and always the same tables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from otto_pipelines.sandbox.stories import Story
from resources.operations.database import OperationsDatabase
from resources.otto.errors import OttoTransient

TABLES = ("orders", "position_items", "quarantine")
# When and where a row was last read may differ between two ways to the same state.
_OURS = {"recorded_at", "first_seen_at", "last_seen_at", "page_ref", "evidence_ref"}


def content(shop: Any) -> dict[str, list[dict[str, Any]]]:
    return {
        table: [
            {name: value for name, value in row.items() if name not in _OURS}
            for row in shop.table(table)
        ]
        for table in TABLES
    }


def three_days(shop: Any, *, after_each: Callable[[], object] = list) -> None:
    """Orders on three days; some change on a later day than their own."""
    orders = []
    for _ in range(3):
        orders += [shop.new_order(lines=1 + n) for n in range(3)]
        orders.append(shop.new_order(announced=True))
        after_each()
        shop.cancel_at_otto(orders[-2], orders[-2].items[:1])
        shop.advance(days=1)
    with shop.world.turn() as world:
        world.market.release(orders[3])
    after_each()


def backfill(shop: Any, first: str, last: str, **options: Any) -> Any:
    return shop.run(
        "sync_orders",
        only=["otto_orders"],
        tags={
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        },
        **options,
    )


def test_a_range_read_in_one_run_gives_the_tables_of_the_incremental_imports(
    open_shop: Any, sqlite_db: Any, sqlite_template: Path, tmp_path: Path
) -> None:
    shop = open_shop(sqlite_db)
    three_days(shop, after_each=lambda: shop.sync_orders(only=["otto_orders"]))
    incremental = content(shop)
    assert len(incremental["orders"]) == 12

    path = tmp_path / "backfilled.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    shop.db = OperationsDatabase(f"sqlite:///{path}")
    shop.assemble()
    result = backfill(shop, "2026-06-08", "2026-06-10")
    assert content(shop) == incremental
    materialised = [
        record.partition_key
        for record in shop.instance.fetch_materializations(
            dg.AssetKey("otto_orders"), limit=9
        ).records[::-1]
        if record.run_id == result.run_id
    ]
    assert materialised == ["2026-06-08", "2026-06-09", "2026-06-10"]
    shop.db.close()


def test_reading_the_same_days_again_changes_no_row(any_shop: Any) -> None:
    three_days(any_shop)
    any_shop.sync_orders(only=["otto_orders"])
    before = {table: any_shop.table(table) for table in TABLES}
    backfill(any_shop, "2026-06-08", "2026-06-10")
    any_shop.sync_orders(only=["otto_orders"])
    assert {table: any_shop.table(table) for table in TABLES} == before


def test_a_window_holds_the_orders_of_its_day_only(shop: Any) -> None:
    three_days(shop)
    shop.run("sync_orders", only=["otto_orders"], partition_key="2026-06-09")
    assert {str(row["order_day"]) for row in shop.table("orders")} == {"2026-06-09"}
    assert len(shop.table("orders")) == 4
    assert shop.table("watermarks") == [], "a window says nothing of what changed since"


def test_a_failed_read_does_not_move_the_watermark(shop: Any) -> None:
    shop.new_order()
    shop.sync_orders(only=["otto_orders"])
    [before] = shop.table("watermarks")
    shop.advance(hours=1)
    late = shop.new_order()
    read = shop.otto.order_pages

    def broken(query: Any) -> Any:
        raise OttoTransient("GET /v4/orders: HTTP 503")

    shop.otto.order_pages = broken
    assert not shop.sync_orders(only=["otto_orders"], must_succeed=False).success
    assert shop.table("watermarks") == [before]
    [*_, log] = shop.table("sync_runs")
    assert (log["flow"], log["result"]) == ("orders", "failure")
    assert "503" in log["error"]
    shop.otto.order_pages = read
    shop.sync_orders(only=["otto_orders"])
    assert late.order_id in {row["sales_order_id"] for row in shop.table("orders")}
    assert shop.table("watermarks") != [before]


def test_a_bad_order_waits_in_quarantine_and_the_others_go_on(
    shop: Any, failing_rows: Callable[..., Any]
) -> None:
    good, bad = shop.new_order(), shop.new_order()
    bad.address["street"] = ""
    rule = "address_present_when_processable"
    [row] = failing_rows(shop.sync_orders(), rule)
    assert row["sales_order_id / item"] == bad.order_id
    assert list(shop.world.warehouse.orders) == [good.order_id]
    with shop.world.turn() as world:
        bad.address["street"] = "Kantstraße"
        world.market._touch(bad)
    assert failing_rows(shop.sync_orders(), rule) == []
    assert set(shop.world.warehouse.orders) == {good.order_id, bad.order_id}


@pytest.mark.parametrize("story", [Story.SKU_SWAPPED, Story.PRICE_CHANGED])
def test_what_the_warehouse_stores_otherwise_is_a_break(shop: Any, story: Story) -> None:
    order = shop.new_order(story=story)
    shop.sync_orders()
    shop.run("reconcile")
    with shop.finance.read() as con:
        found = con.execute(
            "SELECT kind, sales_order_id FROM reconciliation.breaks WHERE status = 'open'"
        ).fetchall()
    kind = {Story.SKU_SWAPPED: "sku_mismatch", Story.PRICE_CHANGED: "price_mismatch"}[story]
    assert (kind, order.order_id) in found


def test_the_price_handed_over_is_what_the_buyer_pays_to_the_cent(shop: Any) -> None:
    order = shop.new_order(lines=3)
    with shop.world.turn():
        order.discounts = [discount_over(order, 1000)]
    shop.sync_orders()
    [body] = shop.sandbox.wms_wire.posts("/v1/orders/batch")
    told = {line["line_id"]: line["unit_price_cents"] for line in body["orders"][0]["lines"]}
    full = sum(item.reduced_cents for item in order.items)
    assert sum(told.values()) == full - 1000
    assert all(told[item.item_id] < item.reduced_cents for item in order.items)


def discount_over(order: Any, cents: int) -> Any:
    from otto_pipelines.sandbox.model import Discount

    return Discount("d-1", "Sommer", cents, tuple(item.item_id for item in order.items))
