"""A small OTTO on loopback that judges every request by the contract.

Belongs here: a real HTTP server with a handful of orders and shipments, and planned misbehaviour
(`plan`). It is no simulation of OTTO's rules; the sandbox is.
"""

import base64
import json
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlsplit

from tests.contract.otto_contract import operation_of, violations

SECRET = "s3cret/+&="
HTML = b"<html><head><title>403 Forbidden</title></head><body>blocked</body></html>"


@dataclass(frozen=True)
class Reply:
    """A planned answer. Without a status the connection closes without an answer."""

    status: int | None = None
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"
    stall: float = 0.0
    cut: int = 0
    effect: bool = False
    """Whether the request has its effect all the same."""


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    query: list[tuple[str, str]]
    body: bytes
    headers: dict[str, str]


def error_body(title: str, detail: str = "", **more: object) -> bytes:
    return json.dumps(
        {"errors": [{"title": title, "detail": detail, "path": "/x", **more}]}
    ).encode()


def order_json(number: int, **changes: object) -> dict[str, Any]:
    """An order as OTTO writes it, with its three forms of dates and fields nobody knows."""
    address = {
        "salutation": "MR", "firstName": "Jörg", "lastName": "Weiß", "street": "Hauptstraße",
        "houseNumber": "1a", "zipCode": "01067", "city": "Dresden", "countryCode": "DEU",
        "email": "j@example.org", "floor": "unknown to clients",
    }  # fmt: skip
    item = {
        "positionItemId": f"00000000-0000-0000-0001-{number:012d}",
        "fulfillmentStatus": "PROCESSABLE",
        "itemValueGrossPrice": {"amount": 19.95, "currency": "EUR"},
        "itemValueReducedGrossPrice": {"amount": "17.95", "currency": "EUR"},
        "product": {
            "sku": "Sped-Kühl084", "productTitle": "Kühlschrank", "articleNumber": "4711",
            "vatRate": "19", "dimensions": [{"displayName": "Farbe", "type": "COLOR"}],
        },
        "processableDate": "2026-03-31T09:45:52.313+0000",
        "expectedDeliveryDate": "2026-04-21T12:00:00.000+02:00",
        "lastSeen": "2026-07-18T07:20:06.260124Z",
        "weeePickup": "false",
    }  # fmt: skip
    return {
        "salesOrderId": f"00000000-0000-0000-0000-{number:012d}",
        "orderNumber": f"bk{number:08d}",
        "orderDate": "2026-03-31T09:00:52.313+0000",
        "orderLifecycleInformation": {"lifecycleChangeDate": "2026-03-31T09:45:52.313+0000"},
        "positionItems": [item],
        "payment": {"paymentMethod": "PAYPAL", "new": 1},
        "deliveryAddress": address,
        "initialDiscounts": None,
        "futureField": {"deep": [1, {"x": None}]},
        **changes,
    }


@dataclass
class FakeOtto:
    orders: list[dict[str, Any]] = field(default_factory=list)
    token_life: int = 1800
    granted: str = "orders shipments availability receipts returns price-reduction products"
    largest_batch: int = 200
    known_skus: set[str] | None = None
    """None: OTTO knows every SKU."""
    page_of_quantities: int = 200

    def __post_init__(self) -> None:
        self.violations: list[str] = []
        self.seen: list[Seen] = []
        self.shipments: dict[tuple[str, str], dict[str, Any]] = {}
        self.quantities: dict[str, int] = {}
        self.tokens: set[str] = set()
        self.link_style = "list"
        self._plans: dict[tuple[str, str], deque[Reply]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str], Callable[[Seen, list[str]], tuple[int, bytes]]] = {
            ("GET", "/v4/orders"): self._orders,
            ("GET", "/v4/orders/{id}"): self._order,
            ("GET", "/v1/shipments"): self._shipments,
            ("POST", "/v1/shipments"): self._create,
            ("POST", "/v1/multiparcel-shipments"): lambda seen, parts: (
                201,
                b'{"multiParcelShipmentId": "m1"}',
            ),
            ("GET", "/v1/shipments/{id}"): self._shipment,
            ("POST", "/v1/availability/quantities"): self._take_quantities,
            ("GET", "/v1/availability/quantities"): self._list_quantities,
            ("GET", "/v1/availability/quantities/{sku}"): self._quantity,
            ("GET", "/v1/shipments/carriers/{carrier}/trackingnumbers/{number}"): self._parcel,
        }
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                fake.handle(self)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *args: object) -> None:
                """Stay quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

        self._server = Server(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def plan(self, method: str, path: str, *replies: Reply) -> None:
        """Misbehave at the next calls of this path."""
        self._plans[method, path].extend(replies)

    def calls(self, method: str, path: str) -> list[Seen]:
        return [seen for seen in self.seen if (seen.method, seen.path) == (method, path)]

    def revoke_tokens(self) -> None:
        self.tokens.clear()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        split = urlsplit(handler.path)
        seen = Seen(handler.command, split.path, parse_qsl(split.query), body, headers)
        with self._lock:
            self.seen.append(seen)
            found = violations(handler.command, handler.path, headers, body)
            self.violations += found
            plan = self._plans[handler.command, split.path]
            planned = plan.popleft() if plan else None
            if found:
                status, answer = 400, error_body("Bad Request", "; ".join(found))
            elif planned is None or planned.effect or planned.cut:
                status, answer = self._answer(seen)
            else:
                status, answer = planned.status or 0, planned.body
        if planned is None or found:
            self._send(handler, Reply(status, answer))
            return
        time.sleep(planned.stall)
        if planned.cut:
            self._send(handler, Reply(status, answer), cut=planned.cut)
        elif planned.status is None:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._send(handler, planned)

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply, cut: int = 0) -> None:
        assert reply.status is not None
        try:
            handler.send_response(reply.status)
            for name, value in reply.headers:
                handler.send_header(name, value)
            handler.send_header("Content-Type", reply.content_type)
            handler.send_header("Content-Length", str(len(reply.body)))
            handler.end_headers()
            handler.wfile.write(reply.body[:-cut] if cut else reply.body)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True
        if cut:
            handler.close_connection = True

    def _answer(self, seen: Seen) -> tuple[int, bytes]:
        operation = operation_of(seen.method, seen.path)
        assert operation is not None
        if operation.get("auth") == "client":
            return self._token(seen)
        token = seen.headers["authorization"].removeprefix("Bearer ")
        if token not in self.tokens:
            return 401, error_body("Unauthorized", "token expired")
        if operation["scope"] not in self.granted.split():
            return 403, error_body("Forbidden", "scope")
        parts = [unquote(part) for part in seen.path.split("/")]
        answer = self._answers.get((seen.method, operation["path"]))
        if answer is None:
            return (202 if seen.path.endswith("cancellation") else 200), b""
        return answer(seen, parts)

    def _order(self, seen: Seen, parts: list[str]) -> tuple[int, bytes]:
        for order in self.orders:
            if order.get("salesOrderId") == parts[3]:
                return 200, json.dumps(order).encode()
        return 404, error_body("Not Found", "no such order")

    def _shipment(self, seen: Seen, parts: list[str]) -> tuple[int, bytes]:
        for shipment in self.shipments.values():
            if shipment["shipmentId"] == parts[3]:
                return 200, json.dumps(shipment).encode()
        return 403, error_body("INSUFFICIENT_PERMISSION", "not yours")

    def _parcel(self, seen: Seen, parts: list[str]) -> tuple[int, bytes]:
        found = self.shipments.get((parts[4], parts[6]))
        if found is None:
            return 404, error_body("RESOURCE_NOT_FOUND", "Found no shipment")
        return 200, json.dumps(found).encode()

    def _token(self, seen: Seen) -> tuple[int, bytes]:
        form = {name: values[0] for name, values in parse_qs(seen.body.decode()).items()}
        secret = form.get("client_secret")
        if secret is None:
            pair = base64.b64decode(seen.headers["authorization"].removeprefix("Basic ")).decode()
            secret = unquote(pair.split(":")[1])
        if secret != SECRET:
            return 401, json.dumps(
                {"error": "invalid_client", "error_description": secret}
            ).encode()
        if "no-such-scope" in form["scope"]:
            return 400, b'{"error": "invalid_scope"}'
        token = f"token-{len(self.calls('POST', seen.path))}-{time.monotonic_ns()}"
        self.tokens.add(token)
        answer = {"access_token": token, "expires_in": self.token_life, "token_type": "bearer"}
        return 200, json.dumps({**answer, "scope": self.granted}).encode()

    def _orders(self, seen: Seen, parts: list[str]) -> tuple[int, bytes]:
        query = dict(seen.query)
        start = int(base64.b64decode(query["nextcursor"])) if "nextcursor" in query else 0
        end = start + int(query.get("limit", 128))
        links: Any = []
        if end < len(self.orders):
            cursor = base64.b64encode(f"{end:08d}".encode()).decode()
            href = f"/v4/orders?limit=1&nextcursor={cursor}"
            links = [{"rel": "self", "href": "/v4/orders?nextcursor=no"}]
            links = [*links, {"rel": "next", "href": href}]
            if self.link_style == "object":
                links = {"self": {"href": "/x"}, "next": {"href": href}}
        elif self.link_style == "null":
            links = None
        return 200, json.dumps({"resources": self.orders[start:end], "links": links}).encode()

    def _create(self, seen: Seen, parts: list[str]) -> tuple[int, bytes]:
        body = json.loads(seen.body)
        key = body["trackingKey"]["carrier"], body["trackingKey"]["trackingNumber"]
        if key in self.shipments:
            return 409, error_body("DUPLICATE_TRACKING_KEY", "Tracking key already exists.")
        number = str(1000 + len(self.shipments))
        self.shipments[key] = {"shipmentId": number, "states": [], **body}
        return 201, json.dumps({"shipmentId": number}).encode()

    def _take_quantities(self, seen: Seen, parts: list[str]) -> tuple[int, bytes]:
        """As OTTO's own examples have it: numbers of a 207 are texts."""
        wanted = json.loads(seen.body)
        if len(wanted) > self.largest_batch:
            return 413, error_body("Payload Too Large")
        known = [w for w in wanted if self.known_skus is None or w["sku"] in self.known_skus]
        self.quantities.update((w["sku"], w["quantity"]) for w in known)
        results = [{**w, "quantity": str(w["quantity"]), "links": []} for w in known]
        errors = [
            {
                "code": "207", "title": "Multi-Status", "path": seen.path, "logref": w["sku"],
                "detail": f"Error: SKU is unknown for SKU: {w['sku']}",
            }
            for w in wanted if w not in known
        ]  # fmt: skip
        if not errors:
            return 200, b"{}"
        if not known:
            return 422, json.dumps({"errors": errors}).encode()
        return 207, json.dumps({"results": results, "errors": errors}).encode()

    def _list_quantities(self, seen: Seen, parts: list[str]) -> tuple[int, bytes]:
        after = dict(seen.query).get("cursor", "")
        skus = [sku for sku in sorted(self.quantities) if sku > after]
        shown = skus[: self.page_of_quantities]
        links = [{"rel": "self", "href": seen.path}]
        if shown != skus:
            href = f"{seen.path}?cursor={quote(shown[-1], safe='')}"
            links.append({"rel": "next", "href": href})
        variations = [self._shown(sku) for sku in shown]
        return 200, json.dumps({"resources": {"variations": variations}, "links": links}).encode()

    def _quantity(self, seen: Seen, parts: list[str]) -> tuple[int, bytes]:
        if parts[4] not in self.quantities:
            return 404, error_body("Not Found")
        return 200, json.dumps(self._shown(parts[4])).encode()

    def _shown(self, sku: str) -> dict[str, Any]:
        return {
            "sku": sku,
            "quantity": self.quantities[sku],
            "lastModified": "2026-07-18T07:20:06.260124Z",
        }

    def _shipments(self, seen: Seen, parts: list[str]) -> tuple[int, bytes]:
        query = dict(seen.query)
        start = int(query.get("next", 0))
        rows = [
            {"shipmentId": s["shipmentId"], "trackingKey": s["trackingKey"], "states": []}
            for s in self.shipments.values()
        ]
        end = start + 2
        href = f"/v1/shipments?next={end}&limit=100&datefrom={query['datefrom']}"
        links = [{"rel": "next", "href": href}] if end < len(rows) else []
        return 200, json.dumps({"resources": rows[start:end], "links": links}).encode()
