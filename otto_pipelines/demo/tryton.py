"""The live demo with a real Tryton for a warehouse: `WMS_ADAPTER=tryton make demo`.

Belongs here: a Tryton of its own for the demo, its opening stock, and somebody who works there.
OTTO stays the sandbox. Starting and stopping everything else stands in `live`.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from otto_pipelines.demo.workplace import DemoError
from otto_pipelines.sandbox import carriers, catalogue
from otto_pipelines.tryton import environment, postgres
from otto_pipelines.tryton.environment import RunningTryton
from otto_pipelines.tryton.floor import Box, Floor
from resources.wms.errors import WmsError
from resources.wms.tryton.rest import Record

ORDERS = 12
"""Orders of the history: so many are handed over and worked on within minutes."""
# Tryton's answers take time, and an order takes about five of them.
MODEL_CHANGES: dict[str, dict[str, Any]] = {
    "http": {"timeout_seconds": 30.0},
    "outbox": {"batch": 10},
    "reconciliation": {"missing_in_wms": 5},
}
SIGHTS = """\
  within a minute    Runs: [cyan]sync_orders[/cyan] hands the orders to Tryton
  within 3 minutes   Assets > [cyan]otto_shipments[/cyan]: confirmed shipments, plotted
                     Assets > [cyan]parcels[/cyan] > Checks: a parcel that left without its number
                     Assets > reconciliation > [cyan]breaks[/cyan] > Checks: where both differ
"""
_UNITS = 200
_PAUSE_SECONDS = 3.0
_SHORT_SHARE, _UNNUMBERED_SHARE, _TWO_BOXES_SHARE = 0.1, 0.1, 0.2


@contextmanager
def warehouse(seed: int, say: Callable[[str], None]) -> Iterator[RunningTryton]:
    """A Tryton with stock, in which somebody works until the end.

    Raises:
        DemoError: PostgreSQL is missing, or Tryton cannot be installed.
    """
    try:
        installation = environment.install(say)
    except postgres.Unavailable as error:
        raise DemoError(str(error)) from error
    say("starting Tryton")
    with (
        postgres.cluster() as cluster_url,
        environment.running(installation, cluster_url, "wms") as server,
    ):
        floor = Floor(server.url, server.floor_key)
        say("putting articles on Tryton's shelves")
        floor.add_stock({product.sku: _UNITS for product in catalogue.PRODUCTS})
        ending = threading.Event()
        worker = threading.Thread(target=_work, args=(floor, seed, ending, say), daemon=True)
        worker.start()
        try:
            yield server
        finally:
            ending.set()
            worker.join(timeout=30)
            floor.close()


def _work(floor: Floor, seed: int, ending: threading.Event, say: Callable[[str], None]) -> None:
    """Take each shipment that waits; what cannot be done now is tried again with the next look."""
    rng = random.Random(seed)
    numbers = carriers.NumberRange(seed)
    while not ending.wait(_PAUSE_SECONDS):
        try:
            for shipment in floor.waiting():
                if ending.is_set():
                    return
                _ship(floor, shipment, rng, numbers)
        except WmsError as error:
            # A cancellation may come between two steps: Tryton refuses the second one.
            say(f"work in Tryton was interrupted: {error}")
            time.sleep(_PAUSE_SECONDS)


def _ship(
    floor: Floor, shipment: Record, rng: random.Random, numbers: carriers.NumberRange
) -> None:
    """Reserve, pick, pack and ship. Now and then a unit is not found, or a number is forgotten."""
    key = shipment["id"]
    moves = [move["id"] for move in shipment["outgoing_moves"] if move["quantity"]]
    if rng.random() < _SHORT_SHARE:
        floor.leave_out(key, moves[:1])
        moves = moves[1:]
    floor.press(key, "assign_try", "pick")
    if not moves:
        floor.press(key, "cancel")
        return
    boxes = [moves]
    if len(moves) > 1 and rng.random() < _TWO_BOXES_SHARE:
        boxes = [moves[:1], moves[1:]]
    packed = []
    for box in boxes:
        known = rng.random() >= _UNNUMBERED_SHARE
        tracking = numbers.tracking("DHL-PAKET") if known else None
        packed.append(Box(tuple(box), tracking, numbers.return_number()))
    floor.pack(key, packed)
    floor.press(key, "ship", "do")
