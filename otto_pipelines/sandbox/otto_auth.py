"""Tokens of the simulated OTTO: who gets one, for which scopes, for how long. Real time."""

import base64
import binascii
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import parse_qsl, unquote_plus

from otto_pipelines.sandbox.config import SandboxConfig
from otto_pipelines.sandbox.http_server import Answer, Request, json_answer


class TokenDesk:
    """Gives client-credentials tokens and knows which are alive."""

    def __init__(
        self, config: SandboxConfig, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._monotonic = monotonic
        self._alive: dict[str, tuple[float, frozenset[str]]] = {}

    def scopes(self, request: Request) -> frozenset[str] | None:
        """Scopes of the request's bearer token; None when it has no living one."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        ends, scopes = self._alive.get(token, (0.0, frozenset()))
        return scopes if kind.lower() == "bearer" and self._monotonic() < ends else None

    def expire_all(self) -> None:
        """Let every token end now."""
        self._alive.clear()

    def issue(self, request: Request) -> Answer:
        """Answer a token request as RFC 6749 says."""
        if not request.headers.get("Content-Type", "").startswith(
            "application/x-www-form-urlencoded"
        ):
            return _refused(400, "invalid_request", "the body must be form-urlencoded")
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        if form.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type", "use client_credentials")
        client = _basic_client(request) or (form.get("client_id"), form.get("client_secret"))
        if client != (self._config.client_id, self._config.client_secret):
            return _refused(401, "invalid_client", "unknown client or wrong secret")
        scopes = frozenset(form.get("scope", "").split())
        if not scopes or not scopes <= set(self._config.client_scopes):
            return _refused(400, "invalid_scope", "missing or unknown scope")
        token = secrets.token_urlsafe(24)
        lifetime = self._config.token_lifetime_seconds
        self._alive[token] = (self._monotonic() + lifetime, scopes)
        return json_answer(
            200,
            {
                "access_token": token,
                "expires_in": int(lifetime),
                "token_type": "bearer",
                "scope": " ".join(sorted(scopes)),
            },
        )


def _basic_client(request: Request) -> tuple[str | None, str | None] | None:
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return (None, None)
    return unquote_plus(name), unquote_plus(secret)


def _refused(status: int, error: str, description: str) -> Answer:
    return json_answer(status, {"error": error, "error_description": description})


class RequestLimit:
    """At most so many requests in each of several sliding windows (seconds, count)."""

    def __init__(
        self,
        *windows: tuple[float, int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._windows = windows
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._passed: deque[float] = deque()

    def allows(self) -> bool:
        """Count a request in, or refuse it."""
        with self._lock:
            now = self._monotonic()
            longest = max(seconds for seconds, _ in self._windows)
            while self._passed and self._passed[0] <= now - longest:
                self._passed.popleft()
            for seconds, count in self._windows:
                if len(self._passed) >= count and self._passed[-count] > now - seconds:
                    return False
            self._passed.append(now)
            return True
