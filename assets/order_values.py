"""Single values of OTTO's orders: times, cents, rates, what an address lacks.

Belongs here: reading one value, with null for what cannot be read. Results are kept, since orders
share most of their dates and amounts. Columns of them are built in `order_rows`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

import msgspec

from assets.rules.money import InexactAmountError, to_cents
from resources.otto.wire import Address, Amount, parse_time

# A chunk's distinct dates and amounts; OTTO repeats them between columns.
_CACHED = 32_768
_LONGEST_DATE = 60
_ENCODER = msgspec.json.Encoder()
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_PARTS = ("lastName", "street", "zipCode", "city", "countryCode")


def moment_of(text: str) -> datetime | None:
    """Aware UTC of one of OTTO's dates; null if unreadable or outside 2000 to 2100."""
    return _moment(text) if len(text) <= _LONGEST_DATE else None


@lru_cache(maxsize=_CACHED)
def _moment(text: str) -> datetime | None:
    try:
        moment = parse_time(text)
    except ValueError:
        return None
    return moment if _EARLIEST <= moment < _LATEST else None


def cents_of(amount: Decimal) -> int | None:
    """Whole cents; null for an amount that is none."""
    try:
        return _cents(amount)
    except (InexactAmountError, TypeError):
        # A signalling NaN, which OTTO could write as text, cannot even be looked up.
        return None


@lru_cache(maxsize=_CACHED)
def _cents(amount: Decimal) -> int:
    return to_cents(amount)


def sum_of(amounts: Sequence[Amount]) -> int | None:
    """The sum in cents; null if one of the amounts cannot be counted."""
    total = 0
    for amount in amounts:
        cents = cents_of(amount.amount)
        if cents is None:
            return None
        total += cents
    return total


def currency_of(amounts: Sequence[Amount]) -> str:
    """The currency, several joined by a plus sign, or nothing for no amount."""
    if len(amounts) == 1:
        return amounts[0].currency
    return "+".join(dict.fromkeys([amount.currency for amount in amounts]))


def inexact_amount_of(amounts: Sequence[Amount]) -> str:
    """An amount that is no whole number of cents, if there is one."""
    for amount in amounts:
        if cents_of(amount.amount) is None:
            return str(amount.amount)
    return ""


def rate_text(rate: Decimal) -> str:
    """A percentage as the operating model writes it: 19.00 is "19"."""
    plausible = rate.is_finite() and -6 <= rate.adjusted() <= 6
    return _plain_rate(rate) if plausible else str(rate)


@lru_cache(maxsize=1_024)
def _plain_rate(rate: Decimal) -> str:
    return format(rate.normalize(), "f")


def missing_part(address: Address | None) -> str:
    """Name of the first part without which nobody can deliver; never a value."""
    if address is None:
        return "deliveryAddress"
    parts = (
        address.last_name + address.first_name,
        address.street,
        address.zip_code,
        address.city,
        address.country_code,
    )
    if all(map(str.strip, parts)):
        return ""
    return next(name for name, part in zip(_PARTS, parts, strict=True) if not part.strip())


def address_json(address: Address | None) -> str | None:
    """The address as it is stored. Personal data."""
    return None if address is None else _ENCODER.encode(address).decode()
