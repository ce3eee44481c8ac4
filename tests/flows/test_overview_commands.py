"""What a person sees of stock and short-picks in a terminal, and whether all of OTTO answers."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assets.kpi.figures import KPIS


def short_order(shop: Any, *, backorder: bool) -> Any:
    order = shop.new_order()
    shop.sync_orders()
    with shop.world.turn() as world:
        assert world.warehouse.short_now(
            order.items[0].product.sku, order.order_id, backorder=backorder
        )
    return order


def test_check_connection_reads_of_each_scope_and_names_one_that_is_missing(
    command: Callable[..., tuple[int, str]], shop: Any, tmp_path: Path
) -> None:
    code, said = command("check-connection")
    assert code == 0, said
    for scope in shop.sandbox.config.client_scopes:
        assert f"✓ OTTO {scope}:" in said
    assert "✓ OTTO token: renewed by itself" in said
    assert "✓ finance file:" in said
    assert "✓ alert channels: none" in said
    assert f"✓ Dagster instance: {tmp_path}" in said
    asked = {request.path for request in shop.sandbox.otto_wire.requests}
    assert {"/v4/orders", "/v1/shipments", "/v1/availability/quantities"} <= asked

    answer = shop.sandbox.otto_wire._app

    def without_token_for_stock(request: Any) -> Any:
        if request.path == "/v1/availability/quantities":
            return answer(replace(request, headers={}))
        return answer(request)

    shop.sandbox.otto_wire._app = without_token_for_stock
    code, said = command("check-connection")
    assert code == 1
    assert "✗ OTTO availability:" in said
    assert "✓ OTTO orders:" in said


def test_check_connection_says_what_to_do_about_a_dagster_folder_without_settings(
    command: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / "dagster.yaml").unlink()
    code, said = command("check-connection")
    assert code == 1
    assert "✗ Dagster instance:" in said
    assert "copy deploy/dagster.yaml" in " ".join(said.split())


def test_the_last_synchronisations_show_counts_duration_and_result(
    command: Callable[..., tuple[int, str]], shop: Any
) -> None:
    for _ in range(3):
        shop.new_order()
        shop.sync_orders()
    code, said = command("syncs", "orders", "--last", "2", "--json")
    runs = json.loads(said)["orders"]
    assert code == 0
    assert [run["result"] for run in runs] == ["success", "success"]
    assert all(run["seconds"] > 0 and run["counts"] for run in runs)
    assert runs[0]["started_at"] >= runs[1]["started_at"]
    assert command("syncs")[1].startswith("orders")
    assert command("syncs", "flights")[0] == 2


def test_an_open_short_pick_is_listed_with_what_follows(
    command: Callable[..., tuple[int, str]], shop: Any
) -> None:
    order = short_order(shop, backorder=True)
    shop.sync_shipments()
    code, said = command("errors", "list", "--json")
    [row] = json.loads(said)
    assert code == 0
    assert row["key"] == f"{order.order_id}:{order.items[0].item_id}"
    assert row["state"] == "open"
    assert row["remedy"] == "nothing yet; next, by itself: wait"


def test_a_short_pick_past_its_ship_by_time_asks_for_a_person(
    command: Callable[..., tuple[int, str]], shop: Any
) -> None:
    short_order(shop, backorder=True)
    shop.sync_shipments()
    shop.world.advance(shop.table("position_items")[0]["ship_by_at"])
    shop.advance(minutes=1)
    _, said = command("errors", "list", "--json")
    assert [row["state"] for row in json.loads(said)] == ["overdue"]
    assert "Partner Connect" in json.loads(said)[0]["remedy"]


def test_status_counts_figures_and_short_picks(
    command: Callable[..., tuple[int, str]], shop: Any
) -> None:
    shop.sync_stock()
    short_order(shop, backorder=True)
    shop.sync_shipments()
    code, said = command("status", "--json")
    found = json.loads(said)
    assert code == 0
    assert found["short_picks"] == {"shipped": 0, "cancelled": 0, "open": 1}
    assert found["stock"]["skus"] == len(shop.table("availability"))
    # Articles that OTTO does not know are refused, SKU by SKU.
    assert found["stock"]["never_accepted"] == found["stock"]["refused"] > 0
    assert found["stock"]["oldest_accepted_at"] is not None
    assert "held by a guard" not in command("status")[1]


def test_status_fits_a_terminal_of_eighty_columns_with_every_figure_whole(
    command: Callable[..., tuple[int, str]], shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    short_order(shop, backorder=True)
    shop.sync_stock()
    shop.sync_shipments()
    code, said = command("status")
    assert code == 0
    assert max(len(line) for line in said.splitlines()) <= 80
    assert [name for name in KPIS if f" {name} " not in said] == []
    _, said = command("status", "--json")
    found = json.loads(said)["kpis"]
    assert list(found) == list(KPIS)
    assert (found["open_orders"], found["short_picks_open"]) == (1, 1)


def test_the_asset_of_key_figures_gives_numbers_to_plot_and_a_page(shop: Any) -> None:
    shop.new_order()
    shop.sync_orders()
    for _ in range(2):
        result = shop.run("measure_kpis")
        shop.advance(minutes=15)
    [event] = result.asset_materializations_for_node("kpis")
    assert event.metadata["open_orders"].value == 1
    assert "confirmation_p95_minutes" not in event.metadata
    page = Path(event.metadata["page"].path)
    assert page == shop.finance.path.with_name("kpis.html")
    assert "Key figures" in page.read_text(encoding="utf-8")
    assert len(shop.table("kpi_history")) == 2
