"""Deliver outbox rows: lease, settle what may already have happened, send, record.

Belongs here: the one loop through which every outbound effect leaves, and the outcomes a handler
may report. What a kind of message means stands in its own handler beside this module; the rows and
their states stand in `resources.operations.outbox`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Protocol

from resources.operating_model import OutboxPolicy
from resources.operations.outbox import Message, Outbox

# The other side may ask for a longer wait than our back-off, but not for one that nobody would see.
LONGEST_WAIT_SECONDS = 3600.0
# So many in a row without an answer that tells anything mean that the other side is down.
GIVE_WAY_AFTER = 3
_RANDOM = Random()


@dataclass(frozen=True)
class Confirmed:
    """The effect exists on the other side."""

    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Accepted:
    """The other side took the request and will carry it out later: ask after the back-off."""

    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Retry:
    """The request certainly had no effect."""

    error: str
    after_seconds: float | None = None


@dataclass(frozen=True)
class Unknown:
    """The request may have had its effect."""

    error: str


@dataclass(frozen=True)
class Refused:
    """The other side refuses it for good."""

    reason: str


@dataclass(frozen=True)
class Blocked:
    """A rule of ours holds it back until somebody or some other flow acts."""

    reason: str


@dataclass(frozen=True)
class Dropped:
    """It is no longer wanted, and nothing was sent."""

    reason: str


Outcome = Confirmed | Accepted | Retry | Unknown | Refused | Blocked | Dropped


class Handler(Protocol):
    """How one kind of message is sent and settled."""

    kind: str
    batch_size: int

    def settle(self, message: Message) -> Outcome | None:
        """Ask whether an earlier attempt had its effect; None means that it certainly had not."""
        ...

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Send all; one outcome per message, in order."""
        ...


def deliver(
    outbox: Outbox, handler: Handler, policy: OutboxPolicy, *, limit: int = 100_000
) -> Counter[str]:
    """Send what is due of one kind when it begins, each once; returns outcome name to count.

    What becomes due meanwhile is left to the next delivery: of many rows that the other side is
    slow to show, the first are due again before the last were asked about, and it would never end.
    When the other side is down, the rest is left as well. A handler's exception (no key) stops the
    delivery; what was leased then comes back by itself when the lease ends.
    """
    return _Delivery(outbox, handler, policy).run(limit)


def backoff(
    attempts: int, policy: OutboxPolicy, random: Random = _RANDOM, *, waited: float = 0.0
) -> float:
    """Seconds until the next attempt: doubling up to the longest, half of it by chance.

    A row that was asked about in vain had no further attempt, but it `waited` so long.
    """
    doubled = policy.first_backoff_seconds * 2.0 ** min(max(attempts - 1, 0), 60)
    longest = policy.longest_backoff_seconds
    return min(max(doubled, 2 * waited), longest) * random.uniform(0.5, 1.0)


class _Delivery:
    """One delivery; `in_vain` counts outcomes in a row by which the other side seems to be down."""

    def __init__(self, outbox: Outbox, handler: Handler, policy: OutboxPolicy) -> None:
        self._outbox = outbox
        self._handler = handler
        self._policy = policy
        self._counts: Counter[str] = Counter()
        self._in_vain = 0

    def run(self, limit: int) -> Counter[str]:
        """Batch after batch, until all are through or the other side is down."""
        handled, began = 0, datetime.now(UTC)
        while handled < limit and not self._is_down():
            size = min(self._handler.batch_size, self._policy.batch, limit - handled)
            kinds, now = [self._handler.kind], datetime.now(UTC)
            leased = self._outbox.lease(kinds, size, now, due_by=began)
            if not leased:
                break
            handled += len(leased)
            self._send(self._settle(leased))
        return self._counts

    def _settle(self, leased: Sequence[Message]) -> list[Message]:
        """Ask for what may have happened; returns what has to be sent."""
        unsent: list[Message] = []
        for message in leased:
            if self._is_down():
                self._outbox.release(message)
                continue
            settled = self._handler.settle(message) if message.must_settle else None
            if settled is None:
                unsent.append(message)
            else:
                self._note(message, settled, "_by_asking")
        return unsent

    def _send(self, unsent: Sequence[Message]) -> None:
        sending = self._outbox.mark_sending(unsent, datetime.now(UTC))
        for message, outcome in zip(sending, self._handler.send(sending), strict=True):
            self._note(message, outcome)

    def _note(self, message: Message, outcome: Outcome, how: str = "") -> None:
        _record(self._outbox, self._policy, message, outcome)
        self._counts[f"{type(outcome).__name__.lower()}{how}"] += 1
        self._in_vain = self._in_vain + 1 if isinstance(outcome, Retry | Unknown) else 0

    def _is_down(self) -> bool:
        return self._in_vain >= GIVE_WAY_AFTER


def _record(outbox: Outbox, policy: OutboxPolicy, message: Message, outcome: Outcome) -> None:
    now = datetime.now(UTC)
    wait = backoff(message.attempts, policy, waited=message.waited_seconds)
    later = now + timedelta(seconds=wait)
    match outcome:
        case Confirmed(result):
            outbox.confirm(message, result, now)
        case Accepted(result):
            outbox.accept(message, result, later, now)
        case Retry(error, after_seconds):
            told = now + timedelta(seconds=min(after_seconds or 0, LONGEST_WAIT_SECONDS))
            outbox.retry(message, error, max(told, later), now)
        case Unknown(error):
            outbox.unknown(message, error, later, now)
        case Refused(reason):
            outbox.refuse(message, reason, now)
        case Blocked(reason):
            outbox.block(message, reason, now)
        case Dropped(reason):
            outbox.drop(message, reason, now)
