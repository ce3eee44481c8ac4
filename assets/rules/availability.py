"""Available-to-sell: how much of the warehouse's stock OTTO is offered, with every term visible.

Belongs here: the arithmetic, and when a figure or a whole snapshot is not to be believed. Where the
levels and the open units come from does not belong here (`resources.operations.stock`), nor does
sending.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from resources.operating_model import AvailabilityPolicy
from resources.operations.availability import Lane
from resources.wms.port import StockLevel

# The largest quantity that OTTO takes.
LARGEST_QUANTITY = 999_999_999


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its terms, in units, in the order in which they apply.

    `sellable` is what the WMS has promised to nobody, over all `locations`; `doubtful` what of it
    no level newer than the SKU's last short-pick confirms; `otto_open` what OTTO sold of it and the
    WMS does not count yet; `safety_stock` what is held back, at the locations
    and for the SKU. `remaining` is the rest, not below 0; `share` is `percentage` of it; `capped`
    is the share within `cap`; `quantity` is 0 where that is less than `floor`. `oversold` units are
    promised and not there. `as_of` is the oldest level's moment; None where the WMS told of none.
    """

    sku: str
    locations: int
    sellable: int
    doubtful: int
    otto_open: int
    safety_stock: int
    remaining: int
    percentage: int
    share: int
    cap: int | None
    capped: int
    floor: int
    quantity: int
    oversold: int
    as_of: datetime | None

    def terms(self) -> dict[str, Any]:
        """All terms by name; the time as ISO 8601."""
        as_of = None if self.as_of is None else self.as_of.isoformat()
        return {**{name: getattr(self, name) for name in self.__slots__}, "as_of": as_of}


@dataclass(frozen=True, slots=True)
class Offer:
    """What is shown at OTTO; `frozen_reason` says why it is not the computed figure."""

    quantity: int
    frozen_reason: str | None = None


@dataclass(frozen=True, slots=True)
class DropVerdict:
    """Whether a snapshot may replace our figures; `reason` (what, and what to do) if it may not.

    `listed` SKUs had a quantity, `dropped` of them would have none.
    """

    stopped: bool
    listed: int
    dropped: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SkuCollision:
    """SKUs of which nobody can say which article is meant; none of `otto_skus` has a figure."""

    otto_skus: tuple[str, ...]
    wms_skus: tuple[str, ...]
    reason: str


def available_to_sell(
    sku: str,
    levels: Sequence[StockLevel],
    policy: AvailabilityPolicy,
    otto_open: int,
    short_at: datetime | None = None,
) -> Figure:
    """Compute the figure of OTTO's `sku`.

    Args:
        sku: names the SKU's own safety stock.
        levels: its levels at the WMS, one per location; they add up, in any order.
        policy: of the operating model.
        otto_open: units that OTTO sold and the levels do not show as reserved.
        short_at: the SKU's last short-pick. A level that is not newer offers nothing: where one
            unit was not found, the others may be missing, too. None: each level is believed.

    Raises:
        ValueError: `otto_open` is negative.
    """
    if otto_open < 0:
        raise ValueError(f"SKU {sku!r}: {otto_open} open units; units cannot be negative")
    safety = policy.safety_stock
    sellable = sum(level.free for level in levels)
    doubtful = sum(
        max(0, level.free) for level in levels if short_at is not None and level.as_of <= short_at
    )
    # A location holds back its own units only; it takes none from another.
    at_locations = sum(
        min(safety.per_location.get(level.location, 0), max(0, level.free)) for level in levels
    )
    safety_stock = at_locations + safety.per_sku.get(sku, safety.default)
    remaining = max(0, sellable - doubtful - otto_open - safety_stock)
    share = remaining * policy.percentage // 100
    capped = min(share, LARGEST_QUANTITY if policy.cap is None else policy.cap)
    return Figure(
        sku=sku,
        locations=len(levels),
        sellable=sellable,
        doubtful=doubtful,
        otto_open=otto_open,
        safety_stock=safety_stock,
        remaining=remaining,
        percentage=policy.percentage,
        share=share,
        cap=policy.cap,
        capped=capped,
        floor=policy.min_to_list,
        quantity=capped if capped >= policy.min_to_list else 0,
        oversold=max(0, otto_open - sellable),
        as_of=min((level.as_of for level in levels), default=None),
    )


def offer(figure: Figure, held: int | None, policy: AvailabilityPolicy, now: datetime) -> Offer:
    """Decide what to show by how old the figure's levels are.

    A stale figure becomes 0, or is frozen: it may fall below what we `held` (a sale still counts)
    and never rises, since the warehouse may have given units away that we do not know of.
    """
    if figure.as_of is None:
        return Offer(
            0,
            "set to 0: the WMS tells of no stock of this SKU; correct sku_map in the operating "
            "model, or the article in the WMS",
        )
    age = now - figure.as_of
    if age <= timedelta(minutes=policy.stale_after_minutes):
        return Offer(figure.quantity)
    told = (
        f"the WMS told of it last at {figure.as_of:%Y-%m-%d %H:%M} UTC, "
        f"{age // timedelta(minutes=1)} minutes ago ({policy.stale_after_minutes} are allowed); "
        "check that the WMS answers and that its stock list is of now"
    )
    if policy.stale_policy == "zero":
        return Offer(0, f"set to 0: {told}")
    return Offer(min(figure.quantity, held or 0), f"held, may only fall: {told}")


def mass_drop(
    held: Mapping[str, int], new: Mapping[str, int], policy: AvailabilityPolicy
) -> DropVerdict:
    """Judge a snapshot of all stock before it replaces what we hold.

    Args:
        held: our figures by SKU.
        new: the figures that the snapshot would lead to; an absent SKU would have none.
        policy: of the operating model.
    """
    listed = [sku for sku, quantity in held.items() if quantity > 0]
    dropped = sum(new.get(sku, 0) <= 0 for sku in listed)
    empty = bool(listed) and not new
    many = dropped >= policy.mass_drop_least_skus and (
        dropped > policy.mass_drop_share * len(listed)
    )
    if not (empty or many):
        return DropVerdict(stopped=False, listed=len(listed), dropped=dropped)
    what = "is empty" if empty else f"would take {dropped} of {len(listed)} listed SKUs to 0"
    reason = (
        f"the stock snapshot {what} (allowed: {policy.mass_drop_share:.0%}, "
        "availability.mass_drop_share); nothing of it was taken over. Look at the WMS: if the "
        "stock is really gone, confirm the drop, otherwise repair its stock list"
    )
    return DropVerdict(stopped=True, listed=len(listed), dropped=dropped, reason=reason)


def sku_collisions(
    otto_skus: Collection[str], wms_skus: Collection[str], sku_map: Mapping[str, str]
) -> list[SkuCollision]:
    """Find SKUs that match more than one article, on either side; each is an error, never a guess.

    Two SKUs of OTTO that lead to one article would sell its stock twice. One SKU of OTTO matches
    several articles where the WMS has its name in several spellings (capitals, blanks around it);
    an entry in the SKU map says which one is meant.
    """
    return [*_shared_articles(otto_skus, sku_map), *_similar(otto_skus, wms_skus, sku_map)]


def lane_of(quantity: int, shown: int | None, *, moved: bool, short_picked: bool = False) -> Lane:
    """Choose a lane: `shown` is what OTTO took last from us, `moved` whether stock moved."""
    sold_out = quantity == 0 and bool(shown)
    if short_picked or sold_out:
        return Lane.URGENT
    return Lane.MOVING if moved else Lane.REST


def rank_of(quantity: int, units_sold: int) -> int:
    """Place within a lane, smaller first: what sells fast and is close to 0 goes first.

    Thousandths of the span in which `units_sold` were sold, until the quantity is gone.
    """
    return quantity * 1000 // (units_sold + 1)


def plain_sku(sku: str) -> str:
    """Read a SKU as a person would: capitals and blanks around it make no other article."""
    return sku.strip().casefold()


def _shared_articles(otto_skus: Collection[str], sku_map: Mapping[str, str]) -> list[SkuCollision]:
    by_article: dict[str, list[str]] = {}
    for sku in sorted(set(otto_skus)):
        by_article.setdefault(sku_map.get(sku, sku), []).append(sku)
    return [
        SkuCollision(
            tuple(skus),
            (article,),
            f"SKUs {_listed(skus)} of OTTO all stand for {article!r} of the WMS, whose stock would "
            "be sold twice: correct sku_map in the operating model",
        )
        for article, skus in sorted(by_article.items())
        if len(skus) > 1
    ]


def _similar(
    otto_skus: Collection[str], wms_skus: Collection[str], sku_map: Mapping[str, str]
) -> list[SkuCollision]:
    spellings: dict[str, list[str]] = {}
    for article in sorted(set(wms_skus)):
        spellings.setdefault(plain_sku(article), []).append(article)
    collisions = []
    for sku in sorted(set(otto_skus) - sku_map.keys()):
        matches = spellings.get(plain_sku(sku), [])
        if len(matches) > 1:
            reason = (
                f"SKU {sku!r} of OTTO matches {_listed(matches)} of the WMS: name the right one in "
                f"sku_map of the operating model ({sku}: ...)"
            )
            collisions.append(SkuCollision((sku,), tuple(matches), reason))
    return collisions


def _listed(skus: Sequence[str]) -> str:
    return ", ".join(repr(sku) for sku in skus)
