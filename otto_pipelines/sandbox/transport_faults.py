"""Seeded faults of the connection, for both servers.

Belongs here: which request fails and how, and the count of it by the kind that the client sees.
A fault may strike before a request has its effect or after it. Data that is wrong belongs to
`stories`, sockets to `http_server`.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.http_server import Answer, App, Ending, Request, json_answer

KINDS = (
    "rate_limited",
    "firewall",
    "server_error",
    "timeout",
    "connection_broken",
    "truncated",
    "repeated_page",
)
_WEIGHTS = {"rate_limited": 30, "firewall": 15, "server_error": 25, "timeout": 1}
_MAY_HAPPEN_LATE = frozenset({"server_error", "timeout", "connection_broken"})
_LONGEST_ROW = 3
"""So many faults in a row one method and path may see."""

_HTML_LIMIT = "<html><head><title>429</title></head><body>Too Many Requests</body></html>"
_HTML_FIREWALL = (
    "<!DOCTYPE html><html><head><title>Access Denied</title></head>"
    "<body><h1>Access Denied</h1><p>Reference #18.2f4c1402</p></body></html>"
)
_HTML_GATEWAY = "<html><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How one server misbehaves."""

    server: str
    kinds: tuple[str, ...]
    limit_body: object
    error_body: object
    may_hide_retry_after: bool
    is_token_request: Callable[[Request], bool] = lambda request: False
    repeat_page: Callable[[Request, Answer], Answer | None] = lambda request, answer: None


class FaultyApp:
    """Wraps an app and lets some of its requests fail; `rate` and `kinds` may be changed."""

    def __init__(
        self, app: App, habits: Habits, config: SandboxConfig, counts: Counter[str]
    ) -> None:
        self._app = app
        self._habits = habits
        self._retry_after = str(config.retry_after_seconds)
        self._counts = counts
        self._rng = random.Random(f"transport:{habits.server}:{config.seed}")
        self._lock = threading.Lock()
        self._row: Counter[tuple[str, str]] = Counter()
        self.rate = config.transport_fault_rate
        self.kinds = habits.kinds

    def use(self, rate: float, kinds: Iterable[str] | None) -> None:
        """Fail at that rate from now on, with these kinds only (None: all of this server)."""
        with self._lock:
            self.rate = rate
            wanted = self._habits.kinds if kinds is None else tuple(kinds)
            self.kinds = tuple(kind for kind in self._habits.kinds if kind in wanted)

    def __call__(self, request: Request) -> Answer:
        """Answer, or fail."""
        with self._lock:
            kind = self._choose(request)
            late, variant = self._rng.random() < 0.5, self._rng.random()
        if kind is None:
            return self._app(request)
        if kind in {"truncated", "repeated_page"}:
            return self._spoil(kind, request)
        if late and kind in _MAY_HAPPEN_LATE and not self._habits.is_token_request(request):
            self._app(request)
        self.count(kind)
        return self._failure(kind, variant)

    def count(self, kind: str) -> None:
        """Note a fault that a client now sees."""
        with self._lock:
            self._counts[kind] += 1

    def _choose(self, request: Request) -> str | None:
        key = (request.method, request.path)
        allowed = self._allowed(request)
        if not allowed or self._row[key] >= _LONGEST_ROW or self._rng.random() >= self.rate:
            self._row[key] = 0
            return None
        self._row[key] += 1
        return self._rng.choices(allowed, [_WEIGHTS.get(kind, 10) for kind in allowed])[0]

    def _allowed(self, request: Request) -> tuple[str, ...]:
        if self._habits.is_token_request(request):
            never = {"firewall", "timeout", "connection_broken", "truncated", "repeated_page"}
        elif request.method == "GET":
            never = set()
        else:
            never = {"truncated", "repeated_page"}
        return tuple(kind for kind in self.kinds if kind not in never)

    def _spoil(self, kind: str, request: Request) -> Answer:
        """The right answer, spoilt where this kind fits it."""
        answer = self._app(request)
        if kind == "repeated_page":
            spoilt = self._habits.repeat_page(request, answer)
        else:
            spoilt = replace(answer, ending=Ending.CUT) if answer.status == 200 else None
        if spoilt is None:
            with self._lock:
                self._row[request.method, request.path] = 0
            return answer
        self.count(kind)
        return spoilt

    def _failure(self, kind: str, variant: float) -> Answer:
        if kind == "rate_limited":
            return self._limited(variant)
        if kind == "firewall":
            return Answer(403, _HTML_FIREWALL.encode(), "text/html")
        if kind == "timeout":
            return Answer(504, ending=Ending.STALLED)
        if kind == "connection_broken":
            return Answer(502, ending=Ending.CLOSED)
        if variant < 0.3:
            return Answer(502, _HTML_GATEWAY.encode(), "text/html")
        return json_answer(500 if variant < 0.6 else 503, self._habits.error_body)

    def _limited(self, variant: float) -> Answer:
        hidden = self._habits.may_hide_retry_after and variant < 0.3
        headers = {} if hidden else {"Retry-After": self._retry_after}
        if self._habits.may_hide_retry_after and variant > 0.6:
            return Answer(429, _HTML_LIMIT.encode(), "text/html", headers)
        return replace(json_answer(429, self._habits.limit_body), headers=headers)
