"""Pictures of the Dagster UI for the documents: asset graph, a failed check, breaks, runs.

Belongs here: opening a running demo in a headless browser and storing what it shows below
`docs/images`. Start `otto-pipelines demo` first and give it five minutes, so that checks have
failed and breaks exist (`stock-check` fails from the 4th to the 13th minute); then, with the
development requirements installed and Chromium on the machine:

    python tools/screenshots.py --url http://127.0.0.1:3000
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
CHROMIUM_SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LONGEST_WAIT_MS = 60_000
SETTLE_MS = 2_500
LOOKS, LOOK_MS = 12, 15_000
EMPTY_GROUND = (900, 600)
LARGEST_BYTES = 400_000


def graph(page: Page) -> None:
    """All assets with every group open, in view as a whole."""
    page.set_viewport_size({"width": 1400, "height": 700})
    page.add_init_script("localStorage.setItem('asset-graph-direction', '\"vertical\"')")
    page.goto("/asset-groups")
    page.get_by_text("housekeeping").first.wait_for()
    page.get_by_role("button", name="Hide navigation").click()
    page.keyboard.press("Alt+e")
    page.get_by_text("daily_summary").first.wait_for()
    page.wait_for_timeout(SETTLE_MS)
    page.get_by_placeholder("Jump to").locator("xpath=following::button[1]").click()
    page.wait_for_timeout(SETTLE_MS)
    # A double click on empty ground brings the whole graph into view.
    page.mouse.dblclick(*EMPTY_GROUND)


def _open_failed(page: Page, address: str) -> None:
    """Open a check that fails; while it runs anew the page does not show what it found."""
    for _ in range(LOOKS):
        page.goto(address)
        try:
            page.get_by_text("row(s) fail").first.wait_for(timeout=LOOK_MS)
        except PlaywrightTimeout:
            continue
        return
    raise PlaywrightTimeout(f"{address} shows no failed check: is the demo that far?")


def failed_check(page: Page) -> None:
    """A broken rule of the tracking gate, with its rows and what to do."""
    page.set_viewport_size({"width": 1500, "height": 900})
    _open_failed(page, "/assets/parcels?view=checks&checkDetail=tracking_number_valid")


def stock_check(page: Page) -> None:
    """A stock list that the mass-drop guard refused, with what to do."""
    page.set_viewport_size({"width": 1500, "height": 900})
    _open_failed(page, "/assets/wms_stock?view=checks&checkDetail=stock_list_believable")


def breaks(page: Page) -> None:
    """The breaks' checks, one of them open with its rows."""
    page.set_viewport_size({"width": 1500, "height": 900})
    _open_failed(page, "/assets/reconciliation/breaks?view=checks&checkDetail=no_price_mismatch")


def runs(page: Page) -> None:
    """The latest runs with what asked for them and their lanes."""
    page.set_viewport_size({"width": 1500, "height": 900})
    page.goto("/runs")
    page.get_by_text(re.compile("Success")).first.wait_for()


PICTURES: dict[str, Callable[[Page], None]] = {
    "asset-graph": graph,
    "failed-check": failed_check,
    "stock-check": stock_check,
    "breaks": breaks,
    "runs": runs,
}


def main() -> None:
    """Take the pictures that were asked for; default: all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:3000", help="the demo's Dagster UI")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser")
    parser.add_argument("--folder", type=Path, default=IMAGES, help="where pictures are stored")
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(PICTURES)}")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - PICTURES.keys()
    if unknown:
        parser.error(f"no picture {', '.join(sorted(unknown))}; there are {', '.join(PICTURES)}")
    arguments.folder.mkdir(parents=True, exist_ok=True)

    def only_local(route: Route) -> None:
        if route.request.url.startswith((arguments.url, "data:", "blob:")):
            route.continue_()
        else:
            route.abort()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=arguments.chromium, args=list(CHROMIUM_SWITCHES)
        )
        for name in arguments.names or PICTURES:
            page = browser.new_page(base_url=arguments.url)
            page.set_default_timeout(LONGEST_WAIT_MS)
            page.route("**/*", only_local)
            PICTURES[name](page)
            page.wait_for_timeout(SETTLE_MS)
            file = arguments.folder / f"{name}.png"
            page.screenshot(path=file)
            page.close()
            size = file.stat().st_size
            warning = "  TOO LARGE for the documents" if size > LARGEST_BYTES else ""
            print(f"{file.name}: {size // 1000} kB{warning}")
        browser.close()


if __name__ == "__main__":
    main()
