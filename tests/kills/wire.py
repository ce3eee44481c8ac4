"""A sandbox whose answers take a moment, and whose open calls can be seen and struck.

Belongs here: which call is open at this moment, from which process, before or after its effect; and
letting something happen at exactly such a moment. Who is killed when stands in `killer`.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.http_server import Answer, App, Request
from otto_pipelines.sandbox.server import Sandbox

BEFORE, AFTER, ANSWERED = "before its effect", "after its effect", "just answered"
_LONGEST_WAY_SECONDS = 0.04
_NAMED = {"v1", "v2", "v3", "v4", "v5"}


@dataclass
class Call:
    """One request under way; `port` is the caller's."""

    method: str
    path: str
    port: int
    moment: str = BEFORE

    @property
    def name(self) -> str:
        """The call without the ids in its path."""
        parts = self.path.strip("/").split("/")
        return f"{self.method} /" + "/".join("*" if _is_id(part) else part for part in parts)


class Strike:
    """Something that happens once: at the first call, at that moment, that `act` takes."""

    def __init__(self, moment: str, act: Callable[[Call], bool]) -> None:
        self._moment = moment
        self._act = act
        self._alone = threading.Lock()
        self._over = threading.Event()
        self._met = False

    def meet(self, call: Call) -> None:
        if call.moment != self._moment or call.method == "GET" or self._over.is_set():
            return
        with self._alone:
            if not self._over.is_set() and self._act(call):
                self._met = True
                self._over.set()

    def awaited(self, seconds: float) -> bool:
        """Whether it happened in that time; afterwards it happens no more."""
        self._over.wait(seconds)
        with self._alone:
            self._over.set()
        return self._met


class Wire:
    """Between the world and one server's answers: a way there, a way back, and who is on it."""

    def __init__(self, app: App, peer: threading.local) -> None:
        self._app = app
        self._peer = peer
        self._open: dict[int, Call] = {}
        self.answers = 0
        self.strike: Strike | None = None

    def __call__(self, request: Request) -> Answer:
        if request.path.startswith("/_sandbox"):
            return self._app(request)
        call = Call(request.method, request.path, self._peer.port)
        self._open[id(call)] = call
        try:
            self._travel(call)
            answer = self._app(request)
            call.moment = AFTER
            self._travel(call)
        finally:
            del self._open[id(call)]
        self.answers += 1
        self._met(Call(call.method, call.path, call.port, ANSWERED))
        return answer

    def open_calls(self) -> list[Call]:
        return list(self._open.values())

    def _travel(self, call: Call) -> None:
        self._met(call)
        time.sleep(random.uniform(0.0, _LONGEST_WAY_SECONDS))

    def _met(self, call: Call) -> None:
        if (strike := self.strike) is not None:
            strike.meet(call)


class SlowSandbox(Sandbox):
    """The sandbox in this process, both servers behind a `Wire`."""

    def __init__(self, config: SandboxConfig) -> None:
        super().__init__(config)
        peer = threading.local()
        self._peer = peer
        self.wires = [Wire(self._answer_otto, peer), Wire(self._wms, peer)]
        self._answer_otto, self._wms = self.wires

    def start(self) -> "SlowSandbox":
        super().start()
        for server in self._servers:
            server.finish_request = self._remembering(server.finish_request)
        return self

    def open_calls(self) -> list[Call]:
        return [call for wire in self.wires for call in wire.open_calls()]

    def aim(self, strike: Strike | None) -> None:
        for wire in self.wires:
            wire.strike = strike

    def _remembering(self, finish: Callable[..., None]) -> Callable[..., None]:
        """Each connection has a thread of its own, which remembers whose it is."""

        def serve(request: object, client_address: tuple[str, int]) -> None:
            self._peer.port = client_address[1]
            finish(request, client_address)

        return serve


def ports_of(pid: int) -> set[int]:
    """Local TCP ports of a process."""
    inodes = set(_sockets(pid))
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    rows = (line.split() for line in lines)
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[9] in inodes}


def _sockets(pid: int) -> Iterator[str]:
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            target = str(link.readlink())
        except FileNotFoundError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            yield target[len("socket:[") : -1]


def _is_id(part: str) -> bool:
    return part not in _NAMED and any(character.isdigit() for character in part)
