"""Who is killed when, and in which phase it was.

Belongs here: the seeded choice of victims and moments, SIGKILL, and what each of them was doing.
A part of the kills comes at any moment. The others are aimed at phases that are short, so that each
is hit: a request that is under way, its answer just there, a run that starts, the finance file
being written. An aim that finds nothing within its time becomes a kill at any moment.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from tests.kills.services import CODE_SERVER, DAEMON, Services, lives
from tests.kills.shop import Shop
from tests.kills.wire import AFTER, ANSWERED, BEFORE, Call, Strike, ports_of

RUN = "run"
ANY_MOMENT, STARTING, FINANCE = "any moment", "starting", "finance file"
_VICTIMS = ((RUN, 7), (CODE_SERVER, 2), (DAEMON, 2))
_AIMS = ((ANY_MOMENT, 9), (BEFORE, 2), (AFTER, 3), (ANSWERED, 2), (STARTING, 2), (FINANCE, 2))
# Services and a run, on a machine that is busy with other things.
_LONGEST_START_SECONDS = 240.0
_STEPS = {
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
}


@dataclass
class Kill:
    """One kill. `runs` are those whose process died, each with its job and the phase it was in."""

    number: int
    victim: str
    aim: str
    at: float = 0.0
    calls: list[str] = field(default_factory=list)
    workers: list[int] = field(default_factory=list)
    runs: dict[str, tuple[str, str]] = field(default_factory=dict)


class Killer:
    """Kills one process after another; `kills` tells of each."""

    def __init__(
        self,
        shop: Shop,
        services: Services,
        instance: dg.DagsterInstance,
        *,
        seed: int,
        aim_seconds: float,
    ) -> None:
        self._shop = shop
        self._services = services
        self._instance = instance
        self._seed = seed
        self._aim_seconds = aim_seconds
        self._rng = random.Random()
        self.kills: list[Kill] = []

    def wait_for_work(self) -> None:
        """Until the services are up and the first run has succeeded."""
        done = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS])
        until = time.monotonic() + _LONGEST_START_SECONDS
        while not self._instance.get_runs_count(done):
            assert time.monotonic() < until, f"no run succeeded in {_LONGEST_START_SECONDS:g} s"
            time.sleep(0.5)

    def strike(self, pause: tuple[float, float]) -> Kill:
        """Wait a while, then kill somebody."""
        # Each kill has a generator of its own: how the last one went changes nothing of the plan.
        self._rng = random.Random(f"kill {len(self.kills) + 1} of {self._seed}")
        victim, aim = self._choose(_VICTIMS), self._choose(_AIMS)
        whole_group = self._rng.random() < 0.5
        time.sleep(self._rng.uniform(*pause))
        name = victim
        if victim == CODE_SERVER:
            name += " with its runs" if whole_group else " alone"
        kill = Kill(len(self.kills) + 1, name, aim)
        self.kills.append(kill)

        def shoot(pid: int) -> None:
            self._note(kill, victim, pid, whole_group=whole_group)
            if victim == RUN:
                os.kill(pid, signal.SIGKILL)
            else:
                self._services.kill(victim, whole_group=whole_group)
            kill.at = time.time()

        if not self._aimed(aim, shoot):
            if aim != ANY_MOMENT:
                kill.aim = f"{ANY_MOMENT}, in place of: {aim}"
            self._any_moment(victim, shoot)
        time.sleep(0.3)
        kill.runs = {run: what for pid in kill.workers for run, what in self._run_of(pid)}
        return kill

    def _aimed(self, aim: str, shoot: Callable[[int], None]) -> bool:
        if aim == ANY_MOMENT:
            return False
        if aim == STARTING:
            return self._at_a_start(shoot)
        if aim == FINANCE:
            return self._at_the_finance_file(shoot)
        return self._at_a_call(aim, shoot)

    def _any_moment(self, victim: str, shoot: Callable[[int], None]) -> None:
        if victim != RUN:
            shoot(0)
            return
        pids = _awaited(self._services.workers, seconds=_LONGEST_START_SECONDS)
        assert pids, f"no run was started within {_LONGEST_START_SECONDS:g} s"
        shoot(self._rng.choice(pids))

    def _at_a_call(self, moment: str, shoot: Callable[[int], None]) -> bool:
        """At a request that changes something, while the world waits."""

        def act(call: Call) -> bool:
            for pid in self._services.workers():
                if call.port in ports_of(pid):
                    shoot(pid)
                    return True
            return False

        strike = Strike(moment, act)
        self._shop.sandbox.aim(strike)
        met = strike.awaited(self._aim_seconds)
        self._shop.sandbox.aim(None)
        return met

    def _at_a_start(self, shoot: Callable[[int], None]) -> bool:
        before = set(self._services.workers())
        new = _awaited(lambda: set(self._services.workers()) - before, seconds=self._aim_seconds)
        for pid in new:
            time.sleep(self._rng.uniform(0.0, 3.0))
            if lives(pid):
                shoot(pid)
                return True
        return False

    def _at_the_finance_file(self, shoot: Callable[[int], None]) -> bool:
        file = self._shop.place.finance_file
        holder = file.with_name(f"{file.stem}.work.duckdb.writer")
        for pid in _awaited(lambda: _named_in(holder), seconds=self._aim_seconds):
            time.sleep(self._rng.uniform(0.0, 0.6))
            if lives(pid):
                shoot(pid)
                return True
        return False

    def _note(self, kill: Kill, victim: str, pid: int, *, whole_group: bool) -> None:
        """Who is about to die with it, and which of their calls are open."""
        if victim == RUN:
            kill.workers = [pid]
        elif victim == CODE_SERVER and whole_group:
            kill.workers = self._services.workers()
        ports = {port for worker in kill.workers for port in ports_of(worker)}
        open_calls = self._shop.sandbox.open_calls()
        kill.calls = [f"{c.name}, {c.moment}" for c in open_calls if c.port in ports]

    def _run_of(self, pid: int) -> Iterator[tuple[str, tuple[str, str]]]:
        """The run of a process that is gone, its job and its phase."""
        for record in self._instance.get_run_records(limit=40):
            run = record.dagster_run
            logs = self._instance.all_logs(run.run_id)
            events = [entry.dagster_event for entry in logs if entry.dagster_event]
            pids = {
                str(event.engine_event_data.metadata["pid"].value)
                for event in events
                if event.is_engine_event and "pid" in event.engine_event_data.metadata
            }
            if str(pid) in pids:
                yield run.run_id, (run.job_name, _phase(events))
                return

    def _choose(self, among: tuple[tuple[str, int], ...]) -> str:
        names, weights = zip(*among, strict=True)
        return str(self._rng.choices(names, weights)[0])


def phases(kills: list[Kill]) -> dict[str, Counter[str]]:
    """How often what was hit: victims, aims, jobs, steps, open calls."""
    runs = [what for kill in kills for what in kill.runs.values()]
    return {
        "victims": Counter(kill.victim for kill in kills),
        "aims": Counter(kill.aim for kill in kills),
        "jobs of killed runs": Counter(job for job, _ in runs),
        "phases of killed runs": Counter(phase for _, phase in runs)
        + Counter("before its first event" for kill in kills if kill.workers and not kill.runs),
        "open calls": Counter(call for kill in kills for call in kill.calls),
    }


def _phase(events: list[dg.DagsterEvent]) -> str:
    kinds = {event.event_type for event in events}
    if dg.DagsterEventType.RUN_START not in kinds:
        return "starting"
    steps = [event for event in events if event.event_type in _STEPS]
    if not steps:
        return "before its first step"
    if steps[-1].event_type is dg.DagsterEventType.STEP_START:
        return f"in {steps[-1].step_key}"
    if dg.DagsterEventType.RUN_SUCCESS in kinds:
        return "ended already"
    return "between or after steps"


def _named_in(holder: Path) -> set[int]:
    """The process that a writer's note names."""
    try:
        words = holder.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return set()
    named = {int(words[1])} if len(words) > 1 else set()
    # A writer that was killed left its note.
    return {pid for pid in named if lives(pid)}


def _awaited(look: Callable[[], set[int] | list[int]], *, seconds: float) -> list[int]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := look():
            return list(found)
        time.sleep(0.02)
    return []
