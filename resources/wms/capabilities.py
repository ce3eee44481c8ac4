"""What a warehouse adapter can do, by name: the parts of the port that not every WMS has.

Belongs here: the names and what they mean. An adapter without a feature says so, and nobody has to
find out by trying.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Feature(StrEnum):
    """What a warehouse may or may not be able to do; `MEANINGS` says what each is."""

    UPDATE = "UPDATE"
    CANCEL_LINES = "CANCEL_LINES"
    CANCEL_PICKED = "CANCEL_PICKED"
    CANCEL_ANSWERED = "CANCEL_ANSWERED"
    BACKORDER = "BACKORDER"
    PARCEL_LINES = "PARCEL_LINES"
    RETURN_TRACKING = "RETURN_TRACKING"
    TRACKING_CORRECTION = "TRACKING_CORRECTION"
    STOCK_CHANGES = "STOCK_CHANGES"
    RETURNS = "RETURNS"
    REGRADING = "REGRADING"
    BLIND_RETURNS = "BLIND_RETURNS"
    ACKNOWLEDGE = "ACKNOWLEDGE"


MEANINGS: Mapping[Feature, tuple[str, str]] = {
    Feature.UPDATE: (
        "an order that is not picked yet takes another content",
        "a changed order is rejected; a person cancels it and sends it again",
    ),
    Feature.CANCEL_LINES: (
        "single units are cancelled",
        "only whole orders are; a unit that OTTO cancelled is stopped by a person",
    ),
    Feature.CANCEL_PICKED: (
        "what is picked and not packed yet can still be cancelled",
        "it is too late from the pick on; the parcel is stopped by a person, or comes back",
    ),
    Feature.CANCEL_ANSWERED: (
        "a cancellation is answered at once",
        "an event tells later what became of it",
    ),
    Feature.BACKORDER: (
        "a short-pick says whether the rest follows",
        "each short-pick is for good",
    ),
    Feature.PARCEL_LINES: (
        "it is known which unit lies in which parcel",
        "the units of a departure count as in its first parcel",
    ),
    Feature.RETURN_TRACKING: (
        "parcels carry a return number",
        "numbers come from the pool of the operating model",
    ),
    Feature.TRACKING_CORRECTION: (
        "a number that changes after the dispatch is told",
        "the correction is unknown; the buyer's link leads nowhere",
    ),
    Feature.STOCK_CHANGES: (
        "SKUs that changed are named",
        "only the whole list shows changes",
    ),
    Feature.RETURNS: (
        "goods that came back are told",
        "a person accepts or rejects each return at OTTO",
    ),
    Feature.REGRADING: (
        "a return that is graded later is told again",
        "the first grading stands",
    ),
    Feature.BLIND_RETURNS: (
        "returns that belong to no known order are told",
        "they stay with the warehouse",
    ),
    Feature.ACKNOWLEDGE: (
        "the WMS is told what was recorded",
        "nothing: our cursor is enough",
    ),
}
"""What each feature is, and what happens without it."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter can do; a part that is missing is known by its name."""

    name: str
    """As WMS_ADAPTER names it."""
    supports: frozenset[Feature]
