"""What the buyer pays for each unit when a discount was given on the whole order.

OTTO names the items of an order-level discount but not each item's share, and does not say whether
item prices already contain it. Both readings are computed here; the operating model says which one
counts, and an order on which they differ is marked, because only the receipt can settle it.

Belongs here: the spreading and both readings. Storing, refusing and reporting do not belong here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from assets.rules.money import split_largest_remainder

Reading = Literal["included", "on_top"]
OrderReading = Literal["none", "included", "on_top", "ambiguous"]


@dataclass(frozen=True, slots=True)
class PricedItem:
    """One unit with OTTO's prices in cents."""

    position_item_id: str
    gross_cents: int
    reduced_cents: int | None

    @property
    def price_cents(self) -> int:
        """The reduced price where there is one, else the gross price."""
        return self.gross_cents if self.reduced_cents is None else self.reduced_cents


@dataclass(frozen=True, slots=True)
class OrderDiscount:
    """One order-level discount in cents and the items it names."""

    discount_id: str
    cents: int
    position_item_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ItemShare:
    """One item's part of all order-level discounts, and what its buyer pays, in cents."""

    share_cents: int
    buyer_price_cents: int


@dataclass(frozen=True, slots=True)
class DiscountProblem:
    """Why the discounts of an order cannot be spread; `shown` names ids and cents only."""

    rule: Literal["discount_items_known", "discount_within_value"]
    shown: str


@dataclass(frozen=True, slots=True)
class Spread:
    """Shares in the order of the items; with a problem there are no shares."""

    reading: OrderReading
    shares: tuple[ItemShare, ...]
    problem: DiscountProblem | None = None


def spread_discounts(
    items: Sequence[PricedItem], discounts: Sequence[OrderDiscount], reading: Reading
) -> Spread:
    """Spread `discounts` over `items` by largest remainder under the seller's `reading`.

    On top: weighed and capped by the item's price, and the buyer pays the price less the share.
    Included: the share was taken from the gross price, so that weighs and caps, and the buyer pays
    the price as it stands. `ambiguous` means that the other reading is possible, too, and gives
    another buyer price; the seller's reading is used all the same.
    """
    if not discounts:
        return Spread("none", tuple(ItemShare(0, item.price_cents) for item in items))
    on_top, on_top_problem = _shares(items, discounts, [item.price_cents for item in items])
    if reading == "on_top":
        shares, problem = on_top, on_top_problem
    else:
        shares, problem = _shares(items, discounts, [item.gross_cents for item in items])
    if problem is not None:
        return Spread(reading, (), problem)
    both_possible_and_different = on_top_problem is None and any(on_top)
    taken = shares if reading == "on_top" else [0] * len(items)
    return Spread(
        "ambiguous" if both_possible_and_different else reading,
        tuple(
            ItemShare(share, item.price_cents - off)
            for item, share, off in zip(items, shares, taken, strict=True)
        ),
    )


@dataclass(frozen=True, slots=True)
class Settlement:
    """Which reading receipts bear out; shares only where it is exactly one.

    `both`: what the receipts charge so far fits both readings. `none`: it fits neither, so the
    receipt or the order is wrong and a person must look.
    """

    holds: Literal["included", "on_top", "both", "none"]
    shares: tuple[ItemShare, ...] = ()


def settle(
    items: Sequence[PricedItem],
    discounts: Sequence[OrderDiscount],
    charged_cents: Mapping[str, int],
) -> Settlement:
    """Find the reading of an ambiguous order by what its PURCHASE receipts charge.

    Where a discount comes on top, OTTO may round a share otherwise than we do: once all units are
    charged, a cent for each discount is no contradiction if the sum is exact, and the share becomes
    that which the receipt charges.

    Args:
        items: all units of the order; the shares come in their order.
        discounts: the order's discounts.
        charged_cents: what the receipts charge, by item; items without a receipt are absent.
    """
    included = spread_discounts(items, discounts, "included")
    on_top = spread_discounts(items, discounts, "on_top")
    if _fits(items, on_top, charged_cents, rounding=len(discounts)):
        if _fits(items, included, charged_cents, rounding=0):
            return Settlement("both")
        return Settlement("on_top", tuple(_as_charged(items, on_top, charged_cents)))
    if _fits(items, included, charged_cents, rounding=0):
        return Settlement("included", included.shares)
    return Settlement("none")


def _fits(
    items: Sequence[PricedItem], spread: Spread, charged_cents: Mapping[str, int], rounding: int
) -> bool:
    """Whether the receipts charge what a reading says."""
    if spread.problem is not None:
        return False
    prices = {
        item.position_item_id: share.buyer_price_cents
        for item, share in zip(items, spread.shares, strict=True)
    }
    if charged_cents.items() <= prices.items():
        return True
    return (
        charged_cents.keys() == prices.keys()
        and sum(charged_cents.values()) == sum(prices.values())
        and all(abs(prices[item] - cents) <= rounding for item, cents in charged_cents.items())
    )


def _as_charged(
    items: Sequence[PricedItem], spread: Spread, charged_cents: Mapping[str, int]
) -> Iterator[ItemShare]:
    for item, share in zip(items, spread.shares, strict=True):
        price = charged_cents.get(item.position_item_id, share.buyer_price_cents)
        yield ItemShare(share.share_cents + share.buyer_price_cents - price, price)


def _shares(
    items: Sequence[PricedItem], discounts: Sequence[OrderDiscount], values: list[int]
) -> tuple[list[int], DiscountProblem | None]:
    """Each item's share when no item may carry more than its value."""
    if min(values, default=0) < 0:
        return [], DiscountProblem("discount_within_value", "an item has a negative price")
    position = {item.position_item_id: index for index, item in enumerate(items)}
    left = list(values)
    # The narrowest discount goes first: a wide one can still use other items, the narrow one
    # cannot. Sorting also makes the result independent of the order in which OTTO lists them.
    for discount in sorted(discounts, key=lambda d: (len(set(d.position_item_ids)), d.discount_id)):
        unknown = [item for item in discount.position_item_ids if item not in position]
        if unknown or not discount.position_item_ids:
            shown = f"discount {discount.discount_id} names {unknown[0] if unknown else 'no item'}"
            return [], DiscountProblem("discount_items_known", shown)
        named = sorted({position[item] for item in discount.position_item_ids})
        carried = sum(left[index] for index in named)
        if not 0 <= discount.cents <= carried:
            shown = (
                f"discount {discount.discount_id} of {discount.cents} cents "
                f"on items worth {carried} cents"
            )
            return [], DiscountProblem("discount_within_value", shown)
        weights = [left[index] for index in named]
        for index, share in zip(
            named, split_largest_remainder(discount.cents, weights), strict=True
        ):
            left[index] -= share
    return [value - rest for value, rest in zip(values, left, strict=True)], None
