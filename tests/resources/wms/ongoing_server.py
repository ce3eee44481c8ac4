"""A small Ongoing WMS on 127.0.0.1, written from the vendor's documented requests and answers.

It keeps what the adapter needs: orders as an upsert by number with rows, statuses, picked items in
parcels, return labels, back orders as orders of their own, reported numbers, articles with
inventory, return orders. The methods are what people in the warehouse do.
"""

import base64
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

OWNER = 159
KEY = "rest-user:pass:word"
STATUSES = {
    150: "Error",
    200: "Open",
    300: "Released",
    320: "Allocated",
    400: "Picked",
    450: "Sent",
    500: "Collected",
    1000: "Cancelled",
}
_CHANGEABLE = {150, 200, 300}


class Refusal(Exception):
    """An answer of 4xx."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class OngoingServer:
    """One installation with one goods owner."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.orders: dict[int, dict[str, Any]] = {}
        self.articles: dict[str, dict[str, Any]] = {}
        self.returns: dict[int, dict[str, Any]] = {}
        self.requests: list[str] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        """Status and headers of the next answers; nothing happens then."""
        self.to_lose = 0
        """So many changes happen without an answer."""
        self._ids = 1000
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, answer = server._answer(
                    self.command, self.path, self.headers.get("Authorization", ""), body
                )
                if status == 0:
                    self.close_connection = True
                    return
                content = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_DELETE = do_PATCH = _serve

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/system/api/v1"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    # What people do

    def receive(self, sku: str, units: int) -> None:
        with self.lock:
            article = self.articles.setdefault(
                sku, {"id": self._next_id(), "units": 0, "locked": 0, "changed": _now()}
            )
            article["units"] += units
            article["changed"] = _now()

    def lock_items(self, sku: str, units: int) -> None:
        with self.lock:
            self.articles[sku]["locked"] += units
            self.articles[sku]["changed"] = _now()

    def status(self, number: str, status: int) -> None:
        with self.lock:
            self._touch(self.held(number), status)

    def pick(self, number: str, without: tuple[str, ...] = ()) -> None:
        with self.lock:
            order = self.held(number)
            for line in order["lines"]:
                found = line["row"] not in without
                line["picked"] = line["ordered"] if found else 0
                if found:
                    self.articles[line["sku"]]["units"] -= line["ordered"]
                    self.articles[line["sku"]]["changed"] = _now()
            self._touch(order, 400)

    def pack(self, number: str, boxes: list[list[str]], labels: list[str]) -> list[str]:
        """Put rows into parcels; returns their numbers."""
        with self.lock:
            order = self.held(number)
            numbers = []
            for rows in boxes:
                parcel_id = self._next_id()
                numbers.append(f"00370{parcel_id}")
                order["parcels"].append(
                    {"id": parcel_id, "parcelNumber": numbers[-1], "isReturnParcel": False}
                )
                for line in order["lines"]:
                    if line["row"] in rows:
                        line["parcel"] = parcel_id
            for label in labels:
                order["parcels"].append(
                    {"id": self._next_id(), "parcelNumber": label, "isReturnParcel": True}
                )
            self._touch(order, order["status"])
            return numbers

    def send(self, number: str) -> None:
        with self.lock:
            order = self.held(number)
            order["shipped"] = _now()
            self._touch(order, 450)

    def back_order(self, number: str, rows: list[str]) -> str:
        """What is left open gets an order of its own with the same rows; returns its number."""
        with self.lock:
            first = self.held(number)
            order = self._new_order(f"{number}-B{self._next_id()}")
            order.update(body=first["body"], follows=first["id"])
            order["lines"] = [
                {**line, "id": self._next_id(), "picked": 0, "parcel": None, "reported": None}
                for line in first["lines"]
                if line["row"] in rows
            ]
            self._touch(first, first["status"])
            return str(order["number"])

    def split(self, number: str, rows: list[str]) -> str:
        """Move rows that are not picked into an order of their own; returns its number."""
        with self.lock:
            later = self.back_order(number, rows)
            first = self.held(number)
            first["lines"] = [line for line in first["lines"] if line["row"] not in rows]
            return later

    def take_out(self, number: str, row: str) -> None:
        with self.lock:
            order = self.held(number)
            self._touch(order, order["status"])
            order["lines"] = [line for line in order["lines"] if line["row"] != row]

    def grade(self, return_id: int, statuses: list[str]) -> None:
        """Book what came back: on a shelf, locked, or as waste."""
        with self.lock:
            found = self.returns[return_id]
            found["statuses"] = statuses
            for (_, sku), status in zip(found["rows"], statuses, strict=True):
                self.articles[sku]["units"] += status != "SCRAP"
                self.articles[sku]["locked"] += status == "QUARANTINE"
                self.articles[sku]["changed"] = _now()

    def renumber(self, number: str, old: str, new: str) -> None:
        with self.lock:
            order = self.held(number)
            for parcel in order["parcels"]:
                if parcel["parcelNumber"] == old:
                    parcel["parcelNumber"] = new
            self._touch(order, order["status"])

    def take_back(
        self, number: str, rows: list[str], status: str | None, label: str | None = None
    ) -> int:
        with self.lock:
            order = self.held(number)
            return_id = self._next_id()
            self.returns[return_id] = {
                "order": order["number"],
                "rows": [
                    (line["row"], line["sku"]) for line in order["lines"] if line["row"] in rows
                ],
                "statuses": [status] * len(rows),
                "removed": [False] * len(rows),
                "time": _now(),
                "label": label,
            }
            return return_id

    def held(self, number: str) -> dict[str, Any]:
        return next(order for order in self.orders.values() if order["number"] == number)

    # The interface

    def _answer(
        self, method: str, path: str, authorization: str, body: bytes
    ) -> tuple[int, dict[str, str], Any]:
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        with self.lock:
            self.requests.append(f"{method} {parts.path.removeprefix('/system/api/v1')}")
            expected = base64.b64encode(KEY.encode()).decode()
            if authorization != f"Basic {expected}":
                return 401, {}, {"message": "Unauthorized"}
            if self.answers:
                status, headers = self.answers.pop(0)
                return status, headers, {"message": "not now"}
            try:
                steps = parts.path.removeprefix("/system/api/v1").strip("/").split("/")
                answer = self._route(method, steps, query, json.loads(body) if body else {})
            except Refusal as refusal:
                return refusal.status, {}, {"message": str(refusal)}
            if method != "GET" and self.to_lose > 0:
                self.to_lose -= 1
                return 0, {}, None
            return 200, {}, answer

    def _route(  # noqa: PLR0911 - one return per path
        self, method: str, steps: list[str], query: dict[str, list[str]], body: dict[str, Any]
    ) -> Any:
        match method, steps:
            case "GET", ["orders", "statuses"]:
                return {"orderStatuses": [{"number": n, "text": t} for n, t in STATUSES.items()]}
            case "GET", ["orders"]:
                return self._orders(query)
            case "GET", ["orders", order_id]:
                return self._shown(self.orders[int(order_id)])
            case "PUT", ["orders"]:
                return self._put(body)
            case "DELETE", ["orders", order_id]:
                return self._cancel(int(order_id))
            case "PATCH", ["orders", order_id, "lines", line_id, "reportedNumberOfItems"]:
                return self._report(int(order_id), int(line_id), body)
            case "GET", ["articles"]:
                return self._articles(query)
            case "GET", ["returnOrders"]:
                return self._return_orders(query)
        raise Refusal(404, "no such path")

    def _orders(self, query: dict[str, list[str]]) -> list[Any]:
        _owner(query["goodsOwnerId"][0])
        found = [self.orders[key] for key in sorted(self.orders)]
        found = [order for order in found if order["id"] >= int(query["orderIdFrom"][0])]
        if "orderNumbers" in query:
            found = [order for order in found if order["number"] in query["orderNumbers"]]
        if "orderUpdatedTimeFrom" in query:
            since = datetime.fromisoformat(query["orderUpdatedTimeFrom"][0])
            found = [order for order in found if order["updated"] >= since]
        if "backOrderForOrderId" in query:
            followed = int(query["backOrderForOrderId"][0])
            found = [order for order in found if order["follows"] == followed]
        if "onlyOrdersWithOrderLinesToReport" in query:
            found = [order for order in found if any(_to_report(line) for line in order["lines"])]
        return [self._shown(order) for order in found[: int(query["maxOrdersToGet"][0])]]

    def _put(self, body: dict[str, Any]) -> dict[str, Any]:
        _owner(body["goodsOwnerId"])
        number = body["orderNumber"]
        for line in body["orderLines"]:
            if line["articleNumber"] not in self.articles:
                raise Refusal(400, f"Article number {line['articleNumber']} not found")
        known = [order for order in self.orders.values() if order["number"] == number]
        if known and known[0]["status"] not in _CHANGEABLE:
            name = known[0]["body"]["consignee"]["name"]
            raise Refusal(400, f"Order for {name} is being processed and cannot be changed")
        order = known[0] if known else self._new_order(number)
        before = {line["row"]: line["id"] for line in order["lines"]}
        order["body"] = body
        order["lines"] = [
            {
                "id": before.get(line["rowNumber"]) or self._next_id(),
                "row": line["rowNumber"],
                "sku": line["articleNumber"],
                "ordered": line["numberOfItems"],
                "prices": line.get("prices"),
                "picked": 0,
                "reported": None,
                "parcel": None,
            }
            for line in body["orderLines"]
        ]
        self._touch(order, order["status"])
        return {"orderId": order["id"], "message": f"Order number {number} created/updated"}

    def _cancel(self, order_id: int) -> dict[str, Any]:
        order = self.orders[order_id]
        if order["status"] not in _CHANGEABLE | {1000}:
            raise Refusal(400, "The order is being processed")
        self._touch(order, 1000)
        return {"orderId": order_id}

    def _report(self, order_id: int, line_id: int, body: dict[str, Any]) -> dict[str, Any]:
        for line in self.orders[order_id]["lines"]:
            if line["id"] == line_id:
                line["reported"] = body["reportedNumberOfItems"]
        return {}

    def _articles(self, query: dict[str, list[str]]) -> list[Any]:
        found = sorted(self.articles.items(), key=lambda item: item[1]["id"])
        found = [item for item in found if item[1]["id"] >= int(query["articleSystemIdFrom"][0])]
        if "articleNumbers" in query:
            found = [item for item in found if item[0] in query["articleNumbers"]]
        if "stockInfoChangedFrom" in query:
            since = datetime.fromisoformat(query["stockInfoChangedFrom"][0])
            if since < _now() - timedelta(hours=24):
                raise Refusal(400, "stockInfoChangedFrom must be within 24 hours")
            found = [item for item in found if item[1]["changed"] >= since]
        return [self._article(*item) for item in found[: int(query["maxArticlesToGet"][0])]]

    def _article(self, sku: str, article: dict[str, Any]) -> dict[str, Any]:
        allocated = sum(
            line["ordered"]
            for order in self.orders.values()
            if 200 <= order["status"] < 400
            for line in order["lines"]
            if line["sku"] == sku
        )
        return {
            "articleSystemId": article["id"],
            "articleNumber": sku,
            "inventoryInfo": {
                "numberOfItems": float(article["units"]),
                "allocatedNumberOfItems": float(allocated),
                "numberOfBookedItems": 0.0,
                "numberOfLockedItems": float(article["locked"]),
                "lockedForSaleNumberOfItems": None,
                "sellableNumberOfItems": float(article["units"] - allocated - article["locked"]),
            },
        }

    def _return_orders(self, query: dict[str, list[str]]) -> list[Any]:
        since = datetime.fromisoformat(query["goodsReturnedFromDate"][0])
        return [
            {
                "returnOrderInfo": {"returnOrderId": key, "returnOrderNumber": f"RMA-{key}"},
                "tracking": [{"waybill": value["label"]}] if value["label"] else None,
                "customerOrderInfo": {"orderId": 1, "orderNumber": value["order"]},
                "returnOrderLines": [
                    {
                        "article": {"articleNumber": sku},
                        "customerOrderLine": {"customerOrderRowNumber": row},
                        "returnCause": {"code": "SIZE", "name": "Wrong size"},
                        "returnedNumberOfItems": 1.0,
                        "returnedArticleItems": [
                            {
                                "numberOfItems": 1.0,
                                "returnTime": value["time"].isoformat(),
                                "isReturnRemovedByInventory": removed,
                                "articleItemStatus": {"code": status} if status else None,
                            }
                        ],
                    }
                    for (row, sku), status, removed in zip(
                        value["rows"], value["statuses"], value["removed"], strict=True
                    )
                ],
            }
            for key, value in self.returns.items()
            if value["time"] >= since
        ]

    def _shown(self, order: dict[str, Any]) -> dict[str, Any]:
        body = order["body"]
        follows = {"backOrderInfo": {"backOrderForOrderId": order["follows"]}}
        return {
            "goodsOwner": {"id": OWNER, "name": "REST example"},
            "orderInfo": {
                "orderId": order["id"],
                "orderNumber": order["number"],
                "goodsOwnerOrderId": body.get("goodsOwnerOrderId"),
                "deliveryDate": body.get("deliveryDate"),
                "freeText3": body.get("freeText3"),
                "createdDate": order["created"].isoformat().replace("+00:00", "Z"),
                "shippedTime": order["shipped"].isoformat() if order["shipped"] else None,
                "wayBill": None,
                "returnWayBill": None,
                "orderStatus": {"number": order["status"], "text": STATUSES[order["status"]]},
                "advanced": follows if order["follows"] else None,
            },
            "consignee": body.get("consignee"),
            "parcels": order["parcels"] or None,
            "transporter": {"code": "DHL", "serviceCode": "V01"},
            "returnTransporter": {"code": "DHL", "serviceCode": "R01"},
            "orderLines": [
                {
                    "id": line["id"],
                    "rowNumber": line["row"],
                    "article": {"articleNumber": line["sku"], "articleName": ""},
                    "orderedNumberOfItems": float(line["ordered"]),
                    "allocatedNumberOfItems": float(line["ordered"]),
                    "pickedNumberOfItems": float(line["picked"]),
                    "reportedNumberOfItems": line["reported"],
                    "prices": line["prices"],
                    "pickedArticleItems": [
                        {
                            "numberOfItems": float(line["picked"]),
                            "isPicked": True,
                            "isReturned": False,
                            "pickedTime": order["updated"].isoformat(),
                            "parcel": {"id": line["parcel"]} if line["parcel"] else None,
                        }
                    ]
                    if line["picked"]
                    else None,
                }
                for line in order["lines"]
            ],
        }

    def _new_order(self, number: str) -> dict[str, Any]:
        order_id = self._next_id()
        self.orders[order_id] = {
            "id": order_id,
            "number": number,
            "status": 200,
            "lines": [],
            "parcels": [],
            "created": _now(),
            "updated": _now(),
            "shipped": None,
            "follows": None,
            "body": {},
        }
        return self.orders[order_id]

    def _touch(self, order: dict[str, Any], status: int) -> None:
        order["status"] = status
        order["updated"] = _now()
        for line in order["lines"]:
            self.articles[line["sku"]]["changed"] = _now()

    def _next_id(self) -> int:
        self._ids += 1
        return self._ids


def _owner(goods_owner_id: object) -> None:
    if int(str(goods_owner_id)) != OWNER:
        raise Refusal(400, "no such goods owner")


def _to_report(line: dict[str, Any]) -> bool:
    return bool(line["picked"] != (line["reported"] or 0))


def _now() -> datetime:
    return datetime.now(UTC)
