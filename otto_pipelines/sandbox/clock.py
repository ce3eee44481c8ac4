"""The virtual clock of a sandbox.

In stepped mode it stands still until it is told to move. In running mode it runs `speed` times as
fast as the machine's clock until it has caught up with it, and then keeps its pace.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from otto_pipelines.sandbox.config import SandboxError


def _system_time() -> datetime:
    return datetime.now(UTC)


class VirtualClock:
    """Virtual time, aware UTC. `advance` moves it in stepped mode only."""

    def __init__(
        self,
        start: datetime,
        speed: float,
        *,
        real_now: Callable[[], datetime] = _system_time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if speed > 0 and start > real_now():
            raise SandboxError(
                f"start {start.isoformat()} lies ahead of the machine's clock: a running sandbox "
                "catches up from the past; choose an earlier start, or speed 0"
            )
        self.start = start
        self.speed = speed
        self._stepped_now = start
        self._real_now = real_now
        self._monotonic = monotonic
        self._origin = monotonic()

    @property
    def mode(self) -> str:
        """`stepped` or `running`."""
        return "running" if self.speed > 0 else "stepped"

    def now(self) -> datetime:
        """The virtual time."""
        if self.speed == 0:
            return self._stepped_now
        elapsed = timedelta(seconds=(self._monotonic() - self._origin) * self.speed)
        return min(self._real_now(), self.start + elapsed)

    def advance(self, to: datetime) -> None:
        """Move to `to`.

        Raises:
            SandboxError: the clock runs by itself, or `to` lies behind.
        """
        if self.speed > 0:
            raise SandboxError("this clock runs by itself; start the sandbox with speed 0 to step")
        if to < self._stepped_now:
            raise SandboxError(
                f"time never goes back: now {self._stepped_now.isoformat()}, asked {to.isoformat()}"
            )
        self._stepped_now = to
