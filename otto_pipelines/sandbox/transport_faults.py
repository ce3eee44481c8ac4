"""Seeded faults of the connection, for both servers, and outages of one of them.

Belongs here: which request fails and how, and the count of it: by the kind that the client sees,
and by what exactly was done (`variants`). A fault may strike before a request has its effect or
after it. Data that is wrong belongs to `stories`, sockets to `http_server`.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.http_server import Answer, App, Ending, Request, json_answer
from otto_pipelines.sandbox.ledger import Ledger

KINDS = (
    "rate_limited",
    "firewall",
    "server_error",
    "timeout",
    "connection_broken",
    "truncated",
    "repeated_page",
)
FURTHER_KINDS = ("reset", "cut_json", "token_expired")
"""Kinds that happen only where a run asks for them by name."""
OUTAGES = ("closed", "unavailable")
"""How a server is down: it closes each connection, or answers 503 to everything."""
_WEIGHTS = {"rate_limited": 30, "firewall": 15, "server_error": 25, "timeout": 1}
_ENDINGS = {"truncated": Ending.CUT, "reset": Ending.RESET}
_SPOIL_THE_ANSWER = frozenset({*_ENDINGS, "cut_json", "repeated_page"})
_LEAST_TO_CUT = 2
_CURSORS = frozenset({"nextcursor", "next", "cursor", "page"})
_MAY_HAPPEN_LATE = frozenset({"server_error", "timeout", "connection_broken"})
_LONGEST_ROW = 3
"""So many faults in a row one method and path may see."""

_HTML_LIMIT = "<html><head><title>429</title></head><body>Too Many Requests</body></html>"
_HTML_FIREWALL = (
    "<!DOCTYPE html><html><head><title>Access Denied</title></head>"
    "<body><h1>Access Denied</h1><p>Reference #18.2f4c1402</p></body></html>"
)
_HTML_UNAVAILABLE = "<html><body><h1>503 Service Unavailable</h1></body></html>"
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
    expire_tokens: Callable[[], None] | None = None
    """None: this server knows no tokens."""


class FaultyApp:
    """Wraps an app and lets some of its requests fail; `rate` and `kinds` may be changed.

    `outage` is one of `OUTAGES` while the server is down, else None.
    """

    def __init__(self, app: App, habits: Habits, config: SandboxConfig, ledger: Ledger) -> None:
        self._app = app
        self._habits = habits
        self._retry_after = str(config.retry_after_seconds)
        self._counts = ledger.transport[habits.server]
        self._variants = ledger.transport_variants[habits.server]
        self._rng = random.Random(f"transport:{habits.server}:{config.seed}")
        self._lock = threading.Lock()
        self._row: Counter[tuple[str, str]] = Counter()
        self.rate = config.transport_fault_rate
        self.kinds = habits.kinds
        self.outage: str | None = None

    @property
    def server(self) -> str:
        """`otto` or `wms`."""
        return self._habits.server

    def use(self, rate: float, kinds: Iterable[str] | None) -> None:
        """Fail at that rate from now on, with these kinds only (None: all of this server)."""
        with self._lock:
            self.rate = rate
            wanted = self._habits.kinds if kinds is None else tuple(kinds)
            known = (*self._habits.kinds, *FURTHER_KINDS)
            self.kinds = tuple(kind for kind in known if kind in wanted)

    def __call__(self, request: Request) -> Answer:
        """Answer, or fail."""
        if self.outage is not None:
            return self._down(self.outage)
        with self._lock:
            kind = self._choose(request)
            late, variant = self._rng.random() < 0.5, self._rng.random()
        if kind is None:
            return self._app(request)
        if kind in _SPOIL_THE_ANSWER:
            return self._spoil(kind, request)
        if kind == "token_expired" and self._habits.expire_tokens is not None:
            self._habits.expire_tokens()
            self.count(kind, kind)
            return self._app(request)
        late = late and kind in _MAY_HAPPEN_LATE and not self._habits.is_token_request(request)
        if late:
            self._app(request)
        failure, name = self._failure(kind, variant)
        after_effect = late and request.method != "GET"
        self.count(kind, f"{name}_after_effect" if after_effect else name)
        return failure

    def count(self, kind: str, variant: str) -> None:
        """Note a fault that a client now sees, and what exactly it was."""
        with self._lock:
            self._counts[kind] += 1
            self._variants[variant] += 1

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
            never = {*self._habits.kinds, *FURTHER_KINDS} - {"rate_limited", "server_error"}
        elif request.method == "GET":
            never = set()
        else:
            never = {*_SPOIL_THE_ANSWER, "token_expired"}
        # Between two pages only, and not again for the same page: a client renews a token once.
        if not _is_later_page(request) or self._row[request.method, request.path]:
            never = never | {"token_expired"}
        return tuple(kind for kind in self.kinds if kind not in never)

    def _spoil(self, kind: str, request: Request) -> Answer:
        """The right answer, spoilt where this kind fits it."""
        answer = self._app(request)
        if kind == "repeated_page":
            spoilt = self._habits.repeat_page(request, answer)
        elif answer.status != 200 or len(answer.body) < _LEAST_TO_CUT:
            spoilt = None
        elif kind == "cut_json":
            spoilt = replace(answer, body=answer.body[: len(answer.body) // 2])
        else:
            spoilt = replace(answer, ending=_ENDINGS[kind])
        if spoilt is None:
            with self._lock:
                self._row[request.method, request.path] = 0
            return answer
        self.count("truncated" if kind == "cut_json" else kind, kind)
        return spoilt

    def _failure(self, kind: str, variant: float) -> tuple[Answer, str]:
        """The answer, and the name of what it is."""
        if kind == "rate_limited":
            return self._limited(variant)
        if kind == "firewall":
            return Answer(403, _HTML_FIREWALL.encode(), "text/html"), "403_html"
        if kind == "timeout":
            return Answer(504, ending=Ending.STALLED), "stall"
        if kind == "connection_broken":
            return Answer(502, ending=Ending.CLOSED), "closed"
        if variant < 0.3:
            return Answer(502, _HTML_GATEWAY.encode(), "text/html"), "502_html"
        status = 500 if variant < 0.6 else 503
        return json_answer(status, self._habits.error_body), str(status)

    def _limited(self, variant: float) -> tuple[Answer, str]:
        hidden = self._habits.may_hide_retry_after and variant < 0.3
        headers = {} if hidden else {"Retry-After": self._retry_after}
        if self._habits.may_hide_retry_after and variant > 0.6:
            return Answer(429, _HTML_LIMIT.encode(), "text/html", headers), "429_html"
        answer = replace(json_answer(429, self._habits.limit_body), headers=headers)
        return answer, "429_without_retry_after" if hidden else "429"

    def _down(self, how: str) -> Answer:
        self.count("outage", f"outage_{how}")
        if how == "closed":
            return Answer(502, ending=Ending.CLOSED)
        return Answer(503, _HTML_UNAVAILABLE.encode(), "text/html")


def _is_later_page(request: Request) -> bool:
    return request.method == "GET" and any(name in _CURSORS for name, _ in request.query)
