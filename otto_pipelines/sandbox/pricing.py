"""What each unit of an order costs its buyer, to the cent.

Belongs here: the spreading of order-level discounts in both readings, and VAT. What becomes of the
amounts belongs to `billing`. Amounts are gross cents.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from otto_pipelines.sandbox.model import Discount, SalesOrder


@dataclass(frozen=True, slots=True)
class Charge:
    """One unit: its gross price, its own discount, its shares of order discounts."""

    gross_cents: int
    own_cents: int
    shares: tuple[tuple[Discount, int], ...]

    @property
    def to_pay_cents(self) -> int:
        """What the buyer pays."""
        return self.gross_cents - self.own_cents - sum(cents for _, cents in self.shares)


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Spread `total` by `weights`; cents left over go to the largest remainders, first come first.

    Weights are not negative, and not all zero where there is anything to spread.
    """
    whole = sum(weights)
    if not total:
        return [0] * len(weights)
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: -(total * weights[place] % whole))
    for place in by_remainder[: total - sum(shares)]:
        shares[place] += 1
    return shares


def charges(order: SalesOrder, reading: str) -> dict[str, Charge]:
    """Each item's charge by its id. With `included`, item discounts hold the shares already."""
    on_top = reading == "on_top"
    values = [item.reduced_cents if on_top else item.gross_cents for item in order.items]
    shares = _shares(order, values)
    return {
        item.item_id: Charge(
            item.gross_cents,
            item.discount_cents - (0 if on_top else sum(cents for _, cents in share)),
            tuple(share),
        )
        for item, share in zip(order.items, shares, strict=True)
    }


def take_in_discounts(order: SalesOrder) -> None:
    """Put the shares into the item discounts, as OTTO shows them where discounts are included."""
    shares = _shares(order, [item.gross_cents for item in order.items])
    for item, share in zip(order.items, shares, strict=True):
        item.discount_cents += sum(cents for _, cents in share)


def _shares(order: SalesOrder, values: list[int]) -> list[list[tuple[Discount, int]]]:
    """What each item carries of each discount. The one for the fewest items goes first."""
    left = list(values)
    shares: list[list[tuple[Discount, int]]] = [[] for _ in values]
    for discount in sorted(order.discounts, key=lambda d: (len(d.item_ids), d.discount_id)):
        places = [n for n, item in enumerate(order.items) if item.item_id in discount.item_ids]
        parts = split(discount.cents, [left[place] for place in places])
        for place, cents in zip(places, parts, strict=True):
            left[place] -= cents
            if cents:
                shares[place].append((discount, cents))
    return shares


def net_of(gross_cents: int, vat_rate: int) -> int:
    """The net amount, half a cent rounded up."""
    return (gross_cents * 200 + 100 + vat_rate) // (2 * (100 + vat_rate))
