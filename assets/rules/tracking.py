"""Carrier formats, check digits and links: whether a tracking number can be a real one.

Belongs here: what can be said of a number by looking at it. Whether a parcel may be reported to
OTTO as shipped is decided in `shipment_gate`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Literal
from urllib.parse import quote, urlsplit

Status = Literal["valid", "unverified", "invalid"]

_PLACEHOLDERS = frozenset(
    {"n/a", "na", "n.a.", "none", "null", "nil", "tbd", "tba", "test", "unknown", "unbekannt"}
    | {"pending", "todo", "dummy", "xxx", "-", "."}
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a number; `reason` is written for the person who must correct it.

    `unverified` means plausible, but this carrier's numbers have no format we can check: a warning.
    """

    status: Status
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Format:
    """One form of number of a carrier; `check` sees the whole number, None = form only."""

    rule: str
    pattern: re.Pattern[str]
    wording: str
    check: Callable[[str], bool] | None = None
    certain: bool = True


def check_digit(digits: str, weights: tuple[int, ...]) -> int:
    """Modulo-10 digit that completes `digits`; weights repeat from the left."""
    total = sum(int(digit) * weight for digit, weight in zip(digits, cycle(weights), strict=False))
    return -total % 10


def _modulo_10(*weights: int) -> Callable[[str], bool]:
    return lambda number: check_digit(number[:-1], weights) == int(number[-1])


_FORMATS: dict[str, tuple[_Format, ...]] = {
    "DHL": (
        _Format("dhl_12", re.compile(r"[0-9]{12}"), "12 digits", _modulo_10(4, 9)),
        _Format("dhl_20", re.compile(r"0034[0-9]{16}"), "20 digits from 0034", _modulo_10(3, 1)),
        _Format("dhl_jjd", re.compile(r"JJD[0-9]{12,21}"), "JJD and digits", certain=False),
    ),
    "HERMES": (
        _Format("hermes_14", re.compile(r"[0-9]{14}"), "14 digits", _modulo_10(3, 1)),
        _Format("hermes_h", re.compile(r"H[0-9]{19}"), "H and 19 digits", certain=False),
    ),
    "DPD": (_Format("dpd_14", re.compile(r"[0-9]{14}"), "14 digits", _modulo_10(3, 1)),),
    "GLS": (
        _Format("gls_8", re.compile(r"[A-Z0-9]{8}"), "8 letters or digits"),
        _Format("gls_11_14", re.compile(r"[0-9]{11,14}"), "11 to 14 digits"),
    ),
    "UPS": (_Format("ups_1z", re.compile(r"1Z[A-Z0-9]{16}"), "1Z and 16 letters or digits"),),
}
_ANY_CARRIER = re.compile(r"[A-Z0-9][A-Z0-9./_-]{3,39}")


def check_tracking_number(otto_carrier: str, number: str) -> Verdict:
    """Judge `number` by the formats of the carrier that OTTO calls `otto_carrier`."""
    flaw = _flaw_of_any_carrier(number)
    if flaw is not None:
        return flaw
    formats = _FORMATS.get(otto_carrier)
    if formats is None:
        return Verdict(
            "unverified", "no_known_format", f"no number format of {otto_carrier} is known"
        )
    for form in formats:
        if form.pattern.fullmatch(number):
            return _judge(otto_carrier, form, number)
    known = " or ".join(form.wording for form in formats)
    return Verdict("invalid", "format", f"is no number of {otto_carrier}, which has {known}")


def tracking_url(template: str, number: str) -> str:
    """The buyer's link: `template` with the URL-encoded number in place of {number}.

    Raises:
        ValueError: the result is no https address, or the template has no place for the number.
    """
    url = template.replace("{number}", quote(number, safe=""))
    parts = urlsplit(url)
    if "{number}" not in template or parts.scheme != "https" or not parts.hostname:
        raise ValueError(
            "the tracking_url template must be an https address that contains {number}"
        )
    return url


def _flaw_of_any_carrier(number: str) -> Verdict | None:
    if number.strip().casefold() in _PLACEHOLDERS or len(set(number)) < 2:
        return Verdict("invalid", "placeholder", "is a placeholder, not a number")
    if re.search(r"\s", number):
        return Verdict("invalid", "whitespace", "contains blanks or line breaks")
    if number != number.upper():
        return Verdict("invalid", "lower_case", "contains lower-case letters")
    if not _ANY_CARRIER.fullmatch(number):
        return Verdict("invalid", "charset", "is not 4 to 40 letters, digits, or . / _ -")
    return None


def _judge(otto_carrier: str, form: _Format, number: str) -> Verdict:
    if form.check is not None and not form.check(number):
        return Verdict(
            "invalid",
            f"{form.rule}_check_digit",
            f"has {form.wording} as {otto_carrier} uses, but the check digit is wrong",
        )
    if not form.certain:
        return Verdict(
            "unverified", form.rule, f"{form.wording}: {otto_carrier} gives it no check digit"
        )
    return Verdict("valid", form.rule, f"{form.wording} of {otto_carrier}")
