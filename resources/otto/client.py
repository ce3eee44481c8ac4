"""OTTO Market's interface as Python calls.

Belongs here: operations of orders and shipments, and how the parts of this package fit together;
the other interfaces have a module each. What an answer means for an order or a parcel does not
belong here (`assets`).
"""

import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import msgspec

from resources.operating_model import Http
from resources.otto.availability import Availability
from resources.otto.errors import OttoPermanent
from resources.otto.evidence import EvidenceStore
from resources.otto.exchange import Call, Exchange
from resources.otto.limiter import limits_of, shared_limiter
from resources.otto.orders import OrdersPage, OrdersQuery, orders_page
from resources.otto.paging import RawPage, read_ahead, read_page, walk
from resources.otto.price_reductions import PriceReductions
from resources.otto.products import Products
from resources.otto.receipts import Receipts
from resources.otto.returns import Returns
from resources.otto.token import Token, TokenSource
from resources.otto.transport import Transport
from resources.otto.wire import PartnerOrder, Shipment, ShipmentItem, ShipmentRequest, format_time

T = TypeVar("T")

_READ_AHEAD = 2
_MAX_PAGES = 10_000
_SHIPMENTS_PER_PAGE = 100
# OTTO allows 10 token requests a second per address; one in a while is all that is needed.
_TOKEN_LIMITS = [(5, 1.0)]


@dataclass(frozen=True)
class OttoSettings:
    """Where OTTO is and who we are. `client_auth` is how the token endpoint gets the secret:
    `form` (body) or `basic` (header). Token cache and raw pages lie below `state_dir`.
    """

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    state_dir: Path
    client_auth: str = "form"
    token_path: str = "/v1/token"  # noqa: S105 - an address
    scope: tuple[str, ...] = (
        "orders",
        "shipments",
        "availability",
        "receipts",
        "returns",
        "price-reduction",
        "products",
    )
    http: Http = field(default_factory=Http)

    def __post_init__(self) -> None:
        """Refuse what would fail only at the first call."""
        if self.client_auth not in {"form", "basic"}:
            raise ValueError(
                f"client_auth is {self.client_auth!r}: use 'form' or 'basic' (OTTO_CLIENT_AUTH)"
            )


class OttoClient:
    """Synchronous client; several threads may share one. Every call may raise an `OttoError`."""

    def __init__(
        self,
        settings: OttoSettings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[float, float], float] = random.uniform,
        max_pages: int = _MAX_PAGES,
    ) -> None:
        http = settings.http
        base_url = settings.base_url.rstrip("/")
        limiter = shared_limiter(
            (base_url, settings.client_id),
            limits_of(http.requests_per_second, http.requests_per_minute),
            reserve=http.urgent_reserve,
        )
        self._exchange = Exchange(base_url, http, sleep=sleep, jitter=jitter)
        tokens = TokenSource(
            self._exchange,
            shared_limiter((base_url, settings.token_path, "token"), _TOKEN_LIMITS),
            base_url=base_url,
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            client_auth="basic" if settings.client_auth == "basic" else "form",
            path=settings.token_path,
            scope=settings.scope,
            folder=settings.state_dir,
        )
        self._tokens = tokens
        self._transport = Transport(self._exchange, tokens, limiter)
        self._max_pages = max_pages
        self.availability = Availability(self._transport, self._walk)
        """Quantities that OTTO shows."""
        self.evidence = EvidenceStore(settings.state_dir / "evidence")
        """Raw pages of the lists of orders and receipts."""
        self.receipts = Receipts(self._transport, self._walk, self.evidence)
        """What buyers were charged and given back."""
        self.returns = Returns(self._transport, self._walk)
        """What came back, and decisions on it."""
        self.price_reductions = PriceReductions(self._transport, self._walk)
        """Parts of a price given back."""
        self.products = Products(self._transport, self._walk)
        """Prices and status of SKUs."""

    @property
    def faults(self) -> Counter[str]:
        """Transport faults met since the client was opened, kind to count."""
        return self._exchange.faults

    def token(self) -> Token:
        """Get the token that calls are made with; its value is hidden from `repr`."""
        return self._tokens.current()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()

    # Orders

    def order_pages(self, query: OrdersQuery) -> Generator[OrdersPage]:
        """Yield all pages of `query`; the next ones are fetched while the caller works.

        Raises:
            OttoTransient: the pages did not all come; read the same range again later.
        """
        return read_ahead(self._orders_pages(query), _READ_AHEAD)

    def _orders_pages(self, query: OrdersQuery) -> Iterator[OrdersPage]:
        started = datetime.now(UTC)
        run = f"{started:%H%M%S}-{secrets.token_hex(4)}"

        def fetch(cursor: str | None) -> RawPage:
            call = Call("GET", "/v4/orders", repeatable=True, params=query.params(cursor))
            return self._transport.request(call, lambda body: read_page(body, "nextcursor"))

        for number, page in enumerate(self._walk(fetch), start=1):
            reference = self.evidence.keep("orders", run, number, started, page.body)
            yield orders_page(number, page.resources, reference)

    def order(self, sales_order_id: str) -> PartnerOrder:
        """Return one order as it is now.

        Raises:
            OttoPermanent: OTTO knows no such order (status 404), or it cannot be read.
        """
        call = Call("GET", f"/v4/orders/{_part(sales_order_id)}", repeatable=True)
        return _typed(call, self._object(call), PartnerOrder)

    def cancel_order(self, sales_order_id: str) -> None:
        """Ask to cancel all PROCESSABLE items of an order; OTTO acts on it later."""
        self._command(f"/v4/orders/{_part(sales_order_id)}/cancellation")

    def cancel_position_items(self, sales_order_id: str, ids: Sequence[str]) -> None:
        """Ask to cancel these items, all or none; OTTO acts on it later."""
        if not ids:
            raise ValueError("no position item to cancel: OTTO needs at least one id")
        items = ",".join(_part(item) for item in ids)
        self._command(f"/v4/orders/{_part(sales_order_id)}/positionItems/{items}/cancellation")

    # Shipments

    def create_shipment(self, shipment: ShipmentRequest) -> str:
        """Report a parcel as shipped, all of its items or none; returns OTTO's shipment id.

        Raises:
            OttoPermanent: refused; `titles` tells why, such as DUPLICATE_TRACKING_KEY.
            OttoUnknownOutcome: look it up by `find_shipment` before sending it again.
        """
        return self._create("/v1/shipments", shipment, "shipmentId")

    def create_multiparcel_shipment(self, parcels: Sequence[ShipmentRequest]) -> str:
        """Report one article that left in two or more parcels; returns OTTO's id for all."""
        if len(parcels) < 2:
            raise ValueError(f"{len(parcels)} parcel(s): a multi-parcel shipment has at least two")
        return self._create("/v1/multiparcel-shipments", list(parcels), "multiParcelShipmentId")

    def shipment(self, shipment_id: str) -> Shipment:
        """Return one shipment.

        Raises:
            OttoPermanent: OTTO knows no such shipment (status 404).
        """
        call = Call("GET", f"/v1/shipments/{_part(shipment_id)}", repeatable=True)
        return _typed(call, self._object(call), Shipment)

    def find_shipment(self, carrier: str, tracking_number: str) -> Shipment | None:
        """Look a shipment up by its parcel; None when OTTO has none."""
        call = Call("GET", _parcel_path(carrier, tracking_number), repeatable=True)
        try:
            return _typed(call, self._object(call), Shipment)
        except OttoPermanent as error:
            if error.status == 404:
                return None
            raise

    def shipments_since(self, created_from: datetime) -> Iterator[Shipment]:
        """Yield shipments created since then; they come without their items."""
        fixed = (("datefrom", format_time(created_from)), ("limit", str(_SHIPMENTS_PER_PAGE)))

        def fetch(cursor: str | None) -> RawPage:
            params = fixed if cursor is None else (*fixed, ("next", cursor))
            call = Call("GET", "/v1/shipments", repeatable=True, params=params)
            return self._transport.request(call, lambda body: read_page(body, "next"))

        listing = Call("GET", "/v1/shipments", repeatable=True)
        for page in self._walk(fetch):
            yield from _typed(listing, page.resources, list[Shipment])

    def add_position_items(self, shipment_id: str, items: Sequence[ShipmentItem]) -> None:
        """Add forgotten items to a shipment."""
        self._command(f"/v1/shipments/{_part(shipment_id)}/positionitems", list(items))

    def add_position_items_by_tracking(
        self, carrier: str, tracking_number: str, items: Sequence[ShipmentItem]
    ) -> None:
        """Add forgotten items to the shipment of this parcel."""
        self._command(f"{_parcel_path(carrier, tracking_number)}/positionitems", list(items))

    def _walk(self, fetch: Callable[[str | None], RawPage]) -> Iterator[RawPage]:
        return walk(
            fetch,
            max_pages=self._max_pages,
            on_repeat=lambda: self._exchange.count("repeated_page"),
        )

    def _object(self, call: Call) -> msgspec.Raw:
        """Get an answer that is a whole JSON object, not yet read."""
        return self._transport.request(call, _whole_object)

    def _command(self, path: str, body: object = None) -> None:
        """POST, where a success has nothing to say."""
        self._transport.request(_post(path, body), lambda answer: True)

    def _create(self, path: str, body: object, id_name: str) -> str:
        def read(answer: bytes) -> str:
            number = msgspec.json.decode(answer, type=dict[str, object]).get(id_name)
            if isinstance(number, bool) or not isinstance(number, str | int) or number == "":
                raise msgspec.ValidationError(f"no {id_name}")
            return str(number)

        return self._transport.request(_post(path, body), read)


def _post(path: str, body: object) -> Call:
    if body is None:
        return Call("POST", path, repeatable=False)
    json = (("Content-Type", "application/json"),)
    content = msgspec.json.encode(body)
    return Call("POST", path, repeatable=False, content=content, headers=json)


def _part(value: str) -> str:
    """One part of a path. An empty one would name another operation."""
    if not value.strip("."):
        raise ValueError(f"{value!r} cannot be part of an address: an id or number is missing")
    return quote(value, safe="")


def _parcel_path(carrier: str, tracking_number: str) -> str:
    return f"/v1/shipments/carriers/{_part(carrier)}/trackingnumbers/{_part(tracking_number)}"


def _whole_object(body: bytes) -> msgspec.Raw:
    msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return msgspec.Raw(body)


def _typed(call: Call, raw: msgspec.Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind, strict=False)
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        # A decoding error of the codec quotes bytes of the answer, which may be personal data.
        reason = str(error) if isinstance(error, msgspec.ValidationError) else "it is not UTF-8"
        raise OttoPermanent(
            f"{call.name}: the answer does not have OTTO's documented form: {reason}", status=200
        ) from None
