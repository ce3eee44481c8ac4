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
from assets.reporting import check_result, named_check
from assets.stock import FIGURES, LEVELS, QUANTITIES
from resources.clock import Clock
from resources.operating_model import OperatingModel
from resources.operations import availability_desk, quarantine
from resources.operations.availability_desk import FigureState
from resources.operations.database import OperationsDatabase

_LIST = named_check(
    "stock_list_believable",
    LEVELS,
    "The WMS's last stock list was taken over; the mass-drop guard stopped none.",
    "Repair the stock list in the WMS. If the stock is really gone, start the job "
    "sync_stock with confirm_drop: true, or: otto-pipelines sync stock --confirm-drop",
)
_READABLE = named_check(
    "stock_levels_readable",
    LEVELS,
    "Every stock level of the WMS follows the port's contract.",
    "Ask the WMS's vendor to correct the record.",
)
_STALE = named_check(
    "stock_is_of_now",
    FIGURES,
    "No figure is held, because the WMS told of its stock lately.",
    "Check that the WMS answers and that its stock list is of now; the next list that "
    "is sets the figures free.",
)
_COLLISION = named_check(
    "sku_map_unambiguous",
    FIGURES,
    "Every SKU of OTTO stands for one article of the warehouse, and for no other's.",
    "Say in sku_map of the operating model which article is meant, then: otto-pipelines sync stock",
)
_KNOWN_TO_WMS = named_check(
    "skus_known_to_wms",
    FIGURES,
    "The WMS knows the article of every SKU that OTTO sells.",
    "OTTO is offered 0 of it. Correct sku_map in the operating model, or the article in the WMS.",
)
_OVERSOLD = named_check(
    "no_unit_oversold",
    FIGURES,
    "OTTO sold no more units than the warehouse has.",
    "Find or buy the units, or cancel items at OTTO before their ship-by time.",
)
_KNOWN_TO_OTTO = named_check(
    "skus_known_to_otto",
    QUANTITIES,
    "OTTO sells every article of the warehouse; it never accepted a figure of these.",
    "Offer the article at OTTO, or map its SKU in sku_map. A refused figure is sent "
    "again when it changes, and with the next full push.",
)
_ACCEPTED = named_check(
    "quantities_accepted_by_otto",
    QUANTITIES,
    "OTTO refuses no figure of a SKU whose figures it accepted before.",
    "Correct what OTTO names in OTTO Partner Connect, then: otto-pipelines sync stock --sku <SKU>",
)
_MISSED = named_check(
    "no_sku_misses_an_update",
    QUANTITIES,
    "OTTO has every new figure after availability.late_after_minutes at the latest.",
    "Look at the last runs of sync_stock and stock_lane, and: otto-pipelines check-connection",
)
_RECENT = named_check(
    "quantities_confirmed_lately",
    QUANTITIES,
    "OTTO accepted a figure of each SKU within availability.confirmed_within_hours.",
    "Start the job push_all_stock, or: otto-pipelines sync stock --full",
)
_SHOWN = named_check(
    "otto_shows_our_quantities",
    QUANTITIES,
    "When last read back, OTTO showed what it had accepted from us.",
    "Our figure is sent again by itself. If it happens again, find out who else writes "
    "quantities at OTTO.",
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
    )
    yield check_result(
        _READABLE,
        failing=_quarantined(conn, stock_intake.UNREADABLE),
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
    )
    yield check_result(
        _COLLISION,
        failing=collisions,
    )
    unknown = [s for s in availability_desk.unknown_to_wms(conn) if s.sku not in colliding]
    yield check_result(
        _KNOWN_TO_WMS,
        failing=[{"sku": s.sku, "since": s.computed_at.isoformat()} for s in unknown],
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
    )
    yield check_result(
        _ACCEPTED,
        failing=_refusals(s for s in refused if s.accepted_quantity is not None),
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
        measures={} if age is None else {"oldest_accepted_minutes": age},
    )
    yield check_result(
        _SHOWN,
        failing=[
            {"sku": state.sku, "accepted": state.accepted_quantity, "shown": state.seen_quantity}
            for state in availability_desk.not_as_accepted(conn)
        ],
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
