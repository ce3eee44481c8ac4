"""The part of the control API that is about stock: what is true of it, and what happens to it.

Each returns a JSON value. Wrong values are ValueErrors and KeyErrors, as everywhere in `control`.
"""

import time
from collections.abc import Callable
from typing import Any

from otto_pipelines.sandbox import wms_stock
from otto_pipelines.sandbox.config import SandboxError
from otto_pipelines.sandbox.stock import Level
from otto_pipelines.sandbox.truth import stock
from otto_pipelines.sandbox.world import World

Control = Callable[[dict[str, Any]], Any]


class StockControl:
    """Reads and moves the stock of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Control]:
        """What answers under `/_sandbox/stock`."""
        return {
            "GET /_sandbox/stock": self._read,
            "POST /_sandbox/stock/receive": self._receive,
            "POST /_sandbox/stock/adjust": self._adjust,
            "POST /_sandbox/stock/short": self._short,
            "POST /_sandbox/stock/list": self._list,
        }

    def _read(self, body: dict[str, Any]) -> Any:
        """Both sides of every SKU, or of `sku`."""
        return stock(self._world, body.get("sku"))

    def _receive(self, body: dict[str, Any]) -> Any:
        """Goods in: `quantity` of `sku`, at `location` or the article's first one."""
        sku = self._known(body)
        quantity = _whole(body, "quantity")
        level = self._world.warehouse.stock.receive(sku, body.get("location"), quantity)
        return self._described(level)

    def _adjust(self, body: dict[str, Any]) -> Any:
        """A count (`on_hand`), a quarantine (`blocked`), a loss that nobody sees (`missing`)."""
        sku, location = self._known(body), body.get("location")
        stockroom = self._world.warehouse.stock
        moves = {"on_hand": stockroom.count, "blocked": stockroom.block, "missing": stockroom.lose}
        given = {name: _whole(body, name) for name in moves if name in body}
        if not given:
            raise ValueError(f"give one or more of {', '.join(moves)}")
        for name, value in given.items():
            level = moves[name](sku, location, value)
        return self._described(level)

    def _short(self, body: dict[str, Any]) -> Any:
        """The next line of `sku` (of `sales_order_id`) is not found; `backorder`: it follows."""
        sku, order_ref = self._known(body), body.get("sales_order_id")
        backorder = bool(body.get("backorder", False))
        line = self._world.warehouse.short_now(sku, order_ref, backorder=backorder)
        if line is None:
            raise SandboxError(f"no order in the warehouse waits for {sku} to be picked")
        return {"sku": sku, "position_item_id": line, "happened_at": time.time()}

    def _list(self, body: dict[str, Any]) -> Any:
        """Let the WMS's stock list be wrong (`fault`), or right again (null)."""
        fault = body["fault"]
        if fault is not None and fault not in wms_stock.FAULTS:
            raise ValueError(f"fault {fault!r}: null or one of {wms_stock.FAULTS}")
        self._world.stock_list.use(fault)
        return {"fault": fault}

    def _known(self, body: dict[str, Any]) -> str:
        sku = body["sku"]
        if sku not in self._world.warehouse.stock:
            raise ValueError(f"the warehouse has no article {sku!r}")
        return str(sku)

    def _described(self, level: Level) -> Any:
        return self._world.stock_truth.describe(level.sku) | {"happened_at": time.time()}


def _whole(body: dict[str, Any], name: str) -> int:
    value = body[name]
    if type(value) is not int or value < 0:
        raise ValueError(f"{name}={value!r}: a whole number from 0 on")
    return value
