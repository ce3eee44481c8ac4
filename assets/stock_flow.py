"""The flow of stock without Dagster: from the warehouse's news to the quantity that OTTO shows.

Belongs here: what a round does and in which order, sending, the full push, reading OTTO's figures
back, and how long a run stays for further news. Taking stock in stands in `assets.stock_intake`,
computing in `assets.stock_figures`; who sends what first in `resources.operations.availability`.

Whatever ends in the middle is found again by its state: a page of changes whose position was not
stored, an order whose units no figure allows for, a figure that is due.
"""

import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime

from assets.rules.availability import DropVerdict
from assets.stock_figures import (
    Parts,
    StockReport,
    may_compute,
    outdated_by_sales,
    refresh,
    refresh_articles,
    refresh_some,
    sold_since,
)
from assets.stock_intake import (
    CHANGES,
    READ_BACK,
    shown_at_otto,
    take_changes,
    take_list,
    take_named,
)
from resources.operating_model import OperatingModel
from resources.operations import availability_desk, watermarks
from resources.operations.availability import Lane, record_seen, request_push
from resources.operations.availability_desk import Drift
from resources.operations.bulk import chunks
from resources.operations.database import OperationsDatabase
from resources.operations.figure_sender import FigureSender
from resources.otto.errors import OttoUnknownOutcome
from resources.wms.port import WmsPort

LOOK_EVERY_SECONDS = 0.3
LONGEST_RUN_SECONDS = 300.0
_ROWS_AT_ONCE = 2_000


class UnknownSku(LookupError):
    """SKUs that a person named and neither side knows.

    What to do: correct the spelling; capitals count. The other SKUs were sent.
    """


def work(parts: Parts, report: StockReport, linger_seconds: float) -> None:
    """Bring news to OTTO until nothing has happened for `linger_seconds` (0: one round)."""
    ends_at = time.monotonic() + LONGEST_RUN_SECONDS
    one_round(parts, report)
    quiet_at = time.monotonic() + linger_seconds
    while time.monotonic() < min(quiet_at, ends_at):
        time.sleep(LOOK_EVERY_SECONDS)
        if has_news(parts.operations, parts.wms, parts.model):
            one_round(parts, report)
            quiet_at = time.monotonic() + linger_seconds


def one_round(parts: Parts, report: StockReport) -> None:
    """Follow the feed of changes to its end, allow for what was sold, send what moved."""
    report.rounds += 1
    if not _begun(parts):
        take_list(parts, report)
    while take_changes(parts, report):
        send(parts, report, Lane.URGENT)
    sold = outdated_by_sales(parts)
    if sold and _begun(parts):
        # Whether a unit counts twice depends on the level's moment: ask for a level of now.
        take_named(parts, parts.articles(sold), report)
        refresh_some(parts, sold, report)
    send(parts, report, Lane.MOVING)


def has_news(operations: OperationsDatabase, wms: WmsPort, model: OperatingModel) -> bool:
    """Whether stock moved, more was sold than figures allow for, or a figure waits to be sent."""
    with operations.read() as conn:
        if not may_compute(conn):
            return False
        cursor = watermarks.get(conn, CHANGES)
        if availability_desk.any_due(conn, Lane.MOVING, datetime.now(UTC)):
            return True
        if sold_since(conn, model):
            return True
    return bool(wms.poll_stock_changes(cursor).skus)


def short_picked(parts: Parts, articles: Collection[str], report: StockReport) -> None:
    """Take these articles, of which a unit was just not found, to OTTO before all others."""
    take_named(parts, articles, report)
    refresh_articles(parts, articles, report, short=articles)
    send(parts, report, Lane.URGENT)


def sync_all(parts: Parts, report: StockReport, *, confirm_drop: bool = False) -> DropVerdict:
    """Take the WMS's whole list over and send what changed."""
    report.rounds += 1
    verdict = take_list(parts, report, confirm_drop=confirm_drop)
    send(parts, report, Lane.REST)
    return verdict


def sync_named(parts: Parts, skus: Collection[str], report: StockReport) -> None:
    """Ask the WMS for these SKUs of OTTO, and send their figures, changed or not.

    Raises:
        UnknownSku: some are known to nobody; the others were sent.
    """
    report.rounds += 1
    if not _begun(parts):
        take_list(parts, report)
    take_named(parts, parts.articles(skus), report)
    refresh_some(parts, skus, report)
    with parts.operations.write() as conn:
        request_push(conn, skus, Lane.MOVING, parts.clock.now())
        known = availability_desk.open_units_allowed(conn, skus)
    send(parts, report, Lane.MOVING)
    if unknown := sorted(set(skus) - known.keys()):
        raise UnknownSku(
            f"no figure for {', '.join(map(repr, unknown))}: neither an order of OTTO nor the WMS "
            "names it, or it stands for more than one article; check its spelling (capitals "
            "count), sku_map in the operating model, and the check sku_map_unambiguous"
        )


def push_all(parts: Parts, report: StockReport, *, confirm_drop: bool = False) -> DropVerdict:
    """Take the whole list over and send every figure, changed or not; urgent ones go first."""
    report.rounds += 1
    verdict = take_list(parts, report, confirm_drop=confirm_drop)
    with parts.operations.write() as conn:
        report.quantities["requested"] += request_push(conn, None, Lane.REST, parts.clock.now())
    send(parts, report, Lane.REST)
    return verdict


def read_back(parts: Parts, report: StockReport) -> list[Drift]:
    """Compare what OTTO shows with what it accepted; send again what differs.

    A SKU that OTTO shows and that we never sent gets a figure: 0, where the WMS has no such thing.
    """
    report.rounds += 1
    started = parts.clock.now()
    if not _begun(parts):
        take_list(parts, report)
    with parts.operations.read() as conn:
        before = availability_desk.accepted_quantities(conn)
    shown = shown_at_otto(parts)
    with parts.operations.read() as conn:
        found = availability_desk.drift(conn, shown)
    # What OTTO accepted while its list was read may or may not be in it.
    drifted = [one for one in found if one.accepted == before.get(one.sku)]
    skus = {one.sku for one in drifted}
    take_named(parts, parts.articles(skus), report)
    refresh(parts, skus, report)
    seen = {**dict.fromkeys(before), **shown}
    for part in chunks(sorted(seen), _ROWS_AT_ONCE):
        with parts.operations.write() as conn:
            record_seen(conn, {sku: seen[sku] for sku in part}, started)
    with parts.operations.write() as conn:
        again = request_push(conn, skus, Lane.MOVING, parts.clock.now())
        watermarks.set(conn, READ_BACK, started.isoformat(), parts.clock.now())
    report.quantities.update(read_back=len(shown), drifted=again)
    send(parts, report, Lane.REST)
    return drifted


def send(parts: Parts, report: StockReport, lane: Lane) -> None:
    """Send what is due of `lane` and of the more urgent ones.

    Of the last lane several requests are under way at a time: one after the other would be as slow
    as OTTO's answers, whatever its limit allows. A SKU is with one of them only.

    Raises:
        OttoError: OTTO takes no more now; what was not sent stays due.
    """
    at_once = parts.model.availability.requests_at_once if lane is Lane.REST else 1
    stopping, lock = threading.Event(), threading.Lock()

    def count(done: dict[str, int]) -> None:
        with lock:
            report.quantities.update(done)

    with ThreadPoolExecutor(at_once) as pool:
        patience = _Patience(parts.model.http.attempts)
        senders = [
            pool.submit(_send_in_turn, parts, lane, count, patience, stopping)
            for _ in range(at_once)
        ]
        try:
            for sender in as_completed(senders):
                sender.result()
        finally:
            stopping.set()


class _Patience:
    """How many outcomes in a row may stay unknown, over all senders of a run."""

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._unknown = 0
        self._lock = threading.Lock()

    def renew(self) -> None:
        """An outcome is known."""
        with self._lock:
            self._unknown = 0

    def ends(self) -> bool:
        """Another one is unknown; returns whether it was the last to be borne."""
        with self._lock:
            self._unknown += 1
            return self._unknown >= self._attempts


def _send_in_turn(
    parts: Parts,
    lane: Lane,
    count: Callable[[dict[str, int]], None],
    patience: _Patience,
    stopping: threading.Event,
) -> None:
    """Be one sender until nothing is due, or `stopping`.

    A batch of which nobody knows what became of it is due again after a moment, so this goes on.
    """
    policy, http = parts.model.availability, parts.model.http
    sender = FigureSender(parts.operations, timeout_seconds=http.timeout_seconds)
    while not stopping.is_set():
        batch = sender.take_next(lane, policy.batch_size, parts.clock.now())
        if not batch.figures:
            return
        results = parts.otto.availability.send_quantities(
            [(due.sku, due.quantity) for due in batch.figures],
            bulk=batch.bulk,
            within_seconds=sender.send_within_seconds,
        )
        stopped = results.stopped_by
        lost = sender.record(
            batch,
            accepted=results.accepted,
            refused=results.refused,
            now=parts.clock.now(),
            error=None if stopped is None else str(stopped),
            retry_after_seconds=http.first_backoff_seconds,
        )
        count(
            {
                "requests": 1,
                "accepted": len(results.accepted),
                "refused": len(results.refused),
                "unsettled": len(results.unsettled),
                "lost_leases": lost,
            }
        )
        if stopped is None:
            patience.renew()
            continue
        if not isinstance(stopped, OttoUnknownOutcome) or patience.ends():
            raise stopped
        stopping.wait(http.first_backoff_seconds)


def _begun(parts: Parts) -> bool:
    with parts.operations.read() as conn:
        return may_compute(conn)
