"""Availability of the simulated OTTO: quantities, sent in batches, read back by SKU or by page.

Belongs here: the shapes and texts of this interface. Figures belong to `otto_stock`, tokens and
scopes to `otto_server`. Every third SKU's numbers are written as text, as the real interface does
in its own examples.
"""

import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec

from otto_pipelines.sandbox.http_server import Answer, Request, json_answer
from otto_pipelines.sandbox.otto_stock import Figure
from otto_pipelines.sandbox.otto_wire import zulu_time
from otto_pipelines.sandbox.world import World

SCOPE = "availability"
PATH = "/v1/availability/quantities"
_PAGE = 200
_LARGEST = 999_999_999


def routes(world: World) -> dict[str, tuple[str, Callable[[Request], Answer]]]:
    """Routes with their scope, for the table of `otto_server`."""
    quantities = _Quantities(world)
    return {
        f"POST {PATH}": (SCOPE, quantities.store),
        f"GET {PATH}": (SCOPE, quantities.page),
        f"GET {PATH}/*": (SCOPE, quantities.one),
    }


class _Quantities:
    """Handlers; they hold the world's lock."""

    def __init__(self, world: World) -> None:
        self._shelf = world.shelf
        self._most = world.config.availability_batch_limit

    def store(self, request: Request) -> Answer:
        """Take each good figure, name each bad one."""
        try:
            rows = request.json()
        except msgspec.DecodeError:
            rows = None
        if not isinstance(rows, list) or not rows:
            return _refused(400, "BAD_REQUEST", f"The body is no list of 1 to {self._most} items.")
        if len(rows) > self._most:
            return _refused(413, "PAYLOAD_TOO_LARGE", f"At most {self._most} items are allowed.")
        results: list[dict[str, Any]] = []
        faults: list[tuple[Any, str]] = []
        for row in rows:
            sku, quantity = _pair(row)
            fault = self._fault(sku, quantity)
            if fault:
                faults.append((sku, fault))
            else:
                results.append(_listed(self._shelf.accept(sku, quantity)))
        if not faults:
            return json_answer(200, {})
        status = 207 if results else 422
        body: dict[str, Any] = {"errors": [_error(status, sku, fault) for sku, fault in faults]}
        return json_answer(status, {"results": results} | body if results else body)

    def _fault(self, sku: Any, quantity: Any) -> str | None:
        if not isinstance(sku, str) or not sku.strip():
            return f"Error: [sku must not be empty] for SKU: {sku if sku == '' else 'null'}"
        if type(quantity) is not int or not 0 <= quantity <= _LARGEST:
            return f"Invalid quantity. Quantity should be an absolute number for SKU: {sku}"
        if not self._shelf.knows(sku):
            return f"Error: SKU is unknown for SKU: {sku}"
        return None

    def page(self, request: Request) -> Answer:
        """Figures by SKU; the cursor is the last SKU. Deprecated `limit`, `page` are ignored."""
        figures, more = self._shelf.after(request.first("cursor"), _PAGE)
        links = [{"rel": "self", "href": PATH}]
        if more:
            cursor = quote(figures[-1].sku, safe="")
            links.append({"rel": "next", "href": f"{PATH}?cursor={cursor}"})
        variations = [_listed(figure) for figure in figures]
        return json_answer(200, {"resources": {"variations": variations}, "links": links})

    def one(self, request: Request) -> Answer:
        """The figure of one SKU; 404 where none was ever sent."""
        sku = request.segments[3]
        figure = self._shelf.figure(sku)
        if figure is None:
            return _refused(404, "NOT_FOUND", f"No quantity found for SKU: {sku}")
        return json_answer(200, _brief(figure))


def _pair(row: Any) -> tuple[Any, Any]:
    return (row.get("sku"), row.get("quantity")) if isinstance(row, dict) else (None, None)


def _as_written(number: int, sku: Any) -> int | str:
    return str(number) if zlib.crc32(str(sku).encode()) % 3 == 0 else number


def _brief(figure: Figure) -> dict[str, Any]:
    return {
        "sku": figure.sku,
        "quantity": _as_written(figure.quantity, figure.sku),
        "lastModified": zulu_time(figure.last_modified),
    }


def _listed(figure: Figure) -> dict[str, Any]:
    href = f"{PATH}/{quote(figure.sku, safe='')}"
    return _brief(figure) | {"links": [{"rel": "self", "href": href}]}


def _error(code: int, sku: Any, detail: str) -> dict[str, Any]:
    return {
        "code": _as_written(code, sku),
        "title": "QUANTITY_NOT_STORED",
        "detail": detail,
        "logref": sku if isinstance(sku, str) else "null",
        "path": PATH.removeprefix("/v1"),
    }


def _refused(code: int, title: str, detail: str) -> Answer:
    path = PATH.removeprefix("/v1")
    error = {"code": code, "title": title, "detail": detail, "logref": "", "path": path}
    return json_answer(code, {"errors": [error]})
