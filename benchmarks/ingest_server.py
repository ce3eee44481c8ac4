"""A server of prerendered order pages on 127.0.0.1, in the form of OTTO's cursor chain.

It answers from memory, so that a benchmark measures who asks. Prints its address, then serves until
it is ended. It knows no filters: every chain gives all orders.
"""

import argparse
import json
import random
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

ORDERS_PER_PAGE = 256
_START = datetime(2026, 11, 1, tzinfo=UTC)
_ITEMS = [1, 1, 1, 1, 2, 2, 2, 3, 4, 1]
_TOKEN = b'{"access_token":"benchmark","token_type":"Bearer","expires_in":1800}'


def pages(orders: int, seed: int = 7) -> list[bytes]:
    """JSON pages of `orders` orders; about a tenth has an order-level discount."""
    draw = random.Random(seed)
    found = [_order(draw, number) for number in range(orders)]
    starts = range(0, orders, ORDERS_PER_PAGE)
    return [
        json.dumps(
            {
                "resources": found[start : start + ORDERS_PER_PAGE],
                "links": _links(index + 1, len(starts)),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        for index, start in enumerate(starts)
    ]


def _links(following: int, count: int) -> list[dict[str, str]]:
    if following == count:
        return []
    href = f"/v4/orders?nextcursor=page-{following}&limit={ORDERS_PER_PAGE}"
    return [{"rel": "next", "href": href}]


def _order(draw: random.Random, number: int) -> dict[str, Any]:
    at = _START + timedelta(seconds=number * 31, milliseconds=draw.randrange(1_000))
    items = [_item(draw, at) for _ in range(draw.choice(_ITEMS))]
    ids = [item["positionItemId"] for item in items]
    order_id = _uuid(draw)
    address = _address(draw)
    discounts = []
    if draw.random() < 0.1:
        discounts = [
            {
                "name": "DISCOUNT",
                "discountId": _uuid(draw),
                "discountName": "Neukundenrabatt",
                "discountAmount": {"amount": draw.randint(100, 499) / 100, "currency": "EUR"},
                "positionItemIds": ids,
                "vatRate": 19,
            }
        ]
    return {
        "salesOrderId": order_id,
        "orderNumber": f"bm{number:08d}",
        "orderDate": _time(at),
        "lastModifiedDate": _time(at + timedelta(minutes=46)),
        "orderLifecycleInformation": {"lifecycleChangeDate": _time(at + timedelta(minutes=45))},
        "positionItems": items,
        "payment": {"paymentMethod": draw.choice(["PAYPAL", "INVOICE_SINGLE", "CREDIT_CARD"])},
        "deliveryAddress": address,
        "invoiceAddress": address,
        "initialDeliveryFees": [
            {
                "name": "DELIVERY_FEE_STANDARD",
                "deliveryFeeAmount": {"amount": 4.95, "currency": "EUR"},
                "positionItemIds": ids,
                "vatRate": 19,
            }
        ],
        "initialDiscounts": discounts,
        "suspectedFraudCase": False,
        "links": [{"rel": "self", "href": f"/v4/orders/{order_id}"}],
    }


def _item(draw: random.Random, at: datetime) -> dict[str, Any]:
    gross = draw.randint(999, 29_999)
    off = draw.randint(1, 499) if draw.random() < 0.3 else 0
    number = draw.randrange(5_000)
    prices = {"itemValueGrossPrice": {"amount": gross / 100, "currency": "EUR"}}
    if off:
        prices["itemValueReducedGrossPrice"] = {"amount": (gross - off) / 100, "currency": "EUR"}
        prices["itemValueDiscount"] = {"amount": off / 100, "currency": "EUR"}
    promised = (at + timedelta(days=4)).strftime("%Y-%m-%dT00:00:00.000+01:00")
    return {
        "positionItemId": _uuid(draw),
        "fulfillmentStatus": "PROCESSABLE",
        **prices,
        "expectedDeliveryDate": promised,
        "processableDate": _time(at + timedelta(minutes=45)),
        "product": {
            "sku": f"SKU-ÄÖ-{number:05d}",
            "productTitle": f"Kaffeekanne Modell {number} aus emailliertem Stahl, 1,2 Liter",
            "articleNumber": f"{number:08d}",
            "ean": f"40{number:011d}",
            "vatRate": draw.choice([19, 19, 19, 7]),
            "shopUrl": f"https://www.otto.example/p/kaffeekanne-{number}",
            "dimensions": [
                {"displayName": "Farbe", "type": "COLOR", "value": "dunkelgrün"},
                {"displayName": "Größe", "type": "SIZE", "value": "1,2 l"},
            ],
        },
        "returnAcceptedByMarketplace": False,
        "weeePickup": False,
    }


def _address(draw: random.Random) -> dict[str, str]:
    return {
        "salutation": draw.choice(["MS", "MR"]),
        "firstName": draw.choice(["Jörg", "Anna", "Mehmet", "Käthe"]),
        "lastName": draw.choice(["Müller", "Schmidt", "Yılmaz", "Weiß"]),
        "street": draw.choice(["Hauptstraße", "Am Markt", "Gartenweg"]),
        "houseNumber": str(draw.randint(1, 200)),
        "zipCode": f"{draw.randint(1_000, 99_999):05d}",
        "city": draw.choice(["Dresden", "Köln", "München"]),
        "countryCode": "DEU",
        "phoneNumber": f"+49 351 {draw.randint(100_000, 999_999)}",
        "email": f"kunde{draw.randrange(10**6)}@mail.example",
    }


def _uuid(draw: random.Random) -> str:
    return str(UUID(int=draw.getrandbits(128), version=4))


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1_000:03d}+0000"


def _handler(rendered: list[bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(_TOKEN)

        def do_GET(self) -> None:
            cursor = parse_qs(urlsplit(self.path).query).get("nextcursor", ["page-0"])[0]
            self._answer(rendered[int(cursor.removeprefix("page-"))])

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the terminal belongs to the benchmark."""

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve prerendered order pages.")
    parser.add_argument("--orders", type=int, default=50_000)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(pages(parser.parse_args().orders)))
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
