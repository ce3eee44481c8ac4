"""Products V5 of the simulated OTTO, as far as it is read: prices, active and marketplace status.

Belongs here: shapes, filters and paging. The articles come from `assortment` and `catalogue`; their
sales and states follow from the SKU, so that they are the same in every run.
"""

import zlib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from otto_pipelines.sandbox import catalogue
from otto_pipelines.sandbox.assortment import Assortment
from otto_pipelines.sandbox.http_server import Answer, Request, json_answer
from otto_pipelines.sandbox.otto_reading import Handler, bad_request, moment, not_found, number
from otto_pipelines.sandbox.otto_wire import amount_json, zulu_time

SCOPE = "products"
PATH = "/v5/products"
STATUSES = ("PENDING", "ONLINE", "RESTRICTED", "REJECTED", "INACTIVE")
_SALE_EVERY, _RESTRICTED_EVERY = 5, 13
_SALE_DAYS = 14
_DATASHEET = {"code": "800020 - PRODUCTDATASHEET_MISSING", "title": "Product data sheet missing"}

_Wire = Callable[[str], dict[str, Any]]


def routes(goods: Assortment, start: datetime) -> dict[str, tuple[str, Handler]]:
    """Routes with their scope, for the table of `otto_server`; sales begin around `start`."""
    products = _Products(goods, start)
    forms: dict[str, tuple[str, _Wire, int]] = {
        "": ("productVariations", products.variation, 100),
        "/prices": ("variationPrices", products.prices, 100),
        "/active-status": ("status", products.active, 100),
        "/marketplace-status": ("marketPlaceStatus", products.marketplace, 1000),
    }
    table: dict[str, tuple[str, Handler]] = {}
    for tail, (key, wire, most) in forms.items():
        table[f"GET {PATH}{tail}"] = (SCOPE, partial(products.page, PATH + tail, key, wire, most))
        table[f"GET {PATH}/*{tail}"] = (SCOPE, partial(products.one, wire))
    return table


class _Products:
    """Handlers and the wire form of an article."""

    def __init__(self, goods: Assortment, start: datetime) -> None:
        self._skus = sorted(goods.at_otto)
        self._orphans = frozenset(goods.orphans)
        self._start = start

    def page(self, path: str, key: str, wire: _Wire, most: int, request: Request) -> Answer:
        """A page, counted from 0; `sku` may be given several times."""
        limit = number(request, "limit", default=100, most=most)
        page = number(request, "page", default=0, least=0)
        entries = [wire(sku) for sku in self._chosen(request)]
        if key == "marketPlaceStatus":
            entries = self._by_status(request, entries)
        begin = page * limit
        links = [{"rel": "self", "href": f"{path}?page={page}&limit={limit}"}]
        if begin + limit < len(entries):
            kept = "".join(
                f"&{quote(name, safe='')}={quote(value, safe='')}"
                for name, value in request.query
                if name not in {"page", "limit"}
            )
            href = f"{path}?page={page + 1}&limit={limit}{kept}"
            links.append({"rel": "next", "href": href})
        return json_answer(200, {key: entries[begin : begin + limit], "links": links})

    def one(self, wire: _Wire, request: Request) -> Answer:
        """One article; 404 for an unknown one."""
        sku = request.segments[2]
        if sku not in self._skus:
            raise not_found(f"Product [{sku}] not found.")
        return json_answer(200, wire(sku))

    def variation(self, sku: str) -> dict[str, Any]:
        """A ProductVariation, in its main parts."""
        product = catalogue.product(sku)
        vat = "FULL" if product.vat_rate == 19 else "REDUCED"
        return {
            "productReference": product.article_number,
            "sku": sku,
            "ean": product.ean,
            "pricing": self._pricing(sku) | {"vat": vat},
        }

    def prices(self, sku: str) -> dict[str, Any]:
        """A SkuPricing."""
        return {"sku": sku} | self._pricing(sku)

    def active(self, sku: str) -> dict[str, Any]:
        """An ActiveStatus."""
        return {
            "sku": sku,
            "active": sku not in self._orphans,
            "lastModified": zulu_time(self._changed(sku)),
        }

    def marketplace(self, sku: str) -> dict[str, Any]:
        """A MarketPlaceStatus; an article without a data sheet is restricted."""
        restricted = _mark(sku) % _RESTRICTED_EVERY == 0
        status = "RESTRICTED" if restricted else "ONLINE"
        return {
            "sku": sku,
            "moin": f"M{_mark(sku):010d}",
            "status": "INACTIVE" if sku in self._orphans else status,
            "errors": [_DATASHEET] if restricted else [],
            "information": [],
            "lastModified": zulu_time(self._changed(sku)),
        }

    def _chosen(self, request: Request) -> list[str]:
        wanted = {value for name, value in request.query if name == "sku"}
        return [sku for sku in self._skus if not wanted or sku in wanted]

    def _by_status(self, request: Request, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Filtered by status and time of change, the newest change first unless asked."""
        wanted = {value for name, value in request.query if name == "marketPlaceStatus"}
        direction = (request.first("sort-order") or "desc").lower()
        if not wanted <= set(STATUSES) or direction not in {"asc", "desc"}:
            raise bad_request("marketPlaceStatus or sort-order is unknown.")
        since = moment(request, "fromDate")
        first = zulu_time(since) if since else ""
        found = [
            entry
            for entry in entries
            if (not wanted or entry["status"] in wanted) and entry["lastModified"] >= first
        ]
        found.sort(key=lambda entry: str(entry["lastModified"]), reverse=direction == "desc")
        return found

    def _pricing(self, sku: str) -> dict[str, Any]:
        standard = catalogue.product(sku).price_cents
        pricing: dict[str, Any] = {"standardPrice": amount_json(standard)}
        if _mark(sku) % _SALE_EVERY == 0:
            begin = self._start - timedelta(days=_mark(sku) % 7)
            pricing["sale"] = {
                "salePrice": amount_json(standard * 85 // 100),
                "startDate": zulu_time(begin),
                "endDate": zulu_time(begin + timedelta(days=_SALE_DAYS)),
            }
        return pricing

    def _changed(self, sku: str) -> datetime:
        return self._start - timedelta(hours=_mark(sku) % 500)


def _mark(sku: str) -> int:
    """A number that belongs to the SKU."""
    return zlib.crc32(sku.encode())
