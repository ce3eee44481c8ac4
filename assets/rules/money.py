"""Exact money: decimal amounts to integer cents, and sums spread without losing a cent.

Belongs here: arithmetic that holds for any amount. What a price means, which currency is accepted
and which discount belongs to which item does not belong here (`discounts`, `assets.contracts`).
"""

from collections.abc import Sequence
from decimal import Context, Decimal, Inexact

LARGEST_AMOUNT = Decimal(10) ** 12
_HUNDRED = Decimal(100)
# The usual context rounds products beyond 28 digits silently; this one refuses to.
_EXACT = Context(prec=28, traps=[Inexact])


class InexactAmountError(ValueError):
    """The amount is no whole number of cents; the message shows the amount.

    What to do: ask whoever sent the amount; nothing is ever rounded.
    """


def to_cents(amount: Decimal) -> int:
    """Cents of `amount`, which is in units of the currency; trailing zeros do not matter.

    Raises:
        InexactAmountError: NaN, infinite, beyond 10^12, or finer than one cent.
    """
    # Not abs(): it rounds, and a huge exponent is more than its context takes.
    if not amount.is_finite() or amount.copy_abs() > LARGEST_AMOUNT:
        raise InexactAmountError(f"amount {_short(amount)} is not a number up to 10^12")
    try:
        cents = _EXACT.multiply(amount, _HUNDRED)
    except Inexact as error:
        raise InexactAmountError(f"amount {_short(amount)} is finer than one cent") from error
    whole = int(cents)
    if whole != cents:
        raise InexactAmountError(f"amount {_short(amount)} is finer than one cent")
    return whole


def split_largest_remainder(total_cents: int, weights: Sequence[int]) -> list[int]:
    """Shares of `total_cents` in proportion to `weights`; their sum is exactly the total.

    The cents that rounding down leaves go to the largest remainders; equal remainders are served
    in the order of the sequence. Where all weights are zero, every position counts the same. No
    share exceeds its weight as long as the total does not exceed the sum of the weights.

    Raises:
        ValueError: a negative total or weight, or a total without any position to carry it.
    """
    if total_cents < 0 or any(weight < 0 for weight in weights):
        raise ValueError("a total and its weights must not be negative: spread its amount instead")
    if not weights:
        if total_cents:
            raise ValueError(f"{total_cents} cents have no position to be spread over")
        return []
    sum_of_weights = sum(weights)
    if not sum_of_weights:
        weights, sum_of_weights = [1] * len(weights), len(weights)
    shares = [total_cents * weight // sum_of_weights for weight in weights]
    remainders = [total_cents * weight % sum_of_weights for weight in weights]
    left = total_cents - sum(shares)
    by_remainder = sorted(range(len(weights)), key=lambda index: -remainders[index])
    for index in by_remainder[:left]:
        shares[index] += 1
    return shares


def _short(amount: Decimal) -> str:
    text = str(amount)
    return text if len(text) <= 30 else f"{text[:27]}..."
