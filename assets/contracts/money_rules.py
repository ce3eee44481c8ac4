"""The registry of rules that every row about money must satisfy before it is stored.

Belongs here: names and wording, the one source for quarantine rows, asset checks and docs. Where a
rule is applied stands in `assets.money_judge`; rules that compare stored rows with each other do
not belong here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MoneyRule:
    """One rule; a row that breaks it goes to quarantine, the others of its page are stored."""

    name: str
    description: str
    owner: str
    remedy: str


_ALL = (
    MoneyRule(
        "row_readable",
        "The row has the shape that is documented for it.",
        "engineering",
        "Compare the row with the interface's documentation; extend the wire model if it changed.",
    ),
    MoneyRule(
        "key_present",
        "The row names the receipt, unit or SKU that it is about, in up to 200 plain signs.",
        "engineering",
        "Open a ticket at OTTO; without its key a row can be compared with nothing.",
    ),
    MoneyRule(
        "known_value",
        "A type, status, reason or condition is one that OTTO documents.",
        "engineering",
        "Check OTTO's release notes for a new value, and decide what it means for finance.",
    ),
    MoneyRule(
        "date_readable",
        "Every date is in one of OTTO's formats and lies between 2000 and 2100.",
        "engineering",
        "Compare the row with OTTO's documentation; a new date format needs a new parser.",
    ),
    MoneyRule(
        "whole_cents",
        "Every amount is a whole number of cents.",
        "finance",
        "Open a ticket at OTTO with the receipt or order number; amounts are not rounded here.",
    ),
    MoneyRule(
        "in_euro",
        "All amounts are in euro.",
        "finance",
        "Ask OTTO why it is not in EUR; settle it by hand, no rate is assumed here.",
    ),
    MoneyRule(
        "not_negative",
        "What a buyer is charged, and a price, is not below zero.",
        "finance",
        "Compare with the receipt's PDF and open a ticket at OTTO with its number.",
    ),
    MoneyRule(
        "units_named",
        "The items of a receipt name each unit once, in one line, and each unit's price.",
        "finance",
        "Compare with the receipt's PDF; without its units a line belongs to no position item.",
    ),
)

MONEY_RULES: dict[str, MoneyRule] = {rule.name: rule for rule in _ALL}
"""All rules by name, in the order in which a person reads them."""
