"""Where personal data and secrets are after real runs, good and failed, and how it is erased."""

import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from assets.retention import retention_checks
from otto_pipelines.demo.closing import close_busiest_day
from otto_pipelines.sandbox.config import SandboxConfig
from resources.operations.database import OperationsDatabase, OperationsDatabaseError
from resources.operations.retention import addresses_left, erase_addresses
from resources.operations.schema import orders, position_items
from tests.canaries import scan
from tests.flows.conftest import MONDAY, ObservedSandbox, Shop

BUYER = "Canary-Buyer-2b7e"
SECRETS = {
    "otto_secret": "canary-otto-secret-4f81",
    "wms_key": "canary-wms-key-90d3",
    "signing_key": "canary-signing-key-6ac5",
}
LATER = timedelta(days=91)


@dataclass
class FixedClock:
    """Business time, set by the test."""

    time: datetime

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def marked_shop(
    sqlite_db: OperationsDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    """A shop whose buyers and secrets are canaries."""
    config = SandboxConfig(
        start=MONDAY.astimezone(UTC),
        orders=0,
        days=1,
        transport_fault_rate=0.0,
        buyer_mark=BUYER,
        client_secret=SECRETS["otto_secret"],
        wms_api_key=SECRETS["wms_key"],
    )
    monkeypatch.setenv("FINANCE_SIGNING_KEY", SECRETS["signing_key"])
    with ExitStack() as stack:
        sandbox = stack.enter_context(ObservedSandbox(config))
        shop = Shop(sandbox, sqlite_db, tmp_path)
        stack.callback(shop.close)
        shop.advance(hours=12)
        yield shop


@pytest.fixture
def recorded_shop(marked_shop: Shop, tmp_path: Path) -> Shop:
    """The same with Dagster's records on disk, where they are looked through."""
    (tmp_path / "dagster").mkdir()
    marked_shop.instance = dg.DagsterInstance.local_temp(str(tmp_path / "dagster"))
    return marked_shop


def places(folder: Path, *names: str) -> set[str]:
    """The first folder or file below `folder` in which a canary lies."""
    found = scan({"buyer": BUYER, **SECRETS}, folder).where(*names)
    return {"/".join(path.relative_to(folder).parts[:2]) for path in found}


def trade(shop: Shop, count: int = 3) -> None:
    """Some orders go all the way to OTTO's SENT."""
    placed = [shop.new_order(2) for _ in range(count)]
    shop.sync_orders()
    for order in placed:
        shop.dispatch(order)
    shop.sync_shipments()
    shop.advance(hours=1)
    shop.sync_orders()


def import_sent(shop: Shop, count: int) -> None:
    """Orders that are over, without the way there."""
    for _ in range(count):
        shop.new_order(1)
    shop.sync_orders()
    with shop.db.write() as conn:
        conn.execute(sa.update(position_items).values(fulfilment_status="SENT"))


def pass_time(shop: Shop, folder: Path, by: timedelta) -> None:
    """Let business time and the age of the pages go on."""
    shop.clock = FixedClock(shop.clock.now() + by)
    shop.assemble()
    for day in list((folder / "state" / "evidence").glob("*/*")):
        day.rename(day.with_name("2026-01-02"))


def erase(shop: Shop) -> dict[str, Any]:
    result = shop.run("erase_personal_data")
    [made] = result.get_asset_materialization_events()
    return {name: value.value for name, value in made.materialization.metadata.items()}


def test_buyers_are_known_to_the_database_and_the_pages_until_retention_erases_them(
    marked_shop: Shop, tmp_path: Path
) -> None:
    trade(marked_shop)
    marked_shop.run("sync_receipts", partition_key="2026-06-08")
    assert places(tmp_path, "buyer") <= {
        "operations.sqlite",
        "operations.sqlite-wal",
        "state/evidence",
    }
    assert places(tmp_path, "buyer") >= {"state/evidence"}
    pass_time(marked_shop, tmp_path, LATER)
    told = erase(marked_shop)
    assert (told["addresses_erased"], told["addresses_left"]) == (3, 0)
    assert told["pages_erased"] > 0
    assert places(tmp_path, "buyer") == set()


def test_runs_that_fail_tell_no_secret_and_no_buyer(
    recorded_shop: Shop,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    trade(recorded_shop)
    over = recorded_shop.clock.now() + timedelta(days=2)
    recorded_shop.clock = FixedClock(over)
    recorded_shop.assemble()
    recorded_shop.run("reconcile")
    close_busiest_day(tmp_path / "finance.duckdb", over, lambda: recorded_shop.run("reconcile"))
    wires = (recorded_shop.sandbox.otto_wire, recorded_shop.sandbox.wms_wire)
    for wire in wires:
        wire.lose("GET", "/v4/orders")
        wire.lose("POST", "/v1/orders/batch")
    recorded_shop.new_order(1)
    recorded_shop.sync_orders(must_succeed=False)
    recorded_shop.sandbox.stop()
    for job in ("sync_shipments", "sync_returns", "sync_prices"):
        assert not recorded_shop.run(job, must_succeed=False).success
    out, err = capfd.readouterr()
    (tmp_path / "dagster" / "printed").write_text(
        out
        + err
        + "\n".join(f"{record.getMessage()} {record.exc_info}" for record in caplog.records)
    )
    assert places(tmp_path, *SECRETS) == set()
    assert {place.partition("/")[0] for place in places(tmp_path, "buyer")} <= {
        "operations.sqlite",
        "operations.sqlite-wal",
        "state",
    }


def test_a_reason_that_repeats_the_address_is_masked(
    recorded_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(order: dict[str, Any]) -> dict[str, Any]:
        to = order["ship_to"]
        said = f"no parcel shop for {to['name'].upper()}, {to['street']} {to['house_number']}"
        told = f"{said}, {to['postal_code']} {to['city']}; mail {to['email']}"
        ref = order["order_ref"]
        return {"order_ref": ref, "outcome": "REJECTED", "wms_order_id": None, "error": told}

    monkeypatch.setattr(recorded_shop.world.warehouse, "submit", refuse)
    recorded_shop.new_order(1)
    result = recorded_shop.sync_orders()
    [row] = recorded_shop.outbox("wms_order")
    assert re.fullmatch(r"no parcel shop for \*\*\*.*mail \*\*\*", row["reason"])
    assert BUYER.lower() not in str([row, recorded_shop.table("outbox_attempts")]).lower()
    assert "orders_accepted_by_wms" in {
        check.check_name for check in result.get_asset_check_evaluations() if not check.passed
    }
    assert not [place for place in places(tmp_path, "buyer") if place.startswith("dagster")]


def test_an_order_that_is_open_keeps_its_address_and_is_warned_of(
    marked_shop: Shop, tmp_path: Path
) -> None:
    marked_shop.new_order(1)
    marked_shop.sync_orders()
    [row] = marked_shop.table("orders")
    pass_time(marked_shop, tmp_path, LATER)
    result = marked_shop.run("erase_personal_data")
    [check] = result.get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["rows"].records[0].data["sales_order_id"] == row["sales_order_id"]
    assert marked_shop.table("orders") == [row]


def test_what_should_be_gone_and_is_not_fails_the_check(marked_shop: Shop, tmp_path: Path) -> None:
    import_sent(marked_shop, 1)
    pass_time(marked_shop, tmp_path, LATER)
    result = marked_shop.run("erase_personal_data", only=["retention"])
    assert result.success
    backup = marked_shop.table("orders")[0]
    with marked_shop.db.write() as conn:
        conn.execute(sa.update(orders).values(delivery_address="{}"))
    (tmp_path / "state" / "evidence" / "orders" / "2026-01-02").mkdir(parents=True)
    check = retention_checks(
        otto=marked_shop.otto,
        operations=marked_shop.db,
        model=marked_shop.model,
        clock=marked_shop.clock,
    )
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    rows = [record.data for record in check.metadata["rows"].records]
    assert [row["sales_order_id"] for row in rows] == [backup["sales_order_id"], ""]


def test_the_bytes_of_erased_addresses_are_gone_only_when_the_file_is_wiped(
    marked_shop: Shop, tmp_path: Path
) -> None:
    import_sent(marked_shop, 20)
    now = marked_shop.clock.now() + LATER
    with marked_shop.db.write() as conn:
        assert erase_addresses(conn, now) == 20
        assert addresses_left(conn, now).count == 0
    files = {"operations.sqlite", "operations.sqlite-wal"}
    # SQLite leaves what it frees: that is why the job writes the file anew.
    assert places(tmp_path, "buyer") & files
    marked_shop.db.wipe_free_space()
    assert not places(tmp_path, "buyer") & files


def test_a_reader_that_holds_the_log_is_told_of(
    sqlite_db: OperationsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = OperationsDatabase(
        sqlite_db.engine.url.render_as_string(), lock_timeout_seconds=0.1
    )
    with impatient.read() as conn:
        conn.execute(sa.select(orders)).all()
        with pytest.raises(OperationsDatabaseError, match="erased may still be read"):
            impatient.wipe_free_space()
    impatient.wipe_free_space()
    impatient.close()
