"""Effects one by one: what OTTO and the warehouse took from us, against the rows of our outbox.

Belongs here: the comparison at the end of a campaign. Both sides are sets of names, so a difference
shows which effect it is. Differences between the two systems are breaks, and are marked elsewhere.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from resources.operations.database import OperationsDatabase
from resources.operations.schema import outbox

OUR_REDUCTION_CENTS = 137
"""So much each price reduction of ours gives back; the sandbox's own ones are hardly ever so."""
_FINAL = {"confirmed", "failed", "ignored"}


class Rows:
    """The outbox as it stands."""

    def __init__(self, db: OperationsDatabase) -> None:
        with db.read() as conn:
            self._rows = [dict(row) for row in conn.execute(sa.select(outbox)).mappings()]

    def of(self, kind: str, *states: str) -> list[dict[str, Any]]:
        return [
            row
            | {"payload": msgspec.json.decode(row["payload"])}
            | {"result": msgspec.json.decode(row["result"] or "{}")}
            for row in self._rows
            if row["kind"] == kind and (not states or row["state"] in states)
        ]

    def refused_reductions(self) -> set[tuple[str, str, str]]:
        """Breaks that our own requests made: OTTO refuses to reduce a unit that came back."""
        return {
            ("price_reduction_mismatch", row["order_ref"], row["payload"]["position_item_id"])
            for row in self.of("otto_price_reduction", "failed")
        }

    def unfinished(self, planted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Rows that still wait, but for those that `planted` breaks keep from their end.

        OTTO never shows some cancellations that it took; and a parcel whose unit OTTO gave up as it
        left is blocked, for a person.
        """
        never_shown = tuple(
            line["position_item_id"]
            for line in planted
            if line["kind"] == "cancelled_in_wms_open_in_otto"
        )
        left_to_a_person = {line["sales_order_id"] for line in planted}
        return [
            f"{row['kind']} {row['business_key']} {row['state']}: {row['last_error']}"
            for row in self._rows
            if row["state"] not in _FINAL
            and not (
                row["kind"] == "otto_cancellation" and row["business_key"].endswith(never_shown)
            )
            and not (row["state"] == "blocked" and row["order_ref"] in left_to_a_person)
        ]


def differences(
    db: OperationsDatabase,
    truth: Mapping[str, Any],
    shipments: list[dict[str, Any]],
    money: Mapping[str, Any],
    planted: Collection[str],
) -> dict[str, list[str]]:
    """Effects that only one side knows of; empty lists where both agree.

    `planted` are items with a fault of the sandbox's own, which may give back too much.
    """
    rows, items = Rows(db), truth["position_items"]
    compared = {
        "shipment": (_confirmed_shipments(rows), _shipments_at_otto(items, shipments)),
        "wms_order": (_keys(rows.of("wms_order", "confirmed")), _orders_in_wms(items)),
        "otto_cancellation": (
            _keys(rows.of("otto_cancellation", "confirmed"), "position_item_id"),
            {i["position_item_id"] for i in items if i["otto_status"] == "CANCELLED_BY_PARTNER"},
        ),
        "wms_cancellation": (
            _keys(rows.of("wms_cancellation", "confirmed"), "line_id"),
            _cancelled_on_both_sides(rows, items),
        ),
        "otto_return": (
            _keys(rows.of("otto_return", "confirmed"), "position_item_id"),
            _decided_returns(rows, money),
        ),
        "price_reduction": (
            _keys(rows.of("otto_price_reduction", "confirmed"), "position_item_id"),
            _our_reductions(rows, money),
        ),
    }
    found = {
        f"{kind}: {side}": sorted(only)
        for kind, (ours, theirs) in compared.items()
        for side, only in (("only ours", ours - theirs), ("only theirs", theirs - ours))
    }
    found["price_reduction: doubled"] = [
        item["position_item_id"]
        for item in money["position_items"]
        if item["reduction_cents"].count(OUR_REDUCTION_CENTS) > 1
    ]
    found["refund: more than was paid"] = sorted(_refunded_too_much(money) - set(planted))
    return found


def _keys(rows: list[dict[str, Any]], name: str | None = None) -> set[str]:
    return {row["payload"][name] if name else row["business_key"] for row in rows}


def _confirmed_shipments(rows: Rows) -> set[str]:
    return {
        f"{row['result']['shipment_id']} {row['payload']['trackingKey']['trackingNumber']}"
        for row in rows.of("otto_shipment", "confirmed")
    }


def _shipments_at_otto(items: list[dict[str, Any]], shipments: list[dict[str, Any]]) -> set[str]:
    """All but those that a person made in OTTO's portal."""
    by_person = {
        shipment_id
        for item in items
        if item["story"] == "portal_sent"
        for shipment_id in item["otto_shipments"]
    }
    return {
        f"{shipment['shipment_id']} {shipment['tracking_number']}"
        for shipment in shipments
        if shipment["shipment_id"] not in by_person
    }


def _orders_in_wms(items: list[dict[str, Any]]) -> set[str]:
    return {item["sales_order_id"] for item in items if item["wms_state"] is not None}


def _cancelled_on_both_sides(rows: Rows, items: list[dict[str, Any]]) -> set[str]:
    """Lines that OTTO cancelled and that the warehouse does not work on, of those we asked for."""
    asked = _keys(rows.of("wms_cancellation"), "line_id")
    stopped = {"CANCELLED", "SHORT", None}
    return {
        item["position_item_id"]
        for item in items
        if item["position_item_id"] in asked
        and item["otto_status"].startswith("CANCELLED")
        and item["wms_state"] in stopped
    }


def _decided_returns(rows: Rows, money: Mapping[str, Any]) -> set[str]:
    """Accepted or rejected at OTTO, of the units on which we decided."""
    decided = _keys(rows.of("otto_return"), "position_item_id")
    return {
        item["position_item_id"]
        for item in money["position_items"]
        if item["position_item_id"] in decided and item["return_status"] in {"ACCEPTED", "REJECTED"}
    }


def _our_reductions(rows: Rows, money: Mapping[str, Any]) -> set[str]:
    """Units of which OTTO carried out a reduction that we asked for.

    Of other units, one of the sandbox's own reductions may happen to be of our amount.
    """
    asked = _keys(rows.of("otto_price_reduction"), "position_item_id")
    return {
        item["position_item_id"]
        for item in money["position_items"]
        if item["position_item_id"] in asked
        and ("PROCESSED", OUR_REDUCTION_CENTS)
        in zip(item["reductions"], item["reduction_cents"], strict=True)
    }


def _refunded_too_much(money: Mapping[str, Any]) -> set[str]:
    return {
        item["position_item_id"]
        for item in money["position_items"]
        if item["refunded_cents"] + item["partially_refunded_cents"] > item["purchased_cents"] > 0
    }
