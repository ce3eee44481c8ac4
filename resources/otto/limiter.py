"""Client-side rate limits: how many requests may leave this process, and when.

Belongs here: counting and waiting. Retries and back-off do not (`exchange.py`). OTTO counts per
partner, so all clients of a process with the same credentials share one limiter (`shared_limiter`).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from math import ceil


class RateLimiter:
    """Lets at most `count` requests start in any span of `seconds`, for each given limit.

    The spans slide, so no span of the server's clock ever sees a double burst, which a bucket that
    refills while it is emptied would allow. Bulk requests leave `reserve` of each count free (at
    least one, where the count allows it), so that an urgent one need not wait behind them: what
    becomes free goes to the urgent first, as long as they use the reserve up. And they start evenly
    spaced: of a burst, the last would reach the server together with the first of the next one
    whenever the way there takes a little longer, and the server would count both. Safe for threads.
    """

    def __init__(
        self,
        limits: Sequence[tuple[int, float]],
        *,
        reserve: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._spans = [
            (count, max(1, count - ceil(count * reserve)), seconds, deque[float]())
            for count, seconds in limits
        ]
        self._clock = clock
        self._sleep = sleep
        self._bulk_gap = max(seconds / most for _, most, seconds, _ in self._spans)
        self._next_bulk = 0.0
        self._not_before = 0.0
        self._lock = threading.Lock()

    def acquire(self, *, bulk: bool = False) -> None:
        """Return when one more request may start; it counts from now."""
        while (wait := self._take(bulk)) > 0:
            self._sleep(wait)

    def pause(self, seconds: float) -> None:
        """Let nothing start for `seconds`: the server asked everybody to wait."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def _take(self, bulk: bool) -> float:
        """Count a request and return 0, or return the seconds until it is worth asking again."""
        with self._lock:
            now = self._clock()
            free_at = max(self._not_before, self._next_bulk if bulk else 0.0)
            for count, bulk_count, seconds, started in self._spans:
                while started and started[0] + seconds <= now:
                    started.popleft()
                allowed = bulk_count if bulk else count
                if len(started) >= allowed:
                    free_at = max(free_at, started[-allowed] + seconds)
            if free_at > now:
                return free_at - now
            for *_, started in self._spans:
                started.append(now)
            if bulk:
                # A thread that wakes a little late loses no time. More is not made up for: it would
                # be a burst again.
                due = max(self._next_bulk, now - self._bulk_gap / 4)
                self._next_bulk = due + self._bulk_gap
            return 0.0


def limits_of(per_second: float, per_minute: float) -> list[tuple[int, float]]:
    """Express both rates as whole counts; a rate below one becomes one request per longer span."""
    limits = []
    for rate, seconds in ((per_second, 1.0), (per_minute, 60.0)):
        count = max(1, int(rate))
        limits.append((count, seconds * count / rate))
    return limits


_shared: dict[tuple[str, ...], RateLimiter] = {}
_shared_lock = threading.Lock()


def shared_limiter(
    key: tuple[str, ...], limits: Sequence[tuple[int, float]], *, reserve: float = 0.0
) -> RateLimiter:
    """Return this process's limiter for `key`; the first caller's limits hold."""
    with _shared_lock:
        return _shared.setdefault(key, RateLimiter(limits, reserve=reserve))
