"""The Dagster UI of a live demo, in a real browser, as operations uses it.

Run by `make browser`; BROWSER_PICTURES=docs/images keeps what is seen for the documents.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page

from tools import dagster_ui
from tools.screenshots import take

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
_START_SECONDS = 600


@pytest.fixture(scope="session")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the UI of a demo that is started here and ended afterwards."""
    if not Path(dagster_ui.CHROMIUM).exists():
        missing = f"{dagster_ui.CHROMIUM} is not installed (apt install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}; CI must run these tests")
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("demo")
    said = folder / "said.txt"
    command = [str(Path(sys.executable).with_name("otto-pipelines")), "demo"]
    with said.open("w", encoding="utf-8") as out:
        demo = subprocess.Popen(
            [*command, "--orders", "120", "--folder", folder / "shop"],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _address(demo, said)
    finally:
        demo.terminate()
        demo.wait(timeout=120)


def _address(demo: subprocess.Popen[bytes], said: Path) -> str:
    for _ in range(_START_SECONDS):
        told = said.read_text(encoding="utf-8")
        if found := re.search(r"http://127\.0\.0\.1:\d+", told):
            return found[0]
        if demo.poll() is not None:
            pytest.fail(f"the demo ended by itself: {told}")
        time.sleep(1)
    pytest.fail(f"the demo did not start within {_START_SECONDS} s: {told}")


@pytest.fixture(scope="session")
def chromium(ui: str) -> Iterator[Browser]:
    with dagster_ui.browser() as started:
        yield started


@pytest.fixture
def page(chromium: Browser, ui: str) -> Iterator[Page]:
    opened = dagster_ui.new_page(chromium, ui, width=1400)
    yield opened
    opened.close()


@pytest.fixture
def picture(page: Page) -> Callable[[str], None]:
    def keep(name: str) -> None:
        if folder := os.environ.get("BROWSER_PICTURES"):
            take(page, Path(folder) / f"{name}.png")

    return keep


def test_the_asset_graph_shows_every_group_and_what_follows_from_an_asset(
    page: Page, picture: Callable[[str], None]
) -> None:
    page.set_viewport_size({"width": 1200, "height": 560})
    dagster_ui.open_graph(page)
    for group in ("orders", "shipments", "stock", "refunds", "reconciliation", "operations"):
        page.get_by_text(group, exact=True).first.wait_for()
    picture("asset-graph")
    dagster_ui.open_lineage(page, "parcels")
    for asset in ("parcels", "otto_shipments"):
        page.get_by_text(asset, exact=True).last.wait_for()


def test_a_failed_check_shows_its_rows_and_its_remedy(
    page: Page, picture: Callable[[str], None]
) -> None:
    dagster_ui.open_failed_check(page, "parcels", "tracking_number_valid")
    shown = page.locator("body").inner_text()
    assert re.search(r"\d+ row\(s\) fail", shown)
    assert "What to do" in shown
    page.get_by_text("remedy", exact=True).first.wait_for()
    picture("failed-check")


def test_a_backfill_of_three_days_is_launched_and_finishes(
    page: Page, picture: Callable[[str], None]
) -> None:
    today = datetime.now(ZoneInfo("Europe/Berlin")).date()
    days = f"[{today - timedelta(days=2)}...{today}]"
    dagster_ui.choose_partitions(page, "otto_orders", days)
    page.get_by_text("3 partitions").first.wait_for()
    picture("backfill-dialog")
    backfill = dagster_ui.launch_backfill(page)
    assert dagster_ui.await_backfill(page, backfill) == "Succeeded"
    picture("backfill-done")


def test_exceptions_are_retried_from_the_launchpad(
    page: Page, picture: Callable[[str], None]
) -> None:
    dagster_ui.open_launchpad(page, "retry_exceptions")
    picture("retry-launchpad")
    assert dagster_ui.launch_run(page) == "Success"
    picture("retry-done")
