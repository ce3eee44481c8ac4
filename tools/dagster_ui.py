"""What a person does in the Dagster UI, done by a headless browser.

Belongs here: opening the browser, and each way through the UI once; the browser test and the
pictures of the documents go the same ways. Pages fetch nothing from elsewhere.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, Route, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

CHROMIUM = "/usr/bin/chromium"
_SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# A slow machine with a demo beside it takes its time; nothing here waits longer than it must.
LONGEST_WAIT_MS = 120_000
SETTLE_MS = 2_500
_LOOKS, _LOOK_MS = 40, 15_000
_EMPTY_GROUND = (900, 600)


@contextmanager
def browser(chromium: str = CHROMIUM) -> Iterator[Browser]:
    """Start Chromium without a window."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=list(_SWITCHES))
        try:
            yield started
        finally:
            started.close()


def new_page(opened: Browser, url: str, *, width: int = 1500, height: int = 900) -> Page:
    """Open a page on the UI at `url` that reaches nothing else."""

    def only_local(route: Route) -> None:
        if route.request.url.startswith((url, "data:", "blob:")):
            route.continue_()
        else:
            route.abort()

    page = opened.new_page(base_url=url)
    page.set_viewport_size({"width": width, "height": height})
    page.set_default_timeout(LONGEST_WAIT_MS)
    page.route("**/*", only_local)
    return page


def open_graph(page: Page) -> None:
    """All groups of assets, in view as a whole."""
    page.goto("/asset-groups")
    page.get_by_text("housekeeping").first.wait_for()
    page.get_by_role("button", name="Hide navigation").click()
    page.wait_for_timeout(SETTLE_MS)
    page.get_by_placeholder("Jump to").locator("xpath=following::button[1]").click()
    page.wait_for_timeout(SETTLE_MS)
    # A double click on empty ground brings the whole graph into view.
    page.mouse.dblclick(*_EMPTY_GROUND)


def open_lineage(page: Page, asset: str) -> None:
    """An asset with those around it."""
    page.goto(f"/assets/{asset}?view=lineage&lineageScope=neighbors")


def open_failed_check(page: Page, asset: str, check: str) -> None:
    """Open a check that fails; while it runs anew the page does not show what it found."""
    address = f"/assets/{asset}?view=checks&checkDetail={check}"
    for _ in range(_LOOKS):
        page.goto(address)
        try:
            page.get_by_text("row(s) fail").first.wait_for(timeout=_LOOK_MS)
        except PlaywrightTimeout:
            continue
        return
    raise PlaywrightTimeout(f"{address} shows no failed check: is the demo that far?")


def choose_partitions(page: Page, asset: str, days: str) -> None:
    """Open the dialog of a backfill and choose a range of days, such as `[a...b]`."""
    page.goto(f"/assets/{asset}")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("button", name="Custom").wait_for()
    field = page.get_by_role("dialog").locator("input[type=text], input:not([type])").first
    field.fill(days)
    field.press("Tab")


def launch_backfill(page: Page) -> str:
    """Launch what the open dialog says; returns the backfill's id."""
    page.get_by_role("button", name="Launch backfill").click()
    page.get_by_text(re.compile("backfill", re.IGNORECASE)).first.wait_for()
    page.goto("/runs?view=backfills")
    link = page.locator("a[href*='/runs/b/']").first
    link.wait_for()
    return str(link.get_attribute("href")).split("/runs/b/")[1].split("?")[0].strip("/")


def await_backfill(page: Page, backfill: str) -> str:
    """Wait until a backfill has ended; returns the word that the UI shows."""
    state = page.locator(
        "xpath=//*[normalize-space(text())='Status']/following::*[normalize-space(text())!=''][1]"
    )
    for _ in range(_LOOKS):
        page.goto(f"/runs/b/{backfill}")
        state.wait_for()
        if state.inner_text() in {"Succeeded", "Failed", "Canceled"}:
            return state.inner_text()
        page.wait_for_timeout(_LOOK_MS)
    raise PlaywrightTimeout(f"backfill {backfill} has not ended: {state.inner_text()}")


def open_launchpad(page: Page, job: str) -> None:
    """Open the launchpad of a job, with its defaults."""
    page.goto(f"/locations/otto_pipelines/jobs/{job}/")
    page.get_by_role("tab", name="Launchpad").or_(page.get_by_text("Launchpad")).first.click()
    page.get_by_role("button", name="Launch Run").wait_for()


def launch_run(page: Page) -> str:
    """Launch what the launchpad says and wait until the run has ended; returns the word shown."""
    page.get_by_role("button", name="Launch Run").click()
    page.wait_for_url(re.compile("/runs/[0-9a-f-]{36}"))
    ended = page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).first
    ended.wait_for(timeout=_LOOKS * _LOOK_MS)
    return ended.inner_text()
