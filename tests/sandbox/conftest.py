"""A started sandbox, and the smallest seller that can work with it."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.server import Sandbox

# A Monday, so that weekends fall where the tests expect them.
MONDAY = datetime(2026, 6, 8, tzinfo=ZoneInfo("Europe/Berlin"))
# Made once: the loopback needs no TLS, and a context for each client takes most of its time.
TLS = ssl.create_default_context()
MONEY_SCOPES = "orders shipments returns receipts price-reduction products"
OTTO_CARRIERS = {
    "DHL-PAKET": "DHL",
    "HERMES-STD": "HERMES",
    "DPD-CLASSIC": "DPD",
    "GLS-BUSINESS": "GLS",
    "UPS-STD": "UPS",
}


class Seller:
    """Talks to both servers over HTTP, without retries."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        config = sandbox.config
        self.otto = httpx.Client(base_url=sandbox.otto_url, timeout=10, verify=TLS)
        self.wms = httpx.Client(
            base_url=sandbox.wms_url,
            timeout=10,
            verify=TLS,
            headers={"Authorization": f"Bearer {config.wms_api_key}"},
        )
        self.cursor: str | None = None
        self.submitted: set[str] = set()
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        self.otto.close()
        self.wms.close()

    def token(self, scope: str = "orders shipments") -> httpx.Response:
        config = self.sandbox.config
        return self.otto.post(
            "/v1/token",
            data={
                "grant_type": "client_credentials",
                "client_id": config.client_id,
                "client_secret": config.client_secret,
                "scope": scope,
            },
        )

    def log_in(self, scope: str = "orders shipments") -> None:
        token = self.token(scope).json()["access_token"]
        self.otto.headers["Authorization"] = f"Bearer {token}"

    def control(self, path: str, body: Any = None) -> Any:
        url = f"/_sandbox/{path}"
        answer = self.otto.get(url) if body is None else self.otto.post(url, json=body)
        answer.raise_for_status()
        return answer.json()

    def now(self) -> datetime:
        return datetime.fromisoformat(self.control("clock")["now"])

    def advance(self, **span: float) -> None:
        self.control("clock/advance", {"to": (self.now() + timedelta(**span)).isoformat()})

    def orders(self, **params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        url, query = "/v4/orders", {"limit": 256} | params
        while url:
            answer = self.otto.get(url, params=query)
            answer.raise_for_status()
            page = answer.json()
            found += page["resources"]
            following = [link["href"] for link in page["links"] if link["rel"] == "next"]
            url, query = (following[0] if following else ""), None
        return found

    def new_order(self, lines: int = 1) -> dict[str, Any]:
        order_id = self.control("orders", {"lines": lines})["sales_order_id"]
        order: dict[str, Any] = self.otto.get(f"/v4/orders/{order_id}").json()
        return order

    def outbound(self, order: dict[str, Any], **changes: Any) -> dict[str, Any]:
        lines = [
            {
                "line_id": item["positionItemId"],
                "sku": item["product"]["sku"],
                "quantity": 1,
                "unit_price_cents": 1000,
                "currency": "EUR",
            }
            for item in order["positionItems"]
            if item["fulfillmentStatus"] == "PROCESSABLE"
        ]
        address = order["deliveryAddress"]
        return {
            "order_ref": order["salesOrderId"],
            "channel_order_number": order["orderNumber"],
            "ordered_at": "2026-06-08T10:00:00Z",
            "ship_to": {
                "name": address["lastName"],
                "street": address["street"],
                "house_number": address["houseNumber"],
                "postal_code": address["zipCode"],
                "city": address["city"],
                "country_code": "DE",
            },
            "lines": lines,
            "payload_hash": "h1",
        } | changes

    def submit(self, *orders: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self.wms.post("/v1/orders/batch", json={"orders": list(orders)})
        answer.raise_for_status()
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    def poll(self) -> list[dict[str, Any]]:
        new: list[dict[str, Any]] = []
        more = True
        while more:
            params = {"cursor": self.cursor} if self.cursor else {}
            page = self.wms.get("/v1/fulfilment-events", params=params).json()
            new += page["events"]
            self.cursor, more = page["next_cursor"], page["has_more"]
        self.events += new
        return new

    def shipment(self, order_id: str, item_ids: list[str], **changes: Any) -> dict[str, Any]:
        return {
            "trackingKey": {"carrier": "DHL", "trackingNumber": "577546565072"},
            "shipDate": "2026-06-09T15:04:00.000Z",
            "shipFromAddress": {"city": "Dresden", "countryCode": "DEU", "zipCode": "01067"},
            "positionItems": [
                {
                    "positionItemId": item_id,
                    "salesOrderId": order_id,
                    "returnTrackingKey": {"carrier": "DHL", "trackingNumber": "221557927533"},
                }
                for item_id in item_ids
            ],
        } | changes

    def send(self, order: dict[str, Any], item_ids: list[str] | None = None) -> dict[str, Any]:
        """Let the warehouse dispatch the order, and confirm these items (all) in one shipment."""
        order_id = order["salesOrderId"]
        if order_id not in self.submitted:
            self.submitted.add(order_id)
            self.submit(self.outbound(order))
            self.control("warehouse/dispatch", {"sales_order_id": order_id})
        ids = item_ids or [item["positionItemId"] for item in order["positionItems"]]
        number = f"SHIPMENT-{ids[0]}"
        body = self.shipment(
            order_id, ids, trackingKey={"carrier": "DHL", "trackingNumber": number}
        )
        for item in body["positionItems"]:
            item["returnTrackingKey"] = {"carrier": "DHL", "trackingNumber": f"BACK-{ids[0]}"}
        self.otto.post("/v1/shipments", json=body).raise_for_status()
        return body

    def pages(self, url: str, key: str, **params: Any) -> list[dict[str, Any]]:
        """All entries of a list, following its next links."""
        found: list[dict[str, Any]] = []
        query: dict[str, Any] | None = params
        while url:
            answer = self.otto.get(url, params=query)
            answer.raise_for_status()
            page = answer.json()
            found += page[key]
            following = [link["href"] for link in page["links"] if link["rel"] == "next"]
            url, query = (following[0] if following else ""), None
        return found

    def receipts(self, **params: Any) -> list[dict[str, Any]]:
        return self.pages("/v3/receipts", "resources", **params)

    def work(self) -> None:
        """One round of an honest seller: submit, confirm dispatches, follow cancellations."""
        for order in self.orders(fulfillmentStatus="PROCESSABLE"):
            if order["salesOrderId"] not in self.submitted:
                self.submit(self.outbound(order))
                self.submitted.add(order["salesOrderId"])
        for order in self.orders(fulfillmentStatus="CANCELLED_BY_MARKETPLACE"):
            cancelled = [
                item["positionItemId"]
                for item in order["positionItems"]
                if item["fulfillmentStatus"] == "CANCELLED_BY_MARKETPLACE"
            ]
            self.wms.post(
                f"/v1/orders/{order['salesOrderId']}/cancellation",
                json={"line_ids": cancelled, "reason": "cancelled at OTTO"},
            )
        for event in self.poll():
            self._follow(event)

    def _follow(self, event: dict[str, Any]) -> None:
        ref = event["order_ref"]
        complete = [line for line in event["lines"] if line["discrepancy"] == "COMPLETE"]
        lost = event["lines"] if event["kind"] == "CANCELLED" else complete
        for line in lost:
            self.otto.post(f"/v4/orders/{ref}/positionItems/{line['line_id']}/cancellation")
        for parcel in event["parcels"] if event["kind"] == "DISPATCHED" else []:
            carrier, number = parcel["carrier_code"], parcel["tracking_number"]
            if number is None or carrier not in OTTO_CARRIERS:
                continue
            self.otto.post(
                "/v1/shipments",
                json=self.shipment(
                    ref,
                    [line["line_id"] for line in parcel["lines"]],
                    trackingKey={"carrier": OTTO_CARRIERS[carrier], "trackingNumber": number},
                ),
            )


@contextmanager
def _selling(*, log_in: bool = True, **settings: Any) -> Iterator[Seller]:
    quiet = {
        "start": MONDAY.astimezone(UTC),
        "orders": 0,
        "days": 1,
        "transport_fault_rate": 0.0,
    }
    with Sandbox(SandboxConfig(**(quiet | settings))) as sandbox:
        seller = Seller(sandbox)
        if log_in:
            seller.log_in()
        try:
            yield seller
        finally:
            seller.close()


@pytest.fixture(scope="session")
def selling() -> Callable[..., AbstractContextManager[Seller]]:
    """A quiet sandbox with the given settings as a context; a logged-in seller comes with it."""
    return _selling


@pytest.fixture
def open_sandbox() -> Iterator[Callable[..., Seller]]:
    """Like `selling`, until the end of the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(_selling(**settings))


@pytest.fixture
def seller(open_sandbox: Callable[..., Seller]) -> Seller:
    """A seller before a sandbox without orders, at noon on a Monday."""
    seller = open_sandbox()
    seller.advance(hours=12)
    return seller


@pytest.fixture
def money_seller(open_sandbox: Callable[..., Seller]) -> Seller:
    """Like `seller`, with every scope that money needs."""
    seller = open_sandbox()
    seller.advance(hours=12)
    seller.log_in(MONEY_SCOPES)
    return seller


@pytest.fixture
def dump() -> Callable[[Any], str]:
    """A value as text, for looking for words in it."""
    return lambda value: json.dumps(value, ensure_ascii=False)
