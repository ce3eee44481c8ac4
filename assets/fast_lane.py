"""The fast lane: from the warehouse's news to OTTO in one go, round by round, without Dagster.

Belongs here: the order of one round (read events, take what came up short to OTTO, judge parcels,
report them, settle what is given up) and how long a run waits for further news. Starting a run
costs seconds, so a run that had news stays for a while: what happens meanwhile reaches OTTO at
once.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from assets import short_picks
from assets.outbound import otto_shipment
from assets.outbound.delivery import deliver
from assets.parcel_gate import judge_parcels
from assets.stock_figures import Parts, StockReport
from assets.stock_flow import short_picked
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations import fulfilment, quarantine, watermarks
from resources.operations.database import OperationsDatabase
from resources.operations.outbox import Outbox, due_count
from resources.otto.client import OttoClient
from resources.wms.port import EventKind, FulfilmentEvent, FulfilmentPage, WmsPort

EVENTS = "wms_events"
EVENTS_WATERMARK = "wms_fulfilment"
READABLE = "wms_events_readable"

LOOK_EVERY_SECONDS = 0.3
LONGEST_RUN_SECONDS = 300.0


@dataclass(frozen=True)
class Lane:
    """What a round works with; `refresh_order` reads one order of OTTO anew."""

    operations: OperationsDatabase
    wms: WmsPort
    otto: OttoClient
    model: OperatingModel
    clock: Clock
    refresh_order: Callable[[str], None]


@dataclass
class LaneReport:
    """What the rounds of a run did, by kind."""

    rounds: int = 0
    events: Counter[str] = field(default_factory=Counter)
    parcels: Counter[str] = field(default_factory=Counter)
    shipments: Counter[str] = field(default_factory=Counter)
    cancellations: Counter[str] = field(default_factory=Counter)
    stock: StockReport = field(default_factory=StockReport)


def work(lane: Lane, linger_seconds: float) -> LaneReport:
    """Work until nothing has happened for `linger_seconds` (0: one round)."""
    report = LaneReport()
    ends_at = time.monotonic() + LONGEST_RUN_SECONDS
    one_round(lane, report)
    quiet_at = time.monotonic() + linger_seconds
    while time.monotonic() < min(quiet_at, ends_at):
        time.sleep(LOOK_EVERY_SECONDS)
        if _has_work(lane):
            one_round(lane, report)
            quiet_at = time.monotonic() + linger_seconds
    return report


def one_round(lane: Lane, report: LaneReport) -> None:
    """Read all events, then act on what they changed."""
    report.rounds += 1
    short: set[str] = set()
    while _read_page(lane, report.events, short):
        pass
    try:
        if short:
            parts = Parts(lane.operations, lane.wms, lane.otto, lane.model, lane.clock)
            short_picked(parts, short, report.stock)
    finally:
        # Parcels go on where stock cannot; the flow of stock finds again what failed here.
        _act(lane, report)


def _act(lane: Lane, report: LaneReport) -> None:
    """Report parcels and cancel what is given up."""
    if _tell_of_parcels(lane, report)["blocked"]:
        # OTTO cancelled an item at the last moment: the gate lets the rest of the parcel go.
        _tell_of_parcels(lane, report)
    report.cancellations += short_picks.settle(
        lane.operations, lane.wms, lane.otto, lane.model, lane.clock
    )


def _tell_of_parcels(lane: Lane, report: LaneReport) -> Counter[str]:
    """Judge what waits at the gate and report what it releases; returns what came of that."""
    gate = judge_parcels(lane.operations, lane.model, lane.clock.now(), datetime.now(UTC))
    report.parcels.update(judged=gate.judged, released=gate.released, warned=gate.warned)
    # Parcels that stay parked are judged again each round: the last figure counts, not the sum.
    report.parcels["parked"] = gate.parked
    told = deliver(
        Outbox(lane.operations, lane.model.outbox),
        otto_shipment.OttoShipmentHandler(lane.operations, lane.otto, lane.refresh_order),
        lane.model.outbox,
    )
    report.shipments += told
    return told


def _has_work(lane: Lane) -> bool:
    """Whether the warehouse has news, or a row that waited for another attempt is due."""
    with lane.operations.read() as conn:
        cursor = watermarks.get(conn, EVENTS_WATERMARK)
        if due_count(conn, datetime.now(UTC), [otto_shipment.KIND, *short_picks.KINDS]):
            return True
    page = lane.wms.poll_fulfilment(cursor, limit=1)
    return bool(page.events or page.unreadable)


def _read_page(lane: Lane, kinds: Counter[str], short: set[str]) -> bool:
    """Record one page with its position in one transaction; returns whether more is there.

    Articles of which a unit was not found are added to `short`.
    """
    now = lane.clock.now()
    with lane.operations.read() as conn:
        cursor = watermarks.get(conn, EVENTS_WATERMARK)
    page = lane.wms.poll_fulfilment(cursor)
    with lane.operations.write() as conn:
        new = fulfilment.record_events(conn, page.events, now)
        fulfilment.apply_events(conn, new, now)
        if page.unreadable:
            quarantine.put(conn, _unreadable(page), now)
        watermarks.set(conn, EVENTS_WATERMARK, page.next_cursor, now)
    kinds.update(event.kind.value.lower() for event in new)
    short |= _articles_short(new)
    lane.wms.acknowledge([event.event_id for event in page.events])
    # A feed that stands still although it promises more is looked at again in the next round.
    return page.has_more and page.next_cursor != cursor


def _articles_short(events: Sequence[FulfilmentEvent]) -> set[str]:
    return {
        line.sku for event in events if event.kind is EventKind.SHORT_PICKED for line in event.lines
    }


def _unreadable(page: FulfilmentPage) -> list[dict[str, str | None]]:
    return [
        {
            "source": EVENTS,
            "business_key": f"before {page.next_cursor}, number {number}",
            "rule": READABLE,
            "field": "event",
            "shown": reason,
            "owner": "warehouse",
            "remedy": "Ask the WMS's vendor to correct the record.",
            "evidence_ref": None,
        }
        for number, reason in enumerate(page.unreadable, start=1)
    ]
