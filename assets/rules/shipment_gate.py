"""The tracking gate: what must be true before a parcel is reported to OTTO as shipped.

Belongs here: every such rule, on plain facts, with the reason and the remedy for a person. Looking
the facts up, taking return numbers from a pool, parking and sending do not belong here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from assets.rules.tracking import check_tracking_number, tracking_url
from resources.operating_model import Carrier, ShipFrom

RETURN_CARRIERS = ("DHL", "GLS", "HERMES")
PROCESSABLE = "PROCESSABLE"

GATE_RULES: dict[str, str] = {
    "carrier_known": "the carrier map translates the warehouse's carrier code",
    "tracking_number_present": "the parcel has a tracking number",
    "tracking_number_valid": "the number satisfies the carrier's format and check digit",
    "tracking_url_https": "the buyer's link is an https address that contains the number",
    "return_key_present": "a parcel carries a return number of a carrier OTTO accepts",
    "ship_from_complete": "city, zip code and country of departure are known",
    "items_processable": "OTTO has released every item of the parcel for dispatch",
    "item_cancelled_at_otto": "no item of the parcel was cancelled at OTTO",
}


@dataclass(frozen=True, slots=True)
class ParcelItem:
    """One unit in the parcel; status as OTTO last told us, None where we never saw the item."""

    sales_order_id: str
    position_item_id: str
    fulfilment_status: str | None


@dataclass(frozen=True, slots=True)
class ParcelFacts:
    """One parcel as the warehouse reported it; the return number may come from the seller's pool.

    `carrier_raw` is the warehouse's code; `return_carrier` may be that or OTTO's.
    """

    parcel_id: str
    carrier_raw: str | None
    tracking_number: str | None
    return_carrier: str | None
    return_tracking_number: str | None
    shipped_at: datetime
    items: tuple[ParcelItem, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One broken rule and the items concerned; only `item_cancelled_at_otto` lets the rest go."""

    rule: str
    reason: str
    remedy: str
    position_item_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Warn:
    """Something a person may want to look at, although the parcel goes."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReturnKey:
    """OTTO's return tracking key."""

    carrier: str
    tracking_number: str


@dataclass(frozen=True, slots=True)
class ShipmentDraft:
    """Everything OTTO is told of a parcel."""

    parcel_id: str
    carrier: str
    tracking_number: str
    tracking_url: str
    shipped_at: datetime
    ship_from: ShipFrom
    return_key: ReturnKey | None
    items: tuple[ParcelItem, ...]


@dataclass(frozen=True, slots=True)
class GateResult:
    """`ready` is the shipment to report, without the items that refusals hold back; None = park."""

    ready: ShipmentDraft | None
    refusals: tuple[Refusal, ...]
    warnings: tuple[Warn, ...]


def gate(parcel: ParcelFacts, carriers: Mapping[str, Carrier], ship_from: ShipFrom) -> GateResult:
    """Judge `parcel`; all broken rules are reported at once, not only the first."""
    refusals: list[Refusal] = []
    warnings: list[Warn] = []
    carrier = carriers.get(parcel.carrier_raw) if parcel.carrier_raw else None
    if carrier is None:
        refusals.append(_unknown_carrier(parcel.carrier_raw))
    number = parcel.tracking_number or ""
    if not number.strip():
        refusals.append(
            Refusal(
                "tracking_number_present",
                f"parcel {parcel.parcel_id} left without a tracking number",
                "enter the carrier's number in the WMS; the parcel is then reported by itself",
            )
        )
    elif carrier is not None:
        _judge_number(carrier, number, refusals, warnings)
    return_key = None
    if carrier is None or carrier.kind == "parcel":
        return_key, refusal, warning = return_key_of(
            parcel.return_carrier, parcel.return_tracking_number, carriers
        )
        refusals += [refusal] if refusal else []
        warnings += [warning] if warning else []
    if not all(part.strip() for part in (ship_from.city, ship_from.zip_code)):
        refusals.append(
            Refusal(
                "ship_from_complete",
                "the place of departure has no city or zip code",
                "fill in ship_from in the operating model",
            )
        )
    refusals += _not_processable(parcel.items)
    cancelled, going = _split_cancelled(parcel.items)
    whole_parcel_refused = bool(refusals)
    refusals += cancelled
    if whole_parcel_refused or carrier is None or not going:
        return GateResult(None, tuple(refusals), tuple(warnings))
    draft = ShipmentDraft(
        parcel_id=parcel.parcel_id,
        carrier=carrier.otto_code,
        tracking_number=number,
        tracking_url=tracking_url(carrier.tracking_url, number),
        shipped_at=parcel.shipped_at,
        ship_from=ship_from,
        return_key=return_key,
        items=going,
    )
    return GateResult(draft, tuple(refusals), tuple(warnings))


def return_key_of(
    return_carrier: str | None, number: str | None, carriers: Mapping[str, Carrier]
) -> tuple[ReturnKey | None, Refusal | None, Warn | None]:
    """The return key, or why there is none; useful before a number is taken from the pool."""
    mapped = carriers.get(return_carrier or "")
    code = mapped.otto_code if mapped else return_carrier
    if not code or not (number or "").strip():
        reason = "the parcel has no return carrier or return number"
    elif code not in RETURN_CARRIERS:
        reason = f"OTTO accepts returns by {', '.join(RETURN_CARRIERS)}, not by {code}"
    else:
        verdict = check_tracking_number(code, number or "")
        if verdict.status != "invalid":
            warned = verdict.status == "unverified"
            warning = Warn("return_key_present", verdict.reason) if warned else None
            return ReturnKey(code, number or ""), None, warning
        reason = f"return number {_shown(number)} {verdict.reason}"
    remedy = (
        "enter a return number of your own range in the WMS, "
        "or fill return_shipping.number_pool in the operating model"
    )
    return None, Refusal("return_key_present", reason, remedy), None


def _unknown_carrier(raw: str | None) -> Refusal:
    shown = repr(raw) if raw else "none"
    return Refusal(
        "carrier_known",
        f"the warehouse's carrier code is {shown}, which the carrier map does not translate",
        "add the code under carriers in the operating model, or correct it in the WMS",
    )


def _judge_number(
    carrier: Carrier, number: str, refusals: list[Refusal], warnings: list[Warn]
) -> None:
    verdict = check_tracking_number(carrier.otto_code, number)
    if verdict.status == "invalid":
        refusals.append(
            Refusal(
                "tracking_number_valid",
                f"tracking number {_shown(number)} {verdict.reason}",
                "correct the number in the WMS; the parcel is then reported by itself",
            )
        )
    elif verdict.status == "unverified":
        warnings.append(Warn("tracking_number_valid", verdict.reason))
    try:
        tracking_url(carrier.tracking_url, number)
    except ValueError as error:
        refusals.append(
            Refusal(
                "tracking_url_https",
                f"carrier {carrier.otto_code}: {error}",
                "correct tracking_url of this carrier in the operating model",
            )
        )


def _not_processable(items: tuple[ParcelItem, ...]) -> list[Refusal]:
    held = [
        item for item in items if item.fulfilment_status != PROCESSABLE and not _is_cancelled(item)
    ]
    if items and not held:
        return []
    states = ", ".join(sorted({item.fulfilment_status or "unknown to us" for item in held}))
    reason = f"{len(held)} of {len(items)} items are {states} at OTTO"
    remedy = (
        "look the items up at OTTO: an ANNOUNCED item must not leave yet, "
        "an item that is already SENT or RETURNED needs no second report"
    )
    held_ids = tuple(item.position_item_id for item in held)
    return [
        Refusal(
            "items_processable",
            reason if held else "the parcel holds no item",
            remedy if held else "correct the parcel's content in the WMS",
            held_ids,
        )
    ]


def _split_cancelled(
    items: tuple[ParcelItem, ...],
) -> tuple[list[Refusal], tuple[ParcelItem, ...]]:
    cancelled = tuple(item for item in items if _is_cancelled(item))
    if not cancelled:
        return [], items
    refusal = Refusal(
        "item_cancelled_at_otto",
        f"{len(cancelled)} of {len(items)} items were cancelled at OTTO but left the warehouse",
        "stop the parcel or await its return; OTTO pays nothing for these items",
        tuple(item.position_item_id for item in cancelled),
    )
    return [refusal], tuple(item for item in items if not _is_cancelled(item))


def _is_cancelled(item: ParcelItem) -> bool:
    return (item.fulfilment_status or "").startswith("CANCELLED")


def _shown(number: str | None) -> str:
    """A number in a message: bounded, and visible even when it is blanks."""
    return repr((number or "")[:40])
