"""HTTP with OTTO: send, judge the answer's transport, try again where that is certainly harmless.

Belongs here: connections, time-outs, retries and the tally of faults met. Tokens do not belong here
(`token.py`), nor what a refusal means (`transport.py`).
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Generic, TypeVar

import httpx

from resources.answer_body import ACCEPTED, BodyError, read_body
from resources.json_parts import UNREADABLE
from resources.operating_model import Http
from resources.otto.errors import OttoTransient, OttoUnknownOutcome
from resources.otto.limiter import RateLimiter
from resources.otto.problems import json_object, problems_of
from resources.tls import trusted

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `repeatable`: sending it twice does no more than sending it once.

    `bulk`: urgent requests go first. `not_after` is a `time.monotonic()` after which it must not
    start any more, because what it says may be out of date by then.
    """

    method: str
    path: str
    repeatable: bool
    params: tuple[tuple[str, str], ...] = ()
    content: bytes | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    bulk: bool = False
    not_after: float | None = None

    @property
    def name(self) -> str:
        """Name it in messages."""
        return f"OTTO {self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A definite answer. `value` is what the reader made of a success, None otherwise."""

    status: int
    body: bytes = field(repr=False)
    value: T | None


class _Fault(Exception):
    """No definite answer. `harmless`: the request certainly had no effect."""

    def __init__(
        self, kind: str, text: str, *, harmless: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(text)
        self.kind = kind
        self.harmless = harmless
        self.retry_after_s = retry_after_s


class Exchange:
    """Keeps the connections to one host. Safe for threads."""

    def __init__(
        self,
        base_url: str,
        http: Http,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._client = httpx.Client(
            base_url=base_url,
            timeout=http.timeout_seconds,
            verify=trusted(),
            headers={"Accept": "application/json", "User-Agent": "otto-pipelines", **ACCEPTED},
            follow_redirects=False,
        )
        self._http = http
        self._sleep = sleep
        self._jitter = jitter
        self._tally_lock = threading.Lock()
        self.faults: Counter[str] = Counter()
        """Transport faults met, kind to count."""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def count(self, kind: str) -> None:
        """Add one to the tally of faults."""
        with self._tally_lock:
            self.faults[kind] += 1

    def send(self, call: Call, read: Callable[[bytes], T], limiter: RateLimiter) -> Answer[T]:
        """Send `call` until there is a definite answer.

        `read` turns the body of a success into a value; what `UNREADABLE` names means that the
        body was cut.

        Raises:
            OttoTransient: no definite answer within the allowed attempts.
            OttoUnknownOutcome: a call that is not repeatable may have had its effect.
        """
        attempt = 1
        while True:
            limiter.acquire(bulk=call.bulk)
            if call.not_after is not None and time.monotonic() > call.not_after:
                raise OttoTransient(
                    f"{call.name}: not sent, it had to wait for too long; the next run sends anew"
                )
            try:
                return self._once(call, read)
            except _Fault as fault:
                self.count(fault.kind)
                if not (fault.harmless or call.repeatable):
                    raise OttoUnknownOutcome(
                        f"{call.name}: {fault}; it may have had its effect, "
                        "so ask OTTO before sending it again"
                    ) from fault
                delay = self._delay(attempt, fault.retry_after_s)
                if fault.retry_after_s is not None:
                    limiter.pause(delay)
                if attempt >= self._http.attempts:
                    raise OttoTransient(
                        f"{call.name}: {fault} (given up after {attempt} attempts); the next run "
                        "tries again, and if it lasts check OTTO's status and OTTO_API_BASE_URL",
                        retry_after_s=fault.retry_after_s,
                    ) from fault
            self._sleep(delay)
            attempt += 1

    def _delay(self, attempt: int, retry_after_s: float | None) -> float:
        longest = self._http.longest_backoff_seconds
        if retry_after_s is not None:
            return min(retry_after_s, longest)
        return self._jitter(0, min(longest, self._http.first_backoff_seconds * 2 ** (attempt - 1)))

    def _once(self, call: Call, read: Callable[[bytes], T]) -> Answer[T]:
        answer = self._headers(call)
        try:
            body = self._body(answer)
        finally:
            answer.close()
        status = answer.status_code
        _raise_for_gateway(answer, body)
        if not 200 <= status < 300:
            return Answer(status, body, None)
        try:
            return Answer(status, body, read(body))
        except UNREADABLE as error:
            raise _Fault(
                "truncated", f"HTTP {status} with a body that is cut or no JSON"
            ) from error

    def _headers(self, call: Call) -> httpx.Response:
        request = self._client.build_request(
            call.method,
            call.path,
            params=call.params or None,
            content=call.content,
            headers=list(call.headers),
        )
        try:
            return self._client.send(request, stream=True)
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _Fault("timeout", "cannot connect in time", harmless=True) from error
        except httpx.TimeoutException as error:
            raise _Fault("timeout", f"no answer in {self._http.timeout_seconds:g} s") from error
        except httpx.ConnectError as error:
            raise _Fault("connection_broken", "cannot connect", harmless=True) from error
        except httpx.TransportError as error:
            raise _Fault("connection_broken", "the connection broke") from error

    def _body(self, answer: httpx.Response) -> bytes:
        """Read the body; one that breaks off leaves a success without proof, a refusal as it is."""
        try:
            return read_body(answer)
        except httpx.TimeoutException as error:
            fault = _Fault("timeout", f"no complete answer in {self._http.timeout_seconds:g} s")
            cause: Exception = error
        except httpx.TransportError as error:
            fault = _Fault("truncated", f"HTTP {answer.status_code} with a body that is cut")
            cause = error
        except BodyError as error:
            fault = _Fault("unusable_body", f"HTTP {answer.status_code} with {error}")
            cause = error
        if answer.is_success:
            raise fault from cause
        return b""


def _raise_for_gateway(answer: httpx.Response, body: bytes) -> None:
    """Raise for answers that say nothing about the request itself."""
    status = answer.status_code
    if status == 429:
        raise _Fault(
            "rate_limited",
            "HTTP 429, too many requests",
            harmless=True,
            retry_after_s=_told(answer),
        )
    if status == 403 and json_object(body) is None:
        # The firewall in front of the interface refuses by an HTML page when calls come too fast.
        raise _Fault(
            "firewall", "HTTP 403 from the firewall", harmless=True, retry_after_s=_told(answer)
        )
    if status >= 500 or status == 408:
        title = problems_of(status, body)[0].title
        raise _Fault("server_error", f"HTTP {status} ({title})", retry_after_s=_told(answer))


def _told(answer: httpx.Response) -> float | None:
    return retry_after(answer.headers.get("Retry-After", ""))


def retry_after(value: str) -> float | None:
    """Seconds that a `Retry-After` names, as a number or an HTTP date; None where unusable."""
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
