"""Carriers of the simulated warehouse and the numbers they print.

Belongs here: raw carrier codes, check digits, tracking links, unique tracking and return numbers,
and spoilt ones. What OTTO accepts belongs to `otto_rules`.
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

UNKNOWN_CARRIER = "XPRESS-24"
RETURN_CARRIER = "DHL"


def check_digit(digits: str, weights: tuple[int, int]) -> str:
    """Modulo-10 check digit; the weights alternate from the left."""
    total = sum(int(digit) * weights[place % 2] for place, digit in enumerate(digits))
    return str(-total % 10)


def ups_check_digit(code: str) -> str:
    """UPS: letters count as (position in the alphabet + 1) mod 10, every second one twice."""
    values = [int(sign) if sign.isdigit() else (ord(sign) - 63) % 10 for sign in code]
    return str(-(sum(values[0::2]) + 2 * sum(values[1::2])) % 10)


def dhl_number(serial: int) -> str:
    """12 digits, or 20 for every fourth parcel."""
    if serial % 4 == 3:
        payload = f"00340434{serial:011d}"
        return payload + check_digit(payload, (3, 1))
    payload = f"{57_000_000_000 + serial}"
    return payload + check_digit(payload, (4, 9))


def _hermes_number(serial: int) -> str:
    payload = f"09{serial:011d}"
    return payload + check_digit(payload, (3, 1))


def _dpd_number(serial: int) -> str:
    payload = f"01{serial:011d}"
    return payload + check_digit(payload, (3, 1))


def _gls_number(serial: int) -> str:
    payload = f"50{serial:09d}"
    return payload + check_digit(payload, (3, 1))


def _ups_number(serial: int) -> str:
    payload = f"999AA168{serial:07d}"
    return "1Z" + payload + ups_check_digit(payload)


@dataclass(frozen=True, slots=True)
class Carrier:
    """One carrier: its numbers, its link and its share of the parcels."""

    raw_code: str
    number: Callable[[int], str]
    link: str
    weight: int


CARRIERS = {
    carrier.raw_code: carrier
    for carrier in (
        Carrier(
            "DHL-PAKET",
            dhl_number,
            "https://www.dhl.de/de/privatkunden/pakete-empfangen/verfolgen.html?piececode={}",
            50,
        ),
        Carrier(
            "HERMES-STD",
            _hermes_number,
            "https://www.myhermes.de/empfangen/sendungsverfolgung/sendungsinformation/#{}",
            20,
        ),
        Carrier("DPD-CLASSIC", _dpd_number, "https://tracking.dpd.de/status/de_DE/parcel/{}", 15),
        Carrier(
            "GLS-BUSINESS", _gls_number, "https://gls-group.eu/DE/de/paketverfolgung?match={}", 10
        ),
        Carrier("UPS-STD", _ups_number, "https://www.ups.com/track?loc=de_DE&tracknum={}", 5),
    )
}
_CODES = tuple(CARRIERS)
_WEIGHTS = tuple(carrier.weight for carrier in CARRIERS.values())
_CHECKED = ("DHL-PAKET", "HERMES-STD", "DPD-CLASSIC")


def choose(rng: random.Random, *, with_check_digit: bool = False) -> str:
    """A raw carrier code by its share; or one whose numbers carry a known check digit."""
    if with_check_digit:
        return rng.choice(_CHECKED)
    return rng.choices(_CODES, _WEIGHTS)[0]


def link(raw_code: str, number: str) -> str:
    """The buyer's https link to the parcel."""
    carrier = CARRIERS.get(raw_code)
    template = carrier.link if carrier else "https://xpress-24.example/track/{}"
    return template.format(quote(number))


def spoil(number: str, rng: random.Random) -> str:
    """The number with a wrong check digit, or cut short: never a valid one of that carrier."""
    if rng.random() < 0.5:
        return number[:-1] + str((int(number[-1]) + rng.randint(1, 9)) % 10)
    return number[:-3]


class NumberRange:
    """Hands out numbers; none is given twice."""

    def __init__(self, seed: int) -> None:
        self._serial = itertools.count(1_000 + seed % 1_000)
        self._return_serial = itertools.count(22_000_000_000)

    def tracking(self, raw_code: str) -> str:
        """A valid tracking number of that carrier (of DHL for an unknown one)."""
        carrier = CARRIERS.get(raw_code, CARRIERS["DHL-PAKET"])
        return carrier.number(next(self._serial))

    def return_number(self) -> str:
        """A valid 12-digit DHL return number."""
        payload = str(next(self._return_serial))
        return payload + check_digit(payload, (4, 9))
