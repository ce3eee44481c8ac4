"""The status of a unit in plain words: what is so, what happens next, what a buyer may be told.

Belongs here: the one place that decides it, for the finance file and for `otto-pipelines order`. A
status is chosen by conditions in SQL over what both systems say, so that DuckDB judges an order as
well as all of them; the first that holds counts. Reading those facts does not belong here
(`assets.customer_care`, `assets/reconciliation/lines.sql`).
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields


@dataclass(frozen=True)
class UnitFacts:
    """What both systems say of one position item of OTTO; None where they say nothing.

    `otto_status`, `wms_status` and `short_discrepancy` are as stored. `parcel_state` is that of the
    tracking gate, None without a parcel. `confirmation_state` and `submission_state` are those of
    the messages that tell OTTO of the parcel and the warehouse of the order. `wms_denies`: the
    warehouse answered that it has no such order. `order_waits`: an item of the order is not
    released. `received_back`: the warehouse has the unit back.
    """

    otto_status: str
    wms_status: str | None = None
    short_discrepancy: str | None = None
    parcel_state: str | None = None
    confirmation_state: str | None = None
    submission_state: str | None = None
    wms_denies: bool = False
    order_waits: bool = False
    return_status: str | None = None
    received_back: bool = False


@dataclass(frozen=True)
class FulfilmentStatus:
    """One status. `when` is its condition; `escalate_to` is empty where nobody need act."""

    status: str
    when: str
    meaning: str
    next_step: str
    tell_buyer: str
    escalate_to: str = ""


_CANCELLED = "otto_status LIKE 'CANCELLED%'"
_SENT = "otto_status IN ('SENT', 'RETURNED')"
_LEFT = "(parcel_state IS NOT NULL OR coalesce(wms_status = 'SHIPPED', false))"
_STUCK = "('failed', 'blocked', 'ignored')"
_BY_ITSELF = "Nothing to do: it goes on by itself."

_ALL = (
    FulfilmentStatus(
        "returned",
        f"otto_status = 'RETURNED' OR ({_SENT} AND return_status = 'ACCEPTED')",
        "The return is accepted.",
        "OTTO refunds the buyer by itself.",
        "Your return is accepted; OTTO refunds you.",
    ),
    FulfilmentStatus(
        "return_rejected",
        f"{_SENT} AND return_status = 'REJECTED'",
        "The return was rejected.",
        "Nothing to do; the reason stands at OTTO.",
        "The return was not accepted; here is why: (the reason at OTTO).",
    ),
    FulfilmentStatus(
        "return_misdirected",
        f"{_SENT} AND return_status = 'MISDIRECTED'",
        "The returned unit arrived at a warehouse of OTTO instead of ours.",
        "OTTO sends it on; the warehouse awaits it.",
        "Your return arrived at another address and is being sent on.",
        "warehouse",
    ),
    FulfilmentStatus(
        "return_received",
        f"{_SENT} AND received_back",
        "The warehouse has the unit back; OTTO has no decision yet.",
        "Decided by rule, or by a person: otto-pipelines returns list.",
        "Your return has arrived and is being looked at.",
        "customer care",
    ),
    FulfilmentStatus(
        "return_announced",
        f"{_SENT} AND return_status = 'ANNOUNCED'",
        "The buyer announced a return; the warehouse has not received it.",
        "Await the parcel.",
        "We await your return.",
    ),
    FulfilmentStatus(
        "cancelled_but_shipped",
        f"{_CANCELLED} AND {_LEFT}",
        "OTTO cancelled the unit, and it left all the same.",
        "Stop the parcel at the carrier, or await it as a return: OTTO pays nothing for it.",
        "Please refuse the parcel, or send it back; you are not charged.",
        "warehouse",
    ),
    FulfilmentStatus(
        "cancelled_not_stopped",
        f"{_CANCELLED} AND NOT wms_denies AND (wms_status IN "
        "('NEW', 'ACCEPTED', 'ALLOCATED', 'PICKED') "
        "OR (wms_status = 'SHORT' AND short_discrepancy = 'BACKORDER'))",
        "OTTO cancelled the unit; the warehouse has not stopped it yet.",
        "The warehouse is asked to stop it; if it stays so, have the line cancelled there.",
        "The order is cancelled; you are not charged.",
        "warehouse",
    ),
    FulfilmentStatus(
        "cancelled",
        _CANCELLED,
        "The unit is cancelled at OTTO and will not ship.",
        "Nothing to do.",
        "The order is cancelled; you are not charged.",
    ),
    FulfilmentStatus(
        "sent_without_parcel",
        f"{_SENT} AND NOT {_LEFT}",
        "OTTO shows the unit as sent, and the warehouse has no parcel with it.",
        "Have the warehouse find or ship it; if it cannot, refund the buyer.",
        "We are looking for your parcel and come back to you.",
        "warehouse",
    ),
    FulfilmentStatus(
        "shipped",
        _SENT,
        "The parcel left, and the buyer has its number.",
        "Follow the link.",
        "Your parcel is on its way: (link).",
    ),
    FulfilmentStatus(
        "shipped_number_held",
        "parcel_state = 'parked'",
        "The parcel left, but its number or carrier cannot be right, so OTTO is not told.",
        "The warehouse corrects the number; the parcel is then reported by itself.",
        "Your parcel left; the link follows.",
        "warehouse",
    ),
    FulfilmentStatus(
        "shipped_confirmation_stuck",
        f"parcel_state IS NOT NULL AND confirmation_state IN {_STUCK}",
        "The parcel left, and OTTO did not take its number.",
        "Correct what the exception names, then retry it.",
        "Your parcel left: (link).",
        "operations",
    ),
    FulfilmentStatus(
        "shipped_confirmation_on_its_way",
        "parcel_state IS NOT NULL",
        "The parcel left; OTTO is being told.",
        _BY_ITSELF,
        "Your parcel left: (link, as soon as it shows one).",
    ),
    FulfilmentStatus(
        "shipped_parcel_unknown",
        "wms_status = 'SHIPPED'",
        "The warehouse says that the unit left and names no parcel.",
        "Have the warehouse report the parcel; without it OTTO cannot be told.",
        "Your order left the warehouse; the link follows.",
        "warehouse",
    ),
    FulfilmentStatus(
        "not_released",
        "otto_status = 'ANNOUNCED'",
        "OTTO has not released the order, for example because a payment is awaited.",
        "Await OTTO's release; the warehouse must not ship before.",
        "Your order waits for its release by OTTO.",
    ),
    FulfilmentStatus(
        "backordered",
        "wms_status = 'SHORT' AND short_discrepancy = 'BACKORDER'",
        "The warehouse did not find the unit; it is to follow.",
        "The warehouse ships it later; else it is given up before its ship-by time.",
        "Your article is delayed; we tell you when it leaves.",
        "warehouse, when the ship-by time is near",
    ),
    FulfilmentStatus(
        "cannot_ship",
        "wms_status IN ('SHORT', 'CANCELLED')",
        "The warehouse will not ship the unit.",
        "It is cancelled at OTTO by itself, or waits for a person: see the exceptions.",
        "We cannot deliver the article; you are not charged.",
        "operations",
    ),
    FulfilmentStatus(
        "lost_by_warehouse",
        "wms_denies",
        "The warehouse says that it has no such order.",
        "It is handed over again by itself; if it stays so, look at the exceptions.",
        "Your order is being prepared.",
        "operations",
    ),
    FulfilmentStatus(
        "picked",
        "wms_status = 'PICKED'",
        "The unit is picked and waits for its parcel.",
        _BY_ITSELF,
        "Your order is packed and leaves soon.",
    ),
    FulfilmentStatus(
        "in_warehouse",
        "wms_status IN ('ACCEPTED', 'ALLOCATED')",
        "The warehouse has the order and has not picked the unit.",
        _BY_ITSELF,
        "Your order is being prepared.",
    ),
    FulfilmentStatus(
        "handover_stuck",
        f"submission_state IN {_STUCK}",
        "The warehouse did not take the order.",
        "Correct what the exception names, then retry it.",
        "Your order is being prepared.",
        "operations",
    ),
    FulfilmentStatus(
        "handed_over",
        "wms_status = 'NEW'",
        "The warehouse took the order and has not begun.",
        _BY_ITSELF,
        "Your order is being prepared.",
    ),
    FulfilmentStatus(
        "waits_for_other_items",
        "order_waits",
        "Another item of the order is not released by OTTO; they are handed over together.",
        "Await OTTO's release.",
        "Your order waits for its release by OTTO.",
    ),
    FulfilmentStatus(
        "on_its_way_to_warehouse",
        "true",
        "The order is on its way to the warehouse.",
        _BY_ITSELF,
        "Your order is being prepared.",
    ),
)

STATUSES: dict[str, FulfilmentStatus] = {status.status: status for status in _ALL}

_FACTS = tuple(field.name for field in fields(UnitFacts))
_CASES = " ".join(f"WHEN {status.when} THEN '{status.status}'" for status in _ALL)
MACRO = f"fulfilment_status({', '.join(_FACTS)}) AS CASE {_CASES} END"
"""DuckDB macro that chooses; its parameters are the fields of `UnitFacts`, in their order."""


def statuses_of(units: Sequence[UnitFacts]) -> list[FulfilmentStatus]:
    """The status of each unit, in their order."""
    import duckdb  # noqa: PLC0415 - costs start-up that flows without it should not wait for

    call = f"fulfilment_status({', '.join('?' for _ in _FACTS)})"
    with duckdb.connect(":memory:") as con:
        con.execute(f"CREATE TEMP MACRO {MACRO}")
        chosen = [con.execute(f"SELECT {call}", astuple(unit)).fetchall()[0][0] for unit in units]
    return [STATUSES[name] for name in chosen]
