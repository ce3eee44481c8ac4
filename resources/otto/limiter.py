"""Client-side rate limits: how many requests may leave this process, and when.

Belongs here: counting and waiting. Retries and back-off do not (`exchange.py`). OTTO counts per
partner, so all clients of a process with the same credentials share one limiter (`shared_limiter`).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence


class RateLimiter:
    """Lets at most `count` requests start in any span of `seconds`, for each given limit.

    The spans slide, so no span of the server's clock ever sees a double burst, which a bucket that
    refills while it is emptied would allow. Safe for threads.
    """

    def __init__(
        self,
        limits: Sequence[tuple[int, float]],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._spans = [(count, seconds, deque[float]()) for count, seconds in limits]
        self._clock = clock
        self._sleep = sleep
        self._not_before = 0.0
        self._lock = threading.Lock()

    def acquire(self) -> None:
        """Return when one more request may start; it counts from now."""
        while (wait := self._take()) > 0:
            self._sleep(wait)

    def pause(self, seconds: float) -> None:
        """Let nothing start for `seconds`: the server asked everybody to wait."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def _take(self) -> float:
        """Count a request and return 0, or return the seconds until it is worth asking again."""
        with self._lock:
            now = self._clock()
            free_at = self._not_before
            for count, seconds, started in self._spans:
                while started and started[0] + seconds <= now:
                    started.popleft()
                if len(started) >= count:
                    free_at = max(free_at, started[0] + seconds)
            if free_at > now:
                return free_at - now
            for _, _, started in self._spans:
                started.append(now)
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


def shared_limiter(key: tuple[str, ...], limits: Sequence[tuple[int, float]]) -> RateLimiter:
    """Return this process's limiter for `key`; the first caller's limits hold."""
    with _shared_lock:
        return _shared.setdefault(key, RateLimiter(limits))
