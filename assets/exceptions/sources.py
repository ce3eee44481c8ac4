"""Where exceptions come from: one function per place, each yielding findings.

Belongs here: what counts as an exception, in which state it is, and why, in words. What the units
concerned cost and when they are due is looked up for all findings at once
(`assets.exceptions.listing`), so a source names them and no more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from assets import return_desk, short_picks
from assets.exceptions.findings import Finding
from assets.outbound import otto_price_reduction, otto_return, otto_shipment, wms_order
from assets.parcel_gate import parked_parcels
from assets.rules.short_picks import Step
from assets.stock_figures import COLLISIONS
from assets.stock_intake import LIST
from resources.operating_model import OperatingModel
from resources.operations import availability_desk, exception_rows, quarantine
from resources.operations.database import OperationsDatabase
from resources.operations.exception_decisions import content_hash, let_be

# So long nobody may know whether a message had its effect: two of the longest waits are over.
UNCERTAIN_AFTER = timedelta(hours=1)
_BY_ITEM = ("wms_cancellation", "wms_backorder", "otto_cancellation")
_OF_TRACKING = {"tracking_number_present", "tracking_number_valid", "item_cancelled_at_otto"}
# What did not change at OTTO for so long is a break of finance.
_DRIFT_FOR = timedelta(days=30)
_DRIFTS = {
    "sent_not_shipped": (
        "confirmed_not_dispatched",
        "Have the warehouse ship it or find its parcel; if it cannot ship, refund the buyer.",
    ),
    "cancelled_not_stopped": (
        "cancellation",
        "Cancel the line in the warehouse before it is packed.",
    ),
    "shipped_without_parcel": (
        "confirmation",
        "Have the warehouse report the parcel; without it OTTO cannot be told.",
    ),
}
_KIND_OF_SOURCE = {
    "otto_orders": "order_not_imported",
    "wms_events": "wms_event_unreadable",
    COLLISIONS: "sku_collision",
    LIST: "stock_list_refused",
}


@dataclass(frozen=True)
class Look:
    """What all sources look at; `now` is business time, `real_now` that of the outbox."""

    db: OperationsDatabase
    conn: Connection
    model: OperatingModel
    now: datetime
    real_now: datetime

    def grace(self, name: str) -> timedelta:
        """A time of grace of the reconciliation."""
        return timedelta(minutes=getattr(self.model.reconciliation, name))

    def graces_of_carriers(self) -> dict[str | None, timedelta]:
        """The time of grace of a confirmation by OTTO's carrier; None: of all others."""
        graces: dict[str | None, timedelta] = {None: self.grace("confirmation")}
        for carrier, own in self.model.reconciliation.grace_by_carrier.items():
            if own.confirmation is not None:
                graces[carrier] = timedelta(minutes=own.confirmation)
        return graces


def messages(look: Look) -> Iterator[Finding]:
    """Outbox rows that are stuck, uncertain or late, and what was never put into the outbox."""
    parked = exception_rows.parked_ids(look.conn)
    seen: set[int] = set()
    for row in exception_rows.stuck_messages(look.conn):
        seen.add(row["id"])
        # What is blocked because the gate holds its parcel is shown as that parcel.
        blocked = (row["kind"], row["state"]) == (otto_shipment.KIND, "blocked")
        if blocked and row["business_key"] in parked:
            continue
        yield _message(look, row, row["state"], row["reason"] or row["last_error"] or "")
    for row in exception_rows.uncertain_messages(look.conn, look.real_now - UNCERTAIN_AFTER):
        seen.add(row["id"])
        cause = f"nobody knows since {row['since']:%Y-%m-%d %H:%M} UTC whether it had its effect"
        yield _message(look, row, "uncertain", _with_error(cause, row))
    yield from _late(look, seen)


def _late(look: Look, seen: set[int]) -> Iterator[Finding]:
    graces = look.graces_of_carriers()
    for row in exception_rows.late_confirmations(look.conn, look.now - min(graces.values())):
        grace = graces.get(row["carrier"], graces[None])
        if row["id"] not in seen and row["shipped_at"] < look.now - grace:
            cause = f"the parcel left at {row['shipped_at']:%Y-%m-%d %H:%M} UTC; the confirmation "
            cause += f"is {row['state'] or 'not written'} after {row['attempts'] or 0} attempt(s)"
            yield Finding(
                kind=otto_shipment.KIND,
                state="late",
                key=row["parcel_id"],
                subject=_subject_of(row["id"], f"parcel:{row['parcel_id']}:late"),
                message_id=row["id"],
                cause=_with_error(cause, row),
                first_seen_at=row["shipped_at"],
                order=row["order_ref"],
                parcel_id=row["parcel_id"],
            )
    before = look.now - look.grace("missing_in_wms")
    for row in exception_rows.late_orders_to_wms(look.conn, before):
        if row["id"] not in seen:
            cause = f"OTTO released it at {row['released_at']:%Y-%m-%d %H:%M} UTC; its message to "
            cause += f"the WMS is {row['state'] or 'not written'}"
            yield Finding(
                kind=wms_order.KIND,
                state="late",
                key=row["sales_order_id"],
                subject=_subject_of(row["id"], f"order:{row['sales_order_id']}:late"),
                message_id=row["id"],
                cause=_with_error(cause, row),
                first_seen_at=row["released_at"],
                order=row["sales_order_id"],
            )


def _message(look: Look, row: dict[str, Any], state: str, cause: str) -> Finding:
    kind, key, order = row["kind"], row["business_key"], row["order_ref"]
    about: dict[str, Any] = {}
    rest = key[len(order) + 1 :]
    if kind in _BY_ITEM:
        about["items"] = (rest,)
    elif kind == otto_return.KIND:
        about["items"] = (rest.rpartition("/")[0],)
        about["deadline_at"] = row["created_at"] + look.grace("return_decision")
    elif kind == otto_price_reduction.KIND:
        about["request_id"] = key
        about["deadline_at"] = row["created_at"] + look.grace("price_reduction")
    elif kind == otto_shipment.KIND:
        about["parcel_id"] = key
    return Finding(
        kind=kind,
        state=state,
        key=key,
        subject=_subject_of(row["id"], ""),
        content=content_hash(state, cause),
        message_id=row["id"],
        cause=cause,
        first_seen_at=row["created_at"],
        order=order,
        **about,
    )


def parcels(look: Look) -> Iterator[Finding]:
    """Parcels that the tracking gate holds."""
    for parcel in parked_parcels(look.conn):
        rules = {refusal["rule"] for refusal in parcel.refusals}
        yield Finding(
            kind="parcel_parked",
            state="parked",
            key=parcel.parcel_id,
            subject=parcel.subject,
            content=parcel.content,
            cause="; ".join(f"{each['rule']}: {each['reason']}" for each in parcel.refusals),
            remedy="; ".join(dict.fromkeys(each["remedy"] for each in parcel.refusals)),
            owner="warehouse" if rules & _OF_TRACKING else "operations",
            first_seen_at=parcel.shipped_at,
            deadline_at=parcel.deadline_at,
            order=parcel.order_ref,
            parcel_id=parcel.parcel_id,
        )


def quarantined(look: Look) -> Iterator[Finding]:
    """Rows that broke their contract: orders, events, stock, money."""
    for held in quarantine.waiting(look.conn):
        kind = _KIND_OF_SOURCE.get(held.source, "row_refused")
        first = held.rows[0]
        about: dict[str, Any] = {}
        if kind == "order_not_imported":
            about["order"] = held.key
            about["deadline_at"] = first["first_seen_at"] + look.grace("missing_in_wms")
        elif kind == "wms_event_unreadable":
            about["deadline_at"] = first["first_seen_at"] + look.grace("confirmation")
        elif kind == "sku_collision":
            about["sku"] = held.key
        yield Finding(
            kind=kind,
            state="quarantined",
            key=held.key if kind == "order_not_imported" else f"{held.source}: {held.key}",
            subject=held.subject,
            content=held.content,
            cause="; ".join(f"{r['rule']} ({r['field']}): {r['shown']}" for r in held.rows),
            remedy="; ".join(dict.fromkeys(row["remedy"] for row in held.rows)),
            owner=first["owner"],
            first_seen_at=first["first_seen_at"],
            **about,
        )


def skus(look: Look) -> Iterator[Finding]:
    """SKUs that the warehouse does not know, and SKUs that are oversold."""
    colliding = {row["business_key"] for row in quarantine.open_rows(look.conn, COLLISIONS)}
    for state in availability_desk.unknown_to_wms(look.conn):
        if state.sku not in colliding:
            yield Finding(
                kind="sku_not_at_wms",
                state="open",
                key=state.sku,
                subject=f"sku:{state.sku}:not_at_wms",
                cause="the WMS never told a stock level of it, so OTTO shows 0",
                first_seen_at=state.computed_at,
                sku=state.sku,
            )
    for state in availability_desk.oversold(look.conn):
        yield Finding(
            kind="unit_oversold",
            state="open",
            key=state.sku,
            subject=f"sku:{state.sku}:oversold",
            cause=f"{state.oversold} unit(s) sold and not there",
            first_seen_at=state.computed_at,
            sku=state.sku,
            units=state.oversold,
        )


def drifts(look: Look) -> Iterator[Finding]:
    """Units of which OTTO and the warehouse say different things."""
    before = {case: look.now - look.grace(grace) for case, (grace, _) in _DRIFTS.items()}
    ignored = let_be(look.conn)
    for drift in exception_rows.status_drifts(look.conn, look.now - _DRIFT_FOR, before):
        subject, content = f"drift:{drift.key}", content_hash(drift.otto_status, drift.wms_state)
        if ignored.get(subject) == content:
            continue
        yield Finding(
            kind="status_drift",
            state="open",
            key=drift.key,
            subject=subject,
            content=content,
            cause=f"OTTO says {drift.otto_status} since {drift.since:%Y-%m-%d %H:%M} UTC, the "
            f"warehouse says {drift.wms_state}"
            + (" and told of no parcel" if drift.case == "shipped_without_parcel" else ""),
            remedy=_DRIFTS[drift.case][1],
            first_seen_at=drift.since,
            deadline_at=drift.since + look.grace(_DRIFTS[drift.case][0]),
            order=drift.sales_order_id,
            items=(drift.position_item_id,),
        )


def shorts(look: Look) -> Iterator[Finding]:
    """Units that came up short, those that a message stands for left out."""
    for row in short_picks.open_rows(look.db, look.model.short_pick, look.now):
        key = f"{row['sales_order_id']}:{row['position_item_id']}"
        persons = row["overdue"] or row["next_step"] == Step.PERSON
        remedy = None if persons else f"nothing yet; next, by itself: {row['next_step']}"
        yield Finding(
            kind="short_pick" if persons else "short_pick_awaited",
            state="overdue" if row["overdue"] else "open",
            key=key,
            subject=f"short:{key}",
            cause=f"{row['why']}; ship by: {row['ship_by_at'] or 'OTTO promised no day'}",
            remedy=remedy,
            first_seen_at=datetime.fromisoformat(row["since"]),
            order=row["sales_order_id"],
            items=(row["position_item_id"],),
        )


def returned(look: Look) -> Iterator[Finding]:
    """Units that came back and wait for a decision, or for their owner."""
    for unit in return_desk.waiting_units(look.db, look.model):
        owned = unit.is_owned
        key = f"{unit.sales_order_id}:{unit.position_item_id}" if owned else unit.receipt_id
        yield Finding(
            kind="return_undecided" if owned else "return_without_owner",
            state="waiting",
            key=key,
            subject=f"return:{unit.receipt_id}:{key}:{unit.sku}",
            cause=f"{unit.why}; condition {unit.condition}, receipt {unit.receipt_id}",
            first_seen_at=unit.received_at,
            deadline_at=unit.received_at + look.grace("return_decision"),
            order=unit.sales_order_id,
            items=(unit.position_item_id,) if unit.position_item_id else None,
            sku=None if owned else unit.sku,
        )


def late_shipments(look: Look) -> Iterator[Finding]:
    """Orders near or past their ship-by time; those that another finding explains included."""
    for late in exception_rows.late_orders(look.conn, look.now, look.grace("missing_in_wms")):
        yield Finding(
            kind="late_shipment",
            state="overdue" if late.ship_by_at <= look.now else "due",
            key=late.sales_order_id,
            subject=f"order:{late.sales_order_id}:late_shipment",
            cause=f"{late.units} unit(s) have to leave by {late.ship_by_at:%Y-%m-%d %H:%M} UTC "
            "and have not left the warehouse",
            first_seen_at=late.ship_by_at - timedelta(hours=24),
            deadline_at=late.ship_by_at,
            cents=late.cents,
            order=late.sales_order_id,
            items=(late.position_item_id,) if late.position_item_id else None,
            sku=late.sku,
        )


def _subject_of(message_id: int | None, otherwise: str) -> str:
    return otherwise if message_id is None else f"outbox:{message_id}"


def _with_error(cause: str, row: dict[str, Any]) -> str:
    return f"{cause}; last error: {row['last_error']}" if row["last_error"] else cause
