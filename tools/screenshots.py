"""Pictures of the Dagster UI for the documents: asset graph, a failed check, breaks, runs.

Belongs here: opening a running demo in a headless browser and storing what it shows below
`docs/images`. Start `otto-pipelines demo` first and give it five minutes, so that checks have
failed and breaks exist (`stock-check` fails from the 4th to the 13th minute); then, with the
development requirements installed and Chromium on the machine:

    python -m tools.screenshots --url http://127.0.0.1:3000
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from tools import dagster_ui

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
LARGEST_BYTES = 400_000


def graph(page: Page) -> None:
    """All groups of assets."""
    page.set_viewport_size({"width": 1200, "height": 560})
    dagster_ui.open_graph(page)


def failed_check(page: Page) -> None:
    """A broken rule of the tracking gate, with its rows and what to do."""
    dagster_ui.open_failed_check(page, "parcels", "tracking_number_valid")


def stock_check(page: Page) -> None:
    """A stock list that the mass-drop guard refused, with what to do."""
    dagster_ui.open_failed_check(page, "wms_stock", "stock_list_believable")


def breaks(page: Page) -> None:
    """The breaks' checks, one of them open with its rows."""
    dagster_ui.open_failed_check(page, "reconciliation/breaks", "no_price_mismatch")


def exceptions(page: Page) -> None:
    """What waits for a person, with counts that are plotted."""
    page.goto("/assets/exceptions")
    page.get_by_text("at_risk").first.wait_for()


def runs(page: Page) -> None:
    """The latest runs with what asked for them and their lanes."""
    page.goto("/runs")
    page.get_by_text(re.compile("Success")).first.wait_for()


PICTURES: dict[str, Callable[[Page], None]] = {
    "asset-graph": graph,
    "failed-check": failed_check,
    "stock-check": stock_check,
    "breaks": breaks,
    "exceptions": exceptions,
    "runs": runs,
}


def main() -> None:
    """Take the pictures that were asked for; default: all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:3000", help="the demo's Dagster UI")
    parser.add_argument("--chromium", default=dagster_ui.CHROMIUM, help="the browser")
    parser.add_argument("--folder", type=Path, default=IMAGES, help="where pictures are stored")
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(PICTURES)}")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - PICTURES.keys()
    if unknown:
        parser.error(f"no picture {', '.join(sorted(unknown))}; there are {', '.join(PICTURES)}")
    with dagster_ui.browser(arguments.chromium) as browser:
        for name in arguments.names or PICTURES:
            page = dagster_ui.new_page(browser, arguments.url)
            PICTURES[name](page)
            take(page, arguments.folder / f"{name}.png")
            page.close()


def take(page: Page, file: Path) -> None:
    """Store what the page shows, once it rests."""
    page.wait_for_timeout(dagster_ui.SETTLE_MS)
    file.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=file)
    size = file.stat().st_size
    warning = "  TOO LARGE for the documents" if size > LARGEST_BYTES else ""
    print(f"{file.name}: {size // 1000} kB{warning}")


if __name__ == "__main__":
    main()
