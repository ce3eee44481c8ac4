"""Master data of the Tryton database that orders point at: company, places, articles, countries.

Belongs here: looking these up once, and saying in plain words which one is missing. Nothing here is
made by us: whoever runs the warehouse sets it up.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from resources.wms.errors import WmsRejected
from resources.wms.tryton.policy import TrytonPolicy
from resources.wms.tryton.rest import Domain, Record, TrytonRest

LOCATION = "stock.location"
PRODUCT = "product.product"


@dataclass(frozen=True)
class Article:
    """A SKU in Tryton: its product, and the unit in which it is counted."""

    product: int
    unit: int


@dataclass(frozen=True)
class Site:
    """Ids of what every shipment needs."""

    company: int
    customer: int
    customer_location: int
    warehouse: int
    storage: int
    """Where units are picked from; what lies below it may be sold."""
    output: int
    storage_code: str
    blocked: dict[str, int] = field(default_factory=dict)
    """Code to id of the locations whose units may not be sold."""


def load_site(rest: TrytonRest, policy: TrytonPolicy) -> Site:
    """Look the site up.

    Raises:
        WmsRejected: something is missing in Tryton; the message names it and the setting.
    """
    fields = ("storage_location", "output_location", "picking_location")
    domain: Domain = [["type", "=", "warehouse"], ["code", "=", policy.warehouse]]
    warehouse = _only(
        rest.read(LOCATION, domain, fields), f"warehouse with code {policy.warehouse!r}"
    )
    customer = _only(
        rest.read(
            "party.party",
            [["code", "=", policy.customer]],
            ("customer_location",),
        ),
        f"party with code {policy.customer!r} (setting wms.tryton.customer)",
    )
    storage = warehouse["picking_location"] or warehouse["storage_location"]
    codes = rest.read(LOCATION, [["id", "=", storage]], ("code", "name"))[0]
    blocked = rest.read_by(LOCATION, "code", policy.blocked_locations, ("code",))
    missing = set(policy.blocked_locations) - {place["code"] for place in blocked}
    if missing:
        raise WmsRejected(
            f"Tryton has no location with code {', '.join(sorted(missing))}: correct "
            "wms.tryton.blocked_locations in the operating model"
        )
    inside: Domain = [["id", "in", [place["id"] for place in blocked]]]
    for place in rest.read(
        LOCATION, [inside, ["parent", "child_of", [storage], "parent"]], ("code",)
    ):
        raise WmsRejected(
            f"location {place['code']!r} lies below the one that Tryton picks from: put it beside, "
            "or blocked units are shipped (docs/wms.md)"
        )
    company = _only(rest.read("company.company", [], ()), "company")
    return Site(
        company=company["id"],
        customer=customer["id"],
        customer_location=customer["customer_location"],
        warehouse=warehouse["id"],
        storage=storage,
        output=warehouse["output_location"],
        storage_code=codes["code"] or codes["name"],
        blocked={place["code"]: place["id"] for place in blocked},
    )


def articles(rest: TrytonRest, skus: Collection[str]) -> dict[str, Article]:
    """Those of `skus` that Tryton has exactly once."""
    found = rest.read_by(PRODUCT, "code", sorted(skus), ("code", "default_uom"))
    once: dict[str, Article] = {}
    for row in found:
        if sum(other["code"] == row["code"] for other in found) == 1:
            once[row["code"]] = Article(row["id"], row["default_uom"])
    return once


def codes_to_ids(rest: TrytonRest, model: str, codes: Collection[str]) -> dict[str, int]:
    """Ids of countries or currencies by their code."""
    return {row["code"]: row["id"] for row in rest.read_by(model, "code", sorted(codes), ("code",))}


def _only(rows: list[Record], what: str) -> Record:
    if len(rows) != 1:
        raise WmsRejected(
            f"Tryton has {len(rows)} of: {what}; this adapter needs exactly one (docs/wms.md)"
        )
    return rows[0]
