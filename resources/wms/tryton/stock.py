"""Stock in Tryton: levels of articles, and which articles changed.

Belongs here: what counts as on hand, reserved and blocked. Units below the location that shipments
pick from may be sold; those at the blocked locations may not. A unit is reserved from the moment at
which its order waits in the warehouse until it is picked, whether or not Tryton has assigned it.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from resources.wms.port import StockChanges, StockLevel, StockPage
from resources.wms.tryton.books import MOVE, SHIPMENT, Books
from resources.wms.tryton.feed import Row, Window, row
from resources.wms.tryton.rest import Domain, Record, TrytonRest
from resources.wms.tryton.site import PRODUCT, Site

_PAGE = 500
_CHANGES_AT_ONCE = 1000
# What changed longer ago is found by the whole list only.
_REMEMBERED = timedelta(hours=24)


def stock_page(rest: TrytonRest, site: Site, skus: list[str] | None, page: str | None) -> StockPage:
    """One page of levels, by product."""
    domain: Domain = [["template.type", "=", "goods"], ["code", "!=", None]]
    if skus is not None:
        domain.append(["code", "in", skus])
    if page is not None:
        domain.append(["id", ">", int(page)])
    products, as_of = rest.read_at(
        PRODUCT, domain, ("code", "quantity"), order=[("id", "ASC")], limit=_PAGE,
        context=_at(site.storage),
    )  # fmt: skip
    ids = [product["id"] for product in products]
    reserved = _reserved(rest, site, ids)
    levels = [
        _level(product, site.storage_code, as_of, reserved=reserved[product["id"]])
        for product in products
    ]
    for code, location in site.blocked.items():
        lying = rest.read(PRODUCT, [["id", "in", ids]], ("code", "quantity"), context=_at(location))
        levels += [
            _level(product, code, as_of, blocked=max(0, round(product["quantity"])))
            for product in lying
            if product["quantity"]
        ]
    full = len(products) == _PAGE
    return StockPage(
        levels=tuple(levels),
        next_page=str(ids[-1]) if full else None,
        snapshot_at=as_of,
        complete=skus is None,
    )


def stock_changes(
    rest: TrytonRest, books: Books, site: Site, cursor: str | None, overlap: timedelta
) -> StockChanges:
    """Articles of which units moved, or were promised, since the cursor."""
    begin = None if cursor is not None else _now(rest, site) - _REMEMBERED
    window = Window(cursor, overlap, begin)
    news = window.news(
        [*_moved(rest, site, window), *_promised(rest, books, window)], _CHANGES_AT_ONCE
    )
    orders = {value for kind, value in news.items if kind == "order"}
    claims = books.claims(orders).values() if orders else ()
    skus = [value for kind, value in news.items if kind == "sku"]
    skus += [line.sku for claim in claims for line in claim.record.lines]
    return StockChanges(
        skus=tuple(dict.fromkeys(skus)), next_cursor=news.cursor, has_more=news.more
    )


def _moved(rest: TrytonRest, site: Site, window: Window) -> Iterable[Row[tuple[str, str]]]:
    places = [site.storage, *site.blocked.values()]
    domain: Domain = [
        ["last_modified_at", ">=", window.since],
        [
            "OR",
            ["from_location", "child_of", places, "parent"],
            ["to_location", "child_of", places, "parent"],
        ],
    ]
    for move in rest.read(MOVE, domain, ("product.code", "last_modified_at")):
        if move["product"]["code"]:
            yield row(("sku", move["product"]["code"]), move["id"], [move["last_modified_at"]])


def _promised(rest: TrytonRest, books: Books, window: Window) -> Iterable[Row[tuple[str, str]]]:
    """Orders that changed: a promise that is taken back leaves no move behind."""
    domain: Domain = [
        ["last_modified_at", ">=", window.since],
        ["customer.code", "=", books.customer],
        ["number", "!=", None],
    ]
    for shipment in rest.read(SHIPMENT, domain, ("reference", "last_modified_at")):
        # Below zero, so that a shipment's id is never taken for a move's.
        yield row(
            ("order", shipment["reference"] or ""), -shipment["id"], [shipment["last_modified_at"]]
        )


def _reserved(rest: TrytonRest, site: Site, products: list[int]) -> dict[int, int]:
    units: dict[int, int] = defaultdict(int)
    domain: Domain = [
        ["product", "in", products],
        ["state", "in", ["draft", "assigned"]],
        ["from_location", "child_of", [site.storage], "parent"],
        ["to_location", "=", site.output],
    ]
    for move in rest.read(MOVE, domain, ("product", "quantity")):
        units[move["product"]] += round(move["quantity"])
    return units


def _level(
    product: Record, location: str, as_of: datetime, *, reserved: int = 0, blocked: int = 0
) -> StockLevel:
    return StockLevel(
        sku=product["code"],
        location=location,
        on_hand=round(product["quantity"]),
        reserved=reserved,
        blocked=blocked,
        as_of=as_of,
    )


def _at(location: int) -> Record:
    return {"locations": [location], "with_childs": True}


def _now(rest: TrytonRest, site: Site) -> datetime:
    return rest.read_at("stock.location", [["id", "=", site.warehouse]], ())[1]
