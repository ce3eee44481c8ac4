"""Which order lives through which story: the plan of a run, made from the seed.

Belongs here: the kinds of story and how many orders get each. An order has at most one story, so a
difference that a run finds has one cause. What a story does belongs to `world` (at OTTO) and
`warehouse` (in the WMS).
"""

import random
from enum import StrEnum

from otto_pipelines.sandbox.config import SandboxConfig

PLANTED_FROM = 60
"""From that many orders on, every story happens at least once."""


class Story(StrEnum):
    """What happens to an order that does not simply get shipped."""

    ORDER_LOST = "order_lost"
    SKU_SWAPPED = "sku_swapped"
    PRICE_CHANGED = "price_changed"
    TRACKING_MISSING = "tracking_missing"
    TRACKING_MALFORMED = "tracking_malformed"
    CARRIER_UNKNOWN = "carrier_unknown"
    TRACKING_CORRECTED = "tracking_corrected"
    PORTAL_SENT = "portal_sent"
    STALLED = "stalled"
    SHIPMENT_REFUSED = "shipment_refused"
    CANCELLATION_IGNORED = "cancellation_ignored"
    RETURN_NUMBER_MISSING = "return_number_missing"
    CANCELLED_EARLY = "cancelled_early"
    CANCELLED_LATE = "cancelled_late"
    CANCELLED_AFTER_PACKING = "cancelled_after_packing"
    SHORT_PICKED = "short_picked"
    BACKORDERED = "backordered"
    SPLIT = "split"
    PREPAID = "prepaid"
    PAYMENT_ABORTED = "payment_aborted"


DATA_FAULTS = (
    Story.ORDER_LOST,
    Story.SKU_SWAPPED,
    Story.PRICE_CHANGED,
    Story.TRACKING_MISSING,
    Story.TRACKING_MALFORMED,
    Story.CARRIER_UNKNOWN,
    Story.TRACKING_CORRECTED,
    Story.PORTAL_SENT,
    Story.STALLED,
    Story.SHIPMENT_REFUSED,
    Story.CANCELLATION_IGNORED,
    Story.RETURN_NUMBER_MISSING,
)
NEVER_DISPATCHED = frozenset({Story.PORTAL_SENT, Story.STALLED})
PHANTOM_ORDER = "phantom_order"

# How a rate is shared among the stories it stands for; the parts of a group sum to one.
_SHARES: dict[Story, tuple[str, float]] = {
    **dict.fromkeys(DATA_FAULTS, ("data_fault_rate", 1.0)),
    Story.CANCELLED_AFTER_PACKING: ("customer_cancel_rate", 0.15),
    Story.CANCELLED_EARLY: ("customer_cancel_rate", 0.4),
    Story.CANCELLED_LATE: ("customer_cancel_rate", 0.45),
    Story.SHORT_PICKED: ("short_pick_rate", 0.75),
    Story.BACKORDERED: ("short_pick_rate", 0.25),
    Story.SPLIT: ("split_rate", 1.0),
    Story.PREPAID: ("prepayment_rate", 0.8),
    Story.PAYMENT_ABORTED: ("prepayment_rate", 0.2),
}
_NEEDS_SEVERAL_ITEMS = frozenset({Story.SPLIT})


def quota(orders: int, share: float) -> int:
    """How many of `orders` a share stands for; at least one in a run of some size."""
    if share == 0:
        return 0
    return max(round(orders * share), 1 if orders >= PLANTED_FROM else 0)


def plan(config: SandboxConfig, item_counts: list[int], rng: random.Random) -> list[Story | None]:
    """One entry per order. A run too small for all quotas leaves the last stories out."""
    told: list[Story | None] = [None] * len(item_counts)
    free = list(range(len(item_counts)))
    rng.shuffle(free)
    several = [place for place in free if item_counts[place] > 1]
    for story, (rate, part) in _SHARES.items():
        share = getattr(config, rate) * part
        pool = several if story in _NEEDS_SEVERAL_ITEMS else free
        for _ in range(quota(len(item_counts), share)):
            place = next((place for place in reversed(pool) if told[place] is None), None)
            if place is None:
                break
            told[place] = story
        while pool and told[pool[-1]] is not None:
            pool.pop()
    return told
