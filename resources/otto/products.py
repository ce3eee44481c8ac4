"""Products at OTTO, read only: prices, whether they are switched on, and what the shop says.

Belongs here: the three lists and their records. Which price is right does not belong here.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from resources.otto.rows import Listing, RowsPage, Walk
from resources.otto.transport import Transport
from resources.otto.wire import Amount, format_time

_LIMIT = ("limit", "100")


class _Received(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What all received records share."""


class Sale(_Received, frozen=True, kw_only=True):
    """A lower price for a time."""

    sale_price: Amount
    start_date: str | None = None
    end_date: str | None = None


class SkuPrices(_Received, frozen=True, kw_only=True):
    """Prices of one SKU."""

    sku: str
    standard_price: Amount
    sale: Sale | None = None


class ActiveStatus(_Received, frozen=True, kw_only=True):
    """Whether the seller offers the SKU."""

    sku: str
    active: bool
    last_modified: str | None = None


class StatusError(_Received, frozen=True, kw_only=True):
    """Why the shop does not show a SKU."""

    code: str | None = None
    title: str | None = None


class MarketplaceStatus(_Received, frozen=True, kw_only=True):
    """What the shop makes of the SKU."""

    sku: str
    status: str
    errors: list[StatusError] | None = None
    last_modified: str | None = None


_PRICES = Listing("/v5/products/prices", "variationPrices", "page", SkuPrices, ("sku",))
_ACTIVE = Listing("/v5/products/active-status", "status", "page", ActiveStatus, ("sku",))
_MARKETPLACE = Listing(
    "/v5/products/marketplace-status", "marketPlaceStatus", "page", MarketplaceStatus, ("sku",)
)


class Products:
    """OTTO's lists of products. Each method may raise an `OttoError`."""

    def __init__(self, transport: Transport, walk: Walk) -> None:
        self._transport = transport
        self._walk = walk

    def prices(self) -> Iterator[RowsPage[SkuPrices]]:
        """Yield prices of all SKUs."""
        return _PRICES.pages(self._transport, self._walk, (_LIMIT,))

    def active_status(self) -> Iterator[RowsPage[ActiveStatus]]:
        """Yield for all SKUs whether they are offered."""
        return _ACTIVE.pages(self._transport, self._walk, (_LIMIT,))

    def marketplace_status(
        self, changed_from: datetime | None = None
    ) -> Iterator[RowsPage[MarketplaceStatus]]:
        """Yield the shop's view of all SKUs, or of those that changed since then."""
        since = () if changed_from is None else (("fromDate", format_time(changed_from)),)
        return _MARKETPLACE.pages(self._transport, self._walk, (*since, _LIMIT))
