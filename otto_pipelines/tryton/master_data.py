"""What a seller sets up once in a new Tryton: company, places, package types, carriers, articles.

Belongs here: records over Tryton's own interface, as `docs/wms.md` asks for them. It makes the
Tryton of demos and tests; in a real one, people do this in Tryton's client.
"""

import base64
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

import httpx

from resources.operating_model import Http
from resources.wms.tryton.rest import Record, TrytonRest

ADMIN_PASSWORD = "tryton-sandbox"  # noqa: S105 - of a throw-away database on this machine
CUSTOMER = "OTTO"
RETURN_LABEL = "Return label"
PARCEL = "Parcel"
CARRIERS = ("DHL-PAKET", "HERMES-STD", "DPD-CLASSIC", "GLS-BUSINESS", "UPS-STD")
_HTTP = Http(timeout_seconds=60)
_GROUPS = ("Stock", "Stock Administration")


def set_up(url: str) -> dict[str, str]:
    """Fill a fresh database; returns the keys of the users `floor` and `adapter`."""
    keys = {"floor": _key(url, "admin")}
    rest = TrytonRest(url, keys["floor"], _HTTP)
    try:
        company = _company(rest)
        _user(
            rest, company, "admin", [row["name"] for row in rest.read("res.group", [], ("name",))]
        )
        _user(rest, company, "adapter", _GROUPS)
        keys["adapter"] = _key(url, "adapter")
        _places(rest)
        for kind in (PARCEL, RETURN_LABEL):
            rest.create("stock.package.type", {"name": kind})
        rest.create("party.party", {"name": "OTTO Market", "code": CUSTOMER})
        _carriers(rest, company)
    finally:
        rest.close()
    return keys


def add_articles(rest: TrytonRest, skus: Collection[str]) -> None:
    """Make those articles that Tryton does not have yet."""
    known = {row["code"] for row in rest.read_by("product.product", "code", list(skus), ("code",))}
    for sku in skus:
        if sku not in known:
            variant = ["create", [{"suffix_code": sku}]]
            _template(rest, sku, "goods", [variant])


def count(rest: TrytonRest, location: str, units: Mapping[str, int]) -> None:
    """Take an inventory: from now on so many units of each SKU lie at the location (its code)."""
    products = {
        row["code"]: row["id"]
        for row in rest.read_by("product.product", "code", list(units), ("code",))
    }
    place = rest.read("stock.location", [["code", "=", location]], ())[0]["id"]
    lines = [{"product": products[sku], "quantity": number} for sku, number in units.items()]
    company = _company_id(rest)
    inventory = rest.create(
        "stock.inventory",
        {"location": place, "company": company, "lines": [["create", lines]]},
    )
    context = {"company": company, "_skip_warnings": True}
    rest.act("stock.inventory", inventory["id"], "confirm", context)


class Session:
    """What the REST interface does not offer, over the interface of Tryton's own client."""

    def __init__(self, url: str, login: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=60)
        given = [login, {"password": ADMIN_PASSWORD}, "en"]
        user, token, *_ = self.call("common.db.login", given)
        self.user = int(user)
        session = base64.b64encode(f"{login}:{user}:{token}".encode()).decode()
        self._client.headers["Authorization"] = f"Session {session}"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(self, method: str, params: list[Any]) -> Any:
        """Call a method; its context is the last parameter."""
        answer = self._client.post("/rpc/", json={"id": 1, "method": method, "params": params})
        told = answer.json()
        if "result" not in told:
            raise RuntimeError(f"Tryton refuses {method}: {told.get('error')}")
        return told["result"]


def _key(url: str, login: str) -> str:
    """A key for the REST interface; only a session can make it."""
    session = Session(url, login)
    try:
        values = {"user": session.user, "application": "rest"}
        made = session.call("model.res.user.application.create", [[values], {}])
        read = session.call("model.res.user.application.read", [made, ["key"], {}])
        return str(read[0]["key"])
    finally:
        session.close()


def _company(rest: TrytonRest) -> int:
    euro = rest.create(
        "currency.currency",
        {"name": "Euro", "code": "EUR", "symbol": "€", "digits": 2, "rounding": Decimal("0.01")},
    )
    for code, name in (("DE", "Germany"), ("AT", "Austria"), ("CH", "Switzerland")):
        rest.create("country.country", {"code": code, "name": name})
    seller = rest.create("party.party", {"name": "Seller"})
    return int(
        rest.create("company.company", {"party": seller["id"], "currency": euro["id"]})["id"]
    )


def _company_id(rest: TrytonRest) -> int:
    return int(rest.read("company.company", [], ())[0]["id"])


def _user(rest: TrytonRest, company: int, login: str, groups: Collection[str]) -> None:
    ids = [row["id"] for row in rest.read_by("res.group", "name", list(groups), ())]
    values: Record = {
        "groups": [["add", ids]],
        "companies": [["add", [company]]],
        "company": company,
    }
    found = rest.read("res.user", [["login", "=", login]], ())
    if found:
        rest.write("res.user", found[0]["id"], values)
    else:
        rest.create(
            "res.user", {"name": login, "login": login, "password": ADMIN_PASSWORD, **values}
        )


def _places(rest: TrytonRest) -> None:
    """Beside the place that is picked from: what came back damaged, and what is to be destroyed."""
    storage = rest.read("stock.location", [["code", "=", "STO"]], ())[0]["id"]
    made = {}
    for code, name in (("PICK", "Picking"), ("QUAR", "Quarantine"), ("SCRAP", "To be destroyed")):
        values = {"code": code, "name": name, "type": "storage", "parent": storage}
        made[code] = rest.create("stock.location", values)["id"]
    warehouse = rest.read("stock.location", [["type", "=", "warehouse"]], ())[0]["id"]
    rest.write("stock.location", warehouse, {"picking_location": made["PICK"]})


def _carriers(rest: TrytonRest, company: int) -> None:
    transport = _template(rest, "Transport", "service", [["create", [{}]]], company)
    product = rest.read("product.product", [["template", "=", transport]], ())[0]["id"]
    for name in CARRIERS:
        party = rest.create("party.party", {"name": name})["id"]
        rest.create("carrier", {"party": party, "carrier_product": product})


def _template(
    rest: TrytonRest, name: str, kind: str, products: list[Any], company: int | None = None
) -> int:
    unit = rest.read("product.uom", [["symbol", "=", "u"]], ())[0]["id"]
    values = {
        "name": name,
        "type": kind,
        "default_uom": unit,
        "list_price": Decimal(0),
        "products": products,
    }
    context = {"company": company or _company_id(rest)}
    return int(rest.create("product.template", values, context=context)["id"])
