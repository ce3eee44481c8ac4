"""Checks of stock: guards that stopped something, SKUs nobody can sell, what OTTO does not have.

Belongs here: the checks' names, meanings, rows and remedies. They look at what the operations
database holds, so they may run at any time, with the assets or without them.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
import sqlalchemy as sa

from assets import stock_figures, stock_intake
from assets.reporting import check_result
from assets.stock import FIGURES, LEVELS, QUANTITIES
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations import availability_desk, quarantine
from resources.operations.availability_desk import FigureState
from resources.operations.database import OperationsDatabase

_LIST = dg.AssetCheckSpec(
    "stock_list_believable",
    asset=LEVELS,
    description="The WMS's last stock list was taken over; the mass-drop guard stopped none.",
)
_READABLE = dg.AssetCheckSpec(
    "stock_levels_readable",
    asset=LEVELS,
    description="Every stock level of the WMS follows the port's contract.",
)
_STALE = dg.AssetCheckSpec(
    "stock_is_of_now",
    asset=FIGURES,
    description="No figure is held, because the WMS told of its stock lately.",
)
_COLLISION = dg.AssetCheckSpec(
    "sku_map_unambiguous",
    asset=FIGURES,
    description="Every SKU of OTTO stands for one article of the warehouse, and for no other's.",
)
_KNOWN_TO_WMS = dg.AssetCheckSpec(
    "skus_known_to_wms",
    asset=FIGURES,
    description="The WMS knows the article of every SKU that OTTO sells.",
)
_OVERSOLD = dg.AssetCheckSpec(
    "no_unit_oversold",
    asset=FIGURES,
    description="OTTO sold no more units than the warehouse has.",
)
_KNOWN_TO_OTTO = dg.AssetCheckSpec(
    "skus_known_to_otto",
    asset=QUANTITIES,
    description="OTTO sells every article of the warehouse; it never accepted a figure of these.",
)
_ACCEPTED = dg.AssetCheckSpec(
    "quantities_accepted_by_otto",
    asset=QUANTITIES,
    description="OTTO refuses no figure of a SKU whose figures it accepted before.",
)
_MISSED = dg.AssetCheckSpec(
    "no_sku_misses_an_update",
    asset=QUANTITIES,
    description="OTTO has every new figure after availability.late_after_minutes at the latest.",
)
_RECENT = dg.AssetCheckSpec(
    "quantities_confirmed_lately",
    asset=QUANTITIES,
    description="OTTO accepted a figure of each SKU within availability.confirmed_within_hours.",
)
_SHOWN = dg.AssetCheckSpec(
    "otto_shows_our_quantities",
    asset=QUANTITIES,
    description="When last read back, OTTO showed what it had accepted from us.",
)
_ALL = [
    *(_LIST, _READABLE, _STALE, _COLLISION, _KNOWN_TO_WMS, _OVERSOLD),
    *(_KNOWN_TO_OTTO, _ACCEPTED, _MISSED, _RECENT, _SHOWN),
]


@dg.multi_asset_check(name="stock_checks", specs=_ALL)
def stock_checks(
    operations: dg.ResourceParam[OperationsDatabase],
    model: dg.ResourceParam[OperatingModel],
    clock: dg.ResourceParam[Clock],
) -> Iterator[dg.AssetCheckResult]:
    """Judge by all that is so now, not only by what one run touched."""
    with operations.read() as conn:
        yield from _of_levels(conn)
        yield from _of_figures(conn)
        yield from _of_quantities(conn, model, clock)


def _of_levels(conn: sa.Connection) -> Iterator[dg.AssetCheckResult]:
    yield check_result(
        _LIST,
        failing=_quarantined(conn, stock_intake.LIST),
        remedy="Repair the stock list in the WMS. If the stock is really gone, start the job "
        "sync_stock with confirm_drop: true, or: otto-pipelines sync stock --confirm-drop",
    )
    yield check_result(
        _READABLE,
        failing=_quarantined(conn, stock_intake.UNREADABLE),
        remedy="Ask the WMS's vendor to correct the record.",
    )


def _of_figures(conn: sa.Connection) -> Iterator[dg.AssetCheckResult]:
    collisions = _quarantined(conn, stock_figures.COLLISIONS)
    colliding = {row["what"] for row in collisions}
    held = [
        state
        for state in availability_desk.frozen(conn)
        if state.terms.get("as_of") is not None and state.sku not in colliding
    ]
    yield check_result(
        _STALE,
        failing=[
            {
                "sku": s.sku,
                "quantity": s.quantity,
                "as_of": s.terms["as_of"],
                "why": s.frozen_reason,
            }
            for s in held
        ],
        remedy="Check that the WMS answers and that its stock list is of now; the next list that "
        "is sets the figures free.",
    )
    yield check_result(
        _COLLISION,
        failing=collisions,
        remedy="Say in sku_map of the operating model which article is meant, then: "
        "otto-pipelines sync stock",
    )
    unknown = [s for s in availability_desk.unknown_to_wms(conn) if s.sku not in colliding]
    yield check_result(
        _KNOWN_TO_WMS,
        failing=[{"sku": s.sku, "since": s.computed_at.isoformat()} for s in unknown],
        remedy="OTTO is offered 0 of it. Correct sku_map in the operating model, or the article "
        "in the WMS.",
    )
    oversold = availability_desk.oversold(conn)
    yield check_result(
        _OVERSOLD,
        failing=[
            {
                "sku": state.sku,
                "oversold": state.oversold,
                "sellable": state.terms.get("sellable"),
                "sold_not_reserved": state.terms.get("otto_open"),
            }
            for state in oversold
        ],
        remedy="Find or buy the units, or cancel items at OTTO before their ship-by time.",
        measures={"units_oversold": sum(state.oversold for state in oversold)},
    )


def _of_quantities(
    conn: sa.Connection, model: OperatingModel, clock: Clock
) -> Iterator[dg.AssetCheckResult]:
    now, policy = clock.now(), model.availability
    refused = availability_desk.refused(conn)
    never = [state for state in refused if state.accepted_quantity is None]
    yield check_result(
        _KNOWN_TO_OTTO,
        failing=[],
        warned=_refusals(never),
        remedy="Offer the article at OTTO, or map its SKU in sku_map. A refused figure is sent "
        "again when it changes, and with the next full push.",
    )
    yield check_result(
        _ACCEPTED,
        failing=_refusals(s for s in refused if s.accepted_quantity is not None),
        remedy="Correct what OTTO names in OTTO Partner Connect, then: otto-pipelines sync stock "
        "--sku <SKU>",
    )
    # What OTTO refuses is shown above, and is late for a reason.
    open_skus = {state.sku for state in refused}
    late = timedelta(minutes=policy.late_after_minutes)
    yield check_result(
        _MISSED,
        failing=[
            {
                "sku": state.sku,
                "quantity": state.quantity,
                "accepted": state.accepted_quantity,
                "accepted_at": _time(state),
                "last_error": state.last_error,
            }
            for state in availability_desk.without_update(conn, now - late)
            if state.sku not in open_skus
        ],
        remedy="Look at the last runs of sync_stock and stock_lane, and: otto-pipelines "
        "check-connection",
    )
    silent = timedelta(hours=policy.confirmed_within_hours)
    oldest = availability_desk.overview(conn).oldest_accepted_at
    age = None if oldest is None else (now - oldest) // timedelta(minutes=1)
    yield check_result(
        _RECENT,
        failing=[
            {"sku": state.sku, "accepted": state.accepted_quantity, "accepted_at": _time(state)}
            for state in availability_desk.not_accepted_since(conn, now - silent)
            if state.sku not in open_skus and state.computed_at < now - silent
        ],
        remedy="Start the job push_all_stock, or: otto-pipelines sync stock --full",
        measures={} if age is None else {"oldest_accepted_minutes": age},
    )
    yield check_result(
        _SHOWN,
        failing=[
            {"sku": state.sku, "accepted": state.accepted_quantity, "shown": state.seen_quantity}
            for state in availability_desk.not_as_accepted(conn)
        ],
        remedy="Our figure is sent again by itself. If it happens again, find out who else writes "
        "quantities at OTTO.",
    )


def _quarantined(conn: sa.Connection, source: str) -> list[dict[str, Any]]:
    return [
        {
            "what": row["business_key"],
            "why": row["shown"],
            "since": row["first_seen_at"].isoformat(),
            "owner": row["owner"],
            "remedy": row["remedy"],
        }
        for row in quarantine.waiting_rows(conn, source)
    ]


def _refusals(states: Iterable[FigureState]) -> list[Mapping[str, Any]]:
    return [
        {"sku": state.sku, "quantity": state.quantity, "why": state.refused_reason}
        for state in states
    ]


def _time(state: FigureState) -> str | None:
    return None if state.accepted_at is None else state.accepted_at.isoformat()
