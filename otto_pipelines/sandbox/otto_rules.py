"""What the simulated OTTO accepts: shape of shipments, buckets of orders, texts of refusals.

Belongs here: pure rules on values. State belongs to `marketplace`, routes to `otto_server`. Titles
that OTTO documents are used as they are; where its wording is unknown (an unknown carrier, a text
that is no date) the title here is `INVALID_PROPERTY_VALUE`.
"""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from otto_pipelines.sandbox.model import CANCELLED, SalesOrder, Status

PARCEL_CARRIERS = frozenset({"DHL", "DHL_EXPRESS", "DPD", "GLS", "HERMES", "UPS"})
FORWARDERS = frozenset(
    re.findall(
        r"\w+",
        """
        ABIKS AJ AJE BTW BURSPED CARGOLINE CARGOBOARD CTL DACHSER DB_SCHENKER DHL_FREIGHT
        DHL_HOME_DELIVERY DHL_2_MANN_HANDLING DSV ECE EMONS EPH_DIREKT FEDEX FROEDE GEIS GEL
        GRASSL GUETTLER HASENAUER HEPPNER HELLMANN HES HEUEL IDS ISG KIESSLING KOCH KUEHNE_NAGEL
        LOGWIN MEYER_JUMBO MIRJAN ORCARGO PALLETWAYS PEISKER RABEN_LOGISTIK REIMER REITHMEIER
        RHENUS RIECK SCHMIDT_GEVELSBERG SCHOCKEMOEHLE SIEVERS SIMPLE_LOGISTIK SPEEDTRANS SPT
        VERHOEK WEISS ZUFALL OTHER_FORWARDER
        """,
    )
)
RETURN_CARRIERS = frozenset({"DHL", "GLS", "HERMES"})
MODES = ("BUCKET", "AT_LEAST_ONE")
COLUMNS = ("ORDER_LIFECYCLE_DATE", "ORDER_DATE")
DIRECTIONS = ("ASC", "DESC")
_COUNTRY = re.compile(r"[A-Z]{3}")
_OFFSET_WITHOUT_COLON = re.compile(r"([+-]\d{2})(\d{2})$")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is refused."""

    status: int
    title: str
    detail: str
    json_path: str | None = None


class Refusal(Exception):
    """A request that is refused with an HTTP error."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.detail for problem in problems))
        self.problems = problems


def read_time(text: str) -> datetime:
    """An ISO 8601 time with any offset, or a date (00:00Z), as UTC.

    Raises:
        ValueError: it is neither.
    """
    moment = datetime.fromisoformat(_OFFSET_WITHOUT_COLON.sub(r"\1:\2", text.strip()))
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)


def in_bucket(order: SalesOrder, wanted: frozenset[str], mode: str) -> bool:
    """Whether the order belongs to one of the wanted statuses; none wanted means all."""
    if not wanted:
        return True
    present = {item.status for item in order.items}
    if mode == "AT_LEAST_ONE":
        return not wanted.isdisjoint(present)
    return not wanted.isdisjoint(_buckets(present))


def _buckets(present: set[Status]) -> Iterator[Status]:
    yield from present & CANCELLED
    for status in (Status.ANNOUNCED, Status.PROCESSABLE, Status.SENT, Status.RETURNED):
        if status in present:
            yield status
            return


def none_cancellable(order_id: str) -> str:
    """The 409 text for a whole order."""
    return (
        f"No position item in sales order [{order_id}] has a fulfillment status that can be "
        "changed to [CANCELLED_BY_PARTNER]. Fulfillment status needs to be [PROCESSABLE]."
    )


def not_cancellable(order_id: str, item_id: str, status: str) -> str:
    """The 409 text for single items."""
    return (
        f"Fulfillment status of position item [{item_id}] in sales order [{order_id}] can't be "
        f"changed from [{status}] to [CANCELLED_BY_PARTNER]. Fulfillment status needs to be "
        "[PROCESSABLE]."
    )


def shipment_problems(body: Any, at: str = "") -> Iterator[Problem]:
    """All faults in the shape of a shipment request; `at` prefixes the JSON path."""
    if not isinstance(body, dict):
        yield Problem(400, "INVALID_PROPERTY_VALUE", "The body must be an object.", at or "$")
        return
    missing = [
        name
        for name in ("trackingKey", "shipDate", "shipFromAddress", "positionItems")
        if body.get(name) in (None, "", [], {})
    ]
    yield from (_mandatory(at + name) for name in missing)
    if "trackingKey" not in missing:
        yield from _tracking_key_problems(body["trackingKey"], at + "trackingKey")
    if "shipDate" not in missing:
        yield from _ship_date_problems(body["shipDate"], at + "shipDate")
    if "shipFromAddress" not in missing:
        yield from _address_problems(body["shipFromAddress"], at + "shipFromAddress")
    if "positionItems" not in missing:
        key = body.get("trackingKey")
        carrier = key.get("carrier") if isinstance(key, dict) else None
        yield from item_problems(
            body["positionItems"], at + "positionItems", parcel=carrier in PARCEL_CARRIERS
        )


def item_problems(items: Any, at: str, *, parcel: bool) -> Iterator[Problem]:
    """All faults in the shape of a list of position items."""
    if not isinstance(items, list) or not items:
        yield _mandatory(at)
        return
    for place, item in enumerate(items):
        where = f"{at}[{place}]"
        if not isinstance(item, dict):
            yield _invalid(where, "must be an object")
            continue
        for name in ("positionItemId", "salesOrderId"):
            yield from _uuid_problems(item.get(name), f"{where}.{name}", required=True)
        name = "returnAddressCarrierId"
        yield from _uuid_problems(item.get(name), f"{where}.{name}", required=False)
        if parcel or item.get("returnTrackingKey") is not None:
            yield from _return_key_problems(
                item.get("returnTrackingKey"), f"{where}.returnTrackingKey"
            )
    places = {item.get("returnAddressCarrierId") for item in items if isinstance(item, dict)}
    if len(places) > 1:
        yield _invalid(f"{at}[0].returnAddressCarrierId", "must be the same for all items")


def _mandatory(path: str) -> Problem:
    return Problem(400, "PROPERTY_IS_MANDATORY", f"Property [{path}] is mandatory.", path)


def _invalid(path: str, why: str) -> Problem:
    return Problem(400, "INVALID_PROPERTY_VALUE", f"Property [{path}] {why}.", path)


def _tracking_key_problems(key: Any, at: str) -> Iterator[Problem]:
    if not isinstance(key, dict):
        yield _invalid(at, "must be an object")
        return
    carrier, number = key.get("carrier"), key.get("trackingNumber")
    if not carrier:
        yield _mandatory(f"{at}.carrier")
    elif carrier not in PARCEL_CARRIERS | FORWARDERS:
        yield _invalid(f"{at}.carrier", "must be one of the supported carriers")
    if number is not None and not isinstance(number, str):
        yield _invalid(f"{at}.trackingNumber", "must be a string")
    elif not number and carrier not in FORWARDERS:
        yield _mandatory(f"{at}.trackingNumber")


def _return_key_problems(key: Any, at: str) -> Iterator[Problem]:
    if key is None:
        yield _mandatory(at)
    elif not isinstance(key, dict):
        yield _invalid(at, "must be an object")
    else:
        if key.get("carrier") not in RETURN_CARRIERS:
            yield _invalid(f"{at}.carrier", "must be one of DHL, GLS, HERMES")
        if not key.get("trackingNumber"):
            yield _mandatory(f"{at}.trackingNumber")
        elif not isinstance(key["trackingNumber"], str):
            yield _invalid(f"{at}.trackingNumber", "must be a string")


def _ship_date_problems(text: Any, at: str) -> Iterator[Problem]:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) and "T" in text else None
    except ValueError:
        moment = None
    if moment is None:
        yield _invalid(at, "must be an ISO 8601 date-time")
    elif moment.tzinfo is None:
        yield _invalid(at, "must be in UTC")


def _address_problems(address: Any, at: str) -> Iterator[Problem]:
    if not isinstance(address, dict):
        yield _invalid(at, "must be an object")
        return
    for name, longest in (("city", 60), ("zipCode", 10), ("countryCode", 3)):
        value = address.get(name)
        if value in (None, ""):
            yield _mandatory(f"{at}.{name}")
        elif not isinstance(value, str) or len(value) > longest:
            yield _invalid(f"{at}.{name}", f"must be a string of 1 to {longest} characters")
        elif name == "countryCode" and not _COUNTRY.fullmatch(value):
            yield _invalid(f"{at}.{name}", "must be an ISO 3166-1 alpha-3 code")


def _uuid_problems(value: Any, at: str, *, required: bool) -> Iterator[Problem]:
    if value in (None, ""):
        if required:
            yield _mandatory(at)
        return
    try:
        uuid.UUID(str(value))
    except ValueError:
        yield _invalid(at, "must be a UUID")
