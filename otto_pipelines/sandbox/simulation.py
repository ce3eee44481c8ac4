"""The engine under the simulated world: one lock, one clock, one queue of things to come.

Belongs here: time order. What happens belongs to `marketplace`, `warehouse` and `world`.
"""

import heapq
import itertools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from otto_pipelines.sandbox.clock import VirtualClock
from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.ledger import Ledger
from otto_pipelines.sandbox.worktime import add_shift_minutes

Action = Callable[[], object]


class Simulation:
    """Runs actions in the order of their virtual time. Callers hold `lock`.

    `now` is the time of the action that runs, between actions the time run up to.
    """

    def __init__(self, config: SandboxConfig, clock: VirtualClock) -> None:
        self.config = config
        self.clock = clock
        self.ledger = Ledger()
        self.lock = threading.RLock()
        self.now = clock.now()
        self._queue: list[tuple[datetime, int, Action, bool]] = []
        self._order = itertools.count()
        self._awaited = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is left to happen by itself (background does not count)."""
        return self._awaited == 0

    @property
    def next_at(self) -> datetime | None:
        """When the next thing happens; None where nothing is planned."""
        return self._queue[0][0] if self._queue else None

    def schedule(self, at: datetime, action: Action, *, background: bool = False) -> None:
        """Run `action` when time reaches `at`; a past time means as soon as possible."""
        heapq.heappush(self._queue, (max(at, self.now), next(self._order), action, background))
        self._awaited += not background

    def after(self, minutes: float, action: Action, *, background: bool = False) -> None:
        """Run `action` after that many minutes, scaled by the tempo."""
        at = self.now + timedelta(minutes=minutes * self.config.tempo)
        self.schedule(at, action, background=background)

    def after_work(self, minutes: float, action: Action, *, background: bool = False) -> None:
        """Run `action` after that many minutes of the warehouse's working time."""
        if self.config.tempo < 1:
            self.after(minutes, action, background=background)
        else:
            at = add_shift_minutes(self.now, minutes * self.config.tempo)
            self.schedule(at, action, background=background)

    def catch_up(self) -> None:
        """Let everything happen that is due by the clock."""
        until = self.clock.now()
        while self._queue and self._queue[0][0] <= until:
            at, _, action, background = heapq.heappop(self._queue)
            self._awaited -= not background
            self.now = at
            action()
        self.now = max(self.now, until)
