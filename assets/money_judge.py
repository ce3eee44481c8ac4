"""Strict reading of single values about money, and the list of what is wrong with a row.

Belongs here: one judge per row, who reads its amounts, dates and words and remembers every flaw.
Rows themselves are made in `receipt_rows` and `money_rows`, and stored by `money_import`.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

from assets.order_values import cents_of, moment_of
from resources.keys import is_key
from resources.otto.wire import Amount

_LONGEST_SHOWN = 40
_UNREADABLE = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Flaw:
    """A rule that the row breaks, where, and the value; never personal data."""

    rule: str
    field: str
    shown: str


@dataclass(slots=True)
class Judge:
    """Reads the values of one row. What cannot be read becomes a flaw and some harmless value,

    so that all flaws of a row are found at once; a row with flaws is not stored.
    `gives_back`: amounts of refunds may be written below zero, what counts is their size.
    """

    gives_back: bool = False
    flaws: list[Flaw] = field(default_factory=list)

    def flaw(self, rule: str, name: str, shown: object) -> None:
        """Note what is wrong with the field `name`."""
        text = "none" if shown is None else str(shown)
        self.flaws.append(Flaw(rule, name, text[:_LONGEST_SHOWN]))

    def key(self, text: str, name: str) -> str:
        """A key, which must not be empty, nor longer than a database can look it up."""
        if not is_key(text):
            self.flaw("key_present", name, repr(text[:_LONGEST_SHOWN]))
        return text

    def cents(self, amount: Amount, name: str) -> int:
        """Whole cents of an amount in euro."""
        if amount.currency != "EUR":
            self.flaw("in_euro", f"{name}.currency", amount.currency)
        cents = cents_of(amount.amount)
        if cents is None:
            self.flaw("whole_cents", f"{name}.amount", amount.amount)
            return 0
        if cents < 0 and not self.gives_back:
            self.flaw("not_negative", f"{name}.amount", amount.amount)
        return abs(cents)

    def cents_or_none(self, amount: Amount | None, name: str) -> int | None:
        """`cents` of an amount that may be absent."""
        return None if amount is None else self.cents(amount, name)

    def moment(self, text: str, name: str) -> datetime:
        """Aware UTC of one of OTTO's dates."""
        moment = moment_of(text)
        if moment is None:
            self.flaw("date_readable", name, text)
        return moment or _UNREADABLE

    def moment_or_none(self, text: str | None, name: str) -> datetime | None:
        """`moment` of a date that may be absent."""
        return None if text is None else self.moment(text, name)

    def word(self, word: str, known: Collection[str], name: str) -> str:
        """A word that must be one of those known."""
        if word not in known:
            self.flaw("known_value", name, word)
        return word

    def word_or_none(self, word: str | None, known: Collection[str], name: str) -> str | None:
        """`word` that may be absent."""
        return None if word is None else self.word(word, known, name)
