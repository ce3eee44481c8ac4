"""Real payloads to be mutated, as the sandbox and the double of Ongoing answer them.

Belongs here: `python -m tests.hostile.corpus`, which makes `corpus.json` anew, and reading it. The
file is kept, so that a seed means the same mutations until somebody makes it anew.
"""

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("corpus.json")
MOST_ROWS = 10

Document = dict[str, Any]


@cache
def corpus() -> dict[str, list[Document]]:
    """Rows of each kind of payload by its name; nobody may change them."""
    found: dict[str, list[Document]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def _various(rows: list[Document]) -> list[Document]:
    """A few rows that differ in which fields they have and in short words such as a status."""
    chosen: dict[str, Document] = {}
    for row in sorted(rows, key=lambda row: len(json.dumps(row))):
        chosen.setdefault(_shape(row), row)
    found = list(chosen.values())
    return found[:: max(1, len(found) // MOST_ROWS)][:MOST_ROWS]


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{_shape(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + "|".join(sorted({_shape(part) for part in value})) + "]"
    return value if isinstance(value, str) and value.isupper() else type(value).__name__


def _of_sandbox() -> dict[str, list[Document]]:
    from tests.sandbox.conftest import _selling
    from tests.sandbox.test_sandbox_money_life import BUSY, SCOPES, _accept_what_came

    found: dict[str, list[Document]] = {"orders": []}
    with _selling(**BUSY) as seller:
        returned: list[Document] = []
        cursor = None
        for step in range(24 * 8 // 4):
            seller.advance(hours=4)
            seller.log_in(f"{SCOPES} products availability")
            if step == 4:
                found["orders"] += seller.orders()
            seller.work()
            page = seller.wms.get("/v1/returns", params={"cursor": cursor} if cursor else {})
            returned += page.json()["receipts"]
            cursor = _accept_what_came(seller, cursor)
        orders = seller.orders()
        found["orders"] += orders
        refs = [order["salesOrderId"] for order in orders][:60]
        found["wms_orders"] = seller.wms.get("/v1/orders", params={"ref": refs}).json()["orders"]
        found["events"] = seller.events
        found["wms_returns"] = returned
        found["levels"] = seller.wms.get("/v1/stock").json()["levels"]
        found["receipts"] = seller.receipts()
        found["returns"] = seller.pages("/v3/returns", "positionItems")
        found["return_shipments"] = seller.pages(
            "/v1/return-shipments", "resources", datefrom="2026-06-08T00:00:00.000Z"
        )
        found["reductions"] = seller.pages("/v1/price-reductions", "results")
        found["prices"] = seller.pages("/v5/products/prices", "variationPrices")
        found["active"] = seller.pages("/v5/products/active-status", "status")
        found["marketplace"] = seller.pages("/v5/products/marketplace-status", "marketPlaceStatus")
        wanted = [{"sku": row["sku"], "quantity": 3} for row in found["prices"][:4]]
        seller.otto.post("/v1/availability/quantities", json=wanted).raise_for_status()
        quantities = seller.otto.get("/v1/availability/quantities").json()
        found["quantities"] = quantities["resources"]["variations"]
    discounted = [order for order in found["orders"] if order.get("initialDiscounts")]
    chosen = {name: _various(rows) for name, rows in found.items()}
    return chosen | {"orders": chosen["orders"] + _various(discounted)[:4]}


def _of_ongoing() -> dict[str, list[Document]]:
    import httpx

    from tests.conformance.ongoing_operator import OngoingOperator
    from tests.resources.wms.files_partner import an_order
    from tests.resources.wms.ongoing_server import KEY, OWNER

    with tempfile.TemporaryDirectory() as folder:
        operator = OngoingOperator(Path(folder))
        server = operator._server
        for sku in ("A", "B"):
            server.receive(sku, 5)
        operator.port.submit_orders([an_order("order-1"), an_order("order-2")])
        server.pick("order-1", without=("l2",))
        server.pack("order-1", [["l1"]], ["4711"])
        server.send("order-1")
        server.grade(server.take_back("order-1", ["l1"], "RESTOCK", "4711"), ["RESTOCK"])
        user, _, password = KEY.partition(":")
        found = {}
        for name, path, query in (
            ("ongoing_orders", "orders", {"orderIdFrom": 0, "maxOrdersToGet": 100}),
            ("ongoing_articles", "articles", {"articleSystemIdFrom": 0, "maxArticlesToGet": 100}),
            ("ongoing_returns", "returnOrders", {"goodsReturnedFromDate": "2020-01-01T00:00:00Z"}),
        ):
            query |= {"goodsOwnerId": OWNER}
            url = f"{server.url}/{path}"
            found[name] = httpx.get(url, params=query, auth=(user, password)).json()
        operator.close()
    return found


if __name__ == "__main__":
    made = _of_sandbox() | _of_ongoing()
    FILE.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for kind, rows in made.items():
        print(f"{kind}: {len(rows)} rows")  # noqa: T201
