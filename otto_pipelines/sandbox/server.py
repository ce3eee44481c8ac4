"""The sandbox as a whole: one world behind two servers on 127.0.0.1.

Belongs here: assembling, starting and stopping. Use `with Sandbox(config) as sandbox:` in tests, or
`python -m otto_pipelines.sandbox` on the command line.
"""

import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from otto_pipelines.sandbox import control, otto_server, wms_server
from otto_pipelines.sandbox.clock import VirtualClock
from otto_pipelines.sandbox.config import SandboxConfig, SandboxError
from otto_pipelines.sandbox.control import ControlApi
from otto_pipelines.sandbox.http_server import Answer, LoopbackServer, Request, json_answer
from otto_pipelines.sandbox.otto_auth import RequestLimit, TokenDesk
from otto_pipelines.sandbox.otto_server import OttoApi
from otto_pipelines.sandbox.transport_faults import KINDS, FaultyApp, Habits
from otto_pipelines.sandbox.wms_server import WmsApi
from otto_pipelines.sandbox.world import World

_TICK_SECONDS = 0.2


class Sandbox:
    """Starts and stops the two servers; `world` may be looked at in the same process.

    Raises:
        SandboxError: on `start`, when a port is taken.
    """

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.world = World(
            config, VirtualClock(config.first_moment(datetime.now(UTC)), config.speed)
        )
        self._desk = TokenDesk(config)
        api = OttoApi(self.world, self._desk)
        ledger = self.world.ledger
        self._otto = FaultyApp(api, _otto_habits(api, self._desk), config, ledger)
        self._wms = FaultyApp(WmsApi(self.world), _WMS_HABITS, config, ledger)
        self._control = ControlApi(self.world, self._desk, [self._otto, self._wms])
        self._limit = RequestLimit(
            (1, config.requests_per_second), (60, config.requests_per_minute)
        )
        self._token_limit = RequestLimit((1, config.token_requests_per_second))
        self._servers: list[LoopbackServer] = []
        self._stopping = threading.Event()

    def start(self) -> Self:
        """Open both ports."""
        config = self.config
        for port, app in ((config.otto_port, self._answer_otto), (config.wms_port, self._wms)):
            try:
                self._servers.append(LoopbackServer(config.host, port, app, config.stall_seconds))
            except SandboxError:
                self.stop()
                raise
        if config.speed > 0:
            threading.Thread(target=self._keep_time, daemon=True).start()
        return self

    def stop(self) -> None:
        """Close everything; a second call does nothing."""
        self._stopping.set()
        while self._servers:
            self._servers.pop().stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def otto_url(self) -> str:
        """Base address of OTTO (`OTTO_API_BASE_URL`)."""
        return self._servers[0].url

    @property
    def wms_url(self) -> str:
        """Base address of the WMS (`WMS_BASE_URL`)."""
        return self._servers[1].url

    @property
    def clock_url(self) -> str:
        """Where `resources.clock.RemoteClock` reads the virtual time."""
        return f"{self.otto_url}{control.PREFIX}/clock"

    def _answer_otto(self, request: Request) -> Answer:
        if request.path.startswith(control.PREFIX + "/"):
            return self._control(request)
        limit = self._token_limit if otto_server.is_token_request(request) else self._limit
        if self.config.limits_requests and not limit.allows():
            self._otto.count("rate_limited", "429_by_the_limit")
            return json_answer(
                429,
                {"message": "API rate limit exceeded"},
                Retry_After=str(self.config.retry_after_seconds),
            )
        return self._otto(request)

    def _keep_time(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            with self.world.turn():
                pass


def _otto_habits(api: OttoApi, desk: TokenDesk) -> Habits:
    return Habits(
        server="otto",
        kinds=KINDS,
        limit_body={"message": "API rate limit exceeded"},
        error_body={"errors": [{"title": "INTERNAL_SERVER_ERROR", "path": "/"}]},
        may_hide_retry_after=True,
        is_token_request=otto_server.is_token_request,
        repeat_page=api.repeat_page,
        expire_tokens=desk.expire_all,
    )


_WMS_HABITS = Habits(
    server="wms",
    kinds=tuple(kind for kind in KINDS if kind not in {"firewall", "repeated_page"}),
    limit_body=wms_server.error_body("rate_limited", "too many requests"),
    error_body=wms_server.error_body("internal", "something broke"),
    may_hide_retry_after=True,
)
